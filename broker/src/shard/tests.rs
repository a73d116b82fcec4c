//! A shard turned by hand, without a runtime: what one turn makes of its commands, and what a failure leaves of it.

mod loading;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use config::broker::BrokerConfig;
use config::properties::Properties;
use coordinator::deadlines::{Monotonic, Now};
use coordinator::replica::{Acks, AppendRefused, Assigned, ProduceFault};
use protocol::batch::{Codec, Produced, only_batch};
use protocol::ids::{BrokerId, LeaderEpoch, Millis, Offset, TopicId, TopicPartition};
use protocol::record::{BatchBuilder, NewRecord};
use storage::disk::crash::{CrashDisk, Fault};
use storage::{CreateOptions, Disk, Log, OsDisk};
use tokio::sync::mpsc;
use tokio::sync::oneshot::{self, Receiver};

use super::*;
use crate::hosted::Absent;

const LOCAL: BrokerId = BrokerId(1);

struct Rig {
    shard: Shard,
    hosted: Arc<Hosted>,
    /// Nobody carries them out.
    jobs: mpsc::Receiver<Job>,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    settings: TopicSettings,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn name(index: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from("t"), partition: index }
}

fn at(seconds: u64) -> Now {
    Now {
        monotonic: Monotonic(Duration::from_secs(seconds)),
        wall: Millis(1_000_000 + seconds as i64 * 1000),
    }
}

fn batch(value: &str) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(&NewRecord {
        timestamp: Millis(1_000_000),
        key: None,
        value: Some(value.as_bytes()),
        headers: &[],
    });
    builder.build().unwrap()
}

fn produced(value: &str) -> Produced {
    only_batch(Some(&batch(value)), 9).unwrap()
}

impl Rig {
    /// A shard that leads partitions 0 and 1 of `t`, with these brokers in sync.
    fn leading(isr: &[i32]) -> Rig {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ottla-shard-test-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let (queue, jobs) = JobQueue::new();
        let hosted = Arc::new(Hosted::default());
        let properties = Properties::parse(b"broker.id=1\nzookeeper.connect=localhost:2181\n").unwrap();
        let config = BrokerConfig::load(&properties).unwrap().config;
        let (topic, _) = config.topic_defaults.topic(&Default::default());
        let settings = TopicSettings::new(&topic, 1000);
        let shard = Shard::new(LOCAL, Arc::clone(&hosted), queue);
        let mut rig = Rig { shard, hosted, jobs, dir, disk: Arc::new(OsDisk), settings };
        for index in 0..2 {
            let mut assigned = rig.assign(index, isr);
            assert!(matches!(assigned.try_recv(), Ok(Ok(()))));
        }
        rig
    }

    fn assign(&mut self, index: i32, isr: &[i32]) -> Receiver<Result<(), AssignFailure>> {
        let partition = name(index);
        let options = CreateOptions {
            dir: self.dir.join(partition.to_string()),
            partition: partition.clone(),
            topic_id: None,
            settings: self.settings.log.clone(),
            now: at(0).wall,
        };
        let (reply, answer) = oneshot::channel();
        let brokers: Vec<_> = isr.iter().map(|id| BrokerId(*id)).collect();
        let assigned = Assigned {
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            replicas: brokers.clone(),
            isr: brokers.into_iter().collect(),
        };
        let assign = Assign {
            partition,
            topic_id: TopicId::nil(),
            leader: Some(LOCAL),
            assigned,
            settings: self.settings.clone(),
            log: Some(Log::create(options, Arc::clone(&self.disk)).unwrap()),
            reply,
        };
        self.turn(at(0), vec![Command::Assign(Box::new(assign))]);
        answer
    }

    fn turn(&mut self, now: Now, mut commands: Vec<Command>) {
        self.shard.turn(now, &mut commands);
        assert!(commands.is_empty());
    }

    fn end(&self, index: i32) -> i64 {
        self.hosted.get("t", index).unwrap().log.view().end.0
    }
}

