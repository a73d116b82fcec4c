//! Names of directories and files as Kafka gives them; parsing and making only.
//!
//! Source: LogFileUtils, LocalLog.parseTopicPartitionName of Kafka 3.9.

use std::path::{Path, PathBuf};

use protocol::{Offset, TopicId, TopicPartition};

pub(crate) const LOG: &str = "log";
pub(crate) const INDEX: &str = "index";
pub(crate) const TIME_INDEX: &str = "timeindex";
pub(crate) const TXN_INDEX: &str = "txnindex";
pub(crate) const SNAPSHOT: &str = "snapshot";
pub(crate) const DELETED: &str = ".deleted";
pub(crate) const CLEANED: &str = ".cleaned";
pub(crate) const SWAP: &str = ".swap";
/// The longest name a directory may have.
const DIR_NAME_MAX: usize = 255;

/// `<20 digits>.<kind>`.
pub(crate) fn file_name(offset: Offset, kind: &str) -> String {
    format!("{:020}.{kind}", offset.0)
}

pub(crate) fn file_path(dir: &Path, offset: Offset, kind: &str) -> PathBuf {
    dir.join(file_name(offset, kind))
}

/// `path` with `suffix` put behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The offset a name begins with, up to its first dot.
pub(crate) fn leading_offset(name: &str) -> Option<Offset> {
    let (digits, _) = name.split_once('.')?;
    digits.parse().ok().filter(|offset| *offset >= 0).map(Offset)
}

/// The offset of a file named as [`file_name`] does, and nothing more.
pub(crate) fn offset_of(name: &str, kind: &str) -> Option<Offset> {
    let digits = name.strip_suffix(kind)?.strip_suffix('.')?;
    let offset = digits.parse().ok().filter(|offset| *offset >= 0).map(Offset)?;
    (file_name(offset, kind) == name).then_some(offset)
}

/// Where bytes that recovery cut are kept. Kafka parses no offset from such a name and ignores the file.
pub(crate) fn salvage_name(base: Offset, position: u64, count: u32) -> String {
    format!("salvaged-{:020}-at-{position:010}-{count}.bytes", base.0)
}

/// The segment and the position that such a name tells.
pub(crate) fn salvaged(name: &str) -> Option<(Offset, u64)> {
    let (base, rest) = name.strip_prefix("salvaged-")?.strip_suffix(".bytes")?.split_once("-at-")?;
    let (position, _) = rest.split_once('-')?;
    let base: i64 = base.parse().ok().filter(|base| *base >= 0)?;
    Some((Offset(base), position.parse().ok()?))
}

/// What a directory inside a log directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DirKind {
    Replica(TopicPartition),
    /// Waits for removal.
    Delete,
    /// A copy being built by a move between log directories.
    Future(TopicPartition),
    /// A replica that the metadata does not know here.
    Stray(TopicPartition),
    /// Not a partition, and known to be none.
    Skipped,
}

/// Reads a directory's name; none if Kafka would not know it either.
pub(crate) fn parse_dir(name: &str) -> Option<DirKind> {
    if name == "remote-log-index-cache" || name == "__cluster_metadata-0" {
        return Some(DirKind::Skipped);
    }
    if let Some(marked) = name.strip_suffix("-delete") {
        return replica_of(marked).map(|_| DirKind::Delete);
    }
    if let Some(marked) = name.strip_suffix("-future") {
        return replica_of(marked).map(DirKind::Future);
    }
    if let Some(marked) = name.strip_suffix("-stray") {
        return replica_of(marked).map(DirKind::Stray);
    }
    topic_partition(name).map(DirKind::Replica)
}

/// `topic-0.<mark>` without its mark, which may be anything but blank.
fn replica_of(marked: &str) -> Option<TopicPartition> {
    let (name, mark) = marked.rsplit_once('.')?;
    let is_marked = !mark.is_empty() && !marked.bytes().any(|byte| byte.is_ascii_whitespace());
    if is_marked { topic_partition(name) } else { None }
}

fn topic_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    let partition: i32 = partition.parse().ok().filter(|partition| *partition >= 0)?;
    if topic.is_empty() { None } else { Some(TopicPartition::new(topic, partition)) }
}

