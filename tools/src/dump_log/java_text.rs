//! Bytes as the text that Java makes of them.
//!
//! Both replace what is no UTF-8 by U+FFFD; Java puts one for a whole encoded surrogate where Rust puts one per byte.
//! Source: java.lang.String's decoding of UTF-8.

use std::borrow::Cow;

/// Decodes `bytes` as `new String(bytes, UTF_8)` does.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let Some(mut at) = surrogate(bytes) else { return String::from_utf8_lossy(bytes) };
    let (mut text, mut rest) = (String::with_capacity(bytes.len()), bytes);
    loop {
        text.push_str(&String::from_utf8_lossy(&rest[..at]));
        text.push(char::REPLACEMENT_CHARACTER);
        let is_whole = rest.get(at + 2).is_some_and(|third| third & 0xc0 == 0x80);
        rest = &rest[at + if is_whole { 3 } else { 2 }..];
        match surrogate(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Cow::Owned(text)
}

/// Where the first encoded surrogate begins, whole or cut short.
fn surrogate(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair[0] == 0xed && (0xa0..=0xbf).contains(&pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java 17 printed.
    #[test]
    fn replaces_what_java_replaces() {
        assert_eq!(decode("vü€😀".as_bytes()), "vü€😀");
        assert_eq!(decode(b"\xff\xfea\xe2\x82"), "\u{fffd}\u{fffd}a\u{fffd}");
        assert_eq!(decode(b"\xf0\x9f\x98b"), "\u{fffd}b");
        assert_eq!(decode(b"a\xed\xa0\x80b\xed\xbf\xbf"), "a\u{fffd}b\u{fffd}");
        assert_eq!(decode(b"\xed\xa0b\xed\xa0"), "\u{fffd}b\u{fffd}");
        assert_eq!(decode(b"\xed\x9f\xbf"), "\u{d7ff}");
        assert_eq!(decode(&b"\xed\xa0\x80".repeat(100_000)), "\u{fffd}".repeat(100_000));
    }
}
