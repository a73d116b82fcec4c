//! A follower's log: the leader's bytes as they are, and everything that has to be known of them.

use std::fs;

use protocol::batch::{Batches, HEADER_SIZE, Produced};
use protocol::{LeaderEpoch, Offset};
use storage::disk::crash::{Scratch, scratch};
use storage::{Cleanup, FollowError, Followed, Log, LogSettings, Shutdown, UpTo};

use crate::kit::{
    Ends, NOW, append, batch, copy_of, create, decode, fetch, files, headers, marker, numbered, open,
    options, os, placed, settings, transactional, values,
};

/// What Kafka wrote in a fixture, and the log that holds it.
fn leader(name: &str) -> (Scratch, Log, Vec<u8>) {
    let copy = copy_of(&format!("main/{name}"));
    let lasting = LogSettings { producer_id_expiration_ms: i64::MAX, ..settings() };
    let (log, _) = Log::open(options(copy.path(), &lasting, Shutdown::Clean), os()).unwrap();
    let bytes = fetch(&log.reader(), log.start_offset(), 1 << 20);
    (copy, log, bytes)
}

fn follow(log: &mut Log, bytes: &[u8]) -> Result<Followed, FollowError> {
    let followed = log.append_as_follower(bytes, LeaderEpoch(99), NOW);
    log.advance_high_watermark(log.end_offset());
    followed
}

#[test]
fn a_copy_knows_what_its_leader_knows() {
    for name in
        ["fx-txn-0", "fx-txn-1", "fx-idempotent-0", "fx-epochs-0", "fx-segments-0", "fx-compact-delete-0"]
    {
        let (from, leader, bytes) = leader(name);
        for (piece, segment_bytes) in [(1 << 20, 4000), (700, 1 << 20), (5000, 300)] {
            let dir = scratch();
            let mut log = create(dir.path(), &LogSettings { segment_bytes, ..settings() });
            // A follower fetches pieces that end inside of a batch.
            let mut at = 0;
            while at < bytes.len() {
                let mut end = (at + piece).min(bytes.len());
                let followed = loop {
                    let followed = follow(&mut log, &bytes[at..end]).unwrap();
                    if followed.bytes > 0 {
                        break followed;
                    }
                    end = (end + piece).min(bytes.len());
                };
                at += followed.bytes as usize;
            }
            assert_eq!(fetch(&log.reader(), Offset(0), 1 << 20), bytes, "{name}");
            let (own, theirs) = (log.reader().view(), leader.reader().view());
            assert_eq!((own.end, own.last_stable_offset), (theirs.end, theirs.last_stable_offset), "{name}");
            let aborted = |log: &Log| log.reader().aborted(Offset(0), theirs.end);
            assert_eq!(aborted(&log), aborted(&leader), "{name}");
            // Below its first batch a copy knows of no epoch.
            for offset in headers(&log)[0].base_offset.0..theirs.end.0 {
                let epoch = |log: &Log| log.reader().epoch_at(Offset(offset));
                assert_eq!(epoch(&log), epoch(&leader), "{name} {offset}");
            }
            check_files(dir.path(), log, from.path());
        }
        leader.close().unwrap();
    }
}

/// Compares what a start would load: the newest snapshot, and what is found without it.
fn check_files(dir: &std::path::Path, log: Log, leader: &std::path::Path) {
    let end = log.end_offset();
    log.close().unwrap();
    let snapshot = format!("{:020}.snapshot", end.0);
    if leader.join(&snapshot).exists() && fs::metadata(leader.join(&snapshot)).unwrap().len() > 10 {
        assert_eq!(decode(dir, &snapshot), decode(leader, &snapshot));
    }
    let (log, report) = open(dir, Shutdown::Clean).unwrap();
    assert_eq!((log.end_offset(), report.segments_scanned, report.cut), (end, 0, None));
    let aborted = log.reader().aborted(Offset(0), end);
    drop(log);
    let (log, report) = open(dir, Shutdown::Unclean).unwrap();
    assert_eq!((log.end_offset(), report.cut), (end, None));
    assert_eq!(log.reader().aborted(Offset(0), end), aborted);
}

#[test]
fn a_gap_in_the_leaders_offsets_stays() {
    let dir = scratch();
    let size = batch(&["x"], 1).batch.len() as u32;
    let mut log = create(dir.path(), &LogSettings { segment_bytes: 2 * size, ..settings() });
    let bytes = [3, 9, 20, 21, 4_000_000_000].map(|base| placed(&batch(&["x"], 1), base, 0)).concat();
    let followed = follow(&mut log, &bytes).unwrap();
    assert_eq!(followed.offsets, Some((Offset(3), Offset(4_000_000_000))));
    assert_eq!(values(&log).into_keys().collect::<Vec<_>>(), [3, 9, 20, 21, 4_000_000_000]);
    // A segment is named by its first batch, as Kafka names it.
    let logs: Vec<_> = files(dir.path()).into_keys().filter(|name| name.ends_with(".log")).collect();
    assert_eq!(logs, [0, 20, 4_000_000_000i64].map(|base| format!("{base:020}.log")));
    assert_eq!(append(&mut log, &batch(&["y"], 1)), Offset(4_000_000_001));
    drop(log);
    let compacted = LogSettings { cleanup: Cleanup::Compact, ..settings() };
    let (log, report) = Log::open(options(dir.path(), &compacted, Shutdown::Unclean), os()).unwrap();
    assert_eq!((values(&log).len(), report.cut), (6, None));
}

