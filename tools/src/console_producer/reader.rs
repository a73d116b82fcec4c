//! Lines of a byte stream, as Java's BufferedReader splits them: after LF, CR or CR LF.
//!
//! Never decodes: bytes that are not UTF-8 reach the broker as they are.

use std::io::{self, BufRead};

/// Reads line by line.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_return: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input, after_return: false }
    }

    /// The next line without its end; `None` after the last. A last line needs no end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line: Option<Vec<u8>> = None;
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                return Ok(line);
            }
            if std::mem::take(&mut self.after_return) && available[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            let end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let taken = end.unwrap_or(available.len());
            line.get_or_insert_default().extend_from_slice(&available[..taken]);
            self.after_return = end.is_some_and(|end| available[end] == b'\r');
            self.input.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn splits_as_java_does_however_the_bytes_arrive() {
        let input: &[u8] = b"one\ntwo\r\n\r\nthree\rfour\n\nfive";
        for capacity in 1..=input.len() {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, input));
            let mut read = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                read.push(String::from_utf8(line).unwrap());
            }
            assert_eq!(read, ["one", "two", "", "three", "four", "", "five"], "{capacity}");
        }
    }
}