fn append(partitions: &[i32], acks: Acks) -> (Command, Receiver<Vec<AppendOutcome>>) {
    let (reply, answer) = oneshot::channel();
    let batches = partitions.iter().map(|index| (name(*index), produced("v"))).collect();
    (Command::Append(Append { batches, acks, timeout: Duration::from_secs(5), reply }), answer)
}

/// The first offsets of an answer that is there and without a failure.
fn offsets(answer: &mut Receiver<Vec<AppendOutcome>>) -> Vec<i64> {
    let outcomes = answer.try_recv().expect("it is answered");
    outcomes.into_iter().map(|outcome| outcome.unwrap().base_offset.0).collect()
}

fn stop(index: i32, fate: Fate) -> (Command, Receiver<Result<Option<Log>, StopFailure>>) {
    let (reply, answer) = oneshot::channel();
    (Command::Stop(Stop { partition: name(index), leader_epoch: None, fate, reply }), answer)
}

#[test]
fn appends_of_one_turn_are_answered_in_their_order() {
    let mut rig = Rig::leading(&[1]);
    let (first, mut a) = append(&[0, 1], Acks::All);
    let (second, mut b) = append(&[1, 0, 0], Acks::Leader);
    let (unknown, mut c) = append(&[0, 7], Acks::Leader);
    rig.turn(at(1), vec![first, second, unknown]);
    assert_eq!(offsets(&mut a), [0, 0]);
    assert_eq!(offsets(&mut b), [1, 1, 2]);
    let outcomes = c.try_recv().unwrap();
    assert!(matches!(&outcomes[0], Ok(appended) if appended.base_offset == Offset(3)), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Err(AppendFailure::Refused(AppendRefused::NotLeader))), "{outcomes:?}");
    assert_eq!((rig.end(0), rig.end(1)), (4, 2));
}

#[test]
fn appends_of_one_turn_become_one_write() {
    let mut rig = Rig::leading(&[1]);
    assert_eq!(rig_file(&rig.dir), 0);
    let (commands, mut answers): (Vec<_>, Vec<_>) = (0..10).map(|_| append(&[0], Acks::Leader)).unzip();
    let (command, mut after) = stop(0, Fate::Keep);
    // Nothing is on disk before another command or the end of the turn asks for it, and then all of it at once.
    for command in commands {
        rig.shard.carry_out(at(1), command);
        assert_eq!(rig_file(&rig.dir), 0);
    }
    rig.turn(at(1), vec![command]);
    assert_eq!(rig_file(&rig.dir), 10 * batch("v").len() as u64);
    for (index, answer) in answers.iter_mut().enumerate() {
        assert_eq!(offsets(answer), [index as i64]);
    }
    assert!(matches!(after.try_recv(), Ok(Ok(None))));
}

/// The size of the one segment of partition 0.
fn rig_file(dir: &std::path::Path) -> u64 {
    dir.join("t-0/00000000000000000000.log").metadata().unwrap().len()
}

#[test]
fn no_command_overtakes_an_append() {
    let mut rig = Rig::leading(&[1]);
    let (before, mut a) = append(&[0], Acks::Leader);
    let (command, mut stopped) = stop(0, Fate::Delete);
    let (after, mut b) = append(&[0], Acks::Leader);
    rig.turn(at(1), vec![before, command, after]);
    assert_eq!(offsets(&mut a), [0]);
    let log = stopped.try_recv().unwrap().unwrap().expect("the log is handed over");
    assert_eq!(log.end_offset(), Offset(1));
    assert!(matches!(&b.try_recv().unwrap()[0], Err(AppendFailure::Refused(AppendRefused::NotLeader))));
    assert_eq!(rig.hosted.get("t", 0).err(), Some(Absent::NotLed));
}