#[test]
fn a_batch_of_a_later_epoch_ends_the_set() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    let mut later = placed(&batch(&["c"], 1), 2, 8);
    // Nothing behind is looked at.
    *later.last_mut().unwrap() ^= 1;
    let bytes = [placed(&batch(&["a"], 1), 0, 6), placed(&batch(&["b"], 1), 1, 7), later].concat();
    let followed = log.append_as_follower(&bytes, LeaderEpoch(7), NOW).unwrap();
    assert_eq!(
        (followed.offsets, followed.later_epoch),
        (Some((Offset(0), Offset(1))), Some(LeaderEpoch(8)))
    );
    assert_eq!(log.end_offset(), Offset(2));
    let epochs = [0, 1].map(|offset| log.reader().epoch_at(Offset(offset)));
    assert_eq!(epochs, [Some(LeaderEpoch(6)), Some(LeaderEpoch(7))]);
    let none = log.append_as_follower(&placed(&batch(&["c"], 1), 2, 8), LeaderEpoch(7), NOW).unwrap();
    assert_eq!((none.offsets, none.bytes), (None, 0));
}

#[test]
fn what_does_not_go_on_is_refused_whole() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    follow(&mut log, &placed(&batch(&["a", "b"], 1), 0, 0)).unwrap();
    let at = |base: i64| placed(&batch(&["x", "y"], 1), base, 0);
    let out_of_order = |outcome| matches!(outcome, Err(FollowError::OutOfOrder { .. }));
    assert!(out_of_order(follow(&mut log, &at(1))));
    assert!(out_of_order(follow(&mut log, &[at(2), at(3)].concat())));
    assert!(out_of_order(follow(&mut log, &[at(4), at(2)].concat())));
    assert!(out_of_order(follow(&mut log, &at(i64::MAX - 1))));
    assert!(matches!(follow(&mut log, &at(-9)), Err(FollowError::Corrupt { .. })));
    let mut damaged = [at(2), at(4)].concat();
    *damaged.last_mut().unwrap() ^= 1;
    let error = follow(&mut log, &damaged).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    assert!(matches!(follow(&mut log, &[0; 70]), Err(FollowError::Corrupt { .. })));
    assert_eq!((log.end_offset(), values(&log).len()), (Offset(2), 2));
    // What is cut short is no error.
    let bytes = [at(2), at(4)].concat();
    let followed = follow(&mut log, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(followed.offsets, Some((Offset(2), Offset(3))));
    assert_eq!(follow(&mut log, &bytes[..HEADER_SIZE - 3]).unwrap().offsets, None);
}

#[test]
fn messages_of_old_formats_are_followed_as_they_are() {
    for name in ["legacy-ibp28/fx-v0-none-0", "legacy-ibp28/fx-v1-gzip-0", "legacy-after39/fx-v1-gzip-0"] {
        let copy = copy_of(name);
        let bytes = fs::read(copy.path().join("00000000000000000000.log")).unwrap();
        for segment_bytes in [1 << 20, 1] {
            let dir = scratch();
            let mut log = create(dir.path(), &LogSettings { segment_bytes, ..settings() });
            // A log of old messages has no epochs.
            log.assign_epoch(LeaderEpoch(3));
            follow(&mut log, &bytes).unwrap();
            let logs: Vec<_> = files(dir.path()).into_keys().filter(|name| name.ends_with(".log")).collect();
            let found: Vec<u8> =
                logs.iter().flat_map(|name| fs::read(dir.path().join(name)).unwrap()).collect();
            assert_eq!(found, bytes, "{name}");
            let end = log.end_offset();
            assert!(end >= Offset(12) && logs.len() > usize::from(segment_bytes == 1), "{name}: {logs:?}");
            let is_mixed = name.starts_with("legacy-after39");
            assert_eq!(log.reader().view().latest_epoch.is_some(), is_mixed, "{name}");
            drop(log);
            let (log, report) = open(dir.path(), Shutdown::Unclean).unwrap();
            assert_eq!((log.end_offset(), report.cut), (end, None), "{name}");
        }
    }
}

