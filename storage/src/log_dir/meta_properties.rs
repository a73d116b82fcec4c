//! `meta.properties`: which broker of which cluster a log directory belongs to.
//!
//! A Java properties file; whoever starts the broker compares it with ZooKeeper and the configuration.
//! Source: MetaProperties, PropertiesUtils of Kafka 3.9.

use std::path::Path;

use protocol::BrokerId;

use super::LogDirError;
use crate::disk::{Disk, DiskError, read_if_there, replace};

const FILE: &str = "meta.properties";
/// The form of ZooKeeper brokers; 1 is KRaft's.
const VERSION: &str = "0";

/// The identity that a log directory was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetaProperties {
    pub broker_id: Option<BrokerId>,
    pub cluster_id: Option<String>,
    /// Of the directory itself; kept as found (KIP-858).
    pub directory_id: Option<String>,
}

pub(super) fn read(dir: &Path) -> Result<Option<MetaProperties>, LogDirError> {
    let path = dir.join(FILE);
    let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    parse(&text).map(Some).map_err(|reason| LogDirError::Meta { path, reason })
}

pub(super) fn write(disk: &dyn Disk, dir: &Path, meta: &MetaProperties) -> Result<(), DiskError> {
    replace(disk, &dir.join(FILE), to_text(meta).as_bytes())
}

fn parse(text: &str) -> Result<MetaProperties, String> {
    let mut meta = MetaProperties::default();
    let mut version = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!'])) {
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        let value = unescape(value.trim());
        match key.trim() {
            "version" => version = Some(value),
            "cluster.id" => meta.cluster_id = Some(value),
            "directory.id" => meta.directory_id = Some(value),
            "broker.id" => {
                let id = value.parse().map_err(|_| format!("broker.id {value:?} is not a number"))?;
                meta.broker_id = Some(BrokerId(id));
            }
            // Kafka ignores what it does not know.
            _ => {}
        }
    }
    match version.as_deref() {
        Some(VERSION) => Ok(meta),
        Some("1") => Err("version 1 belongs to a KRaft broker; this broker works with ZooKeeper".to_owned()),
        Some(other) => Err(format!("version {other:?} where {VERSION} is expected")),
        None => Err("version is missing".to_owned()),
    }
}

/// Java escapes `:`, `=`, `#` and `!` in values.
fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

fn to_text(meta: &MetaProperties) -> String {
    let mut text = "#\n".to_owned();
    let id = meta.broker_id.map(|id| id.to_string());
    let mut line = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push_str(&format!("{key}={value}\n"));
        }
    };
    line("broker.id", id.as_deref());
    line("version", Some(VERSION));
    line("directory.id", meta.directory_id.as_deref());
    line("cluster.id", meta.cluster_id.as_deref());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;
    use crate::disk::crash::scratch;

    #[test]
    fn kafkas_file_is_read() {
        let text =
            "#\n#Sat Nov 21 07:50:04 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=-NkIBE7OTBqs80_V0CTHLQ\n";
        let meta = parse(text).unwrap();
        assert_eq!(meta.broker_id, Some(BrokerId(1)));
        assert_eq!(meta.cluster_id.as_deref(), Some("-NkIBE7OTBqs80_V0CTHLQ"));
        assert_eq!(meta.directory_id, None);
        assert_eq!(parse("version = 0\ncluster.id=a\\=b").unwrap().cluster_id.as_deref(), Some("a=b"));
    }

    #[test]
    fn other_forms_are_refused() {
        assert!(parse("version=1\nnode.id=1").unwrap_err().contains("KRaft"));
        assert!(parse("broker.id=1").unwrap_err().contains("missing"));
        assert!(parse("version=0\nbroker.id=x").unwrap_err().contains("broker.id"));
    }

    #[test]
    fn an_identity_survives_its_file() {
        let dir = scratch();
        assert_eq!(read(dir.path()), Ok(None));
        let meta = MetaProperties {
            broker_id: Some(BrokerId(7)),
            cluster_id: Some("-NkIBE7OTBqs80_V0CTHLQ".to_owned()),
            directory_id: Some("E9bMAvdhQKafM7yMcwQH0w".to_owned()),
        };
        write(&OsDisk, dir.path(), &meta).unwrap();
        assert_eq!(read(dir.path()), Ok(Some(meta)));
    }
}
