//! A listed recovery point is never above what is synced: in every order of truncation, checkpoint, append and power cut
//! a log opens again, with what was synced, and goes on. Each test takes one order in which the rule is easily broken.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use protocol::{LeaderEpoch, Offset};
use storage::disk::crash::{CrashDisk, Loss, Scratch, scratch};
use storage::{Checkpoint, Disk, FlushScope, Log, LogDir, LogSettings, OpenOptions, OsDisk, Shutdown};

use crate::judge;
use crate::kit::{
    Ends, NOW, append, batch, create_on, marker, open_dir, options, partition, placed, settings,
    transactional, values,
};

/// Small segments, indexed batch by batch, and of all losses those that a file system is most likely to show.
fn small() -> LogSettings {
    LogSettings { segment_bytes: 400, index_interval_bytes: 0, file_delete_delay_ms: 0, ..settings() }
}

const LOSSES: [Loss; 6] =
    [Loss::Nothing, Loss::Unsynced, Loss::UnsyncedBytes, Loss::Random(1), Loss::Random(2), Loss::Random(3)];

/// A log directory with one log on a disk whose power can be cut.
struct World {
    disk: Arc<CrashDisk>,
    dir: LogDir,
    root: Scratch,
}

impl World {
    fn new() -> (World, Log) {
        let world = World::over(scratch());
        let log = create_on(&world.dir.partition_dir(&partition()), &small(), world.disk.clone());
        (world, log)
    }

    fn over(root: Scratch) -> World {
        let disk = Arc::new(CrashDisk::new(root.path()).unwrap());
        let dir = open_dir(root.path(), disk.clone()).unwrap();
        World { disk, dir, root }
    }

    fn flush(&self, log: &mut Log) {
        let flushed = log.flush_plan(FlushScope::Everything, NOW).expect("something is new").run().unwrap();
        log.flushed(flushed);
        self.checkpoint(log);
    }

    fn checkpoint(&self, log: &Log) {
        let listed =
            |offset: Option<Offset>| offset.map(|offset| (partition(), offset)).into_iter().collect();
        self.dir.write_offsets(Checkpoint::RecoveryPoint, &listed(Some(log.recovery_point()))).unwrap();
        self.dir.write_offsets(Checkpoint::LogStart, &listed(log.start_to_checkpoint())).unwrap();
    }

    /// What the power leaves when it is cut now.
    fn cut(&self, loss: Loss) -> World {
        self.cut_after(self.disk.operations(), loss)
    }

    fn cut_after(&self, operations: usize, loss: Loss) -> World {
        let image = scratch();
        self.disk.image(operations, loss, image.path()).unwrap();
        World::over(image)
    }

    fn listed(&self, which: Checkpoint) -> Option<Offset> {
        self.dir.read_offsets(which).unwrap().get(&partition()).copied()
    }

    /// Opens the log as a broker does.
    fn open(&self, shutdown: Shutdown) -> Log {
        open(&self.dir, self.disk.clone(), shutdown)
    }
}

fn open(dir: &LogDir, disk: Arc<dyn Disk>, shutdown: Shutdown) -> Log {
    let listed = |which| dir.read_offsets(which).unwrap().get(&partition()).copied();
    let options = OpenOptions {
        recovery_point: listed(Checkpoint::RecoveryPoint).unwrap_or(Offset(0)),
        log_start: listed(Checkpoint::LogStart),
        ..options(&dir.partition_dir(&partition()), &small(), shutdown)
    };
    let (log, _) = Log::open(options, disk).unwrap();
    if log.missing_up_to.is_some() {
        dir.lower(Checkpoint::RecoveryPoint, &partition(), log.recovery_point()).unwrap();
    }
    log
}

fn add(log: &mut Log, count: usize) {
    for _ in 0..count {
        append(log, &batch(&["a record of some length"], NOW.0));
    }
}

/// A leader's batch of three records at `base`.
fn follow(log: &mut Log, base: i64) {
    log.append_as_follower(&placed(&batch(&["a", "b", "c"], NOW.0), base, 0), LeaderEpoch(0), NOW).unwrap();
}