#[test]
fn who_waits_for_replicas_waits_until_the_deadline() {
    let mut rig = Rig::leading(&[1, 2]);
    let (command, mut answer) = append(&[0], Acks::All);
    rig.turn(at(1), vec![command]);
    assert!(answer.try_recv().is_err(), "broker 2 does not have it");
    assert_eq!(rig.shard.next_deadline(), Some(at(6).monotonic));
    rig.turn(at(5), vec![]);
    assert!(answer.try_recv().is_err());
    rig.turn(at(6), vec![]);
    let outcomes = answer.try_recv().unwrap();
    assert!(
        matches!(&outcomes[0], Err(AppendFailure::NotAcknowledged(ProduceFault::TimedOut))),
        "{outcomes:?}"
    );
    assert_eq!(rig.shard.next_deadline(), None);
    assert_eq!(rig.end(0), 1, "the record stays");
}

#[test]
fn who_waits_is_told_when_the_partition_stops() {
    let mut rig = Rig::leading(&[1, 2]);
    let (command, mut answer) = append(&[0], Acks::All);
    let (stopping, _stopped) = stop(0, Fate::Keep);
    rig.turn(at(1), vec![command, stopping]);
    let outcomes = answer.try_recv().unwrap();
    assert!(
        matches!(&outcomes[0], Err(AppendFailure::NotAcknowledged(ProduceFault::NotLeader))),
        "{outcomes:?}"
    );
    assert_eq!(rig.shard.next_deadline(), None);
}

#[test]
fn a_panic_takes_only_its_partition_offline() {
    let mut rig = Rig::leading(&[1, 2]);
    let (waiting, mut waits) = append(&[0], Acks::All);
    rig.turn(at(1), vec![waiting]);
    rig.shard.step(&name(0), |_, _| panic!("on purpose"));
    let mut jobs = std::iter::from_fn(|| rig.jobs.try_recv().ok());
    assert!(jobs.any(|job| matches!(job, Job::TellController)), "the controller has to know");
    assert!(matches!(&waits.try_recv().unwrap()[0], Err(AppendFailure::Offline)));
    assert_eq!(rig.hosted.get("t", 0).err(), Some(Absent::Offline));

    let (both, mut answer) = append(&[0, 1], Acks::Leader);
    rig.turn(at(2), vec![both]);
    let outcomes = answer.try_recv().unwrap();
    assert!(matches!(&outcomes[..], [Err(AppendFailure::Offline), Ok(_)]), "{outcomes:?}");
    assert!(matches!(rig.assign(0, &[1]).try_recv(), Ok(Err(AssignFailure::Offline))));
    let (deletion, mut deleted) = stop(0, Fate::Delete);
    rig.turn(at(3), vec![deletion]);
    assert!(matches!(deleted.try_recv(), Ok(Err(StopFailure::Offline))));
}

#[test]
fn a_failed_directory_takes_its_partitions_offline() {
    let mut rig = Rig::leading(&[1]);
    rig.turn(at(1), vec![Command::FailDir(PathBuf::from("/elsewhere"))]);
    assert_eq!(rig.end(0), 0);
    let (before, mut a) = append(&[0], Acks::Leader);
    let dir = rig.dir.clone();
    rig.turn(at(1), vec![before, Command::FailDir(dir)]);
    assert_eq!(offsets(&mut a), [0]);
    for index in 0..2 {
        assert_eq!(rig.hosted.get("t", index).err(), Some(Absent::Offline));
    }
}

impl Rig {
    /// Assigns partition 2, on a disk that fails on command.
    fn on_failing_disk(&mut self) -> Arc<CrashDisk> {
        let disk = Arc::new(CrashDisk::new(&self.dir).unwrap());
        self.disk = Arc::clone(&disk) as Arc<dyn Disk>;
        assert!(matches!(self.assign(2, &[1]).try_recv(), Ok(Ok(()))));
        disk
    }

