//! What the suites share: scratch copies of fixtures, batches, logs, and everything a reader can see.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::batch::{Attributes, BatchHeader, Batches, Codec, Produced};
use protocol::record::{BatchBuilder, NewRecord};
use protocol::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence, TopicPartition};
use serde_json::Value;
use storage::disk::crash::{Scratch, scratch};
use storage::{
    CreateOptions, Disk, FirstBatch, Log, LogDir, LogDirError, LogReader, LogSettings, OpenOptions, OsDisk,
    RecoveryError, RecoveryReport, Shutdown, UpTo,
};

/// When tests take place: a few seconds after the fixtures' records.
pub(crate) const NOW: Millis = Millis(1_700_000_100_000);
pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(0);

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// Keeps everything for ever.
pub(crate) fn settings() -> LogSettings {
    LogSettings { retention_ms: None, ..LogSettings::default() }
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("storage/fixtures").join(path)
}

pub(crate) fn golden(path: &str) -> Value {
    let text = fs::read(fixture("golden").join(format!("{path}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// A copy of a fixture directory that a test may change.
pub(crate) fn copy_of(path: &str) -> Scratch {
    let to = scratch();
    copy(&fixture("logdir").join(path), to.path());
    to
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() { copy(&from, &to) } else { drop(fs::write(&to, fs::read(&from).unwrap())) }
    }
}

pub(crate) fn os() -> Arc<dyn Disk> {
    Arc::new(OsDisk)
}

/// Opens a log directory that nobody has open. A test beside this one may start a process at that moment, which has all files of this one for an instant,
/// and with them the lock that was just given back.
pub(crate) fn open_dir(path: &Path, disk: Arc<dyn Disk>) -> Result<LogDir, LogDirError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match LogDir::open(path, disk.clone()) {
            Err(LogDirError::InUse { .. }) if Instant::now() < deadline => std::thread::yield_now(),
            other => return other,
        }
    }
}

pub(crate) fn options(dir: &Path, settings: &LogSettings, shutdown: Shutdown) -> OpenOptions {
    OpenOptions {
        dir: dir.to_owned(),
        partition: partition(),
        settings: settings.clone(),
        recovery_point: Offset(0),
        log_start: None,
        high_watermark: Offset(i64::MAX),
        shutdown,
        now: NOW,
    }
}

pub(crate) fn open(dir: &Path, shutdown: Shutdown) -> Result<(Log, RecoveryReport), RecoveryError> {
    Log::open(options(dir, &settings(), shutdown), os())
}

pub(crate) fn create(dir: &Path, settings: &LogSettings) -> Log {
    create_on(dir, settings, os())
}

pub(crate) fn create_on(dir: &Path, settings: &LogSettings, disk: Arc<dyn Disk>) -> Log {
    let (partition, settings) = (partition(), settings.clone());
    Log::create(CreateOptions { dir: dir.to_owned(), partition, topic_id: None, settings, now: NOW }, disk)
        .unwrap()
}

/// One batch of records with these values, a millisecond apart.
pub(crate) fn batch(values: &[&str], timestamp: i64) -> Produced {
    batch_with(Codec::None, values, timestamp, |_| {})
}

pub(crate) fn batch_with(
    codec: Codec,
    values: &[&str],
    timestamp: i64,
    set: impl FnOnce(&mut BatchHeader),
) -> Produced {
    let mut builder = BatchBuilder::new(codec);
    for (value, at) in values.iter().zip(0..) {
        let value = Some(value.as_bytes());
        builder.push(&NewRecord { timestamp: Millis(timestamp + at), key: None, value, headers: &[] });
    }
    set(&mut builder.header);
    let batch = builder.build().unwrap();
    Produced { header: BatchHeader::parse(&batch).unwrap(), batch }
}

/// A batch of an idempotent producer.
pub(crate) fn numbered(producer: i64, epoch: i16, sequence: i32, values: &[&str]) -> Produced {
    batch_with(Codec::None, values, NOW.0, |header| {
        header.producer_id = ProducerId(producer);
        header.producer_epoch = ProducerEpoch(epoch);
        header.base_sequence = Sequence(sequence);
    })
}

/// A batch of a transaction.
pub(crate) fn transactional(producer: i64, epoch: i16, sequence: i32, values: &[&str]) -> Produced {
    batch_with(Codec::None, values, NOW.0, |header| {
        header.producer_id = ProducerId(producer);
        header.producer_epoch = ProducerEpoch(epoch);
        header.base_sequence = Sequence(sequence);
        header.attributes = Attributes(0).transactional();
    })
}

/// How a marker ends a transaction: the numbers that Kafka writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Abort = 0,
    Commit = 1,
}

/// What a transaction coordinator of this epoch writes at the end of a transaction.
pub(crate) fn marker(producer: i64, epoch: i16, ends: Ends, coordinator_epoch: i32) -> Produced {
    let mut builder = BatchBuilder::new(Codec::None);
    let key = [[0, 0], (ends as i16).to_be_bytes()].concat();
    let value = [&[0, 0][..], &coordinator_epoch.to_be_bytes()].concat();
    builder.push(&NewRecord { timestamp: NOW, key: Some(&key), value: Some(&value), headers: &[] });
    builder.header.producer_id = ProducerId(producer);
    builder.header.producer_epoch = ProducerEpoch(epoch);
    builder.header.base_sequence = Sequence::NONE;
    builder.header.attributes = Attributes(0).transactional().control();
    let batch = builder.build().unwrap();
    Produced { header: BatchHeader::parse(&batch).unwrap(), batch }
}