#[test]
fn an_empty_log_begins_anew_inside_of_a_batch() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    drop(log.truncate_fully_and_start_at(Offset(5), NOW).unwrap());
    let bytes = placed(&batch(&["a", "b", "c"], 1), 4, 0);
    let base = Offset(4);
    assert!(
        matches!(follow(&mut log, &bytes), Err(FollowError::BeginsInside { base: found, .. }) if found == base)
    );
    drop(log.truncate_fully_and_start_at(base, NOW).unwrap());
    follow(&mut log, &bytes).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (base, Offset(7)));
    log.advance_start(Offset(5));
    assert_eq!(log.start_to_checkpoint(), Some(Offset(5)));
    // Below the start altogether, or behind a record, it is another log.
    assert!(matches!(follow(&mut log, &bytes), Err(FollowError::OutOfOrder { .. })));
}

#[test]
fn an_offset_far_from_its_segment_begins_another() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    follow(&mut log, &placed(&batch(&["a"], 1), 0, 0)).unwrap();
    follow(&mut log, &placed(&batch(&["b"], 1), i64::from(i32::MAX), 0)).unwrap();
    follow(&mut log, &placed(&batch(&["c"], 1), 1 << 31, 0)).unwrap();
    assert!(dir.path().join("00000000002147483648.log").exists());
    assert_eq!(headers(&log).len(), 3);
}

#[test]
fn transactions_end_with_their_markers_on_either_side() {
    let check = |append: &mut dyn FnMut(&mut Log, &Produced)| {
        let dir = scratch();
        let size = transactional(1, 0, 0, &["x"]).batch.len() as u32;
        let mut log = create(dir.path(), &LogSettings { segment_bytes: 3 * size, ..settings() });
        for batch in [
            transactional(1, 0, 0, &["a"]),
            transactional(2, 0, 0, &["b"]),
            marker(1, 0, Ends::Abort, 3),
            numbered(7, 0, 0, &["c"]),
            marker(2, 0, Ends::Commit, 3),
            transactional(1, 0, 1, &["d"]),
            marker(1, 1, Ends::Abort, 3),
            // Without a transaction there is nothing to abort.
            marker(9, 0, Ends::Abort, 3),
            transactional(1, 1, 0, &["e"]),
        ] {
            append(&mut log, &batch);
        }
        let expected = [(1, 0, 2, 1), (1, 5, 6, 7)];
        let seen = |log: &Log| {
            let aborted = log.reader().aborted(Offset(0), Offset(100)).into_iter();
            let entry = |entry: storage::AbortedTransaction| {
                (entry.producer_id.0, entry.first_offset.0, entry.last_offset.0, entry.last_stable_offset.0)
            };
            (aborted.map(entry).collect::<Vec<_>>(), log.reader().view().last_stable_offset.0)
        };
        assert_eq!(seen(&log), (expected.to_vec(), 8));
        let limit = log.reader().view().limit(UpTo::LastStableOffset);
        assert_eq!(limit, Offset(8));
        drop(log);
        let (log, _) = open(dir.path(), Shutdown::Unclean).unwrap();
        assert_eq!(seen(&log), (expected.to_vec(), 8));
        log.close().unwrap();
        let (log, report) = open(dir.path(), Shutdown::Clean).unwrap();
        assert_eq!((seen(&log), report.segments_scanned), ((expected.to_vec(), 8), 0));
    };
    check(&mut |log, batch| {
        append(log, batch);
    });
    check(&mut |log, batch| {
        let next = log.end_offset().0;
        follow(log, &placed(batch, next, 0)).unwrap();
    });
}

#[test]
fn a_finished_transaction_is_unstable_until_its_marker_is_replicated() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    let stable = |log: &Log| log.reader().view().last_stable_offset.0;
    for (base, batch) in
        (0..).zip([numbered(7, 0, 0, &["x"]), transactional(1, 0, 0, &["a"]), marker(1, 0, Ends::Commit, 0)])
    {
        log.append_as_follower(&placed(&batch, base, 0), LeaderEpoch(0), NOW).unwrap();
    }
    assert_eq!(stable(&log), 0);
    log.advance_high_watermark(Offset(2));
    assert_eq!(stable(&log), 1);
    log.advance_high_watermark(Offset(3));
    assert_eq!(stable(&log), 3);
}

#[test]
fn a_followers_roll_by_age_goes_by_the_leaders_times() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_ms: 100, ..settings() });
    let bytes: Vec<_> = [1000, 1100, 1101]
        .iter()
        .zip(0..)
        .flat_map(|(time, base)| placed(&batch(&["x"], *time), base, 0))
        .collect();
    follow(&mut log, &bytes).unwrap();
    assert!(dir.path().join("00000000000000000002.log").exists());
    assert_eq!(Batches::new(&fetch(&log.reader(), Offset(0), 1 << 20)).count(), 3);
}

#[test]
fn a_batch_larger_than_a_segment_has_one_of_its_own() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_bytes: 100, ..settings() });
    let bytes = [0, 1, 2].map(|base| placed(&batch(&[&"y".repeat(300)], 1), base, 0)).concat();
    follow(&mut log, &bytes).unwrap();
    assert_eq!(files(dir.path()).into_keys().filter(|name| name.ends_with(".log")).count(), 3);
    assert_eq!(values(&log).len(), 3);
}
