//! Java's .properties syntax, as operators write it and as `--override` adds to it. A key given twice has
//! its last value, as in Java. It knows no setting. Bytes are Latin-1, as `java.util.Properties` reads them.

use std::io;
use std::path::{Path, PathBuf};

use java_properties::{LineContent, PropertiesIter};

use crate::layers::ConfigMap;

/// The pairs of a properties file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    values: ConfigMap,
}

/// Why there are no properties.
#[derive(Debug, thiserror::Error)]
pub enum PropertiesError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {error}", path.display())]
    Malformed { path: PathBuf, error: SyntaxError },
    #[error("--override {0}: expected key=value")]
    Override(String),
}

/// A line that is not in .properties syntax.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a \\u is not followed by the four digits of a character")]
pub struct SyntaxError {
    pub line: usize,
}

impl Properties {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Properties, PropertiesError> {
        let bytes = std::fs::read(path)
            .map_err(|source| PropertiesError::Unreadable { path: path.to_owned(), source })?;
        Properties::parse(&bytes).map_err(|error| PropertiesError::Malformed { path: path.to_owned(), error })
    }

    /// Reads the content of a file.
    pub fn parse(bytes: &[u8]) -> Result<Properties, SyntaxError> {
        let text = plain(bytes);
        let mut values = ConfigMap::new();
        for line in PropertiesIter::new(text.as_bytes()) {
            // Reading from memory cannot fail, so that escapes are all that can be wrong.
            let line = line.map_err(|error| SyntaxError { line: error.line_number().unwrap_or(0) })?;
            if let LineContent::KVPair(key, value) = line.consume_content() {
                values.insert(key, value);
            }
        }
        Ok(Properties { values })
    }

    /// Adds one `key=value` of the command line over what the file says.
    pub fn add_override(&mut self, pair: &str) -> Result<(), PropertiesError> {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                self.set(key.trim(), value.trim());
                Ok(())
            }
            _ => Err(PropertiesError::Override(pair.to_owned())),
        }
    }

    /// Sets a value, over one that is there.
    pub fn set(&mut self, key: &str, value: &str) {
        self.values.insert(key.to_owned(), value.to_owned());
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    /// The value as it stands in the file, escapes resolved.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The pairs in the order of their keys.
    pub fn map(&self) -> &ConfigMap {
        &self.values
    }
}

impl FromIterator<(String, String)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Properties {
        Properties { values: pairs.into_iter().collect() }
    }
}

/// The same content in ASCII and without comments: java-properties takes bytes for Windows-1252 where Java
/// takes them for Latin-1, and stumbles over a `\u` in a comment, where Java reads none.
fn plain(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut continued = false;
    for line in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        let content = line.trim_ascii_start();
        if !continued && matches!(content.first(), Some(b'#' | b'!')) {
            out.extend(line.last().filter(|byte| matches!(byte, b'\n' | b'\r')).map(|byte| *byte as char));
            continue;
        }
        let escaping = copy_line(line, &mut out);
        // The line feed of a CR LF pair ends the same line once more.
        continued = if line == b"\n" && out.ends_with("\r\n") { continued } else { escaping };
    }
    out
}

/// Copies one line with every byte beyond ASCII as an escape; true when its last character is a backslash
/// that escapes the end of the line.
fn copy_line(line: &[u8], out: &mut String) -> bool {
    let mut escaping = false;
    for &byte in line {
        match byte {
            b'\n' | b'\r' => {
                out.push(byte as char);
                return escaping;
            }
            0..0x80 => {
                out.push(byte as char);
                escaping = byte == b'\\' && !escaping;
            }
            0x80.. => {
                out.push_str(if escaping { "u00" } else { "\\u00" });
                out.push_str(&format!("{byte:02x}"));
                escaping = false;
            }
        }
    }
    escaping
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: &[(&str, &str)]) {
        let found = Properties::parse(text).unwrap();
        let found: Vec<_> = found.map().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn reads_the_syntax_of_java() {
        check(b"a=1\nb : 2\nc 3\n\n  d=4 \ne", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4 "), ("e", "")]);
        check(b"# one\n  ! two\na=#3", &[("a", "#3")]);
        check(b"a=1,\\\n   2,\\\r\n  # 3\r\nb=4", &[("a", "1,2,# 3"), ("b", "4")]);
        check(b"a\\=b=c\\\\d\\u0041", &[("a=b", "c\\dA")]);
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        check(b"a=1\nb=2\na=3\n", &[("a", "3"), ("b", "2")]);
    }

    #[test]
    fn bytes_are_latin_1() {
        check(b"a=\xe9\x80\\\xe9", &[("a", "\u{e9}\u{80}\u{e9}")]);
    }

    #[test]
    fn comments_are_not_read() {
        check(b"# C:\\users \\\na=1\n", &[("a", "1")]);
        check(b"# one\r\n# \\u12\r\na=1\r\n", &[("a", "1")]);
    }

    #[test]
    fn names_the_line_of_a_bad_escape() {
        let error = Properties::parse(b"a=1\n# x\nb=\\u12\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3: a \\u is not followed by the four digits of a character");
    }

    #[test]
    fn the_command_line_overrides_the_file() {
        let mut properties = Properties::parse(b"a=1\nb=2\n").unwrap();
        properties.add_override("a=x=y").unwrap();
        assert_eq!(properties.get("a"), Some("x=y"));
        let error = properties.add_override("b").unwrap_err();
        assert_eq!(error.to_string(), "--override b: expected key=value");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Properties::read(Path::new("/nowhere/server.properties")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/server.properties: cannot be read: "), "{error}");
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let alphabet = b"a=: \\u0\r\n#!\x0c\xff\0";
        for seed in 0..20_000_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                alphabet[(state >> 33) as usize % alphabet.len()]
            };
            let bytes: Vec<u8> = (0..seed % 24).map(|_| next()).collect();
            let _ = Properties::parse(&bytes);
        }
    }
}
