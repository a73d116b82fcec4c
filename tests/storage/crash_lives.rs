//! Power cuts in random lives of a log that leads and follows. After every disk operation, those of recovery too, the
//! medium may hold several things: each opens as a log that once was, with all that was synced, and whatever is beside
//! the records says the same as they do. Some of them live on, and the power is cut again. A failure names its seed:
//! `OTTLA_STORAGE_SEED` lives that life again, `OTTLA_STORAGE_SECONDS` lives more of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use protocol::batch::{BatchHeader, Produced};
use protocol::{LeaderEpoch, Offset, Sequence, TopicId};
use storage::disk::crash::{CrashDisk, Loss, Scratch, scratch};
use storage::{
    AppendError, Checkpoint, Cleanup, Disk, FlushPlan, FlushScope, Freshness, Log, LogDir, LogSettings,
    OpenOptions, OsDisk, Shutdown, Truncated, salvage,
};

use crate::judge;
use crate::kit::{
    Dice, Ends, NOW, batch, create_on, fetch, marker, numbered, open_dir, options, partition, placed,
    settings, transactional, with_seeds,
};

/// What was appended, by base offset.
pub(crate) type History = BTreeMap<i64, Vec<u8>>;

/// What is certain after some number of operations.
#[derive(Debug, Clone)]
struct Known {
    operations: usize,
    history: Rc<History>,
    synced: i64,
    start: i64,
}

/// Whether offsets may be missing for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gaps {
    Never,
    /// The leader's log was compacted.
    Compacted,
}

fn small(gaps: Gaps) -> LogSettings {
    LogSettings {
        segment_bytes: 700,
        index_interval_bytes: 120,
        retention_bytes: Some(3000),
        cleanup: if gaps == Gaps::Compacted { Cleanup::CompactDelete } else { Cleanup::Delete },
        // So that both ways are gone.
        preallocate: gaps == Gaps::Compacted,
        file_delete_delay_ms: 0,
        ..settings()
    }
}

/// A producer as it knows itself.
#[derive(Debug, Clone, Default)]
struct Client {
    sequence: i32,
    is_open: bool,
}

struct Life {
    disk: Arc<CrashDisk>,
    /// Removed with its content at the end.
    _root: Scratch,
    dir: LogDir,
    log: Log,
    dice: Dice,
    gaps: Gaps,
    known: Vec<Known>,
    history: Rc<History>,
    /// Below it records were forgotten before the last power cut; some may have come back, without their epochs.
    forgotten: i64,
    clients: BTreeMap<i64, Client>,
    epoch: i32,
    count: u32,
    plan: Option<FlushPlan>,
}

/// Less than some tails that recovery cuts.
const SALVAGE_MAX: u64 = 600;

/// Opens what lies in a log directory, as a broker does.
fn reopen(dir: &LogDir, how: (Shutdown, Gaps), disk: Arc<dyn Disk>, context: &str) -> Option<Log> {
    let (shutdown, gaps) = how;
    let mut found = dir.list().unwrap().replicas;
    for which in Checkpoint::ALL {
        dir.retain_offsets(which, |partition| found.contains_key(partition)).unwrap();
    }
    salvage::bound(&dir.path, SALVAGE_MAX, &*disk).unwrap();
    let path = found.remove(&partition())?;
    let listed = |which| dir.read_offsets(which).unwrap().get(&partition()).copied();
    let options = OpenOptions {
        recovery_point: listed(Checkpoint::RecoveryPoint).unwrap_or(Offset(0)),
        log_start: listed(Checkpoint::LogStart),
        ..options(&path, &small(gaps), shutdown)
    };
    let opened = Log::open(options, disk).map_err(|error| format!("{context}: {error}"));
    let (log, _) = opened.unwrap();
    if log.missing_up_to.is_some() {
        dir.lower(Checkpoint::RecoveryPoint, &partition(), log.recovery_point()).unwrap();
    }
    Some(log)
}

