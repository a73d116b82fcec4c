//! What the records hold: random letters, lines of a file, or numbers.
//!
//! One buffer is filled again and again; a fixed seed makes runs alike. Source: ProducerPerformance of 3.9.

use std::fs;
use std::io::Write;

use super::arguments::Payload;
use crate::failure::Failure;

/// Makes payloads one after the other.
#[derive(Debug)]
pub(super) struct Payloads {
    kind: Kind,
    buffer: Vec<u8>,
    random: Random,
}

#[derive(Debug)]
enum Kind {
    Letters,
    Chosen(Vec<Vec<u8>>),
    Numbers,
}

impl Payloads {
    /// Reads the file, if there is one, and says so as Kafka does.
    pub(super) fn new(payload: &Payload, out: &mut dyn Write) -> Result<Payloads, Failure> {
        let (kind, buffer) = match payload {
            Payload::Random { size } => (Kind::Letters, vec![0; *size]),
            Payload::Monotonic => (Kind::Numbers, Vec::new()),
            Payload::File { path, delimiter } => {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
                writeln!(out, "Reading payloads from: {}", absolute.display())?;
                let missing = || Failure::Sentence("File does not exist or empty file provided.".to_owned());
                let bytes = fs::read(path).map_err(|_| missing())?;
                let payloads = split(&bytes, delimiter.as_bytes());
                if payloads.is_empty() {
                    return Err(missing());
                }
                writeln!(out, "Number of messages read: {}", payloads.len())?;
                (Kind::Chosen(payloads), Vec::new())
            }
        };
        Ok(Payloads { kind, buffer, random: Random(0) })
    }

    /// The payload of the record with this number.
    pub(super) fn next(&mut self, number: u64) -> &[u8] {
        match &self.kind {
            Kind::Letters => {
                self.random.fill_with_letters(&mut self.buffer);
                &self.buffer
            }
            // The remainder is below the length, which is not 0.
            Kind::Chosen(payloads) => &payloads[(self.random.next() % payloads.len() as u64) as usize],
            Kind::Numbers => {
                self.buffer.clear();
                // Writing to a vector cannot fail.
                let _ = write!(self.buffer, "{number}");
                &self.buffer
            }
        }
    }
}

/// Like Java's split, which drops empty strings at the end.
fn split(bytes: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut at = 0;
    while at < bytes.len() {
        if !delimiter.is_empty() && bytes[at..].starts_with(delimiter) {
            parts.push(Vec::new());
            at += delimiter.len();
        } else {
            if let Some(last) = parts.last_mut() {
                last.push(bytes[at]);
            }
            at += 1;
        }
    }
    while parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    parts
}

/// SplitMix64: fast enough that filling a record costs less than sending it.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A to Z, nearly even.
    fn fill_with_letters(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            for (letter, random) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *letter = b'A' + ((u16::from(random) * 26) >> 8) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_letters_and_change() {
        let mut payloads = Payloads::new(&Payload::Random { size: 1001 }, &mut Vec::new()).unwrap();
        let first = payloads.next(0).to_vec();
        assert!(first.len() == 1001 && first.iter().all(u8::is_ascii_uppercase));
        assert!((b'A'..=b'Z').all(|letter| first.contains(&letter)));
        assert_ne!(first, payloads.next(1));
    }

    #[test]
    fn numbers_count_up() {
        let mut payloads = Payloads::new(&Payload::Monotonic, &mut Vec::new()).unwrap();
        assert_eq!(payloads.next(9), b"9");
        assert_eq!(payloads.next(10), b"10");
    }

    #[test]
    fn files_are_split_as_java_splits() {
        let parts = |text: &str, delimiter: &str| {
            let parts = split(text.as_bytes(), delimiter.as_bytes());
            parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(parts("aa\nbb\n", "\n"), ["aa", "bb"]);
        assert_eq!(parts("a,,b,,", ","), ["a", "", "b"]);
        assert_eq!(parts("a::b", "::"), ["a", "b"]);
        assert!(parts("\n\n", "\n").is_empty());
    }

    #[test]
    fn a_missing_file_is_told() {
        let payload = Payload::File { path: "/nope/payloads".to_owned(), delimiter: "\n".to_owned() };
        let mut out = Vec::new();
        assert!(matches!(Payloads::new(&payload, &mut out), Err(Failure::Sentence(_))));
        assert_eq!(out, b"Reading payloads from: /nope/payloads\n");
    }
}