/// Whatever is lost of what comes after the last sync, the log opens with `synced` records and can be appended to.
fn check_cuts(world: &World, synced: usize, context: &str) {
    for loss in LOSSES {
        let image = world.cut(loss);
        let mut log = image.open(Shutdown::Unclean);
        let found = values(&log).len();
        assert!(found >= synced, "{context}, {loss:?}: {found} records of {synced} that were synced");
        assert!(image.listed(Checkpoint::RecoveryPoint).is_none_or(|point| point <= log.recovery_point()));
        add(&mut log, 3);
        let before = values(&log);
        for loss in LOSSES {
            let again = image.cut(loss);
            let after = values(&again.open(Shutdown::Unclean));
            assert!(after.len() >= synced, "{context}, {loss:?} twice");
            assert!(after.iter().all(|(offset, value)| before.get(offset) == Some(value)), "{context}");
        }
    }
}

#[test]
fn in_a_gap_nothing_is_synced() {
    // A batch of three at 10 begins a segment; a truncation to 11 takes it all, though the log ends at 11.
    let (world, mut log) = World::new();
    drop(log.truncate_fully_and_start_at(Offset(10), NOW).unwrap());
    follow(&mut log, 10);
    world.flush(&mut log);
    let truncated = log.truncate_to(Offset(11), NOW).unwrap().unwrap();
    assert_eq!((log.end_offset(), truncated.recovery_point), (Offset(11), Offset(10)));
    world.checkpoint(&log);
    follow(&mut log, 11);
    check_cuts(&world, 0, "appended behind a gap");
}

#[test]
fn a_flush_does_not_vouch_for_a_gap() {
    let (world, mut log) = World::new();
    follow(&mut log, 0);
    follow(&mut log, 3);
    world.flush(&mut log);
    drop(log.truncate_to(Offset(5), NOW).unwrap().unwrap());
    assert_eq!(log.end_offset(), Offset(5));
    world.flush(&mut log);
    assert_eq!(log.recovery_point(), Offset(3));
    // Nor is one due for it.
    let settings = LogSettings { flush_ms: Some(0), ..small() };
    log.set_settings(settings);
    assert_eq!(log.flush_due(NOW + 1), None);
    follow(&mut log, 5);
    check_cuts(&world, 3, "flushed with a gap at the end");
}

#[test]
fn a_clean_stop_does_not_vouch_for_a_gap() {
    let (world, mut log) = World::new();
    follow(&mut log, 0);
    follow(&mut log, 3);
    drop(log.truncate_to(Offset(5), NOW).unwrap().unwrap());
    let closed = log.close().unwrap();
    assert_eq!(closed.recovery_point, Offset(3));
    let points = BTreeMap::from([(partition(), closed.recovery_point)]);
    world.dir.write_offsets(Checkpoint::RecoveryPoint, &points).unwrap();
    let mut log = world.open(Shutdown::Clean);
    assert_eq!((log.end_offset(), log.missing_up_to), (Offset(3), None));
    add(&mut log, 2);
    check_cuts(&world, 3, "closed with a gap at the end");
}

/// The power goes between a truncation and its checkpoint.
#[test]
fn a_truncation_that_was_not_listed_is_listed_by_the_next_start() {
    let (world, mut log) = World::new();
    add(&mut log, 12);
    world.flush(&mut log);
    let before = world.disk.operations();
    drop(log.truncate_to(Offset(4), NOW).unwrap().unwrap());
    for operations in before..=world.disk.operations() {
        for loss in LOSSES {
            let context = format!("{} operations into the truncation, {loss:?}", operations - before);
            let image = world.cut_after(operations, loss);
            let mut log = image.open(Shutdown::Unclean);
            assert!((Offset(4)..=Offset(12)).contains(&log.end_offset()), "{context}");
            assert_eq!(log.missing_up_to.is_some(), log.end_offset() < Offset(12), "{context}");
            assert_eq!(image.listed(Checkpoint::RecoveryPoint), Some(log.end_offset()), "{context}");
            let kept = values(&log).len();
            // As many segments as there were, of which none is on the medium.
            add(&mut log, 9);
            check_cuts(&image, kept, &context);
        }
    }
}