    /// The errors that whoever looks after the disks is asked to look into.
    fn blamed(&mut self) -> Vec<String> {
        let jobs = std::iter::from_fn(|| self.jobs.try_recv().ok());
        let blamed = jobs.filter_map(|job| match job {
            Job::Blame(error) => Some(error.to_string()),
            Job::Flush { .. }
            | Job::Retire(_)
            | Job::Remove(_)
            | Job::Examine { .. }
            | Job::TellController => None,
        });
        blamed.collect()
    }

    fn append(&mut self, index: i32) -> Result<i64, AppendFailure> {
        let (command, mut answer) = append(&[index], Acks::Leader);
        self.turn(at(1), vec![command]);
        answer.try_recv().unwrap().remove(0).map(|appended| appended.base_offset.0)
    }
}

#[test]
fn an_append_error_puts_the_directory_in_doubt_once() {
    let mut rig = Rig::leading(&[1]);
    let disk = rig.on_failing_disk();
    assert_eq!(rig.append(2).unwrap(), 0);
    disk.fail_at(disk.attempts(), Fault::Always(std::io::ErrorKind::Other));
    for _ in 0..3 {
        assert!(matches!(rig.append(2), Err(AppendFailure::Log(_))));
    }
    let blamed = rig.blamed();
    assert!(matches!(&blamed[..], [error] if error.starts_with("cannot cut back ")), "{blamed:?}");
    let dir = rig.dir.clone();
    rig.turn(at(1), vec![Command::FailDir(dir)]);
    assert!(matches!(rig.append(2), Err(AppendFailure::Offline)));
    assert_eq!(rig.hosted.get("t", 2).err(), Some(Absent::Offline));
}

#[test]
fn a_full_directory_is_read_only_until_there_is_room() {
    let mut rig = Rig::leading(&[1]);
    let disk = rig.on_failing_disk();
    disk.set_space(Some(100));
    assert_eq!(rig.append(2).unwrap(), 0);
    assert!(matches!(rig.append(2), Err(AppendFailure::Log(_))));
    // From here on nobody tries, for what there is of room is not for records: neither this partition nor its neighbours.
    let attempts = disk.attempts();
    for index in 0..3 {
        assert!(matches!(rig.append(index), Err(AppendFailure::Full)));
        assert!(rig.hosted.get("t", index).is_ok(), "it is read on");
    }
    assert_eq!((disk.attempts(), rig.blamed().len()), (attempts, 1));
    let (reply, mut frozen) = oneshot::channel();
    let dir = rig.dir.clone();
    rig.turn(at(1), vec![Command::Freeze { dir: dir.clone(), reply }]);
    assert_eq!(frozen.try_recv(), Ok(()));
    assert!(matches!(rig.append(0), Err(AppendFailure::Full)));

    disk.set_space(None);
    rig.turn(at(2), vec![Command::Thaw(dir.clone())]);
    assert_eq!((rig.append(2).unwrap(), rig.append(0).unwrap()), (1, 0));
    disk.set_space(Some(0));
    assert!(matches!(rig.append(2), Err(AppendFailure::Log(_))));
    assert_eq!(rig.blamed().len(), 1, "a disk that is full again is told again");
}

