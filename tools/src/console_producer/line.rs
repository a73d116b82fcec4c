//! A line taken apart: headers, key and value, by the separators that the properties name.
//!
//! Pure. Source: ConsoleProducer.LineMessageReader of 3.9, KIP-798, KIP-810.

use config::properties::Properties;

use crate::java_properties::is_true;

/// How lines are written.
#[derive(Debug)]
pub(super) struct LineFormat {
    has_key: bool,
    has_headers: bool,
    ignores_errors: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    /// A field that equals it is null.
    null_marker: Option<String>,
}

/// A header's key and value.
pub(super) type Header<'a> = (&'a str, Option<&'a [u8]>);

/// A record, borrowed from its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Vec<Header<'a>>,
}

/// What is wrong with the separators or a line, in Kafka's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("{0} and {1} may not be equal")]
    EqualMarks(&'static str, &'static str),
    #[error("No {mark} found on line number {number}: '{line}'")]
    Missing { mark: &'static str, number: u64, line: String },
    #[error("No header key separator found in pair '{pair}' on line number {number}")]
    HeaderSeparator { pair: String, number: u64 },
    #[error("Header keys should not be equal to the null marker '{0}' as they can't be null")]
    NullHeaderKey(String),
    #[error("a header key on line number {0} is not UTF-8")]
    HeaderKeyEncoding(u64),
}

impl LineFormat {
    pub(super) fn read(properties: &Properties) -> Result<LineFormat, LineError> {
        let text = |name: &str, default: &str| properties.get(name).unwrap_or(default).to_owned();
        let flag = |name: &str| properties.get(name).is_some_and(is_true);
        let format = LineFormat {
            has_key: flag("parse.key"),
            has_headers: flag("parse.headers"),
            ignores_errors: flag("ignore.error"),
            key_separator: text("key.separator", "\t"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            null_marker: properties.get("null.marker").map(str::to_owned),
        };
        format.check()?;
        Ok(format)
    }

    fn check(&self) -> Result<(), LineError> {
        let delimiter = ("headers.delimiter", Some(&self.headers_delimiter));
        let separator = ("headers.separator", Some(&self.headers_separator));
        let key_separator = ("headers.key.separator", Some(&self.headers_key_separator));
        let key = ("key.separator", Some(&self.key_separator));
        let null = ("null.marker", self.null_marker.as_ref());
        let pairs = [
            (delimiter, separator),
            (delimiter, key_separator),
            (separator, key_separator),
            (null, key),
            (null, separator),
            (null, delimiter),
            (null, key_separator),
        ];
        match pairs.iter().find(|(one, other)| one.1 == other.1) {
            Some((one, other)) => Err(LineError::EqualMarks(one.0, other.0)),
            None => Ok(()),
        }
    }

    /// Takes a line apart; `number` counts from 1.
    pub(super) fn parse<'a>(&self, line: &'a [u8], number: u64) -> Result<Record<'a>, LineError> {
        let whole = line;
        let field = |wanted: bool, rest: &'a [u8], mark: &str, name: &'static str| {
            self.split_field(wanted, rest, mark).map_err(|()| LineError::Missing {
                mark: name,
                number,
                line: String::from_utf8_lossy(whole).into_owned(),
            })
        };
        let (headers, rest) = field(self.has_headers, line, &self.headers_delimiter, "headers delimiter")?;
        let (key, rest) = field(self.has_key, rest, &self.key_separator, "key separator")?;
        let headers = match headers.and_then(|headers| self.unless_null(headers)) {
            Some(headers) => self.headers(headers, number)?,
            None => Vec::new(),
        };
        Ok(Record { key: key.and_then(|key| self.unless_null(key)), value: self.unless_null(rest), headers })
    }

    /// What stands before a mark, and what after it.
    fn split_field<'a>(
        &self,
        wanted: bool,
        rest: &'a [u8],
        mark: &str,
    ) -> Result<(Option<&'a [u8]>, &'a [u8]), ()> {
        match split_at(rest, mark) {
            _ if !wanted => Ok((None, rest)),
            Some((field, rest)) => Ok((Some(field), rest)),
            None if self.ignores_errors => Ok((None, rest)),
            None => Err(()),
        }
    }

    fn headers<'a>(&self, mut rest: &'a [u8], number: u64) -> Result<Vec<Header<'a>>, LineError> {
        let mut headers = Vec::new();
        loop {
            let (pair, after) = match split_at(rest, &self.headers_separator) {
                Some((pair, after)) => (pair, Some(after)),
                None => (rest, None),
            };
            headers.push(self.header(pair, number)?);
            // Like Java's split, which drops empty strings at the end.
            match after {
                Some(after) if !after.is_empty() => rest = after,
                Some(_) | None => return Ok(headers),
            }
        }
    }

    fn header<'a>(&self, pair: &'a [u8], number: u64) -> Result<Header<'a>, LineError> {
        let text =
            |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|_| LineError::HeaderKeyEncoding(number));
        let Some((key, value)) = split_at(pair, &self.headers_key_separator) else {
            return match self.ignores_errors {
                true => Ok((text(pair)?, None)),
                false => Err(LineError::HeaderSeparator {
                    pair: String::from_utf8_lossy(pair).into_owned(),
                    number,
                }),
            };
        };
        match self.unless_null(key) {
            Some(key) => Ok((text(key)?, self.unless_null(value))),
            None => Err(LineError::NullHeaderKey(self.null_marker.clone().unwrap_or_default())),
        }
    }

    fn unless_null<'a>(&self, field: &'a [u8]) -> Option<&'a [u8]> {
        (self.null_marker.as_deref().map(str::as_bytes) != Some(field)).then_some(field)
    }
}

