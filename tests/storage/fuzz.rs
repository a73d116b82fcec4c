//! Damaged files of every kind, our own and Kafka's: the log opens or says which file it cannot use, nothing panics,
//! and a record that a reader takes for good is one that was written.
//!
//! A batch's base offset and leader epoch lie outside its checksum, in Kafka's format: they are not judged here.
//! A failure names its seed: `OTTLA_STORAGE_SEED` runs that one again, `OTTLA_STORAGE_SECONDS` runs more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use protocol::batch::{Batches, MAGIC_AT, verify_crc};
use protocol::legacy::Items;
use protocol::{BrokerId, LeaderEpoch, Millis, Offset, TopicId};
use storage::disk::crash::{Scratch, scratch};
use storage::salvage::{self, Found};
use storage::{
    AbortedTransaction, Checkpoint, FirstBatch, FlushScope, Log, LogSettings, LogView, MetaProperties,
    OpenOptions, OsDisk, ReadError, Shutdown, UpTo,
};

use crate::kit::{
    Dice, Ends, NOW, append, batch, copy, files, fixture, marker, numbered, open_dir, options, partition,
    settings, slice_bytes, transactional, with_seeds,
};

/// Files by what is in them; a kind is chosen before a file, so that the small ones get their share.
const KINDS: [&str; 12] = [
    ".log",
    ".swap",
    ".cleaned",
    ".index",
    ".timeindex",
    ".txnindex",
    ".snapshot",
    "leader-epoch-checkpoint",
    "partition.metadata",
    "offset-checkpoint",
    "meta.properties",
    ".kafka_cleanshutdown",
];

const FIXTURES: [&str; 12] = [
    "main/fx-txn-0",
    "main/fx-segments-0",
    "main/fx-idempotent-0",
    "main/fx-epochs-0",
    "main/fx-gzip-0",
    "main/fx-compact-delete-0",
    "crash-plain-before/fx-crash-0",
    "crash-plain-before/fx-crash-txn-0",
    "legacy-after39/fx-v1-gzip-0",
    "legacy-ibp28/fx-v0-none-0",
    "swap-before/fx-compact-0",
    "misc-before/a/fx-empty-0",
];

fn tight() -> LogSettings {
    LogSettings { segment_bytes: 900, index_interval_bytes: 150, ..settings() }
}

/// A log directory with one partition that has every kind of file, written by this log.
fn own() -> &'static Scratch {
    static OWN: OnceLock<Scratch> = OnceLock::new();
    OWN.get_or_init(|| {
        let root = scratch();
        let dir = open_dir(root.path(), Arc::new(OsDisk)).unwrap();
        let id = MetaProperties {
            broker_id: Some(BrokerId(1)),
            cluster_id: Some("c".to_owned()),
            ..MetaProperties::default()
        };
        dir.write_meta(&id).unwrap();
        let create = storage::CreateOptions {
            dir: dir.partition_dir(&partition()),
            partition: partition(),
            topic_id: Some(TopicId::from_u128(77)),
            settings: tight(),
            now: NOW,
        };
        let mut log = Log::create(create, Arc::new(OsDisk)).unwrap();
        for at in 0..12 {
            append(&mut log, &batch(&["plain", "two"], NOW.0 + i64::from(at)));
            append(&mut log, &numbered(5, 0, at, &["numbered"]));
            append(&mut log, &transactional(6, 0, at, &["transactional"]));
            append(&mut log, &marker(6, 0, if at % 3 == 0 { Ends::Commit } else { Ends::Abort }, 0));
            if at % 4 == 0 {
                log.assign_epoch(LeaderEpoch(0));
            }
        }
        log.advance_start(Offset(3));
        let closed = log.close().unwrap();
        let listed = |offset| BTreeMap::from([(partition(), offset)]);
        dir.write_offsets(Checkpoint::RecoveryPoint, &listed(closed.recovery_point)).unwrap();
        dir.write_offsets(Checkpoint::LogStart, &listed(Offset(3))).unwrap();
        dir.write_offsets(Checkpoint::HighWatermark, &listed(closed.high_watermark)).unwrap();
        dir.write_offsets(Checkpoint::Cleaner, &listed(Offset(3))).unwrap();
        dir.write_clean_mark().unwrap();
        dir.close().unwrap();
        root
    })
}

/// A copy of some directory that can be damaged.
fn subject(dice: &mut Dice) -> Scratch {
    let root = scratch();
    match FIXTURES.get(dice.below(FIXTURES.len() + 3)) {
        Some(name) => copy(&fixture("logdir").join(name), &root.path().join("t-0")),
        None => copy(own().path(), root.path()),
    }
    root
}

/// All files of a log directory with one partition.
fn all_files(root: &Path) -> Vec<PathBuf> {
    let inside = |dir: &Path| {
        let dir = dir.to_owned();
        files(&dir).into_keys().map(move |name| dir.join(name)).filter(|path| path.is_file())
    };
    inside(root).chain(inside(&root.join("t-0"))).collect()
}