impl Life {
    fn new(seed: u64) -> Life {
        let root = scratch();
        let disk = Arc::new(CrashDisk::new(root.path()).unwrap());
        let dir = open_dir(root.path(), disk.clone()).unwrap();
        let gaps = if seed.is_multiple_of(2) { Gaps::Compacted } else { Gaps::Never };
        let log = create_on(&dir.partition_dir(&partition()), &small(gaps), disk.clone());
        let (history, known, clients) = (Rc::default(), Vec::new(), BTreeMap::new());
        let mut life = Life {
            disk,
            _root: root,
            dir,
            log,
            dice: Dice(seed),
            gaps,
            known,
            history,
            forgotten: 0,
            clients,
            epoch: 0,
            count: 0,
            plan: None,
        };
        life.note();
        life
    }

    /// Goes on from what a power cut left of this life.
    fn after(&self, image: Scratch, known: (&Known, &Known), seed: u64, context: &str) -> Life {
        let disk = Arc::new(CrashDisk::new(image.path()).unwrap());
        let dir = open_dir(image.path(), disk.clone()).unwrap();
        let shutdown = dir.take_clean_mark().unwrap();
        let opened = reopen(&dir, (shutdown, self.gaps), disk.clone(), context);
        check(opened.as_ref(), known, tellable(&dir, self.gaps), context);
        let create = || create_on(&dir.partition_dir(&partition()), &small(self.gaps), disk.clone());
        let log = opened.unwrap_or_else(create);
        let history = Rc::new(remembered(&log, known));
        let forgotten = known.0.start.max(known.1.start).min(log.end_offset().0);
        let (known, clients) = (Vec::new(), BTreeMap::new());
        let (epoch, count) = (self.epoch + 1, self.count + 1000);
        let (dice, gaps) = (Dice(seed), self.gaps);
        let mut life = Life {
            disk,
            _root: image,
            dir,
            log,
            dice,
            gaps,
            known,
            history,
            forgotten,
            clients,
            epoch,
            count,
            plan: None,
        };
        life.learn_clients();
        life.note();
        life
    }

    fn note(&mut self) {
        self.known.push(Known {
            operations: self.disk.operations(),
            history: self.history.clone(),
            synced: self.log.recovery_point().0,
            start: self.log.start_offset().0.max(self.forgotten),
        });
    }

    fn step(&mut self) {
        match self.dice.below(40) {
            0..12 => self.lead(),
            12..22 => self.follow(),
            22..25 => self.truncate(),
            25 => self.truncate_fully(),
            26..28 => self.forget(),
            28..30 => self.plan = self.log.flush_plan(FlushScope::Everything, NOW),
            30 => self.plan = self.log.flush_plan(FlushScope::Sealed, NOW),
            31..33 => self.flush(),
            33..35 => self.checkpoint(),
            35 => self.stop_cleanly(),
            36..38 => self.start_again(Shutdown::Unclean),
            38 => self.delete(),
            _ => self.hold_reserve(),
        }
        self.note();
    }

    /// The next batch of some producer or none.
    fn next_batch(&mut self) -> Produced {
        self.count += 1;
        let value = format!("{} {}", self.count, "x".repeat(self.dice.below(60)));
        let producer = self.dice.below(6) as i64;
        if producer == 0 {
            return batch(&[&value, "second"][..1 + self.dice.below(2)], NOW.0 + self.dice.below(50) as i64);
        }
        let ends = if self.dice.below(2) == 0 { Ends::Abort } else { Ends::Commit };
        let wants_end = self.dice.below(3) == 0;
        let client = self.clients.entry(producer).or_default();
        if client.is_open && wants_end {
            client.is_open = false;
            return marker(producer, 0, ends, 0);
        }
        let sequence = client.sequence;
        client.sequence += 1;
        // The first three write transactions, the others do not.
        client.is_open = producer < 4;
        let make = if client.is_open { transactional } else { numbered };
        make(producer, 0, sequence, &[&value])
    }

