//! File handles that do not suffice: what cannot be served is said, and leaves nothing behind that the next start would stumble over.

use std::sync::Arc;

use protocol::ErrorCode;
use protocol::ids::TopicPartition;
use protocol::messages::CreateTopicsRequest;

use super::bad_disk::EMFILE;
use super::world::{Ground, World, batch, code, creatable};
use crate::broker::handles::Room;
use crate::hosted::Absent;

#[tokio::test(start_paused = true)]
async fn partitions_beyond_the_handles_are_not_made() {
    // 128 are for everything but logs.
    let world = World::start_in(Room { limit: 128 + 3 }, Ground::new(), &[]).await;
    world.topic("t", 2, &[]).await;
    let request = CreateTopicsRequest::default()
        .with_topics(vec![creatable("u").with_num_partitions(3)])
        .with_timeout_ms(1000);
    assert_eq!(code(world.ask(5, &request).await.topics[0].error_code), ErrorCode::RequestTimedOut);
    let hosted = |topic: &str, index| world.broker.hosted.get(topic, index).err();
    world.until("the end of the making", || hosted("u", 2) == Some(Absent::Offline)).await;
    assert_eq!(
        [hosted("t", 0), hosted("t", 1), hosted("u", 0), hosted("u", 1)],
        [None, None, None, Some(Absent::Offline)]
    );
    for (topic, index) in [("t", 0), ("t", 1), ("u", 0)] {
        assert_eq!(world.produce(9, (topic, index), batch(-1, &["a"], |_| {})).await.error_code, 0);
    }
    let entries = world.dirs().into_iter().flat_map(|dir| std::fs::read_dir(dir).unwrap().flatten());
    let made: Vec<_> = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert_eq!(made.len(), 3, "{made:?}");
    assert!(world.broker.room.check(made.len()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_log_that_finds_no_handle_is_opened_when_there_is_one() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.produce(9, ("t", 0), batch(-1, &["a"], |_| {})).await.error_code, 0);
    let home = world.broker.log_dirs.home(&TopicPartition::new("t", 0)).unwrap().join("t-0");
    let ground = world.stop().await;
    ground.disk.fail_first(2, &home, EMFILE);
    let world = World::start_on(Arc::clone(&ground), &[]).await;
    world.until("the leadership", || world.broker.hosted.get("t", 0).is_ok()).await;
    let answer = world.produce(9, ("t", 0), batch(-1, &["b"], |_| {})).await;
    assert_eq!((answer.error_code, answer.base_offset, ground.disk.left()), (0, 1, 0));
    assert!(!world.broker.log_dirs.any_failed());
}
