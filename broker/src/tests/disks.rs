//! Disks that fail, are full, or give back other bytes than were written: who is hurt, who is not, and what stays untouched.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::leader_and_isr_request::{LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::stop_replica_request::{StopReplicaPartitionState, StopReplicaTopicState};
use protocol::messages::{
    BrokerId, DeleteTopicsRequest, LeaderAndIsrRequest, ListOffsetsRequest, MetadataRequest,
    StopReplicaRequest,
};
use storage::{Disk, OsDisk};
use zookeeper::store::Watch;

use super::bad_disk::{EIO, ENOSPC};
use super::world::{World, batch, code, error_in, topic_name};
use crate::api::{leader_and_isr, stop_replica};
use crate::broker::{logs, stop};
use crate::hosted::Absent;
use crate::metadata::Picture;
use crate::upkeep::Job;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

impl World {
    async fn add(&self, index: i32) -> ErrorCode {
        code(self.produce(9, ("t", index), batch(-1, &["a", "b"], |_| {})).await.error_code)
    }

    /// The directory of a partition of `t`, in the log directory that it is in.
    fn home(&self, index: i32) -> PathBuf {
        let homes = self.dirs().map(|dir| dir.join(format!("t-{index}")));
        homes.into_iter().find(|home| home.exists()).unwrap()
    }

    fn file(&self, index: i32) -> PathBuf {
        self.home(index).join("00000000000000000000.log")
    }

    /// The partitions of `t`, of which there are two, in the first log directory and in the other.
    fn each(&self) -> [i32; 2] {
        if self.home(0).starts_with(&self.dirs()[0]) { [0, 1] } else { [1, 0] }
    }

    fn is_offline(&self, index: i32) -> bool {
        self.broker.hosted.get("t", index).err() == Some(Absent::Offline)
    }

    /// Waits until the controller has made this broker, or nobody (-1), the leader of a partition of `t`, and has told so.
    async fn until_leader(&self, index: i32, leader: i32) {
        let is_so = |picture: &Picture| {
            let partition = picture.partition("t", index);
            partition.is_some_and(|partition| partition.leader == protocol::ids::BrokerId(leader))
        };
        let told = self.broker.metadata.wait_for(PATIENCE, is_so).await;
        assert!(told, "partition {index} has another leader than {leader}");
        self.until_no_notice().await;
    }

    /// What brokers tell the controller of their disks is removed when it has been read.
    async fn until_no_notice(&self) {
        let is_read = async {
            let parent = "/log_dir_event_notification";
            while !self.broker.store.children(parent, Watch::None).await.unwrap().0.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, is_read).await.is_ok(), "a notice is left");
    }

    /// Error, leader, replicas in sync and offline replicas, as clients are told them.
    async fn described(&self, index: usize) -> (ErrorCode, i32, Vec<i32>, Vec<i32>) {
        let wanted = MetadataRequestTopic::default().with_name(Some(topic_name("t")));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let partition = self.ask(9, &request).await.topics[0].partitions[index].clone();
        let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
        let (isr, offline) = (ids(&partition.isr_nodes), ids(&partition.offline_replicas));
        (code(partition.error_code), partition.leader_id.0, isr, offline)
    }
}