/// The bytes of a batch as a leader of `epoch` has them in its log at `base`.
pub(crate) fn placed(batch: &Produced, base: i64, epoch: i32) -> Vec<u8> {
    let head = protocol::batch::patch(&batch.batch, Offset(base), LeaderEpoch(epoch)).unwrap();
    [&head[..], batch.records()].concat()
}

/// Appends and raises the high watermark, as a leader without followers does.
pub(crate) fn append(log: &mut Log, batch: &Produced) -> Offset {
    let results = log.append(std::slice::from_ref(batch), EPOCH, NOW);
    log.advance_high_watermark(log.end_offset());
    results[0].as_ref().unwrap().first_offset
}

/// All bytes from an offset on, fetched piece by piece.
pub(crate) fn fetch(reader: &LogReader, mut from: Offset, max_bytes: u32) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let fetched = reader.read(from, max_bytes, UpTo::LogEnd, FirstBatch::Whole).unwrap();
        let Some(slice) = fetched.records else { return all };
        let bytes = slice_bytes(&slice);
        let next = Batches::new(&bytes).map(|batch| batch.unwrap()).last().expect("a whole batch");
        all.extend_from_slice(&bytes[..next.position + next.bytes.len()]);
        from = next.header.next_offset();
    }
}

pub(crate) fn slice_bytes(slice: &protocol::response::FileSlice) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; slice.length as usize];
    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
    bytes
}

/// The headers of everything in a log.
pub(crate) fn headers(log: &Log) -> Vec<BatchHeader> {
    let bytes = fetch(&log.reader(), log.start_offset(), 1 << 20);
    Batches::new(&bytes).map(|batch| batch.unwrap().header).collect()
}

/// The values of all records in a log, by offset.
pub(crate) fn values(log: &Log) -> BTreeMap<i64, String> {
    let bytes = fetch(&log.reader(), log.start_offset(), 1 << 20);
    let mut values = BTreeMap::new();
    for batch in Batches::new(&bytes) {
        let batch = batch.unwrap();
        protocol::batch::verify_crc(batch.bytes).unwrap();
        let codec = batch.header.attributes.codec().unwrap();
        let records = protocol::record::decompress(codec, batch.records(), 1 << 20).unwrap();
        for record in protocol::record::RecordIter::new(&records, batch.header.record_count) {
            let record = record.unwrap();
            let offset = batch.header.base_offset.0 + i64::from(record.offset_delta);
            values.insert(offset, String::from_utf8_lossy(record.value.unwrap_or(b"")).into_owned());
        }
    }
    values
}

/// The files of a partition's directory and their sizes.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect()
}

/// What the independent decoder says of a file, for the kinds the suites compare.
pub(crate) fn decode(dir: &Path, name: &str) -> Value {
    let bytes = fs::read(dir.join(name)).unwrap();
    let base: i64 = name.split('.').next().unwrap().parse().unwrap();
    let long = |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let int = |at: usize| i64::from(i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()));
    let rows = |size: usize, from: usize| (from..bytes.len()).step_by(size);
    if name.ends_with(".index") {
        rows(8, 0).map(|at| Value::from(vec![base + int(at), int(at + 4)])).collect()
    } else if name.ends_with(".timeindex") {
        rows(12, 0).map(|at| Value::from(vec![long(at), base + int(at + 8)])).collect()
    } else {
        let mut entries: Vec<_> = rows(46, 10)
            .map(|at| {
                serde_json::json!({
                    "producerId": long(at), "producerEpoch": int(at + 6) as i16, "lastSequence": int(at + 10),
                    "lastOffset": long(at + 14), "offsetDelta": int(at + 22), "timestamp": long(at + 26),
                    "coordinatorEpoch": int(at + 34), "currentTxnFirstOffset": long(at + 38),
                })
            })
            .collect();
        entries.sort_by_key(|entry| entry["producerId"].as_i64());
        Value::from(entries)
    }
}

/// A small generator (SplitMix64): the same seed gives the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Tells how to run a seed again if it panics.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let (seed, test) = (self.0, thread.name().unwrap_or_default());
            eprintln!("again: OTTLA_STORAGE_SEED={seed} cargo test -p tests --test storage -- {test}");
        }
    }
}

/// Runs `check` with seeds 1 to `count`; with `OTTLA_STORAGE_SECONDS` set, with others too until that time is over;
/// with `OTTLA_STORAGE_SEED` set, with that one alone.
pub(crate) fn with_seeds(count: u64, mut check: impl FnMut(u64)) {
    let mut check = |seed| {
        let _repeat = Repeat(seed);
        eprintln!("seed {seed}");
        check(seed);
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("OTTLA_STORAGE_SEED") {
        return check(seed);
    }
    (1..=count).for_each(&mut check);
    let Some(seconds) = number("OTTLA_STORAGE_SECONDS") else { return };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut seed = since.as_nanos() as u64;
    while std::time::Instant::now() < end {
        check(seed);
        seed += 1;
    }
}