fn split_at<'a>(bytes: &'a [u8], mark: &str) -> Option<(&'a [u8], &'a [u8])> {
    let mark = mark.as_bytes();
    if mark.is_empty() {
        return Some((&[], bytes));
    }
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(pairs: &[(&str, &str)]) -> Result<LineFormat, LineError> {
        let properties = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        LineFormat::read(&properties.collect())
    }

    fn parse<'a>(pairs: &[(&str, &str)], line: &'a str) -> Result<Record<'a>, LineError> {
        format(pairs).unwrap().parse(line.as_bytes(), 1)
    }

    fn record<'a>(key: Option<&'a str>, value: Option<&'a str>) -> Record<'a> {
        Record { key: key.map(str::as_bytes), value: value.map(str::as_bytes), headers: Vec::new() }
    }

    const KEY: (&str, &str) = ("parse.key", "true");
    const HEADERS: (&str, &str) = ("parse.headers", " TRUE ");

    #[test]
    fn takes_lines_apart() {
        assert_eq!(parse(&[], "a\tb").unwrap(), record(None, Some("a\tb")));
        assert_eq!(parse(&[KEY], "k\tv\tw").unwrap(), record(Some("k"), Some("v\tw")));
        assert_eq!(parse(&[KEY, ("key.separator", "::")], "k::").unwrap(), record(Some("k"), Some("")));
        let all = parse(&[KEY, HEADERS, ("null.marker", "NULL")], "h1:v1,h2:NULL,h3:\tNULL\tNULL").unwrap();
        assert_eq!(all.headers, [("h1", Some(&b"v1"[..])), ("h2", None), ("h3", Some(&b""[..]))]);
        assert_eq!((all.key, all.value), (None, None));
        assert_eq!(parse(&[HEADERS, ("null.marker", "N")], "N\tv").unwrap(), record(None, Some("v")));
    }

    #[test]
    fn forgives_when_told_to() {
        let lenient = ("ignore.error", "true");
        assert_eq!(parse(&[KEY, lenient], "v").unwrap(), record(None, Some("v")));
        assert_eq!(parse(&[HEADERS, lenient], "h\tv").unwrap().headers, [("h", None)]);
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        let refused = |pairs: &[_], line| parse(pairs, line).unwrap_err().to_string();
        assert_eq!(refused(&[KEY], "nokey"), "No key separator found on line number 1: 'nokey'");
        assert_eq!(
            refused(&[HEADERS], "h1v1\tx"),
            "No header key separator found in pair 'h1v1' on line number 1"
        );
        let equal = format(&[("key.separator", ","), ("null.marker", ",")]).unwrap_err();
        assert_eq!(equal.to_string(), "null.marker and key.separator may not be equal");
    }
}
