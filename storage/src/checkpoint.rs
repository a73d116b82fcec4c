//! Kafka's checkpoint text: a version line, a count line, one entry per line; and the files of a whole log directory.
//!
//! Replaced as a whole, so a power loss leaves the old or the new one. A file that says something else is an error,
//! never half believed. Source: CheckpointFile, OffsetCheckpointFile of Kafka 3.9.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use protocol::{Offset, TopicPartition};

use crate::disk::{Disk, DiskError, read_if_there, replace};

const VERSION: &str = "0";

/// Why a checkpoint file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{} line {line}: {reason}; remove the file to start without it", path.display())]
    Malformed { path: PathBuf, line: usize, reason: String },
}

/// The entry lines of a checkpoint with their line numbers; a missing or empty file has none.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<(usize, String)>, CheckpointError> {
    let Some(bytes) = read_if_there(path)? else { return Ok(Vec::new()) };
    let text = String::from_utf8(bytes).map_err(|_| malformed(path, 1, "is not UTF-8"))?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = text.lines().map(str::trim).enumerate().map(|(index, line)| (index + 1, line));
    let version = lines.next().map_or("", |(_, line)| line);
    if version != VERSION {
        return Err(malformed(path, 1, &format!("version {version:?} where {VERSION} is expected")));
    }
    let count = lines.next().map_or("", |(_, line)| line);
    let count: usize = count.parse().map_err(|_| malformed(path, 2, &format!("{count:?} is no count")))?;
    let entries: Vec<_> =
        lines.filter(|(_, line)| !line.is_empty()).map(|(at, line)| (at, line.to_owned())).collect();
    if entries.len() != count {
        return Err(malformed(path, 2, &format!("{count} entries announced, {} there", entries.len())));
    }
    Ok(entries)
}

pub(crate) fn malformed(path: &Path, line: usize, reason: &str) -> CheckpointError {
    CheckpointError::Malformed { path: path.to_owned(), line, reason: reason.to_owned() }
}

/// The text of a checkpoint with these entry lines, each without its line end.
pub(crate) fn text(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Reads `topic partition offset` lines.
pub(crate) fn read_offsets(path: &Path) -> Result<BTreeMap<TopicPartition, Offset>, CheckpointError> {
    let mut offsets = BTreeMap::new();
    for (number, line) in read_lines(path)? {
        let (partition, offset) = parse_offset(&line)
            .ok_or_else(|| malformed(path, number, &format!("{line:?} is not \"topic partition offset\"")))?;
        offsets.insert(partition, offset);
    }
    Ok(offsets)
}

fn parse_offset(line: &str) -> Option<(TopicPartition, Offset)> {
    let mut words = line.split_whitespace();
    let topic = words.next()?;
    let partition: i32 = words.next()?.parse().ok()?;
    let offset: i64 = words.next()?.parse().ok()?;
    let complete = words.next().is_none() && partition >= 0 && offset >= 0;
    complete.then(|| (TopicPartition::new(topic, partition), Offset(offset)))
}

/// Replaces a file of `topic partition offset` lines.
pub(crate) fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &BTreeMap<TopicPartition, Offset>,
) -> Result<(), DiskError> {
    let lines = offsets.iter().map(|(partition, offset)| {
        let mut line = String::with_capacity(partition.topic.len() + 16);
        // Writing to a string cannot fail.
        let _ = write!(line, "{} {} {offset}", partition.topic, partition.partition);
        line
    });
    replace(disk, path, text(lines).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, i64)], usize>) {
        let dir = crate::disk::crash::scratch();
        let path = dir.path().join("checkpoint");
        std::fs::write(&path, text).unwrap();
        let found = match read_offsets(&path) {
            Ok(offsets) => Ok(offsets.iter().map(|(tp, offset)| (tp.to_string(), offset.0)).collect()),
            Err(CheckpointError::Malformed { line, .. }) => Err(line),
            Err(error) => panic!("{error}"),
        };
        let expected = expected.map(|entries| {
            entries.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn what_kafka_writes_is_read() {
        check("", Ok(&[]));
        check("0\n0\n", Ok(&[]));
        check("0\n2\na 0 7\nb.c 3\t9\n", Ok(&[("a-0", 7), ("b.c-3", 9)]));
    }

    #[test]
    fn anything_else_is_an_error_with_its_line() {
        check("1\n0\n", Err(1));
        check("0\n", Err(2));
        check("0\nx\n", Err(2));
        check("0\n2\na 0 7\n", Err(2));
        check("0\n1\na 0\n", Err(3));
        check("0\n1\na 0 7 8\n", Err(3));
        check("0\n1\na 0 -7\n", Err(3));
    }

    #[test]
    fn offsets_survive_their_file() {
        let dir = crate::disk::crash::scratch();
        let path = dir.path().join("recovery-point-offset-checkpoint");
        let offsets = BTreeMap::from([
            (TopicPartition::new("b", 1), Offset(5)),
            (TopicPartition::new("a", 10), Offset(i64::MAX)),
        ]);
        write_offsets(&crate::disk::OsDisk, &path, &offsets).unwrap();
        assert_eq!(read_offsets(&path).unwrap(), offsets);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\na 10 9223372036854775807\nb 1 5\n");
        assert!(!dir.path().join("recovery-point-offset-checkpoint.tmp").exists());
    }
}