/// The whole batches and old messages at the front of `bytes`.
fn batches(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut items, mut found, mut from) = (Items::new(bytes), Vec::new(), 0);
    while let Some(Ok(_)) = items.next() {
        found.push(&bytes[from..items.position()]);
        from = items.position();
    }
    found
}

fn is_old(batch: &[u8]) -> bool {
    batch[MAGIC_AT] != 2
}

fn is_good(batch: &[u8]) -> bool {
    if is_old(batch) { protocol::legacy::verify_crc(batch).is_ok() } else { verify_crc(batch).is_ok() }
}

/// What makes a batch the one that was written: everything its checksum covers, and the checksum.
fn essential(batch: &[u8]) -> &[u8] {
    if is_old(batch) { &batch[MAGIC_AT - 4..] } else { &batch[MAGIC_AT..] }
}

/// All that was ever written to a directory's logs.
fn written(root: &Path) -> BTreeSet<Vec<u8>> {
    let mut written = BTreeSet::new();
    for path in all_files(root).into_iter().filter(|path| path.to_string_lossy().contains(".log")) {
        let bytes = fs::read(path).unwrap();
        written.extend(batches(&bytes).into_iter().map(|batch| essential(batch).to_vec()));
    }
    written
}

/// Damages one file, or two, and returns which.
fn damage(root: &Path, dice: &mut Dice) -> Vec<PathBuf> {
    let kind = KINDS[dice.below(KINDS.len())];
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().ends_with(kind);
    let all: Vec<_> = all_files(root).into_iter().filter(name).collect();
    let Some(path) = all.get(dice.below(all.len())).cloned() else { return Vec::new() };
    let mut bytes = fs::read(&path).unwrap();
    let (at, length) = (dice.below(bytes.len() + 1), 1 + dice.below(80));
    let range = at..(at + length).min(bytes.len());
    match dice.below(9) {
        0 => bytes.truncate(at),
        1 => bytes.extend((0..length).map(|_| dice.below(256) as u8)),
        2 => bytes[range].fill(0),
        3 => bytes[range].iter_mut().for_each(|byte| *byte = dice.below(256) as u8),
        4 => drop(bytes.drain(range)),
        5 => {
            let again = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, again);
        }
        6 => {
            // Two files of a kind change their places.
            let other = all[dice.below(all.len())].clone();
            let theirs = fs::read(&other).unwrap();
            fs::write(&other, &bytes).unwrap();
            fs::write(&path, theirs).unwrap();
            return vec![path, other];
        }
        7 => {
            fs::remove_file(&path).unwrap();
            return vec![path];
        }
        _ => {
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(bytes.len());
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8));
            }
        }
    }
    fs::write(&path, bytes).unwrap();
    vec![path]
}

/// How much of a log the opening reads itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A clean stop vouches for all of it.
    Everything,
    /// Nothing: every batch is read.
    Nothing,
    /// What lies below the recovery point of the checkpoint, if there is one.
    Checkpoint,
}

/// Opens as a broker does; the error is what an operator reads.
fn opened(root: &Path, trust: Trust) -> Result<Log, String> {
    let dir = open_dir(root, Arc::new(OsDisk)).map_err(|error| error.to_string())?;
    dir.read_meta().map_err(|error| error.to_string())?;
    for which in Checkpoint::ALL {
        // A start tells, and goes on.
        let _ = dir.retain_offsets(which, |listed| *listed == partition());
    }
    let listed = |which| dir.read_offsets(which).map_err(|error| error.to_string());
    let points = listed(Checkpoint::RecoveryPoint)?;
    let log_start = listed(Checkpoint::LogStart)?.get(&partition()).copied();
    let watermarks = listed(Checkpoint::HighWatermark)?;
    let _ = dir.take_clean_mark().unwrap();
    let point = points.get(&partition()).copied().unwrap_or(Offset(0));
    let options = OpenOptions {
        recovery_point: if trust == Trust::Nothing { Offset(0) } else { point },
        log_start,
        high_watermark: watermarks.get(&partition()).copied().unwrap_or(Offset(i64::MAX)),
        ..options(
            &root.join("t-0"),
            &LogSettings { cleanup: storage::Cleanup::CompactDelete, ..tight() },
            if trust == Trust::Everything { Shutdown::Clean } else { Shutdown::Unclean },
        )
    };
    Log::open(options, Arc::new(OsDisk)).map(|(log, _)| log).map_err(|error| error.to_string())
}

