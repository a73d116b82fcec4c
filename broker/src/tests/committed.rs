//! What consumers that want committed records only are answered from logs that Apache Kafka closed cleanly, compared with
//! what a broker of Kafka's answered (`aborted.txt`; the storage suite says how it is made).

use std::fs;
use std::path::Path;

use protocol::messages::fetch_response::PartitionData;

use super::old_clients::{copy, fixtures, wanted};
use super::world::World;

/// The answer in the words of the recording, but for the last batch, which may be an earlier one.
fn told(answer: &PartitionData) -> String {
    let aborted = answer.aborted_transactions.as_ref().unwrap().iter();
    let aborted: Vec<_> = aborted.map(|one| format!("{}:{}", one.producer_id.0, one.first_offset)).collect();
    let PartitionData { error_code, high_watermark, last_stable_offset, .. } = answer;
    format!("error {error_code} hw {high_watermark} lso {last_stable_offset} aborted {}", aborted.join(" "))
}

#[tokio::test(start_paused = true)]
async fn kafkas_transactions_are_served_as_kafka_serves_them() {
    let partitions = ["fx-txn-0", "fx-txn-1", "fx-compact-txn-0"];
    let prepare = |dir: &Path| {
        let main = fixtures().join("logdir/main");
        partitions.iter().for_each(|partition| copy(&main.join(partition), &dir.join(partition)));
        for file in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
            fs::copy(main.join(file), dir.join(file)).unwrap();
        }
        fs::write(dir.join(".kafka_cleanshutdown"), r#"{"version":0,"brokerEpoch":-1}"#).unwrap();
    };
    let world = World::start_over(&["log.retention.ms=-1"], prepare).await;
    world.topic("fx-txn", 2, &[]).await;
    world.topic("fx-compact-txn", 1, &["cleanup.policy=compact"]).await;
    let recorded = fs::read_to_string(fixtures().join("fetch/aborted.txt")).unwrap();
    for line in recorded.lines() {
        let (partition, line) = line.split_once(" max ").unwrap();
        let (max_bytes, line) = line.split_once(" @").unwrap();
        let (offsets, line) = line.split_once(' ').unwrap();
        let (before, line) = line.split_once(" last ").unwrap();
        let expected = format!("{before} {}", line.split_once(' ').unwrap().1);
        let (topic, index) = partition.rsplit_once('-').unwrap();
        let (from, _) = offsets.split_once("..").unwrap();
        let from: i64 = from.parse().unwrap();
        let wanted = wanted(index.parse().unwrap(), from, max_bytes.parse().unwrap());
        for version in [4, 11] {
            let answer = world.fetch_committed(version, topic, wanted.clone()).await;
            assert_eq!(told(&answer), expected, "v{version} {partition} from {from}, {max_bytes} bytes");
        }
    }
}