#[test]
fn a_flush_that_only_lacked_room_is_tried_again() {
    let mut rig = Rig::leading(&[1]);
    rig.settings.log.flush_messages = 1;
    let disk = rig.on_failing_disk();
    let flushed = |rig: &mut Rig, fault: Option<Fault>| {
        let jobs = std::iter::from_fn(|| rig.jobs.try_recv().ok());
        let mut plans = jobs.filter_map(|job| match job {
            Job::Flush { partition, plan } if partition == name(2) => Some((partition, plan)),
            Job::Flush { .. }
            | Job::Retire(_)
            | Job::Remove(_)
            | Job::Blame(_)
            | Job::Examine { .. }
            | Job::TellController => None,
        });
        let job = plans.next();
        let (partition, plan) = job?;
        if let Some(fault) = fault {
            disk.fail_at(disk.attempts() + 1, fault);
        }
        let result = plan.run();
        let failure = result.as_ref().err().map(ToString::to_string);
        rig.turn(at(1), vec![Command::Flushed { partition, result }]);
        Some(failure)
    };
    // The log's file is synced first, then the epochs are written.
    rig.append(2).unwrap();
    let full = Fault::Once(std::io::ErrorKind::StorageFull);
    let failure = flushed(&mut rig, Some(full)).expect("one record makes a flush due").expect("it fails");
    assert!(failure.contains("leader-epoch-checkpoint"), "{failure}");
    rig.turn(at(1), vec![Command::FlushDue]);
    assert_eq!(flushed(&mut rig, None), Some(None), "the next one covers the same");
    // After a sync that failed nobody tries again.
    rig.append(2).unwrap();
    disk.fail_at(disk.attempts(), Fault::Once(std::io::ErrorKind::Other));
    let failure = flushed(&mut rig, None).expect("it is due").expect("it fails");
    assert!(failure.starts_with("cannot sync "), "{failure}");
    assert_eq!(rig.blamed().len(), 1);
    assert!(matches!(rig.append(2), Err(AppendFailure::Log(_))));
    assert_eq!(flushed(&mut rig, None), None);
    // Nor does anybody vouch for it when the broker stops.
    let (reply, mut closed) = oneshot::channel();
    rig.turn(at(1), vec![Command::Close(reply)]);
    let log = closed.try_recv().unwrap().logs.into_iter().find(|log| log.partition == name(2));
    assert!(log.unwrap().close().is_err());
}

#[test]
fn a_damaged_log_is_kept_to_be_closed() {
    let mut rig = Rig::leading(&[1, 2]);
    let (waiting, mut waits) = append(&[0], Acks::All);
    let damage = storage::rot::Damage { position: 0, offset: None, flaw: storage::Flaw::Checksum };
    let damaged = Damaged { partition: name(0), file: PathBuf::from("x"), damage };
    rig.turn(at(1), vec![waiting, Command::Damaged(Box::new(damaged))]);
    assert!(waits.try_recv().unwrap()[0].is_err());
    assert_eq!(rig.hosted.get("t", 0).err(), Some(Absent::Offline));
    assert!(matches!(rig.append(0), Err(AppendFailure::Offline)));
    let (reply, mut closed) = oneshot::channel();
    rig.turn(at(2), vec![Command::Forget(name(0)), Command::Close(reply)]);
    assert_eq!(closed.try_recv().unwrap().logs.len(), 2);
}

#[test]
fn closing_hands_over_every_log() {
    let mut rig = Rig::leading(&[1, 2]);
    let (waiting, mut waits) = append(&[1], Acks::All);
    let (reply, mut closed) = oneshot::channel();
    let (late, mut after) = append(&[0], Acks::Leader);
    rig.turn(at(1), vec![waiting, Command::Close(reply), late]);
    let mut logs: Vec<_> =
        closed.try_recv().unwrap().logs.iter().map(|log| log.partition.partition).collect();
    logs.sort_unstable();
    assert_eq!(logs, [0, 1]);
    for answer in [&mut waits, &mut after] {
        assert!(answer.try_recv().unwrap()[0].is_err());
    }
}

#[test]
fn what_changed_is_told_once() {
    let mut rig = Rig::leading(&[1]);
    let changed = |rig: &mut Rig| {
        let (reply, mut answer) = oneshot::channel();
        rig.turn(at(1), vec![Command::TakeChanged(reply)]);
        answer
            .try_recv()
            .unwrap()
            .iter()
            .map(|s| (s.partition.partition, s.high_watermark.0))
            .collect::<Vec<_>>()
    };
    assert_eq!(changed(&mut rig).len(), 2);
    assert_eq!(changed(&mut rig), []);
    let (command, _answer) = append(&[1], Acks::Leader);
    rig.turn(at(1), vec![command]);
    assert_eq!(changed(&mut rig), [(1, 1)]);
}
