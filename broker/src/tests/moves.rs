//! AlterReplicaLogDirs: a replica goes from one log directory to the other while it serves; what is refused, what gives a move up, and
//! what becomes of a half-done move when the broker stops, a topic is deleted, or a disk fails. A rate of a few bytes per second holds
//! a move where a test wants it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::layers::Scope;
use protocol::ErrorCode;
use protocol::ids::{Offset, TopicPartition};
use protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::messages::{AlterReplicaLogDirsRequest, DeleteTopicsRequest, DescribeLogDirsRequest};
use storage::{Checkpoint, FirstBatch, UpTo};

use super::bad_disk::{EIO, ENOSPC};
use super::world::{Ground, World, batch, code, error_in, topic_name};

/// A replica as DescribeLogDirs tells of it: its directory, its lag, whether it is a future one.
type Told = (usize, i64, bool);

impl World {
    /// Asks to move partitions of `t` to a directory, and reads the codes.
    async fn alter(&self, indexes: &[i32], to: &Path) -> Vec<ErrorCode> {
        let mut codes = Vec::new();
        // They differ in their form alone.
        for version in [0, 1, 2] {
            let answer = self.ask(version, &asked(&[(to, "t", indexes)])).await;
            let results = answer.results.iter().flat_map(|topic| &topic.partitions);
            codes = results.map(|partition| code(partition.error_code)).collect();
            assert_eq!(codes.len(), indexes.len(), "{answer:?}");
        }
        codes
    }

    /// Lets moves copy a batch and then wait for days.
    fn slow_down(&self) {
        let rate = ("replica.alter.log.dirs.io.max.bytes.per.second".to_owned(), "0".to_owned());
        self.broker.settings.broker_changed(Scope::Broker, &[rate].into());
    }

    async fn put(&self, count: i64) {
        for _ in 0..count {
            let answer = self.produce(9, ("t", 0), batch(-1, &["a", "b"], |_| {})).await;
            assert_eq!(code(answer.error_code), ErrorCode::None);
        }
    }

    fn replica(&self, dir: usize) -> PathBuf {
        self.dirs()[dir].join("t-0")
    }

    /// The number of the directory that `t-0` is in.
    fn place(&self) -> usize {
        let home = self.broker.log_dirs.home(&partition()).expect("it is in one of them");
        self.dirs().iter().position(|dir| *dir == home).unwrap()
    }

    async fn until_in(&self, dir: usize) {
        self.until("the end of the move", || self.place() == dir && self.copies().is_empty()).await;
        self.until("the end of the old log", || !self.replica(1 - dir).exists()).await;
        self.until("the note's end", || !self.replica(dir).join(".ottla-move").exists()).await;
    }

    /// Directories of copies.
    fn copies(&self) -> Vec<PathBuf> {
        copies(&self.ground)
    }

    async fn told(&self) -> Vec<Told> {
        let answer = self.ask(4, &DescribeLogDirsRequest::default().with_topics(None)).await;
        let mut told = Vec::new();
        for (at, dir) in answer.results.iter().enumerate() {
            let replicas = dir.topics.iter().flat_map(|topic| &topic.partitions);
            told.extend(replicas.map(|replica| (at, replica.offset_lag, replica.is_future_key)));
        }
        told.sort_by_key(|(.., is_future)| *is_future);
        told
    }

    /// All of `t-0` as its readers get it.
    fn records(&self) -> Vec<u8> {
        let log = self.broker.hosted.get("t", 0).unwrap().log.clone();
        let (mut from, mut all) = (log.view().start, Vec::new());
        while let Some(slice) = log.read(from, 1 << 20, UpTo::LogEnd, FirstBatch::Whole).unwrap().records {
            let mut bytes = vec![0; slice.length as usize];
            std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position).unwrap();
            let batches = protocol::batch::Batches::new(&bytes).map(|batch| batch.unwrap().header);
            from = batches.last().unwrap().next_offset();
            all.extend(bytes);
        }
        all
    }
}

