//! What clients of Fetch v0 to v3 are served from logs that Apache Kafka wrote, old formats and new. A broker of Kafka's was
//! asked for the same, from an offset to the end; `old_clients.txt` has what it said, message by message, keys and values as
//! length and CRC-32. What is compressed anew need not have the same bytes. Kafka sends a batch twice that comes first after
//! control batches; the recording has it once.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::ErrorCode;
use protocol::batch::{Codec, TimestampType};
use protocol::ids::LeaderEpoch;
use protocol::legacy::{Checksum, Entry, Item, Items, Messages};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::fetch_response::PartitionData;
use protocol::messages::{FetchRequest, TopicName};
use protocol::record::NewRecord;

use super::world::{World, batch, code, topic_name};

const LARGE: i32 = 1 << 20;

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/storage/fixtures")
}

/// Copies a partition without the id that its topic had there.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let name = from.file_name().unwrap();
        if name != "partition.metadata" {
            fs::write(to.join(name), fs::read(&from).unwrap()).unwrap();
        }
    }
}

/// One recorded conversation.
struct Recorded<'a> {
    version: i16,
    partition: &'a str,
    from: i64,
    lines: &'a str,
}

fn recorded(text: &str) -> Vec<Recorded<'_>> {
    let starts: Vec<_> = text.match_indices("v").map(|(at, _)| at).filter(|at| begins(text, *at)).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let one = |(start, end): (&usize, usize)| {
        let (head, lines) = text[*start..end].split_once('\n').unwrap();
        let mut words = head.split(' ');
        let mut word = || words.next().unwrap();
        Recorded {
            version: word()[1..].parse().unwrap(),
            partition: word(),
            from: word()[1..].parse().unwrap(),
            lines,
        }
    };
    starts.iter().zip(ends).map(one).collect()
}

fn begins(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes()[at - 1] == b'\n'
}

impl World {
    async fn fetch(&self, version: i16, topic: &str, wanted: FetchPartition) -> PartitionData {
        let request = request(topic, wanted);
        let request = if version >= 3 { request.with_max_bytes(LARGE) } else { request };
        self.ask(version, &request).await.responses[0].partitions[0].clone()
    }

    pub(super) async fn fetch_committed(
        &self,
        version: i16,
        topic: &str,
        wanted: FetchPartition,
    ) -> PartitionData {
        let request = request(topic, wanted).with_max_bytes(LARGE).with_isolation_level(1);
        self.ask(version, &request).await.responses[0].partitions[0].clone()
    }

    /// All that a client hears from an offset on, in the words of the recording.
    async fn conversation(&self, version: i16, partition: &str, mut from: i64) -> String {
        let (topic, index) = partition.rsplit_once('-').unwrap();
        let mut told = String::new();
        loop {
            let answer = self.fetch(version, topic, wanted(index.parse().unwrap(), from, LARGE)).await;
            let error = code(answer.error_code);
            if error != ErrorCode::None {
                writeln!(told, " error {error} hw {}", answer.high_watermark).unwrap();
                return told;
            }
            let records = answer.records.unwrap();
            let before = from;
            for item in Items::new(&records) {
                let Ok(Item::Entry(entry)) = item else { break };
                entry.verify_crc().unwrap();
                tell(&mut told, &entry);
                from = entry.offset.0 + 1;
            }
            if from == before {
                writeln!(told, " end @{from} hw {} bytes {}", answer.high_watermark, records.len()).unwrap();
                return told;
            }
        }
    }
}

fn request(topic: &str, wanted: FetchPartition) -> FetchRequest {
    let topic = TopicName(topic.to_owned().into());
    let topic = FetchTopic::default().with_topic(topic).with_partitions(vec![wanted]);
    FetchRequest::default().with_topics(vec![topic])
}

pub(super) fn wanted(index: i32, from: i64, max_bytes: i32) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(from)
        .with_partition_max_bytes(max_bytes)
}

