//! Disks that fail, are full, or give back other bytes than were written: who is hurt, who is not, and what stays untouched.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use protocol::ErrorCode;
use protocol::ids::TopicPartition;
use protocol::messages::leader_and_isr_request::{LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::stop_replica_request::{StopReplicaPartitionState, StopReplicaTopicState};
use protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, LeaderAndIsrRequest, ListOffsetsRequest,
    StopReplicaRequest,
};
use zookeeper::store::Watch;

use super::world::{EIO, World, batch, code, creatable, error_in, topic_name};
use crate::api::{leader_and_isr, stop_replica};
use crate::broker::{logs, stop};
use crate::hosted::Absent;
use crate::upkeep::Job;

const ENOSPC: i32 = 28;

impl World {
    async fn add(&self, index: i32) -> ErrorCode {
        code(self.produce(9, ("t", index), batch(-1, &["a", "b"], |_| {})).await.error_code)
    }

    /// The first log file of a partition of `t`.
    fn file(&self, index: i32) -> PathBuf {
        let home = self.dirs().into_iter().map(|dir| dir.join(format!("t-{index}"))).find(|dir| dir.exists());
        home.unwrap().join("00000000000000000000.log")
    }

    fn is_offline(&self, index: i32) -> bool {
        self.broker.hosted.get("t", index).err() == Some(Absent::Offline)
    }

    /// What the broker has told the controller of its disks.
    async fn notices(&self) -> Vec<String> {
        let parent = "/log_dir_event_notification";
        let (names, _) = self.broker.store.children(parent, Watch::None).await.unwrap();
        let mut notices = Vec::new();
        for name in names {
            assert!(name.starts_with("log_dir_event_00"), "{name}");
            let node = self.broker.store.get(&format!("{parent}/{name}"), Watch::None).await.unwrap();
            notices.push(String::from_utf8(node.data.to_vec()).unwrap());
        }
        notices
    }

    async fn until_told(&self) {
        let told = async {
            while self.notices().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(std::time::Duration::from_secs(60), told).await;
        assert!(told.is_ok(), "nobody told the controller");
        assert_eq!(self.notices().await, [r#"{"version":1,"broker":1,"event":1}"#]);
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
    world.until_told().await;
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
    world.until("the discovery", || world.is_offline(0)).await;
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
    let world = World::start_over(&[], |dir| {
        std::fs::create_dir(dir.join("t-0")).unwrap();
        std::fs::write(dir.join("t-0/leader-epoch-checkpoint"), "nonsense").unwrap();
    })
    .await;
    let file = world.dirs()[0].join("t-0/leader-epoch-checkpoint");
    // Whoever makes the topic waits in vain for a leader.
    let request = CreateTopicsRequest::default().with_topics(vec![creatable("t")]).with_timeout_ms(10);
    assert_eq!(code(world.ask(5, &request).await.topics[0].error_code), ErrorCode::RequestTimedOut);
    world.until("the discovery", || world.is_offline(0)).await;
    assert!(file.exists());
    // As to Kafka's, to our controller the replica is offline until the broker registers again, and so this comes then.
    let state = StopReplicaPartitionState::default().with_leader_epoch(-2);
    let stop = |delete| {
        let topic = StopReplicaTopicState::default()
            .with_topic_name(topic_name("t"))
            .with_partition_states(vec![state.clone().with_delete_partition(delete)]);
        StopReplicaRequest::default()
            .with_controller_epoch(i32::MAX)
            .with_broker_epoch(-1)
            .with_topic_states(vec![topic])
    };
    for (delete, expected) in [(false, ErrorCode::KafkaStorageError), (true, ErrorCode::None)] {
        let answer = stop_replica::apply(&world.broker, stop(delete)).await;
        assert_eq!(code(answer.partition_errors[0].error_code), expected, "delete: {delete}");
        assert_eq!(file.exists(), !delete);
    }
    world.until("the shard's forgetting", || !world.is_offline(0)).await;
    assert!(!world.broker.log_dirs.has_log(&TopicPartition::new("t", 0)));
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
async fn an_error_in_a_directory_is_told_to_the_controller() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let home = |index| world.broker.log_dirs.home(&TopicPartition::new("t", index)).unwrap();
    let (lost, left) = if home(0) == world.dirs()[0] { (0, 1) } else { (1, 0) };
    world.broker.jobs.push(error_in(&world.dirs()[0], EIO));
    world.until("the failure", || world.is_offline(lost)).await;
    world.until_told().await;
    assert_eq!(world.add(left).await, ErrorCode::None);
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
    assert_eq!(world.notices().await, [""; 0]);
    world.delete().await;
    assert!(!world.dirs()[0].join(".ottla-reserve").exists());
}

#[tokio::test(start_paused = true)]
async fn a_full_directory_takes_records_again_by_itself() {
    let world = World::start(&["ottla.log.dir.reserve.bytes=65536"]).await;
    world.topic("t", 2, &[]).await;
    let dir = world.dirs()[0].clone();
    world.until("the reserve", || dir.join(".ottla-reserve").exists()).await;
    world.broker.jobs.push(error_in(&dir, ENOSPC));
    // The disk of the test has room, so it does not take long.
    world.until("the loss of the reserve", || !dir.join(".ottla-reserve").exists()).await;
    world.until("its return", || world.broker.log_dirs.full().is_empty()).await;
    assert_eq!(dir.join(".ottla-reserve").metadata().unwrap().len(), 65536);
    for index in 0..2 {
        assert_eq!(world.add(index).await, ErrorCode::None);
    }
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
    let opened = logs::open_dirs(&config(&[&good, &bad])).unwrap();
    assert_eq!(opened.online.len(), 1);
    let (dir, error) = &opened.failed[0];
    assert_eq!(dir, &bad);
    assert!(error.to_string().contains("recovery-point-offset-checkpoint line 3"), "{error}");
    let alone = logs::open_dirs(&config(&[&bad])).unwrap_err().to_string();
    assert!(alone.contains("no directory of log.dirs can be used") && alone.contains("line 3"), "{alone}");
}