/// Whoever puts old files back, or loses some, gets a log that ends below its recovery point.
#[test]
fn files_that_are_missing_are_not_taken_for_synced_when_they_are_written_anew() {
    for shutdown in [Shutdown::Clean, Shutdown::Unclean] {
        let (world, mut log) = World::new();
        add(&mut log, 12);
        world.flush(&mut log);
        drop(log.close().unwrap());
        let last = world.dir.list().unwrap().replicas[&partition()].join("00000000000000000008.log");
        fs::remove_file(&last).unwrap();
        let image = World::over(copied(&world.root));
        let mut log = image.open(shutdown);
        assert_eq!((log.end_offset(), log.missing_up_to), (Offset(8), Some(Offset(12))));
        assert_eq!(image.listed(Checkpoint::RecoveryPoint), Some(Offset(8)));
        add(&mut log, 6);
        check_cuts(&image, 8, "the last segment was gone");
    }
}

fn copied(from: &Scratch) -> Scratch {
    let to = scratch();
    crate::kit::copy(from.path(), to.path());
    to
}

/// The log start is above the end: everything goes, and what is appended next is not below an old recovery point.
#[test]
fn a_log_that_begins_anew_has_nothing_synced() {
    let (world, mut log) = World::new();
    add(&mut log, 12);
    world.flush(&mut log);
    let starts = BTreeMap::from([(partition(), Offset(10))]);
    world.dir.write_offsets(Checkpoint::LogStart, &starts).unwrap();
    drop(log.truncate_to(Offset(6), NOW).unwrap().unwrap());
    for loss in LOSSES {
        let image = world.cut(loss);
        let mut log = image.open(Shutdown::Unclean);
        assert_eq!((log.start_offset(), log.end_offset()), (Offset(10), Offset(10)));
        assert_eq!(image.listed(Checkpoint::RecoveryPoint), Some(Offset(10)));
        add(&mut log, 3);
        check_cuts(&image, 0, "begun anew");
    }
}

/// A topic of the same name is made while the files still list the deleted one.
#[test]
fn what_is_listed_of_a_deleted_log_is_not_believed_of_the_next() {
    let (world, mut log) = World::new();
    add(&mut log, 12);
    log.advance_start(Offset(9));
    world.flush(&mut log);
    log.delete(protocol::TopicId::from_u128(1), NOW).unwrap().run().unwrap();
    let image = world.cut(Loss::Nothing);
    // As a start does, and whoever deletes.
    for which in Checkpoint::ALL {
        let listing = image.dir.list().unwrap();
        image.dir.retain_offsets(which, |partition| listing.replicas.contains_key(partition)).unwrap();
    }
    let mut log = create_on(&image.dir.partition_dir(&partition()), &small(), image.disk.clone());
    add(&mut log, 5);
    let killed = image.cut(Loss::Nothing);
    assert_eq!(values(&killed.open(Shutdown::Unclean)).len(), 5);
    check_new(&image);
}

fn check_new(world: &World) {
    for loss in LOSSES {
        let image = world.cut(loss);
        if image.dir.list().unwrap().replicas.contains_key(&partition()) {
            let log = image.open(Shutdown::Unclean);
            assert_eq!(log.start_offset(), Offset(0), "{loss:?}");
        }
    }
}

/// Bit rot in a transaction index below the recovery point: what is made in its place has to last, since no flush looks
/// there again.
#[test]
fn an_index_made_anew_below_the_recovery_point_lasts() {
    let (world, mut log) = World::new();
    for at in 0..4 {
        append(&mut log, &transactional(6, 0, at, &["of an aborted transaction"]));
        append(&mut log, &marker(6, 0, Ends::Abort, 0));
    }
    world.flush(&mut log);
    let expected = log.reader().aborted(Offset(0), log.end_offset());
    assert_eq!(expected.len(), 4);
    let damaged = "00000000000000000000.txnindex";
    for shutdown in [Shutdown::Clean, Shutdown::Unclean] {
        let image = World::over(copied(&world.root));
        let path = image.dir.partition_dir(&partition()).join(damaged);
        let mut bytes = fs::read(&path).unwrap();
        bytes.pop();
        fs::write(&path, bytes).unwrap();
        let image = World::over(copied(&image.root));
        let log = image.open(shutdown);
        assert_eq!(log.reader().aborted(Offset(0), log.end_offset()), expected, "{shutdown:?}");
        for operations in 0..=image.disk.operations() {
            for loss in LOSSES {
                let again = image.cut_after(operations, loss);
                let log = again.open(Shutdown::Unclean);
                let found = log.reader().aborted(Offset(0), log.end_offset());
                assert_eq!(found, expected, "{shutdown:?}, {operations} operations, {loss:?}");
            }
        }
    }
}

