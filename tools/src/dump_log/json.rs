//! JSON as Kafka's tools print it: one line, fields in the schema's order, bytes in base64.
//!
//! Source: Jackson's ObjectNode.toString, which escapes quotes, backslashes and control characters and nothing else.

use std::fmt::{self, Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// A field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter_mut().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Number(number) => write!(f, "{number}"),
            Json::Text(text) => quoted(f, text),
            Json::Bytes(bytes) => write!(f, "\"{}\"", STANDARD.encode(bytes)),
            Json::Array(items) => {
                f.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { "," })?;
                }
                f.write_char(']')
            }
            Json::Object(fields) => {
                f.write_char('{')?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if at == 0 { "" } else { "," })?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\u{8}' => f.write_str("\\b")?,
            '\t' => f.write_str("\\t")?,
            '\n' => f.write_str("\\n")?,
            '\u{c}' => f.write_str("\\f")?,
            '\r' => f.write_str("\\r")?,
            '\0'..='\u{1f}' => write!(f, "\\u{:04X}", u32::from(character))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_jackson_does() {
        let value = Json::Object(vec![
            ("text", Json::Text("a\"b\\c\n\u{1f}\u{7f}ü😀/".to_owned())),
            ("list", Json::Array(vec![Json::Null, Json::Number(-1), Json::Object(vec![])])),
            ("bytes", Json::Bytes(vec![255, 255, 255, 255])),
        ]);
        assert_eq!(
            value.to_string(),
            r#"{"text":"a\"b\\c\n\u001F"#.to_owned()
                + "\u{7f}ü😀/\",\"list\":[null,-1,{}],\"bytes\":\"/////w==\"}"
        );
        assert_eq!(value.get("list").and_then(|list| list.get("x")), None);
    }
}