    fn lead(&mut self) {
        let epoch = LeaderEpoch(self.epoch);
        let batches: Vec<_> = (0..1 + self.dice.below(3)).map(|_| self.next_batch()).collect();
        let results = self.log.append(&batches, epoch, NOW);
        let mut history = History::clone(&self.history);
        for (batch, result) in batches.iter().zip(results) {
            let base = match result {
                Ok(appended) => appended.first_offset.0,
                // Of this producer a marker is all that retention and the power cuts have left: it begins anew.
                Err(AppendError::OutOfOrderSequence { producer, last: Sequence::NONE, .. }) => {
                    self.clients.remove(&producer.0);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            history.insert(base, placed(batch, base, self.epoch));
        }
        self.history = Rc::new(history);
        self.log.advance_high_watermark(self.log.end_offset());
    }

    fn follow(&mut self) {
        let mut base = self.log.end_offset().0;
        // The leader's records may be of epochs that are older than some that were truncated here.
        let last = self.history.values().next_back().map(|bytes| BatchHeader::parse(bytes).unwrap());
        let mut epoch = last.map_or(0, |header| header.leader_epoch.0);
        let (mut bytes, mut history) = (Vec::new(), History::clone(&self.history));
        for _ in 0..1 + self.dice.below(4) {
            if self.gaps == Gaps::Compacted {
                base += self.dice.below(8).saturating_sub(6) as i64;
            }
            let batch = self.next_batch();
            epoch += self.dice.below((self.epoch - epoch + 1) as usize) as i32;
            let placed = placed(&batch, base, epoch);
            bytes.extend_from_slice(&placed);
            history.insert(base, placed);
            base += i64::from(batch.header.last_offset_delta) + 1;
        }
        self.history = Rc::new(history);
        self.log.append_as_follower(&bytes, LeaderEpoch(self.epoch), NOW).unwrap();
        self.log.advance_high_watermark(self.log.end_offset() - self.dice.below(3) as i64);
    }

    /// The end of one leader's records: the next one goes on in another epoch.
    fn truncate(&mut self) {
        let (start, end) = (self.log.start_offset().0, self.log.end_offset().0);
        let distance = self.dice.below((end - start + 3) as usize) as i64;
        let to = (end - distance.min(1 + self.dice.below(12) as i64)).max(0);
        // Kafka's followers are told the end of a batch; in the middle of one a gap would come about.
        let holder =
            self.history.range(..to).next_back().map(|(_, bytes)| BatchHeader::parse(bytes).unwrap());
        let to =
            holder.filter(|_| self.gaps == Gaps::Never).map_or(to, |holder| holder.next_offset().0.min(end));
        self.epoch += 1;
        let Some(truncated) = self.log.truncate_to(Offset(to), NOW).unwrap() else { return };
        let is_below = |base: &i64, bytes: &Vec<u8>| {
            BatchHeader::parse(bytes).unwrap().last_offset().0 < to && *base < to
        };
        let history = self.history.iter().filter(|(base, bytes)| is_below(base, bytes));
        self.history = Rc::new(history.map(|(base, bytes)| (*base, bytes.clone())).collect());
        self.truncated(truncated);
    }

    fn truncate_fully(&mut self) {
        let to = self.dice.below(2 * self.log.end_offset().0 as usize + 5) as i64;
        self.epoch += 1;
        let truncated = self.log.truncate_fully_and_start_at(Offset(to), NOW).unwrap();
        self.history = Rc::default();
        self.truncated(truncated);
    }

    /// What producers know may be of batches that went: they go on from what is there.
    fn truncated(&mut self, truncated: Truncated) {
        self.forgotten = self.forgotten.min(self.log.end_offset().0);
        self.note();
        self.checkpoint();
        self.note();
        truncated.removal.run().unwrap();
        self.learn_clients();
    }

    fn learn_clients(&mut self) {
        self.clients.clear();
        for bytes in self.history.values() {
            let header = BatchHeader::parse(bytes).unwrap();
            if header.has_producer() {
                let client = self.clients.entry(header.producer_id.0).or_default();
                client.is_open = !header.attributes.is_control() && header.attributes.is_transactional();
                if !header.attributes.is_control() {
                    client.sequence = header.last_sequence().0 + 1;
                }
            }
        }
    }

    fn forget(&mut self) {
        let (start, watermark) = (self.log.start_offset().0, self.log.high_watermark().0);
        self.log.advance_start(Offset(start + self.dice.below((watermark - start + 1) as usize / 2) as i64));
        self.note();
        let plans = [self.log.plan_below_start(), self.log.retention_plan(NOW)];
        let Some(plan) = &plans[self.dice.below(2)] else { return };
        let retirement = self.log.retire(plan, NOW).unwrap();
        self.note();
        retirement.run().unwrap().run().unwrap();
    }

    fn flush(&mut self) {
        let Some(plan) = self.plan.take() else { return };
        let flushed = plan.run().unwrap();
        self.log.flushed(flushed);
        self.note();
        if self.dice.below(3) > 0 {
            self.checkpoint();
        }
    }

    fn checkpoint(&mut self) {
        let points = BTreeMap::from([(partition(), self.log.recovery_point())]);
        let starts = self.log.start_to_checkpoint().into_iter().map(|start| (partition(), start)).collect();
        self.dir.write_offsets(Checkpoint::RecoveryPoint, &points).unwrap();
        self.dir.write_offsets(Checkpoint::LogStart, &starts).unwrap();
    }

    fn hold_reserve(&mut self) {
        self.epoch += 1;
        if self.dice.below(2) == 0 {
            self.dir.hold_reserve(2000, 500).unwrap();
        } else {
            self.dir.release_reserve().unwrap();
        }
    }

    fn stop_cleanly(&mut self) {
        self.plan = None;
        let dir = self.log.dir.to_path_buf();
        // Only one log at a time has the directory.
        let other = scratch();
        let placeholder = create_on(&other.path().join("t-0"), &small(self.gaps), Arc::new(OsDisk));
        let closed = std::mem::replace(&mut self.log, placeholder).close().unwrap();
        assert_eq!(dir, self.dir.partition_dir(&partition()));
        let points = BTreeMap::from([(partition(), closed.recovery_point)]);
        let starts = closed.log_start.into_iter().map(|start| (partition(), start)).collect();
        self.dir.write_offsets(Checkpoint::RecoveryPoint, &points).unwrap();
        self.dir.write_offsets(Checkpoint::LogStart, &starts).unwrap();
        self.dir.write_clean_mark().unwrap();
        let known = self.known.last().unwrap().clone();
        self.known.push(Known {
            operations: self.disk.operations(),
            synced: closed.recovery_point.0,
            ..known
        });
        let shutdown = self.dir.take_clean_mark().unwrap();
        assert_eq!(shutdown, Shutdown::Clean);
        self.start_again(shutdown);
    }

    /// Goes on with what the files say; after a kill nothing that was written is lost.
    fn start_again(&mut self, shutdown: Shutdown) {
        self.plan = None;
        self.log = reopen(&self.dir, (shutdown, self.gaps), self.disk.clone(), "in life").unwrap();
        let found: History = judge::batches(&self.log);
        let start = self.log.start_offset().0;
        let is_kept = |bytes: &Vec<u8>| BatchHeader::parse(bytes).unwrap().last_offset().0 >= start;
        let mut expected = History::clone(&self.history);
        expected.retain(|_, bytes| is_kept(bytes));
        let bases = (found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert!(found == expected, "a {shutdown:?} start lost what was written: {bases:?}");
    }

    fn delete(&mut self) {
        self.plan = None;
        let other = scratch();
        let placeholder = create_on(&other.path().join("t-0"), &small(self.gaps), Arc::new(OsDisk));
        let log = std::mem::replace(&mut self.log, placeholder);
        let removal = log.delete(TopicId::from_u128(u128::from(self.count) + 1), NOW).unwrap();
        self.history = Rc::default();
        self.clients.clear();
        self.forgotten = 0;
        let gone = Known { operations: 0, history: Rc::default(), synced: 0, start: 0 };
        self.known.push(Known { operations: self.disk.operations(), ..gone.clone() });
        for which in [Checkpoint::RecoveryPoint, Checkpoint::LogStart] {
            self.dir.write_offsets(which, &BTreeMap::new()).unwrap();
        }
        removal.run().unwrap();
        self.known.push(Known { operations: self.disk.operations(), ..gone });
        self.log = create_on(&self.dir.partition_dir(&partition()), &small(self.gaps), self.disk.clone());
    }

    /// What was certain before and after the operation that the power cut.
    fn around(&self, operations: usize) -> Option<(&Known, &Known)> {
        let after = self.known.partition_point(|known| known.operations <= operations);
        let before = self.known.get(after.checked_sub(1)?)?;
        Some((before, self.known.get(after).unwrap_or(before)))
    }
}

/// What recovery can tell of holes: nothing before a recovery point is known.
fn tellable(dir: &LogDir, gaps: Gaps) -> Gaps {
    let points = dir.read_offsets(Checkpoint::RecoveryPoint).unwrap();
    if points.values().all(|point| *point == Offset(0)) { Gaps::Compacted } else { gaps }
}

/// Whether the batches are a piece of the history, without a hole if recovery can tell.
fn is_piece(found: &History, history: &History, gaps: Gaps) -> bool {
    let Some((first, last)) = found.keys().next().zip(found.keys().next_back()) else { return true };
    let is_within = found.iter().all(|(base, bytes)| history.get(base) == Some(bytes));
    is_within && (gaps == Gaps::Compacted || found.len() == history.range(first..=last).count())
}

fn check(log: Option<&Log>, (before, after): (&Known, &Known), gaps: Gaps, context: &str) {
    let found = log.map(judge::batches).unwrap_or_default();
    assert!(
        is_piece(&found, &before.history, gaps) || is_piece(&found, &after.history, gaps),
        "{context}: {:?} is not a piece of {:?} nor {:?}",
        found.keys(),
        before.history.keys(),
        after.history.keys()
    );
    let start = before.start.max(after.start);
    for (base, bytes) in before.history.iter() {
        let header = BatchHeader::parse(bytes).unwrap();
        let is_synced = header.next_offset().0 <= before.synced.min(after.synced);
        let is_wanted = header.last_offset().0 >= start && after.history.contains_key(base);
        assert!(
            !is_synced || !is_wanted || found.contains_key(base),
            "{context}: synced batch {base} is lost"
        );
    }
    let Some(log) = log else { return };
    // Where all is gone, the start that a checkpoint still lists may be higher than the one that was to come.
    assert!(
        log.start_offset().0 <= start || found.is_empty(),
        "{context}: the start moved to {}",
        log.start_offset()
    );
    // With a hole in it a log can only be asked to agree with itself.
    let pieces = [&after.history, &before.history].into_iter().map(|history| &**history);
    let history = pieces.chain([&found]).find(|history| is_piece(&found, history, Gaps::Never));
    let history = history.expect("a history is a piece of itself");
    judge::everything_fits(log, history, start, context);
}

/// Opens an image, judges it, and lets it live on a little.
fn check_image(image: &Path, known: (&Known, &Known), gaps: Gaps, context: &str) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let dir = open_dir(image, disk.clone()).unwrap();
    let shutdown = dir.take_clean_mark().unwrap();
    let log = reopen(&dir, (shutdown, gaps), disk.clone(), context);
    check(log.as_ref(), known, tellable(&dir, gaps), context);
    let Some(mut log) = log else { return };
    // Every producer's last batch is known, whatever was lost.
    for header in judge::last_batches(&log) {
        let again = numbered(header.producer_id.0, 0, header.base_sequence.0, &["again"]);
        let result = log.append(&[again], LeaderEpoch(1000), NOW).remove(0).unwrap();
        assert_eq!(
            (result.freshness, result.first_offset),
            (Freshness::Duplicate, header.base_offset),
            "{context}"
        );
    }
    let end = log.end_offset();
    log.advance_high_watermark(end);
    let result = log.append(&[batch(&["after"], NOW.0)], LeaderEpoch(1000), NOW).remove(0).unwrap();
    assert_eq!(result.first_offset, end, "{context}");
    let before = fetch(&log.reader(), log.start_offset(), 1 << 20);
    let path = log.dir.to_path_buf();
    let closed = log.close().unwrap();
    judge::indexes_fit(&path, context);
    let clean = OpenOptions {
        recovery_point: closed.recovery_point,
        log_start: closed.log_start,
        ..options(&path, &small(gaps), Shutdown::Clean)
    };
    let (log, report) = Log::open(clean, disk).unwrap();
    assert_eq!(report.segments_scanned, 0, "{context}");
    assert_eq!(fetch(&log.reader(), log.start_offset(), 1 << 20), before, "{context}");
}

/// Lets the recovery of an image be cut off too.
fn check_recovery(image: &Path, known: (&Known, &Known), (gaps, dice): (Gaps, &mut Dice), context: &str) {
    let disk = Arc::new(CrashDisk::new(image).unwrap());
    let dir = open_dir(image, disk.clone()).unwrap();
    let shutdown = dir.take_clean_mark().unwrap();
    let log = reopen(&dir, (shutdown, gaps), disk.clone(), context);
    let end = log.as_ref().map(Log::end_offset);
    check(log.as_ref(), known, tellable(&dir, gaps), context);
    for cut in 0..=disk.operations() {
        let loss = loss(dice);
        let second = scratch();
        disk.image(cut, loss, second.path()).unwrap();
        let context = format!("{context}, its recovery cut at {cut}, {loss:?}");
        check_image(second.path(), known, gaps, &context);
        let dir = open_dir(second.path(), Arc::new(OsDisk)).unwrap();
        // Judged and closed by now: one record more than recovery found, however often it was begun.
        let again = reopen(&dir, (Shutdown::Unclean, gaps), Arc::new(OsDisk), &context);
        assert_eq!(again.map(|log| log.end_offset()), end.map(|end| end + 1), "{context}");
    }
}

pub(crate) fn loss(dice: &mut Dice) -> Loss {
    match dice.below(6) {
        0 => Loss::Nothing,
        1 => Loss::Unsynced,
        2 => Loss::UnsyncedBytes,
        _ => Loss::Random(dice.below(1 << 30) as u64),
    }
}

/// The history of a log that goes on: what was found, and what was there below its start.
fn remembered(log: &Log, (before, after): (&Known, &Known)) -> History {
    let found = judge::batches(log);
    let start = log.start_offset();
    let is_of_after = is_piece(&found, &after.history, Gaps::Compacted);
    let mut history = History::clone(if is_of_after { &after.history } else { &before.history });
    let is_below = |bytes: &[u8]| BatchHeader::parse(bytes).unwrap().last_offset() < start;
    history.retain(|base, bytes| found.contains_key(base) || is_below(bytes));
    history
}

/// How often power may be cut in one life.
const CUTS: u32 = 3;

/// Judges an image for every operation of a life in which the power was cut `cuts` times.
fn judge_images(life: &Life, cuts: u32, dice: &mut Dice, context: &str) {
    for operations in 0..=life.disk.operations() {
        let Some(known) = life.around(operations) else { continue };
        let loss = loss(dice);
        let context = format!("{context}, the power cut after {operations} operations, {loss:?}");
        let image = scratch();
        life.disk.image(operations, loss, image.path()).unwrap();
        match dice.below(60) {
            0 | 1 => check_recovery(image.path(), known, (life.gaps, dice), &context),
            2 | 3 if cuts + 1 < CUTS => {
                let mut next = life.after(image, known, dice.below(1 << 30) as u64, &context);
                (0..10).for_each(|_| next.step());
                judge_images(&next, cuts + 1, dice, &context);
            }
            _ => check_image(image.path(), known, life.gaps, &context),
        }
    }
}

fn live(seed: u64, steps: usize) {
    let mut life = Life::new(seed);
    (0..steps).for_each(|_| life.step());
    judge_images(&life, 0, &mut Dice(!seed), &format!("seed {seed}"));
}

#[test]
fn every_image_of_a_random_life_is_a_log_that_once_was() {
    with_seeds(5, |seed| live(seed, 40));
}
