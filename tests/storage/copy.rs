//! A log made the same as another: what a move between log directories copies, follows and puts in the other's place.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::{LeaderEpoch, Offset, TopicId};
use storage::disk::crash::scratch;
use storage::{Copied, FirstBatch, Log, LogReader, LogSettings, Shutdown, UpTo};

use crate::kit::{
    Dice, Ends, NOW, append, batch, copy_of, create, fetch, files, marker, numbered, open, options, os,
    settings, transactional, with_seeds,
};

fn small() -> LogSettings {
    LogSettings { segment_bytes: 700, index_interval_bytes: 120, ..settings() }
}

/// Copies until nothing is left, and does what is owed after a cut.
fn copy_all(copy: &mut Log, source: &LogReader, piece: u32) {
    for _ in 0..100_000 {
        match copy.copy_from(source, piece, NOW).unwrap() {
            Copied::Cut(truncated) => truncated.removal.run().unwrap(),
            Copied::Records { .. } if copy.behind(source) == 0 => return,
            Copied::Records { .. } => {}
        }
    }
    panic!("the copy is {} behind", copy.behind(source));
}

fn same(copy: &Log, source: &Log, context: &str) {
    let (own, theirs) = (copy.reader().view(), source.reader().view());
    assert_eq!(own, theirs, "{context}");
    let bytes = |log: &Log| fetch(&log.reader(), log.start_offset(), 1 << 20);
    assert!(bytes(copy) == bytes(source), "{context}: other records");
    let aborted = |log: &Log| log.reader().aborted(own.start, own.end);
    assert_eq!(aborted(copy), aborted(source), "{context}");
    assert_eq!(copy.producer_count(), source.producer_count(), "{context}");
}

#[test]
fn a_copy_knows_what_its_source_knows() {
    for name in ["fx-txn-0", "fx-idempotent-0", "fx-epochs-0", "fx-segments-0", "fx-compact-delete-0"] {
        let from = copy_of(&format!("main/{name}"));
        let lasting = LogSettings { producer_id_expiration_ms: i64::MAX, ..settings() };
        let (source, _) = Log::open(options(from.path(), &lasting, Shutdown::Clean), os()).unwrap();
        for piece in [1, 700, 1 << 20] {
            let dir = scratch();
            let mut copy = create(dir.path(), &LogSettings { segment_bytes: 4000, ..lasting.clone() });
            copy_all(&mut copy, &source.reader(), piece);
            same(&copy, &source, &format!("{name} by {piece}"));
        }
    }
}

#[test]
fn how_much_is_left_is_told() {
    let (one, other) = (scratch(), scratch());
    let (mut source, mut copy) = (create(one.path(), &small()), create(other.path(), &small()));
    for _ in 0..50 {
        append(&mut source, &batch(&["some value"], NOW.0));
    }
    let mut left = source.size();
    loop {
        let Copied::Records { bytes, left: after } = copy.copy_from(&source.reader(), 200, NOW).unwrap()
        else {
            panic!("nothing had to go")
        };
        if bytes == 0 {
            assert_eq!((left, after, copy.size()), (0, 0, source.size()));
            return;
        }
        left -= bytes;
        assert_eq!(after, left);
    }
}