/// A start and a truncation look at the transaction index of the segment that goes on being written. Nothing new may come into that segment, so that no
/// flush brings to the medium what they made of the file.
#[test]
fn the_transaction_index_of_the_last_segment_lasts() {
    for truncates in [false, true] {
        let (world, mut log) = World::new();
        append(&mut log, &transactional(6, 0, 0, &["of an aborted transaction"]));
        append(&mut log, &marker(6, 0, Ends::Abort, 0));
        world.flush(&mut log);
        let expected = log.reader().aborted(Offset(0), log.end_offset());
        assert_eq!(expected.len(), 1);
        let end = log.end_offset();
        if truncates {
            append(&mut log, &transactional(6, 0, 1, &["of another"]));
            append(&mut log, &marker(6, 0, Ends::Abort, 0));
            world.flush(&mut log);
        }
        let image = World::over(copied(&world.root));
        let mut log = image.open(Shutdown::Unclean);
        if truncates {
            drop(log.truncate_to(end, NOW).unwrap());
            image.checkpoint(&log);
        }
        append(&mut log, &batch(&[&"of the next segment ".repeat(14)], NOW.0));
        let done = image.disk.operations();
        for operations in if truncates { done } else { 0 }..=done {
            for loss in LOSSES {
                let log = image.cut_after(operations, loss).open(Shutdown::Unclean);
                let found = log.reader().aborted(Offset(0), log.end_offset());
                assert_eq!(found, expected, "{truncates}, {operations} operations, {loss:?}");
            }
        }
    }
}

/// Appends a record of each of these lengths, each later than the one before.
fn add_long(log: &mut Log, lengths: &[usize]) {
    for length in lengths {
        let time = NOW + log.end_offset().0;
        append(log, &batch(&[&"x".repeat(*length)], time.0));
    }
}

/// The index of four batches is on the medium, but the log lost all but the first of them.
fn log_that_lost_more_than_its_index() -> World {
    let (world, mut log) = World::new();
    add_long(&mut log, &[20, 20, 20, 20]);
    log.close().unwrap();
    let points = BTreeMap::from([(partition(), Offset(1))]);
    world.dir.write_offsets(Checkpoint::RecoveryPoint, &points).unwrap();
    let path = world.dir.partition_dir(&partition()).join("00000000000000000000.log");
    let size = batch(&[&"x".repeat(20)], NOW.0).batch.len() as u64;
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap();
    World::over(copied(&world.root))
}

/// Recovery writes over the index of the last segment, and a flush of that segment syncs the log alone. Then the segment
/// is sealed with nothing more in it, so that no flush and no recovery need look at it again.
#[test]
fn the_indexes_of_a_segment_that_is_sealed_at_the_recovery_point_are_its_own() {
    for rolls_meanwhile in [false, true] {
        let world = log_that_lost_more_than_its_index();
        let mut log = world.open(Shutdown::Unclean);
        // Others come in the place of what was lost; only the third batch begins elsewhere.
        add_long(&mut log, &[25, 15, 20]);
        let plan = log.flush_plan(FlushScope::Everything, NOW).unwrap();
        if rolls_meanwhile {
            add_long(&mut log, &[100]);
            log.flushed(plan.run().unwrap());
        } else {
            log.flushed(plan.run().unwrap());
            world.checkpoint(&log);
            add_long(&mut log, &[100]);
        }
        world.checkpoint(&log);
        assert_eq!(log.recovery_point(), Offset(4));
        for operations in 0..=world.disk.operations() {
            for loss in LOSSES {
                let image = world.cut_after(operations, loss);
                let log = image.open(Shutdown::Unclean);
                let dir = log.dir.to_path_buf();
                log.close().unwrap();
                judge::indexes_fit(&dir, &format!("{rolls_meanwhile}, {operations} operations, {loss:?}"));
            }
        }
    }
}

/// After a sync that failed, another one may say that all is well, and be wrong.
#[test]
fn nobody_vouches_for_a_log_whose_sync_failed() {
    let root = scratch();
    let mut log = create_on(&root.path().join("t-0"), &small(), Arc::new(OsDisk));
    add(&mut log, 1);
    log.sync_failed();
    assert!(log.flush_plan(FlushScope::Everything, NOW).is_none());
    assert!(log.append(&[batch(&["x"], NOW.0)], LeaderEpoch(0), NOW)[0].is_err());
    assert!(log.close().is_err());
}