/// Flips a bit in the first batch.
fn rot(file: &Path) -> Vec<u8> {
    let open = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, 65).unwrap();
    open.write_all_at(&[byte[0] ^ 1], 65).unwrap();
    std::fs::read(file).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_goes_offline_and_stays_as_it_is() {
    let world = World::start(&[]).await;
    world.topic("t", 4, &[]).await;
    for index in 0..4 {
        assert_eq!(world.add(index).await, ErrorCode::None);
    }
    // A false alarm, and one about a file that no partition has.
    world.broker.jobs.push(Job::Examine { file: world.file(1), position: 0 });
    world.broker.jobs.push(Job::Examine { file: PathBuf::from("/nowhere/t-2/0.log"), position: 0 });
    let file = world.file(0);
    let damaged = rot(&file);
    world.broker.jobs.push(Job::Examine { file: file.clone(), position: 0 });
    world.until("the discovery", || world.is_offline(0)).await;
    world.until_leader(0, -1).await;
    assert_eq!(world.described(0).await, (ErrorCode::LeaderNotAvailable, -1, vec![1], vec![1]));
    assert_eq!(world.described(1).await, (ErrorCode::None, 1, vec![1], vec![]));
    for index in 0..4 {
        let expected = if index == 0 { ErrorCode::KafkaStorageError } else { ErrorCode::None };
        assert_eq!(world.add(index).await, expected, "partition {index}");
        assert_eq!(code(world.read(12, index).await.error_code), expected, "partition {index}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), damaged);
    // The stop is a clean one all the same, so that the next start reads nothing of the other logs.
    stop::close_logs(&world.broker).await;
    assert_eq!(std::fs::read(&file).unwrap(), damaged);
    assert!(world.dirs().iter().all(|dir| dir.join(".kafka_cleanshutdown").exists()));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_by_time_finds_damage_too() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.produce(9, ("t", 0), batch(100, &["a"], |_| {})).await.error_code, 0);
    rot(&world.file(0));
    let wanted = ListOffsetsPartition::default().with_timestamp(0).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    let answer = world.ask(9, &request).await.topics[0].partitions[0].clone();
    assert_eq!((code(answer.error_code), answer.offset), (ErrorCode::KafkaStorageError, -1));
    world.until("the discovery", || world.is_offline(0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_deleted_with_its_topic() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.add(0).await, ErrorCode::None);
    let file = world.file(0);
    rot(&file);
    world.broker.jobs.push(Job::Examine { file: file.clone(), position: 0 });
    world.until_leader(0, -1).await;
    world.delete().await;
    assert!(!file.exists());
    world.topic("t", 1, &[]).await;
    assert_eq!(world.add(0).await, ErrorCode::None);
}

impl World {
    async fn delete(&self) {
        let names = vec![topic_name("t")];
        let deletion = DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(60_000);
        assert_eq!(self.ask(5, &deletion).await.responses[0].error_code, 0);
        let is_gone = async {
            while self.broker.store.exists("/brokers/topics/t", Watch::None).await.unwrap().is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let patience = std::time::Duration::from_secs(60);
        assert!(tokio::time::timeout(patience, is_gone).await.is_ok(), "the topic is still there");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_opened_is_deleted_with_its_topic() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let file = world.home(0).join("leader-epoch-checkpoint");
    let ground = world.stop().await;
    std::fs::write(&file, "nonsense").unwrap();
    let world = World::start_on(ground, &[]).await;
    world.until_leader(0, -1).await;
    assert!(world.is_offline(0) && file.exists());
    let state = StopReplicaPartitionState::default().with_leader_epoch(-2);
    let topic = StopReplicaTopicState::default()
        .with_topic_name(topic_name("t"))
        .with_partition_states(vec![state.with_delete_partition(false)]);
    let stop = StopReplicaRequest::default()
        .with_controller_epoch(i32::MAX)
        .with_broker_epoch(-1)
        .with_topic_states(vec![topic]);
    let answer = stop_replica::apply(&world.broker, stop).await;
    assert_eq!(code(answer.partition_errors[0].error_code), ErrorCode::KafkaStorageError);
    assert!(file.exists());
}

#[tokio::test(start_paused = true)]
async fn copies_and_strays_are_left_alone() {
    let mark = "0123456789abcdef0123456789abcdef";
    let names = [format!("t-0.{mark}-future"), format!("u-1.{mark}-stray")];
    let inside = names.clone();
    let world = World::start_over(&["log.segment.delete.delay.ms=0"], move |dir| {
        for name in inside {
            std::fs::create_dir(dir.join(&name)).unwrap();
            std::fs::write(dir.join(name).join("00000000000000000000.log"), "x").unwrap();
        }
        std::fs::create_dir(dir.join(format!("v-2.{mark}-delete"))).unwrap();
    })
    .await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.add(0).await, ErrorCode::None);
    let first = world.dirs()[0].clone();
    world
        .until("the removal of what was marked", || !first.join(format!("v-2.{mark}-delete")).exists())
        .await;
    for name in names {
        assert_eq!(std::fs::read(first.join(name).join("00000000000000000000.log")).unwrap(), b"x");
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_that_fails_takes_its_directory_offline() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let [lost, left] = world.each();
    assert_eq!(world.add(lost).await, ErrorCode::None);
    world.ground.disk.fail(&world.dirs()[0], EIO);
    assert_eq!(world.add(lost).await, ErrorCode::KafkaStorageError);
    world.until_leader(lost, -1).await;
    assert!(world.broker.log_dirs.online(&world.dirs()[0]).is_none());
    let none = (ErrorCode::LeaderNotAvailable, -1, vec![1], vec![1]);
    assert_eq!(world.described(lost as usize).await, none);
    assert_eq!(code(world.read(12, lost).await.error_code), ErrorCode::KafkaStorageError);
    assert_eq!(world.add(left).await, ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_broken_at_start_is_served_when_it_is_repaired() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let [lost, left] = world.each();
    for index in [lost, left] {
        assert_eq!(world.add(index).await, ErrorCode::None);
    }
    let [bad, good] = world.dirs();
    let ground = world.stop().await;
    let checkpoint = bad.join("recovery-point-offset-checkpoint");
    let sound = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, "0\n1\nt zero 0\n").unwrap();

    let world = World::start_on(ground, &[]).await;
    world.until_leader(lost, -1).await;
    assert_eq!(world.add(lost).await, ErrorCode::KafkaStorageError);
    assert_eq!(world.add(left).await, ErrorCode::None);
    assert!(!good.join(format!("t-{lost}")).exists(), "an empty log in place of the one with records");
    let ground = world.stop().await;

    std::fs::write(&checkpoint, sound).unwrap();
    let world = World::start_on(ground, &[]).await;
    world.until_leader(lost, 1).await;
    for (index, offset) in [(lost, 2), (left, 4)] {
        let answer = world.produce(9, ("t", index), batch(-1, &["a"], |_| {})).await;
        assert_eq!((code(answer.error_code), answer.base_offset), (ErrorCode::None, offset));
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_while_a_start_looks_around_is_left_out() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let [lost, left] = world.each();
    let [bad, good] = world.dirs();
    let ground = world.stop().await;
    // Locked and read it could be.
    ground.disk.fail(&bad.join(".kafka_cleanshutdown"), EIO);
    let world = World::start_on(ground, &[]).await;
    world.until_leader(lost, -1).await;
    assert_eq!(world.add(left).await, ErrorCode::None);
    assert!(!good.join(format!("t-{lost}")).exists());
}

/// A broker that was killed in the middle of a write left the first log directory to one that finds its disk full. `t-0` is there.
async fn without_room() -> (World, i32) {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let [index, _] = world.each();
    assert_eq!(world.add(index).await, ErrorCode::None);
    let (file, dir) = (world.file(index), world.dirs()[0].clone());
    let ground = world.stop().await;
    std::fs::remove_file(dir.join(".kafka_cleanshutdown")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend([7; 100]);
    std::fs::write(&file, bytes).unwrap();
    ground.disk.fail(&dir, ENOSPC);
    let world = World::start_on(ground, &[]).await;
    world.until_leader(index, -1).await;
    assert_eq!(world.broker.log_dirs.full(), BTreeSet::from([dir]));
    assert_eq!(world.add(index).await, ErrorCode::KafkaStorageError);
    assert_eq!(world.pieces(index), 0);
    (world, index)
}

impl World {
    /// How many pieces recovery has set aside.
    fn pieces(&self, index: i32) -> usize {
        storage::salvage::pieces(self.home(index).parent().unwrap()).unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_there_was_no_room_to_open_is_back_when_there_is() {
    let (world, index) = without_room().await;
    world.ground.disk.mend();
    world.until_leader(index, 1).await;
    assert_eq!(world.pieces(index), 1);
    let answer = world.produce(9, ("t", index), batch(-1, &["c"], |_| {})).await;
    assert_eq!((code(answer.error_code), answer.base_offset), (ErrorCode::None, 2));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_there_was_no_room_to_open_can_be_deleted() {
    let (world, index) = without_room().await;
    let home = world.home(index);
    world.delete().await;
    assert!(!home.exists());
    world.ground.disk.mend();
    world.until("room", || world.broker.log_dirs.full().is_empty()).await;
    // Nobody opens what is gone, nor what has its name.
    world.topic("t", 2, &[]).await;
    assert_eq!(world.add(index).await, ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn no_empty_log_takes_the_place_of_one_that_cannot_be_read() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let [bad, good] = world.dirs();
    world.broker.jobs.push(error_in(&bad, EIO));
    world.until("the failure", || world.broker.log_dirs.any_failed()).await;
    // The controller asks for a replica that this broker has had before: it may lie in the directory that failed.
    let told = |name: &'static str, is_new| {
        let state = LeaderAndIsrPartitionState::default()
            .with_leader(BrokerId(1))
            .with_isr(vec![BrokerId(1)])
            .with_replicas(vec![BrokerId(1)])
            .with_is_new(is_new);
        let topic = LeaderAndIsrTopicState::default()
            .with_topic_name(topic_name(name))
            .with_partition_states(vec![state]);
        LeaderAndIsrRequest::default()
            .with_controller_epoch(i32::MAX)
            .with_broker_epoch(-1)
            .with_topic_states(vec![topic])
    };
    for (name, is_new, expected) in
        [("old", false, ErrorCode::KafkaStorageError), ("fresh", true, ErrorCode::None)]
    {
        let answer = leader_and_isr::apply(&world.broker, told(name, is_new)).await;
        assert_eq!(code(answer.error_code), ErrorCode::None, "{answer:?}");
        assert_eq!(code(answer.topics[0].partition_errors[0].error_code), expected, "{name}");
    }
    assert!(!good.join("old-0").exists() && good.join("fresh-0").exists());
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_room_for_the_reserve_is_read_only() {
    // More than a disk of a test has, and less than a file may be.
    let world = World::start(&["ottla.log.dir.reserve.bytes=8796093022208"]).await;
    world.until("the discovery", || world.broker.log_dirs.full().len() == 2).await;
    // Topics come and go, and reads go on.
    world.topic("t", 1, &[]).await;
    assert_eq!(world.add(0).await, ErrorCode::KafkaStorageError);
    assert_eq!(code(world.read(12, 0).await.error_code), ErrorCode::None);
    assert!(world.broker.log_dirs.any_online() && !world.broker.log_dirs.any_failed());
    world.delete().await;
    assert!(!world.dirs()[0].join(".ottla-reserve").exists());
}

#[tokio::test(start_paused = true)]
async fn a_full_directory_takes_records_again_by_itself() {
    let world = World::start(&["ottla.log.dir.reserve.bytes=65536"]).await;
    world.topic("t", 2, &[]).await;
    let [index, other] = world.each();
    let [dir, _] = world.dirs();
    let reserve = dir.join(".ottla-reserve");
    world.until("the reserve", || reserve.exists()).await;
    assert_eq!(world.add(index).await, ErrorCode::None);
    world.ground.disk.fail(&dir, ENOSPC);
    assert_eq!(world.add(index).await, ErrorCode::KafkaStorageError);
    world.until("the loss of the reserve", || !reserve.exists()).await;
    assert_eq!(world.broker.log_dirs.full(), BTreeSet::from([dir]));
    // Full is not offline: what is there is read, and the leader stays.
    assert_eq!(code(world.read(12, index).await.error_code), ErrorCode::None);
    assert_eq!(world.described(index as usize).await, (ErrorCode::None, 1, vec![1], vec![]));
    assert_eq!(world.add(other).await, ErrorCode::None);

    world.ground.disk.mend();
    world.until("its return", || world.broker.log_dirs.full().is_empty()).await;
    assert_eq!(reserve.metadata().unwrap().len(), 65536);
    assert_eq!(world.add(index).await, ErrorCode::None);
}

#[test]
fn a_directory_with_a_malformed_checkpoint_is_left_out() {
    let scratch = storage::disk::crash::scratch();
    let [good, bad] = ["good", "bad"].map(|name| scratch.path().join(name));
    std::fs::create_dir(&bad).unwrap();
    std::fs::write(bad.join("recovery-point-offset-checkpoint"), "0\n1\nt zero 0\n").unwrap();
    let config = |dirs: &[&Path]| {
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        let text = format!("broker.id=1\nzookeeper.connect=localhost:2181\nlog.dirs={}\n", dirs.join(","));
        let properties = config::properties::Properties::parse(text.as_bytes()).unwrap();
        config::broker::BrokerConfig::load(&properties).unwrap().config
    };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let opened = logs::open_dirs(&config(&[&good, &bad]), &disk).unwrap();
    assert_eq!(opened.online.len(), 1);
    let (dir, error) = &opened.failed[0];
    assert_eq!(dir, &bad);
    assert!(error.to_string().contains("recovery-point-offset-checkpoint line 3"), "{error}");
    let alone = logs::open_dirs(&config(&[&bad]), &disk).unwrap_err().to_string();
    assert!(alone.contains("no directory of log.dirs can be used") && alone.contains("line 3"), "{alone}");
}
