//! What the names of files say, and how Java spells a path.
//!
//! Source: java.io.File, LogFileUtils, Snapshots of Kafka 3.9.

use std::path::{Path, PathBuf};

/// A path as `java.io.File` keeps it: without doubled slashes, and without one at the end.
pub(super) fn normal(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !normal.ends_with('/') {
            normal.push(character);
        }
    }
    if normal.len() > 1 && normal.ends_with('/') {
        normal.pop();
    }
    normal
}

/// `File.getAbsolutePath`: the working directory before a relative path, and nothing resolved.
pub(super) fn absolute(path: &str) -> String {
    let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    current.join(path).to_string_lossy().into_owned()
}

/// What follows the last slash.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// What a file is, by what follows its last dot; none if there is no dot.
pub(super) fn kind(path: &str) -> Option<&str> {
    file_name(path).rsplit_once('.').map(|(_, kind)| kind)
}

/// The offset that a segment's file is named by.
pub(super) fn base_offset(path: &str) -> Result<i64, String> {
    let digits = file_name(path).split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| format!("{path} is not named by the offset that it begins with"))
}

/// The file of the same segment with another ending.
pub(super) fn sibling(path: &str, kind: &str) -> PathBuf {
    let stem = file_name(path).split('.').next().unwrap_or_default();
    Path::new(path).with_file_name(format!("{stem}.{kind}"))
}

/// The offset and epoch that a snapshot of a KRaft log is named by.
pub(super) fn snapshot_id(path: &str) -> Result<(i64, i32), String> {
    let name = file_name(path);
    let parse = || Some((name.get(..20)?.parse().ok()?, name.get(21..31)?.parse().ok()?));
    parse().ok_or_else(|| format!("{path} is not named by the offset and epoch of a KRaft snapshot"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_java_spells_them() {
        assert_eq!(normal("a//b///c.log/"), "a/b/c.log");
        assert_eq!(normal("/"), "/");
        assert!(absolute("./a").ends_with("/./a"));
        assert_eq!(absolute("/a/../b"), "/a/../b");
    }

    #[test]
    fn names_tell_offsets() {
        assert_eq!(base_offset("d-0/00000000000000000033.log"), Ok(33));
        assert!(base_offset("d-0/x.log").unwrap_err().contains("d-0/x.log"));
        assert_eq!(kind("t.x-0/leader-epoch-checkpoint"), None);
        assert_eq!(kind("t-0/00.log.deleted"), Some("deleted"));
        assert_eq!(sibling("t-0/07.timeindex", "index"), Path::new("t-0/07.index"));
        assert_eq!(snapshot_id("00000000000000000007-0000000003.checkpoint"), Ok((7, 3)));
        assert!(snapshot_id("x.checkpoint").is_err());
    }
}