fn tell(told: &mut String, entry: &Entry<'_>) {
    let kind = match entry.timestamp_type() {
        TimestampType::CreateTime => "create",
        TimestampType::LogAppendTime => "append",
    };
    let magic = entry.format as i8;
    let codec = entry.attributes.codec().unwrap();
    if codec != Codec::None {
        let (last, time) = (entry.offset, entry.timestamp);
        writeln!(told, " {codec} magic {magic} {kind} last {last} time {time}").unwrap();
    }
    for message in &Messages::of(entry, 1 << 20).unwrap() {
        message.entry.verify_crc().unwrap();
        assert_eq!((message.entry.format, message.timestamp_type), (entry.format, entry.timestamp_type()));
        match codec {
            Codec::None => write!(told, " magic {magic} {kind}").unwrap(),
            Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => told.push(' '),
        }
        let (key, value) = (digest(message.key), digest(message.value));
        // The time as it is stored.
        writeln!(told, " {} {} {key} {value}", message.offset, message.entry.timestamp).unwrap();
    }
}

fn digest(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let mut checksum = Checksum::default();
    checksum.add(bytes);
    format!("{}:{:08x}", bytes.len(), checksum.value())
}

#[tokio::test(start_paused = true)]
async fn kafkas_logs_are_served_as_kafka_serves_them() {
    let text = fs::read_to_string(fixtures().join("fetch/old_clients.txt")).unwrap();
    let recorded = recorded(&text);
    assert_eq!(recorded.len(), text.lines().filter(|line| line.starts_with('v')).count());
    let partitions: BTreeSet<_> = recorded.iter().map(|one| one.partition).collect();
    let prepare = |dir: &Path| {
        for partition in &partitions {
            for folder in ["legacy-after39", "main"] {
                let from = fixtures().join("logdir").join(folder).join(partition);
                if from.exists() {
                    copy(&from, &dir.join(partition));
                }
            }
        }
        // Without a recovery point the holes that compaction left would count as lost records.
        for file in ["log-start-offset-checkpoint", "recovery-point-offset-checkpoint"] {
            fs::copy(fixtures().join("logdir/main").join(file), dir.join(file)).unwrap();
        }
    };
    let world = World::start_over(&["log.retention.ms=-1"], prepare).await;
    let topics: BTreeSet<_> = partitions.iter().map(|name| name.rsplit_once('-').unwrap().0).collect();
    for topic in topics {
        let settings: &[_] = match topic {
            "fx-snappy" => &["message.downconversion.enable=false"],
            // Its log is not needed: nobody old gets anything of such a topic.
            "fx-recompress" => &["compression.type=zstd"],
            _ => &[],
        };
        let count = partitions.iter().filter(|name| name.rsplit_once('-').unwrap().0 == topic).count();
        world.topic(String::leak(topic.to_owned()), count as i32, settings).await;
    }
    for partition in &partitions {
        let (topic, index) = partition.rsplit_once('-').unwrap();
        let index = index.parse().unwrap();
        let is_led = || {
            let hosted = world.broker.hosted.get(topic, index);
            hosted.is_ok_and(|hosted| hosted.leadership.check(LeaderEpoch::NONE).is_ok())
        };
        world.until("the opening of the log", is_led).await;
    }
    for Recorded { version, partition, from, lines } in recorded {
        let told = world.conversation(version, partition, from).await;
        assert_eq!(told, lines, "v{version} {partition} from {from}");
    }
}

/// A batch of three records with a header each.
fn with_headers(codec: Codec) -> bytes::Bytes {
    batch(5, &[], |builder| {
        *builder = protocol::record::BatchBuilder::new(codec);
        let headers = [("h", Some(&b"v"[..]))];
        for value in [&b"one"[..], b"two", b"three"] {
            let timestamp = protocol::ids::Millis(5);
            builder.push(&NewRecord { timestamp, key: None, value: Some(value), headers: &headers });
        }
    })
}