/// Reads everything in every way, and returns the batches that a client takes for good.
fn read_all(log: &Log, trust: Trust, context: &str) -> Vec<Vec<u8>> {
    let reader = log.reader();
    let view = reader.view();
    let mut good = Vec::new();
    // A damaged offset may lie far from the others: the log is walked from batch to batch then.
    let mut from = view.start;
    while from < view.end {
        let mut next = from + 1;
        for bytes_max in [1, 700] {
            let fetched = match reader.read(from, bytes_max, UpTo::LogEnd, FirstBatch::Whole) {
                Ok(fetched) => fetched,
                Err(ReadError::OutOfRange { .. }) => panic!("{context}: offset {from} is in the log"),
                Err(error) => {
                    assert!(trust != Trust::Nothing, "{context}: {error}");
                    assert!(error.to_string().starts_with("t-0: "), "{context}: {error}");
                    continue;
                }
            };
            let Some(slice) = fetched.records else { continue };
            let bytes = slice_bytes(&slice);
            for batch in batches(&bytes) {
                let is_good = is_good(batch);
                assert!(is_good || trust != Trust::Nothing, "{context}: a damaged batch was read and served");
                if is_good {
                    good.push(batch.to_vec());
                }
            }
            if let Some(first) = Batches::new(&bytes).next().and_then(Result::ok) {
                next = next.max(first.header.next_offset().min(from + 1000));
            }
        }
        from = if view.end - from > 5000 { (from + (view.end - from) / 2).max(next) } else { next };
    }
    for time in [0, 1_700_000_000_005, NOW.0 + 3, i64::MAX] {
        let _ = reader.offset_for_timestamp(Millis(time), UpTo::LogEnd);
    }
    let _ = reader.offset_of_max_timestamp(UpTo::LogEnd);
    let _ =
        (reader.aborted(view.start, view.end), reader.epoch_end(LeaderEpoch(2)), reader.epoch_at(view.start));
    good
}

/// What recovery has set aside and takes for good.
fn salvaged(root: &Path) -> Vec<Vec<u8>> {
    let mut good = Vec::new();
    for piece in salvage::pieces(root).unwrap() {
        let bytes = fs::read(&piece.path).unwrap();
        piece.contents().unwrap();
        for found in piece.batches().unwrap() {
            if let Found::Good(batch) = found.unwrap() {
                let from = batch.position as usize;
                good.push(bytes[from..from + batch.header.size()].to_vec());
            }
        }
    }
    good
}

/// What has to be equal where the log files are whole and everything else is made from them.
fn essence(log: &Log) -> (LogView, Vec<AbortedTransaction>, usize) {
    let view = log.reader().view();
    let view = LogView { latest_epoch: None, start: Offset(0), high_watermark: Offset(0), ..view };
    (view, log.reader().aborted(Offset(0), view.end), log.producer_count())
}

/// Writes to what was opened: an error is an answer.
fn use_it(mut log: Log, dice: &mut Dice) {
    let now = NOW + 1;
    let end = log.end_offset();
    log.append(&[batch(&["after"], NOW.0), numbered(5, 0, 12, &["more"])], LeaderEpoch(50), now);
    if let Some(plan) = log.flush_plan(FlushScope::Everything, now) {
        let flushed = plan.run().unwrap();
        log.flushed(flushed);
    }
    let to = log.start_offset() + dice.below((end - log.start_offset()).clamp(1, 1000) as usize) as i64;
    drop(log.truncate_to(to, now));
    log.advance_high_watermark(log.end_offset());
    if let Some(plan) = log.retention_plan(now) {
        // Offline where the truncation met with what is damaged.
        drop(log.retire(&plan, now).map(|retirement| retirement.run().unwrap()));
    }
    drop(log.close());
}

fn check(seed: u64) {
    let mut dice = Dice(seed);
    let root = subject(&mut dice);
    let originals = written(root.path());
    let trust = [Trust::Everything, Trust::Nothing, Trust::Checkpoint][dice.below(3)];
    let whole = scratch();
    copy(root.path(), whole.path());
    let damaged: Vec<_> = (0..1 + dice.below(3)).flat_map(|_| damage(root.path(), &mut dice)).collect();
    let names: Vec<_> = damaged.iter().map(|path| path.file_name().unwrap().to_string_lossy()).collect();
    let context = format!("seed {seed}, {trust:?}, {names:?}");
    let log = match opened(root.path(), trust) {
        Ok(log) => log,
        Err(error) => {
            let names_one = names.iter().any(|name| error.contains(name.trim_end_matches(".swap")));
            assert!(names_one, "{context}: the error names no damaged file: {error}");
            return;
        }
    };
    for batch in read_all(&log, trust, &context).into_iter().chain(salvaged(root.path())) {
        assert!(originals.contains(essential(&batch)), "{context}: a batch that was never written");
    }
    let is_derived = |name: &str| {
        [".index", ".timeindex", ".txnindex", ".snapshot"].iter().any(|kind| name.ends_with(kind))
    };
    if trust == Trust::Nothing && names.iter().all(|name| is_derived(name)) {
        let expected = opened(whole.path(), Trust::Nothing).unwrap();
        assert_eq!(essence(&log), essence(&expected), "{context}");
    }
    use_it(log, &mut dice);
}

#[test]
fn damage_to_any_file_is_named_or_harmless() {
    with_seeds(700, check);
}
