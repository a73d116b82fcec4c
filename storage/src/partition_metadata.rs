//! `partition.metadata`: the id of the topic that a partition's directory belongs to.
//!
//! Written once: with the directory, or by the first flush after the controller told the id. Source: PartitionMetadataFile of Kafka 3.9, KIP-516.

use std::path::{Path, PathBuf};

use protocol::TopicId;

use crate::disk::{Disk, DiskError, read_if_there, replace};

const FILE: &str = "partition.metadata";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of 16 bytes in base64 without padding.
const ID_LENGTH: usize = 22;

/// Why a topic id cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartitionMetadataError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{} does not hold a version and a topic id", path.display())]
    Malformed { path: PathBuf },
}

/// The id in a partition's directory; none if there is no file.
pub(crate) fn read(dir: &Path) -> Result<Option<TopicId>, PartitionMetadataError> {
    let path = path(dir);
    let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
    match std::str::from_utf8(&bytes).ok().and_then(parse) {
        Some(id) => Ok(Some(id)),
        None => Err(PartitionMetadataError::Malformed { path }),
    }
}

pub(crate) fn write(disk: &dyn Disk, dir: &Path, id: TopicId) -> Result<(), DiskError> {
    replace(disk, &path(dir), text(id).as_bytes())
}

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// What the file says of a topic.
pub(crate) fn text(id: TopicId) -> String {
    format!("version: 0\ntopic_id: {}", encode(id))
}

fn parse(text: &str) -> Option<TopicId> {
    let mut lines = text.lines();
    let version: i32 = lines.next()?.strip_prefix("version:")?.trim().parse().ok()?;
    let id = decode(lines.next()?.strip_prefix("topic_id:")?.trim())?;
    (version >= 0 && !id.is_nil()).then_some(id)
}

/// URL-safe base64 without padding, Kafka's way to write an id.
fn encode(id: TopicId) -> String {
    let bits = id.as_u128();
    // The 22nd character holds the last two bits, filled up with four zeros.
    let sextet = |at: usize| if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 };
    (0..ID_LENGTH).map(|at| char::from(ALPHABET[(sextet(at) & 63) as usize])).collect()
}

fn decode(text: &str) -> Option<TopicId> {
    if text.len() != ID_LENGTH {
        return None;
    }
    let mut bits = 0u128;
    for (at, byte) in text.bytes().enumerate() {
        let sextet = ALPHABET.iter().position(|letter| *letter == byte)? as u128;
        bits = if at < 21 { bits << 6 | sextet } else { bits << 2 | sextet >> 4 };
    }
    Some(TopicId::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_kafkas() {
        let dir = crate::disk::crash::scratch();
        let text = "version: 0\ntopic_id: E9bMAvdhQKafM7yMcwQH0w";
        std::fs::write(dir.path().join(FILE), text).unwrap();
        let id = read(dir.path()).unwrap().unwrap();
        assert_eq!(id.to_string(), "13d6cc02-f761-40a6-9f33-bc8c730407d3");
        write(&crate::disk::OsDisk, dir.path(), id).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), text);
    }

    #[test]
    fn a_missing_file_is_no_id_and_a_bad_one_an_error() {
        let dir = crate::disk::crash::scratch();
        assert_eq!(read(dir.path()), Ok(None));
        for text in
            ["", "version: 0\n", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", "version: 0\ntopic_id: x"]
        {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(matches!(read(dir.path()), Err(PartitionMetadataError::Malformed { .. })), "{text:?}");
        }
    }
}