fn offsets(partition: &PartitionData) -> Vec<i64> {
    let records = partition.records.clone().unwrap_or_default();
    let mut all = Vec::new();
    for item in Items::new(&records) {
        match item.unwrap() {
            Item::Entry(entry) => {
                all.extend(Messages::of(&entry, 1 << 20).unwrap().iter().map(|message| message.offset.0));
            }
            Item::Batch(batch) => all.push(batch.header.base_offset.0),
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn limits_bind_clients_before_v3_altogether() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    world.produce(9, ("t", 0), with_headers(Codec::None)).await;
    world.produce(9, ("t", 0), with_headers(Codec::Gzip)).await;
    for (version, max_bytes, expected) in [
        (0, 20, &[][..]),
        (2, 20, &[]),
        (2, 130, &[0, 1, 2]),
        (3, 20, &[0, 1, 2]),
        (1, LARGE, &[0, 1, 2, 3, 4, 5]),
        (3, LARGE, &[0, 1, 2, 3, 4, 5]),
        (4, LARGE, &[0, 3]),
    ] {
        let told = world.fetch(version, "t", wanted(0, 0, max_bytes)).await;
        assert_eq!(code(told.error_code), ErrorCode::None);
        assert_eq!(offsets(&told), expected, "v{version} {max_bytes} bytes");
    }
    let from = |offset| world.fetch(2, "t", wanted(0, offset, LARGE));
    assert_eq!(offsets(&from(1).await), [1, 2, 3, 4, 5]);
    assert_eq!(offsets(&from(4).await), [3, 4, 5]);
    assert_eq!(offsets(&from(6).await), [] as [i64; 0]);
}

#[tokio::test(start_paused = true)]
async fn settings_decide_and_may_change() {
    let world = World::start(&["log.message.downconversion.enable=false"]).await;
    world.topic("t", 1, &[]).await;
    world.topic("converted", 1, &["message.downconversion.enable=true"]).await;
    world.topic("zstd", 1, &["compression.type=zstd"]).await;
    for topic in ["t", "converted", "zstd"] {
        world.produce(9, (topic, 0), with_headers(Codec::None)).await;
    }
    let (none, version, codec) =
        (ErrorCode::None, ErrorCode::UnsupportedVersion, ErrorCode::UnsupportedCompressionType);
    for (topic, told) in [
        ("t", [(0, version), (3, version), (4, none), (9, none), (10, none)]),
        ("converted", [(0, none), (3, none), (4, none), (9, none), (10, none)]),
        ("zstd", [(0, codec), (3, codec), (4, codec), (9, codec), (10, none)]),
    ] {
        for (version, expected) in told {
            let answer = world.fetch(version, topic, wanted(0, 0, LARGE)).await;
            assert_eq!(code(answer.error_code), expected, "{topic} v{version}");
            let watermark = if expected == none { 3 } else { -1 };
            assert_eq!(answer.high_watermark, watermark, "{topic} v{version}");
            assert_eq!(offsets(&answer).is_empty(), expected != none, "{topic} v{version}");
        }
        // The settings come before what is wrong with the offset.
        let answer = world.fetch(3, topic, wanted(0, 99, LARGE)).await;
        let expected = if told[1].1 == none { ErrorCode::OffsetOutOfRange } else { told[1].1 };
        assert_eq!(code(answer.error_code), expected, "{topic}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_answer_holds_so_much_and_all_partitions_get_their_turn() {
    let world = World::start(&[]).await;
    world.topic("t", 8, &[]).await;
    let value = "x".repeat(900_000);
    for index in 0..8 {
        for _ in 0..2 {
            world.produce(9, ("t", index), batch(5, &[&value], |_| {})).await;
        }
    }
    let partitions = (0..8).map(|index| wanted(index, 0, LARGE * 10)).collect();
    let topic = FetchTopic::default().with_topic(topic_name("t")).with_partitions(partitions);
    let answer = world.ask(2, &FetchRequest::default().with_topics(vec![topic])).await;
    let served: Vec<_> =
        answer.responses[0].partitions.iter().map(|partition| offsets(partition).len()).collect();
    // The correlation id of these tests is 7.
    assert_eq!(served, [2, 1, 0, 0, 0, 0, 0, 2]);
}
