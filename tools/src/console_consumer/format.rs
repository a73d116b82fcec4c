//! A record as a line, by the properties print.* and the separators.
//!
//! Bytes are written as they are. Source: DefaultMessageFormatter of 3.9.

use std::io::{self, Write};

use config::properties::Properties;
use rdkafka::message::{Headers, Message, Timestamp};

use crate::java_properties::is_true;

/// What is printed of a record, and what stands between.
#[derive(Debug)]
pub(super) struct Format {
    timestamp: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key: bool,
    value: bool,
    separator: Vec<u8>,
    line_end: Vec<u8>,
    headers_separator: Vec<u8>,
    null: Vec<u8>,
}

impl Format {
    pub(super) fn read(properties: &Properties) -> Format {
        let flag = |name: &str, default: bool| properties.get(name).map_or(default, is_true);
        let bytes = |name: &str, default: &str| properties.get(name).unwrap_or(default).as_bytes().to_vec();
        Format {
            timestamp: flag("print.timestamp", false),
            partition: flag("print.partition", false),
            offset: flag("print.offset", false),
            headers: flag("print.headers", false),
            key: flag("print.key", false),
            value: flag("print.value", true),
            separator: bytes("key.separator", "\t"),
            line_end: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null: bytes("null.literal", "null"),
        }
    }

    /// Prints one record with its end of line.
    pub(super) fn print<M: Message>(&self, message: &M, out: &mut dyn Write) -> io::Result<()> {
        let after_offset = self.headers || self.key || self.value;
        if self.timestamp {
            print_timestamp(message.timestamp(), out)?;
            out.write_all(self.mark(self.offset || self.partition || after_offset))?;
        }
        if self.partition {
            write!(out, "Partition:{}", message.partition())?;
            out.write_all(self.mark(self.offset || after_offset))?;
        }
        if self.offset {
            write!(out, "Offset:{}", message.offset())?;
            out.write_all(self.mark(after_offset))?;
        }
        if self.headers {
            self.print_headers(message.headers(), out)?;
            out.write_all(self.mark(self.key || self.value))?;
        }
        if self.key {
            out.write_all(message.key().unwrap_or(&self.null))?;
            out.write_all(self.mark(self.value))?;
        }
        if self.value {
            out.write_all(message.payload().unwrap_or(&self.null))?;
            out.write_all(&self.line_end)?;
        }
        Ok(())
    }

    fn print_headers<H: Headers>(&self, headers: Option<&H>, out: &mut dyn Write) -> io::Result<()> {
        let Some(headers) = headers.filter(|headers| headers.count() > 0) else {
            return out.write_all(b"NO_HEADERS");
        };
        for (index, header) in headers.iter().enumerate() {
            if index > 0 {
                out.write_all(&self.headers_separator)?;
            }
            write!(out, "{}:", header.key)?;
            out.write_all(header.value.unwrap_or(&self.null))?;
        }
        Ok(())
    }

    fn mark(&self, more_follows: bool) -> &[u8] {
        if more_follows { &self.separator } else { &self.line_end }
    }
}

fn print_timestamp(timestamp: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    match timestamp {
        Timestamp::NotAvailable => out.write_all(b"NO_TIMESTAMP"),
        Timestamp::CreateTime(time) => write!(out, "CreateTime:{time}"),
        Timestamp::LogAppendTime(time) => write!(out, "LogAppendTime:{time}"),
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    fn message(key: Option<&str>, value: Option<&str>, headers: Option<OwnedHeaders>) -> OwnedMessage {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let (key, value) = (key.map(bytes), value.map(bytes));
        OwnedMessage::new(value, key, "p1".to_owned(), Timestamp::CreateTime(1795268927757), 0, 7, headers)
    }

    fn print(pairs: &[(&str, &str)], message: &OwnedMessage) -> String {
        let properties = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut out = Vec::new();
        Format::read(&properties.collect()).print(message, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn prints_as_kafka_does() {
        let all = ["timestamp", "key", "offset", "partition", "headers"].map(|what| format!("print.{what}"));
        let all: Vec<(&str, &str)> = all.iter().map(|name| (name.as_str(), "true")).collect();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "h1", value: Some("v1") })
            .insert(Header { key: "h2", value: None::<&str> });
        assert_eq!(
            print(&all, &message(Some("kk"), Some("vv"), Some(headers))),
            "CreateTime:1795268927757\tPartition:0\tOffset:7\th1:v1,h2:null\tkk\tvv\n"
        );
        assert_eq!(
            print(&all, &message(None, None, None)),
            "CreateTime:1795268927757\tPartition:0\tOffset:7\tNO_HEADERS\tnull\tnull\n"
        );
        assert_eq!(print(&[], &message(Some("k"), Some(""), None)), "\n");
        let keys = [
            ("print.key", "true"),
            ("print.value", "false"),
            ("key.separator", ":"),
            ("null.literal", "NIL"),
        ];
        assert_eq!(print(&keys, &message(None, Some("v"), None)), "NIL\n");
        assert_eq!(
            print(
                &[("print.value", "false"), ("line.separator", "|"), ("print.offset", "true")],
                &message(None, None, None)
            ),
            "Offset:7|"
        );
    }
}