/// `<topic>-<partition>.<mark>-delete`, the topic cut short where the name would be too long.
pub(crate) fn delete_dir_name(partition: &TopicPartition, mark: TopicId) -> String {
    let end = format!("-{}.{}-delete", partition.partition, mark.simple());
    let mut keep = partition.topic.len().min(DIR_NAME_MAX - end.len());
    while !partition.topic.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}{end}", &partition.topic[..keep])
}

/// `<topic>-<partition>.<mark>-future`; none where the name would be too long.
pub(crate) fn future_dir_name(partition: &TopicPartition, mark: TopicId) -> Option<String> {
    let name = format!("{partition}.{}-future", mark.simple());
    (name.len() <= DIR_NAME_MAX).then_some(name)
}

/// Whether the name of a partition leaves room for the directory of a copy.
pub fn fits_future_dir(partition: &TopicPartition) -> bool {
    future_dir_name(partition, TopicId::nil()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_twenty_digits() {
        assert_eq!(file_name(Offset(33), LOG), "00000000000000000033.log");
        assert_eq!(offset_of("00000000000000000033.log", LOG), Some(Offset(33)));
        assert_eq!(offset_of("00000000000000000033.log.deleted", LOG), None);
        assert_eq!(offset_of("-1.log", LOG), None);
        assert_eq!(offset_of("x.log", LOG), None);
        assert_eq!(offset_of("33.log", LOG), None);
        assert_eq!(leading_offset("00000000000000000033.log.swap"), Some(Offset(33)));
        assert_eq!(leading_offset(&salvage_name(Offset(33), 7, 0)), None);
        assert_eq!(salvaged(&salvage_name(Offset(33), 7, 12)), Some((Offset(33), 7)));
        for other in ["00000000000000000033.log", "salvaged-x-at-1-0.bytes", "salvaged-1.bytes"] {
            assert_eq!(salvaged(other), None, "{other}");
        }
    }

    #[test]
    fn a_directory_is_known_by_its_name() {
        let mark = "0123456789abcdef0123456789abcdef";
        let check = |name: &str, kind| assert_eq!(parse_dir(name), kind, "{name}");
        let partition = || TopicPartition::new("a-b.c", 12);
        check("a-b.c-12", Some(DirKind::Replica(partition())));
        check(&format!("a-b.c-12.{mark}-delete"), Some(DirKind::Delete));
        check(&format!("a-b.c-12.{mark}-future"), Some(DirKind::Future(partition())));
        check(&format!("a-b.c-12.{mark}-stray"), Some(DirKind::Stray(partition())));
        check("a-b.c-12.abc-delete", Some(DirKind::Delete));
        check("a-b.c-12.not-hex-stray", Some(DirKind::Stray(partition())));
        check("a-b.c-12.2-future", Some(DirKind::Future(partition())));
        for unmarked in
            ["a-b.c-12-delete", "a-12.-delete", "a-12.a b-delete", "a b-12.abc-delete", "a.abc-delete"]
        {
            check(unmarked, None);
        }
        check("a-x", None);
        check("-3", None);
        check("a--3", Some(DirKind::Replica(TopicPartition::new("a-", 3))));
        check("lost+found", None);
        check("remote-log-index-cache", Some(DirKind::Skipped));
    }

    #[test]
    fn a_name_to_delete_is_never_too_long() {
        let mark = TopicId::from_u128(0xabc);
        let name = delete_dir_name(&TopicPartition::new("t", 0), mark);
        assert_eq!(name, "t-0.00000000000000000000000000000abc-delete");
        let long = delete_dir_name(&TopicPartition::new("t".repeat(249), 7), mark);
        assert_eq!(long.len(), DIR_NAME_MAX);
        assert_eq!(parse_dir(&long), Some(DirKind::Delete));
        let topic = |length: usize| TopicPartition::new("t".repeat(length), 7);
        let future = future_dir_name(&topic(213), mark).unwrap();
        assert_eq!((future.len(), parse_dir(&future)), (DIR_NAME_MAX, Some(DirKind::Future(topic(213)))));
        assert_eq!(future_dir_name(&topic(214), mark), None);
    }
}