fn copies(ground: &Ground) -> Vec<PathBuf> {
    let entries = ground.dirs().into_iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with("-future")).collect()
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn asked(dirs: &[(&Path, &'static str, &[i32])]) -> AlterReplicaLogDirsRequest {
    let dir = |(path, topic, partitions): &(&Path, &'static str, &[i32])| {
        let topic = AlterReplicaLogDirTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.to_vec());
        let path = path.display().to_string().into();
        AlterReplicaLogDir::default().with_path(path).with_topics(vec![topic])
    };
    AlterReplicaLogDirsRequest::default().with_dirs(dirs.iter().map(dir).collect())
}

#[tokio::test(start_paused = true)]
async fn a_replica_moves_while_it_serves() {
    let world = World::start(&["log.segment.bytes=1000", "log.segment.delete.delay.ms=0"]).await;
    world.topic("t", 1, &[]).await;
    world.put(100).await;
    let (from, before) = (world.place(), world.records());
    let to = 1 - from;
    let reader = world.broker.hosted.get("t", 0).unwrap();
    assert_eq!(world.alter(&[0], &world.dirs()[to]).await, [ErrorCode::None]);
    // Whoever is at it goes on, and so does who comes.
    world.put(50).await;
    world.until_in(to).await;
    world.put(50).await;
    assert_eq!(reader.log.view().end, Offset(400));
    assert!(world.records().starts_with(&before));
    assert_eq!(world.read(12, 0).await.high_watermark, 400);
    assert_eq!(world.told().await, [(to, 0, false)]);
    // And back again.
    assert_eq!(world.alter(&[0], &world.dirs()[from]).await, [ErrorCode::None]);
    world.until_in(from).await;
    world.put(1).await;
    let (records, ground) = (world.records(), world.stop().await);
    assert!(ground.dirs().iter().all(|dir| dir.join(".kafka_cleanshutdown").exists()));
    let world = World::start_on(ground, &[]).await;
    world.topic_is_led().await;
    assert_eq!((world.place(), world.records()), (from, records));
}

impl World {
    async fn topic_is_led(&self) {
        self.until("the leader", || self.broker.hosted.get("t", 0).is_ok()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_refused_as_kafka_refuses_them() {
    let world = World::start(&[]).await;
    world.slow_down();
    world.topic("t", 1, &[]).await;
    let [a, b] = world.dirs();
    assert_eq!(world.alter(&[0], Path::new("/nowhere")).await, [ErrorCode::LogDirNotFound]);
    assert_eq!(world.alter(&[0], &a.join("..").join("a")).await, [ErrorCode::LogDirNotFound]);
    assert_eq!(world.alter(&[1, 0], &a).await, [ErrorCode::None, ErrorCode::UnknownTopicOrPartition]);
    let long: &'static str = "l".repeat(220).leak();
    let answer = world.ask(2, &asked(&[(&a, long, &[0]), (&b, "t", &[]), (&b, "none", &[3])])).await;
    let codes: Vec<_> = answer.results.iter().map(|topic| code(topic.partitions[0].error_code)).collect();
    assert_eq!(codes, [ErrorCode::InvalidTopicException, ErrorCode::UnknownTopicOrPartition]);
    // Of two directories the last counts.
    let other = 1 - world.place();
    let (here, there) = (&world.dirs()[1 - other], &world.dirs()[other]);
    let answer = world.ask(2, &asked(&[(there, "t", &[0]), (here, "t", &[0])])).await;
    assert_eq!((answer.results.len(), answer.results[0].partitions.len()), (1, 1));
    assert_eq!(world.copies(), [] as [PathBuf; 0]);
    // Nothing is begun while nobody knows what is in a directory.
    world.broker.jobs.push(error_in(there, EIO));
    world.until("the failure", || world.broker.log_dirs.online(there).is_none()).await;
    assert_eq!(world.alter(&[0], there).await, [ErrorCode::KafkaStorageError]);
    assert_eq!(world.alter(&[0], here).await, [ErrorCode::None]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_made_where_it_was_wished_before() {
    let world = World::start(&[]).await;
    let dirs = world.dirs();
    for (partition, dir) in [(0, 1), (1, 1), (2, 0), (3, 1)] {
        assert_eq!(world.alter(&[partition], &dirs[dir]).await, [ErrorCode::UnknownTopicOrPartition]);
    }
    world.topic("t", 4, &[]).await;
    for (partition, dir) in [(0, 1), (1, 1), (2, 0), (3, 1)] {
        assert!(dirs[dir].join(format!("t-{partition}")).exists(), "{partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_is_seen_and_given_up() {
    let world = World::start(&["log.segment.delete.delay.ms=0"]).await;
    world.slow_down();
    world.topic("t", 1, &[]).await;
    world.put(10).await;
    let (from, to) = (world.place(), 1 - world.place());
    assert_eq!(world.alter(&[0], &world.dirs()[to]).await, [ErrorCode::None]);
    let (broker, told) = (Arc::clone(&world.broker), [(from, 0, false), (to, 18, true)]);
    // One batch goes through before the rate counts.
    world
        .until("the first batch", || broker.moves.measured().iter().any(|copy| copy.offset_lag == Some(18)))
        .await;
    assert_eq!(world.told().await, told);
    assert_eq!(broker.log_dirs.count(&world.dirs()[to]), 1);
    world.put(1).await;
    assert_eq!(world.told().await[1], (to, 20, true));
    // The same wish changes nothing, the old directory gives it up.
    let copies = world.copies();
    assert_eq!(world.alter(&[0], &world.dirs()[to]).await, [ErrorCode::None]);
    assert_eq!(world.copies(), copies);
    assert_eq!(world.alter(&[0], &world.dirs()[from]).await, [ErrorCode::None]);
    assert_eq!((world.copies(), world.place()), (Vec::new(), from));
    assert_eq!(world.told().await, [(from, 0, false)]);
    assert_eq!(broker.log_dirs.count(&world.dirs()[to]), 0);
    world
        .until("the removal", || {
            std::fs::read_dir(&world.dirs()[to]).unwrap().all(|entry| entry.unwrap().path().is_file())
        })
        .await;
    world.put(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_takes_the_copy_along() {
    let world = World::start(&["log.segment.delete.delay.ms=0"]).await;
    world.slow_down();
    world.topic("t", 1, &[]).await;
    world.put(10).await;
    assert_eq!(world.alter(&[0], &world.dirs()[1 - world.place()]).await, [ErrorCode::None]);
    assert_eq!(world.copies().len(), 1);
    let names = vec![topic_name("t")];
    let deletion = DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(60_000);
    assert_eq!(world.ask(5, &deletion).await.responses[0].error_code, 0);
    let is_empty =
        |dir: &PathBuf| std::fs::read_dir(dir).unwrap().all(|entry| entry.unwrap().path().is_file());
    world.until("the removal", || world.dirs().iter().all(is_empty)).await;
    assert_eq!(world.told().await, []);
    world.topic("t", 1, &[]).await;
    world.put(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_comes_while_a_move_ends_waits_for_its_end() {
    let world = World::start(&["log.segment.delete.delay.ms=0", "log.segment.bytes=1000"]).await;
    world.topic("t", 1, &[]).await;
    world.put(20).await;
    for round in 0..30 {
        let (from, records) = (world.place(), world.records());
        assert_eq!(world.alter(&[0], &world.dirs()[1 - from]).await, [ErrorCode::None]);
        // The replica is there, and its old log is not yet gone.
        while world.place() == from {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.alter(&[0], &world.dirs()[from]).await, [ErrorCode::None], "round {round}");
        world.until_in(from).await;
        assert!(world.replica(from).exists(), "round {round}");
        assert_eq!(world.records(), records, "round {round}");
        world.put(1).await;
    }
    let (place, records) = (world.place(), world.records());
    let world = World::start_on(world.stop().await, &[]).await;
    world.topic_is_led().await;
    assert_eq!((world.place(), world.records()), (place, records));
}

#[tokio::test(start_paused = true)]
async fn a_move_goes_on_after_a_start() {
    let world = World::start(&[]).await;
    world.slow_down();
    world.topic("t", 1, &[]).await;
    world.put(10).await;
    let to = 1 - world.place();
    assert_eq!(world.alter(&[0], &world.dirs()[to]).await, [ErrorCode::None]);
    let broker = Arc::clone(&world.broker);
    world
        .until("the first batch", || broker.moves.measured().iter().any(|copy| copy.offset_lag == Some(18)))
        .await;
    drop(broker);
    let (records, ground) = (world.records(), world.stop().await);
    let points = std::fs::read_to_string(ground.dirs()[to].join(Checkpoint::RecoveryPoint.file_name()));
    assert_eq!(points.unwrap(), "0\n1\nt 0 2\n");
    assert!(ground.dirs().iter().all(|dir| dir.join(".kafka_cleanshutdown").exists()));
    let world = World::start_on(ground, &["log.segment.delete.delay.ms=0"]).await;
    world.topic_is_led().await;
    world.until_in(to).await;
    assert_eq!(world.records(), records);
    world.put(1).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_logs_the_one_counts_that_took_the_others_place() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    world.put(10).await;
    let (from, to) = (world.place(), 1 - world.place());
    let (records, ground) = (world.records(), world.stop().await);
    let [old, new] = [from, to].map(|dir| ground.dirs()[dir].join("t-0"));
    std::fs::create_dir(&new).unwrap();
    for entry in std::fs::read_dir(&old).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, new.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(new.join(".ottla-move"), format!("took {}\n", "0".repeat(32))).unwrap();
    let world = World::start_on(ground, &["log.segment.delete.delay.ms=0"]).await;
    world.topic_is_led().await;
    world
        .until("the old log's end", || {
            std::fs::read_dir(&world.dirs()[from]).unwrap().all(|entry| entry.unwrap().path().is_file())
        })
        .await;
    assert_eq!((world.place(), world.records()), (to, records));
    // The note is gone with the start after it.
    let ground = world.stop().await;
    let world = World::start_on(ground, &[]).await;
    assert!(!world.replica(to).join(".ottla-move").exists());
}

#[tokio::test(start_paused = true)]
async fn a_move_ends_with_the_directory_that_it_goes_to() {
    let world = World::start(&[]).await;
    world.slow_down();
    world.topic("t", 1, &[]).await;
    world.put(10).await;
    let (from, to) = (world.place(), 1 - world.place());
    assert_eq!(world.alter(&[0], &world.dirs()[to]).await, [ErrorCode::None]);
    world.broker.jobs.push(error_in(&world.dirs()[to], EIO));
    world.until("the end of the move", || world.broker.log_dirs.future(&partition()).is_none()).await;
    assert_eq!(world.copies().len(), 1, "nobody touches it any more");
    world.put(1).await;
    assert_eq!((world.place(), world.told().await), (from, vec![(from, 0, false)]));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_for() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    world.put(10).await;
    let to = 1 - world.place();
    world.ground.disk.fail(&world.dirs()[to], ENOSPC);
    world.alter(&[0], &world.dirs()[to]).await;
    world.until("the full disk", || !world.broker.log_dirs.full().is_empty()).await;
    world.put(10).await;
    world.ground.disk.mend();
    world.alter(&[0], &world.dirs()[to]).await;
    world.until("the end of the move", || world.place() == to).await;
    world.put(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_at_any_point_of_a_move_costs_no_record() {
    // So many operations of the disk that is moved to succeed.
    for succeed in 0.. {
        let world = World::start(&["log.segment.bytes=300"]).await;
        world.topic("t", 1, &[]).await;
        world.put(3).await;
        let (from, to) = (world.place(), 1 - world.place());
        let records = world.records();
        world.ground.disk.fail_after(succeed, &world.dirs()[to], EIO);
        let begun = world.alter(&[0], &world.dirs()[to]).await;
        let log_dirs = &world.broker.log_dirs;
        let is_over = || log_dirs.future(&partition()).is_none();
        world.until("the end of the move", is_over).await;
        world
            .until("the failure", || log_dirs.online(&world.dirs()[to]).is_none() || world.place() == to)
            .await;
        let has_moved = world.place() == to;
        if has_moved && log_dirs.online(&world.dirs()[to]).is_some() && world.ground.disk.left() == usize::MAX
        {
            // The whole move needs no more operations than these.
            world.ground.disk.mend();
            world.put(1).await;
            return;
        }
        if !has_moved {
            world.put(1).await;
            assert!(world.records().starts_with(&records), "{succeed}");
            assert!(
                begun == [ErrorCode::None] || begun == [ErrorCode::KafkaStorageError],
                "{succeed}: {begun:?}"
            );
        }
        let end = world.broker.hosted.get("t", 0).map(|hosted| hosted.log.view().end.0);
        let ground = world.stop().await;
        ground.disk.mend();
        if let Some(end) = end.ok().filter(|_| !has_moved) {
            let world = World::start_on(ground, &[]).await;
            world.topic_is_led().await;
            let log = world.broker.hosted.get("t", 0).unwrap().log.clone();
            assert_eq!(log.view().end.0, end, "after {succeed} operations, from {from}");
        }
    }
}
