//! `kill -9` in the middle of a 1 GB idempotent produce, twice; the broker is started again and the producer goes on.
//! How: every record is numbered; when all are acknowledged, each is in the log once, in order, where its acknowledgement said.
use crate::load::{Load, check_topic};
use crate::scene::Scene;
use anyhow::Result;
use std::time::Duration;
use tests::condition::until;

const RECORDS: usize = 1_000_000;
const RECORD_BYTES: usize = 1_000;
const PARTITIONS: usize = 3;

#[test]
fn every_acknowledged_record_is_there_once_and_in_order() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.create_topic("survivors", u32::try_from(PARTITIONS)?)?;
    let mut load = Load::new(&scene, "survivors", PARTITIONS, RECORD_BYTES)?;
    for percent in [30, 65] {
        send_until_acknowledged(&mut load, percent)?;
        scene.broker.kill9()?;
        scene.restart_broker()?;
    }
    while load.sent() < RECORDS {
        load.send()?;
    }
    let account = load.settle()?;
    assert_eq!(account.failed, Vec::<String>::new());
    assert_eq!(account.misplaced, Vec::<String>::new());
    assert_eq!(account.acknowledged, RECORDS);
    check_topic(&scene, "survivors", PARTITIONS, RECORDS)
}

/// Sends until this percentage of all records is acknowledged, with more on their way.
fn send_until_acknowledged(load: &mut Load, percent: usize) -> Result<()> {
    let goal = RECORDS * percent / 100;
    until("enough records are acknowledged", Duration::from_secs(120), || {
        for _ in 0..1_000 {
            load.send()?;
        }
        Ok((load.acknowledged() >= goal).then_some(()))
    })
}
