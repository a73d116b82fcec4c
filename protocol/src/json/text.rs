//! How Jackson and Kafka write names, texts, bytes and ids in JSON.

use std::fmt::Write as _;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `topic_data` as `topicData`.
pub(super) fn camel(out: &mut String, snake: &str) {
    let mut words = snake.split('_');
    out.push_str(words.next().unwrap_or_default());
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
}

/// `ListOffsets` as `LIST_OFFSETS`.
pub(super) fn upper_snake(name: &str) -> String {
    let mut out = String::new();
    for (number, letter) in name.chars().enumerate() {
        if number > 0 && letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// Text as a string of JSON.
pub fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => drop(write!(out, "\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Kafka's way to write an id: URL-safe and without padding.
pub(super) fn uuid(out: &mut String, id: &[u8; 16]) {
    out.push('"');
    encode(out, id, URL_SAFE);
    out.push('"');
}

pub(super) fn base64(out: &mut String, bytes: &[u8]) {
    out.push('"');
    let digits = encode(out, bytes, STANDARD);
    out.extend(std::iter::repeat_n('=', (4 - digits % 4) % 4));
    out.push('"');
}

/// Returns how many digits there are.
fn encode(out: &mut String, bytes: &[u8], digits: &[u8; 64]) -> usize {
    let before = out.len();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().enumerate().fold(0, |bits, (n, byte)| bits | u32::from(*byte) << (16 - 8 * n));
        for digit in 0..=chunk.len() {
            out.push(digits[(bits >> (18 - 6 * digit)) as usize & 63].into());
        }
    }
    out.len() - before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn names_are_kafkas() {
        assert_eq!(written(|out| camel(out, "throttle_time_ms")), "throttleTimeMs");
        assert_eq!(written(|out| camel(out, "acks")), "acks");
        assert_eq!(upper_snake("OffsetForLeaderEpoch"), "OFFSET_FOR_LEADER_EPOCH");
    }

    #[test]
    fn text_and_bytes_are_jacksons() {
        assert_eq!(written(|out| quoted(out, "a\"b\\\n\u{1}ä")), "\"a\\\"b\\\\\\n\\u0001ä\"");
        for (bytes, digits) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(written(|out| base64(out, bytes.as_bytes())), format!("\"{digits}\""));
        }
        let id = [0xfb; 16];
        assert_eq!(written(|out| uuid(out, &id)), "\"-_v7-_v7-_v7-_v7-_v7-w\"");
    }
}
