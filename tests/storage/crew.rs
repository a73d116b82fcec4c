//! A log of many segments, recovered by one thread and with the help of others: the same log, the same files, the same report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use protocol::{LeaderEpoch, Offset};
use storage::disk::crash::{Scratch, scratch};
use storage::{Crew, Log, LogSettings, OpenOptions, RecoveryReport, Shutdown};

use crate::kit::{NOW, batch, copy, create, numbered, options, os, settings, values};

fn small() -> LogSettings {
    LogSettings {
        segment_bytes: 1000,
        index_interval_bytes: 100,
        producer_id_expiration_ms: i64::MAX,
        ..settings()
    }
}

/// Segments of two producers and several leader epochs, as a kill leaves them.
fn killed() -> Scratch {
    let scratch = scratch();
    let mut log = create(scratch.path(), &small());
    for at in 0..400 {
        let epoch = LeaderEpoch(at / 90);
        let made = match at % 3 {
            0 => batch(&["plain", "and plain"], NOW.0 + i64::from(at)),
            which => numbered(i64::from(which), 0, at / 3, &["numbered"]),
        };
        log.append(&[made], epoch, NOW)[0].as_ref().unwrap();
    }
    scratch
}

fn recovered(from: &Path, helpers: usize) -> (Scratch, Log, RecoveryReport) {
    let to = scratch();
    copy(from, to.path());
    let crew = Crew::default();
    (0..helpers).for_each(|_| crew.join());
    let options =
        OpenOptions { recovery_point: Offset(7), ..options(to.path(), &small(), Shutdown::Unclean) };
    let (log, report) = Log::open_with(options, os(), &crew).unwrap();
    (to, log, report)
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Producers stand in a snapshot in any order.
fn check(from: &Path, segments: usize) {
    let (alone, log, expected) = recovered(from, 0);
    assert_eq!(expected.segments_scanned, segments);
    for helpers in [1, 3, 40] {
        let (helped, other, report) = recovered(from, helpers);
        assert_eq!(values(&other), values(&log));
        assert_eq!((report.segments_scanned, report.bytes_scanned), (segments, expected.bytes_scanned));
        assert_eq!(report.cut.map(|cut| cut.offset), expected.cut.as_ref().map(|cut| cut.offset));
        let (mut one, mut two) = (contents(alone.path()), contents(helped.path()));
        for files in [&mut one, &mut two] {
            for (name, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with(".snapshot")) {
                assert!(bytes.len() >= 10, "{name}");
                bytes.drain(..6);
                bytes.sort_unstable();
            }
        }
        assert!(one == two, "{helpers} helpers");
        assert_eq!(other.reader().epoch_end(LeaderEpoch(2)), log.reader().epoch_end(LeaderEpoch(2)));
    }
}

#[test]
fn helpers_change_nothing() {
    let scratch = killed();
    let segments = contents(scratch.path()).keys().filter(|name| name.ends_with(".log")).count();
    assert!(segments > 30, "{segments}");
    check(scratch.path(), segments);
}

#[test]
fn helpers_stop_where_the_log_is_cut() {
    let scratch = killed();
    let logs: Vec<_> = contents(scratch.path()).into_keys().filter(|name| name.ends_with(".log")).collect();
    let path = scratch.path().join(&logs[20]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    check(scratch.path(), 21);
}