/// A step in the life of a source: records, ends of transactions, leaders, deletions, truncations.
fn live(source: &mut Log, count: &mut i32, dice: &mut Dice) {
    *count += 1;
    let (end, watermark) = (source.end_offset().0, source.high_watermark().0);
    let producer = i64::from(*count);
    // Every truncation begins another epoch; so does every tenth step.
    let epoch = LeaderEpoch(*count / 10 * 2);
    let add = |source: &mut Log, epoch, batch| {
        source.append(&[batch], epoch, NOW).remove(0).unwrap();
    };
    match dice.below(12) {
        0..=4 => add(source, epoch, numbered(producer, 0, 0, &["a", "b"])),
        5 => add(source, epoch, batch(&["x"; 9], NOW.0)),
        6 => {
            add(source, epoch, transactional(producer, 0, 0, &["t"]));
            add(source, epoch, marker(producer, 0, Ends::Abort, 0));
        }
        7 | 8 => source.advance_high_watermark(Offset(end)),
        9 => source.advance_start(Offset(dice.below(watermark as usize + 1) as i64)),
        10 => {
            if let Some(plan) = source.plan_below_start() {
                source.retire(&plan, NOW).unwrap().run().unwrap().run().unwrap();
            }
        }
        _ => {
            let to = watermark + dice.below((end - watermark) as usize + 1) as i64;
            if let Some(truncated) = source.truncate_to(Offset(to), NOW).unwrap() {
                truncated.removal.run().unwrap();
            }
            *count = *count / 10 * 10 + 10;
            add(source, LeaderEpoch(*count / 10 * 2), batch(&["later"], NOW.0));
        }
    }
}

#[test]
fn a_copy_follows_whatever_becomes_of_its_source() {
    with_seeds(10, |seed| {
        let (one, other) = (scratch(), scratch());
        let (mut source, mut copy) = (create(one.path(), &small()), create(other.path(), &small()));
        let (mut count, mut dice) = (0, Dice(seed));
        for step in 0..200 {
            live(&mut source, &mut count, &mut dice);
            if dice.below(2) == 0
                && let Copied::Cut(truncated) = copy.copy_from(&source.reader(), 300, NOW).unwrap()
            {
                truncated.removal.run().unwrap();
            }
            if step % 50 == 49 {
                copy_all(&mut copy, &source.reader(), 1000);
                let offsets = |log: &Log| (log.start_offset(), log.end_offset(), log.high_watermark());
                assert_eq!(offsets(&copy), offsets(&source), "seed {seed}, step {step}");
                let bytes = |log: &Log| fetch(&log.reader(), log.start_offset(), 1 << 20);
                assert!(bytes(&copy) == bytes(&source), "seed {seed}, step {step}: other records");
            }
        }
    });
}

#[test]
fn readers_go_on_with_the_log_that_takes_anothers_place() {
    let root = scratch();
    let dirs = ["a", "b"].map(|name| root.path().join(name));
    dirs.iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
    let mut log = create(&dirs[0].join("t-0"), &small());
    for _ in 0..200 {
        append(&mut log, &batch(&["some value"], NOW.0));
    }
    log.advance_high_watermark(Offset(200));
    let reader = log.reader();
    let bytes = fetch(&reader, Offset(0), 1 << 20);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(fetch(&reader, Offset(0), 1 << 20) == bytes);
                    let time = reader.offset_for_timestamp(NOW, UpTo::LogEnd).unwrap();
                    assert_eq!(time.map(|found| found.offset), Some(Offset(0)));
                }
            });
        }
        for mark in 1..=30 {
            let to = &dirs[mark % 2];
            let mut copy = create(&to.join("t-0.7-future"), &small());
            copy_all(&mut copy, &log.reader(), 4000);
            copy.rename_dir(to.join("t-0")).unwrap();
            let old = log.replace_with(copy);
            assert_eq!(old.dir.as_ref(), dirs[1 - mark % 2].join("t-0"));
            old.delete(TopicId::from_u128(mark as u128), NOW).unwrap().run().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(log.high_watermark(), Offset(200));
    assert_eq!(append(&mut log, &batch(&["next"], NOW.0)), Offset(200));
    assert_eq!(reader.view().end, Offset(201));
    assert_eq!(reader.size(), log.size());
    let plain = dirs[0].join("t-0");
    log.close().unwrap();
    assert!(files(&plain).len() > 10);
    let (log, report) = open(&plain, Shutdown::Clean).unwrap();
    assert_eq!((log.end_offset(), report.segments_scanned), (Offset(201), 0));
    let first = log.reader().read(Offset(0), 1, UpTo::LogEnd, FirstBatch::Whole).unwrap();
    assert!(first.records.is_some());
}
