//! What a produce answers, per partition and as a whole, by version and acks.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::{BatchAt, BatchHeader, Batches, Codec, HEADER_SIZE, TimestampType, verify_crc};
use protocol::ids::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use protocol::legacy::{Format, MessageSetWriter, NewMessage};
use protocol::messages::ProduceRequest;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::record::{BatchBuilder, NewRecord, RecordIter, decompress};

use super::world::{World, batch, code, topic_name};
use crate::api::context::Outcome;

pub(super) fn request(partitions: Vec<(&'static str, i32, Option<Bytes>)>) -> ProduceRequest {
    let topics = partitions.into_iter().map(|(name, index, records)| {
        let data = PartitionProduceData::default().with_index(index).with_records(records);
        TopicProduceData::default().with_name(topic_name(name)).with_partition_data(vec![data])
    });
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_transactional_id(None)
        .with_topic_data(topics.collect())
}

impl World {
    /// The answer for one batch to a partition.
    pub(super) async fn produce(
        &self,
        version: i16,
        (topic, index): (&'static str, i32),
        records: Bytes,
    ) -> PartitionProduceResponse {
        let answer = self.ask(version, &request(vec![(topic, index, Some(records))])).await;
        answer.responses[0].partition_responses[0].clone()
    }

    /// Sends `records` and wants them refused by `expected`.
    async fn refuses(
        &self,
        topic: &'static str,
        records: Bytes,
        expected: ErrorCode,
    ) -> PartitionProduceResponse {
        let answer = self.produce(9, (topic, 0), records).await;
        assert_eq!((code(answer.error_code), answer.base_offset), (expected, -1), "{answer:?}");
        answer
    }

    fn now(&self) -> i64 {
        self.broker.shards.clock().now().wall.0
    }
}

fn of_producer(epoch: i16, sequence: i32) -> Bytes {
    batch(-1, &["a", "b"], |batch| {
        batch.header.producer_id = ProducerId(5);
        batch.header.producer_epoch = ProducerEpoch(epoch);
        batch.header.base_sequence = Sequence(sequence);
    })
}

fn broken(records: &Bytes, at: usize) -> Bytes {
    let mut bytes = records.to_vec();
    bytes[at] ^= 0xff;
    bytes.into()
}

#[tokio::test(start_paused = true)]
async fn every_version_answers_the_first_offset() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    for version in 0..=11 {
        let answer = world.produce(version, ("t", 0), batch(-1, &["a", "b"], |_| {})).await;
        let start = if version >= 5 { 0 } else { -1 };
        let told =
            (answer.error_code, answer.base_offset, answer.log_append_time_ms, answer.log_start_offset);
        assert_eq!(told, (0, i64::from(version) * 2, -1, start), "version {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn acks_decide_what_is_answered() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    world.topic("safe", 1, &["min.insync.replicas=2"]).await;
    let records = || Some(batch(-1, &["a"], |_| {}));
    let silent = world.outcome(9, &request(vec![("t", 0, records())]).with_acks(0)).await;
    assert!(matches!(silent, Outcome::Silent), "{silent:?}");
    let failed =
        world.outcome(9, &request(vec![("t", 0, records()), ("no", 0, records())]).with_acks(0)).await;
    assert!(matches!(&failed, Outcome::Close(why) if why.contains("no-0")), "{failed:?}");
    for (acks, topic, expected) in [
        (1, "t", ErrorCode::None),
        (-1, "t", ErrorCode::None),
        (2, "t", ErrorCode::InvalidRequiredAcks),
        (1, "safe", ErrorCode::None),
        // No more than there are replicas are waited for.
        (-1, "safe", ErrorCode::None),
    ] {
        let answer = world.ask(9, &request(vec![(topic, 0, records())]).with_acks(acks)).await;
        assert_eq!(code(answer.responses[0].partition_responses[0].error_code), expected, "acks {acks}");
    }
    let log = world.broker.hosted.get("t", 0).unwrap().log.view();
    assert_eq!(log.end.0, 4, "two silent ones, and two acknowledged");
}

#[tokio::test(start_paused = true)]
async fn one_bad_partition_does_not_hurt_the_others() {
    let world = World::start(&[]).await;
    world.topic("t", 3, &[]).await;
    let good = batch(-1, &["a"], |_| {});
    let bad = broken(&good, good.len() - 1);
    let partitions = vec![
        ("t", 0, Some(good.clone())),
        ("t", 1, Some(bad)),
        ("t", 7, Some(good.clone())),
        ("t", 2, Some(good)),
    ];
    let answer = world.ask(9, &request(partitions)).await;
    let told: Vec<_> = answer
        .responses
        .iter()
        .map(|topic| (topic.partition_responses[0].index, code(topic.partition_responses[0].error_code)))
        .collect();
    let (none, corrupt) = (ErrorCode::None, ErrorCode::CorruptMessage);
    assert_eq!(told, [(0, none), (1, corrupt), (7, ErrorCode::UnknownTopicOrPartition), (2, none)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_batch_has_its_code() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &["max.message.bytes=200"]).await;
    let good = batch(-1, &["a"], |_| {});
    let two: Bytes = [&good[..], &good[..]].concat().into();
    let with = |change: fn(&mut BatchBuilder)| batch(-1, &["a"], change);
    let answer = world.ask(9, &request(vec![("t", 0, None)])).await;
    assert_eq!(code(answer.responses[0].partition_responses[0].error_code), ErrorCode::InvalidRecord);
    for (records, expected) in [
        (Bytes::new(), ErrorCode::InvalidRecord),
        (two, ErrorCode::InvalidRecord),
        (broken(&good, good.len() - 1), ErrorCode::CorruptMessage),
        (with(|b| b.header.base_offset.0 = 3), ErrorCode::InvalidRecord),
        (with(|b| b.header.attributes.0 |= 1 << 5), ErrorCode::InvalidRecord),
        (with(|b| b.header.attributes.0 |= 7), ErrorCode::UnknownServerError),
        (with(|b| b.header.last_offset_delta = 4), ErrorCode::InvalidRecord),
        (with(|b| b.header.producer_id = ProducerId(5)), ErrorCode::InvalidRecord),
        (batch(-1, &["x".repeat(300).as_str()], |_| {}), ErrorCode::MessageTooLarge),
    ] {
        let told = world.refuses("t", records, expected).await;
        assert!(told.error_message.is_some(), "{told:?}");
    }
    let mut zstd = BatchBuilder::new(Codec::Zstd);
    zstd.push(&NewRecord { timestamp: Millis(-1), key: None, value: Some(b"v"), headers: &[] });
    let zstd = zstd.build().unwrap();
    let early = world.produce(6, ("t", 0), zstd.clone()).await;
    assert_eq!(code(early.error_code), ErrorCode::UnsupportedCompressionType);
    assert_eq!(world.produce(7, ("t", 0), zstd).await.error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_producer_repeats_and_leaves_gaps() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    for expected in [0, 0] {
        assert_eq!(world.produce(9, ("t", 0), of_producer(0, 0)).await.base_offset, expected);
    }
    assert_eq!(world.produce(9, ("t", 0), of_producer(0, 2)).await.base_offset, 2);
    assert_eq!(world.produce(9, ("t", 0), of_producer(0, 0)).await.base_offset, 0);
    world.refuses("t", of_producer(0, 9), ErrorCode::OutOfOrderSequenceNumber).await;
    assert_eq!(world.produce(9, ("t", 0), of_producer(1, 0)).await.base_offset, 4);
    world.refuses("t", of_producer(0, 4), ErrorCode::InvalidProducerEpoch).await;
}

#[tokio::test(start_paused = true)]
async fn transactions_are_refused() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let records = batch(-1, &["a"], |batch| {
        batch.header.attributes.0 |= 1 << 4;
        batch.header.producer_id = ProducerId(5);
        batch.header.producer_epoch = ProducerEpoch(0);
        batch.header.base_sequence = Sequence(0);
    });
    world.refuses("t", records.clone(), ErrorCode::TransactionalIdAuthorizationFailed).await;
    let named = request(vec![("t", 0, Some(records))])
        .with_transactional_id(Some(protocol::messages::TransactionalId("tx".into())));
    let answer = world.ask(9, &named).await;
    assert_eq!(code(answer.responses[0].partition_responses[0].error_code), ErrorCode::InvalidTxnState);
}

#[tokio::test(start_paused = true)]
async fn times_and_keys_are_the_topics_to_rule() {
    let world = World::start(&[]).await;
    let hour = "message.timestamp.before.max.ms=3600000";
    world.topic("recent", 1, &[hour, "message.timestamp.after.max.ms=3600000"]).await;
    world.topic("keyed", 1, &["cleanup.policy=compact"]).await;
    world.topic("stamped", 1, &["message.timestamp.type=LogAppendTime", hour]).await;
    let now = world.now();
    for (at, expected) in [
        (now, ErrorCode::None),
        (-1, ErrorCode::None),
        (now - 7_200_000, ErrorCode::InvalidTimestamp),
        (now + 7_200_000, ErrorCode::InvalidTimestamp),
    ] {
        let answer = world.produce(9, ("recent", 0), batch(at, &["a", "b"], |_| {})).await;
        assert_eq!(code(answer.error_code), expected, "{answer:?}");
        let named: Vec<_> = answer.record_errors.iter().map(|error| error.batch_index).collect();
        assert_eq!(named, if expected == ErrorCode::None { vec![] } else { vec![0, 1] });
    }
    let keyless = batch(-1, &["a"], |batch| {
        batch.push(&NewRecord { timestamp: Millis(-1), key: None, value: None, headers: &[] });
    });
    let refused = world.refuses("keyed", keyless.clone(), ErrorCode::InvalidRecord).await;
    assert_eq!(refused.record_errors[0].batch_index, 1);
    let old = world.produce(7, ("keyed", 0), keyless).await;
    assert_eq!((code(old.error_code), old.record_errors.len()), (ErrorCode::InvalidRecord, 0));

    let stamped = world.produce(9, ("stamped", 0), batch(now - 7_200_000, &["a"], |_| {})).await;
    assert_eq!(stamped.error_code, 0);
    assert!((now..=world.now()).contains(&stamped.log_append_time_ms), "{stamped:?}");
    let header = world.broker.hosted.get("stamped", 0).unwrap().log.view();
    assert_eq!(header.end.0, 1);
    assert_eq!(
        TimestampType::LogAppendTime,
        world.broker.hosted.get("stamped", 0).unwrap().rules().timestamp_type
    );
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_names_the_leader() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    hosted.leadership.resign();
    let records = || batch(-1, &["a"], |_| {});
    let old = world.produce(9, ("t", 0), records()).await;
    assert_eq!(code(old.error_code), ErrorCode::NotLeaderOrFollower);
    let answer = world.ask(10, &request(vec![("t", 0, Some(records()))])).await;
    let told = &answer.responses[0].partition_responses[0];
    assert_eq!((told.current_leader.leader_id.0, told.current_leader.leader_epoch), (1, 0));
    assert_eq!((answer.node_endpoints[0].node_id.0, answer.node_endpoints[0].port), (1, 9092));
}

#[tokio::test(start_paused = true)]
async fn internal_topics_are_for_the_admin_client() {
    let mut world = World::start(&[]).await;
    world.topic("__consumer_offsets", 1, &[]).await;
    let records = || batch(-1, &["a"], |_| {});
    world.refuses("__consumer_offsets", records(), ErrorCode::InvalidTopicException).await;
    world.context.client_id = Some("__admin_client".into());
    assert_eq!(world.produce(9, ("__consumer_offsets", 0), records()).await.error_code, 0);
}

/// Records without keys and times, in a batch of a codec.
fn compressed(codec: Codec, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for value in values {
        let value = Some(value.as_bytes());
        builder.push(&NewRecord { timestamp: Millis(-1), key: None, value, headers: &[] });
    }
    builder.build().unwrap()
}

/// A message set as clients before Produce v3 send them.
fn old_set(format: Format, codec: Codec, values: &[&str]) -> Bytes {
    let kind = TimestampType::CreateTime;
    let mut set = MessageSetWriter::new(Vec::new(), format, codec, kind).unwrap();
    for (offset, value) in (0..).zip(values) {
        let (timestamp, value) = (Millis(100 + offset), Some(value.as_bytes()));
        set.push(&NewMessage { offset: Offset(offset), timestamp, key: Some(b"k"), value }).unwrap();
    }
    set.finish().unwrap().into()
}

/// What a partition's log holds, batch by batch: first offset, codec, producer, values.
async fn stored(world: &World) -> Vec<(i64, Codec, i64, Vec<String>)> {
    let records = world.read(12, 0).await.records.unwrap();
    let one = |batch: BatchAt<'_>| {
        verify_crc(batch.bytes).unwrap();
        let (header, codec) = (batch.header, batch.header.attributes.codec().unwrap());
        let plain = decompress(codec, batch.records(), 1 << 20).unwrap();
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap()).into_owned();
        let values = RecordIter::new(&plain, header.record_count).map(|record| text(record.unwrap().value));
        (header.base_offset.0, codec, header.producer_id.0, values.collect())
    };
    Batches::new(&records).map(|batch| one(batch.unwrap())).collect()
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_topic_chooses_its_codec() {
    let codecs = ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
    for name in codecs {
        let world = World::start(&[]).await;
        let setting: &'static str = format!("compression.type={name}").leak();
        world.topic("t", 1, &[setting]).await;
        let mut expected = Vec::new();
        for (at, sent) in Codec::ALL.into_iter().enumerate() {
            let told = world.produce(9, ("t", 0), compressed(sent, &["a", "b"])).await;
            assert_eq!((told.error_code, told.base_offset), (0, 2 * at as i64), "{name} {sent}");
            let codec = match name {
                "producer" => sent,
                "uncompressed" => Codec::None,
                _ => Codec::from_name(name).unwrap(),
            };
            expected.push((2 * at as i64, codec, -1, texts(&["a", "b"])));
        }
        for at in [0, 0] {
            assert_eq!(world.produce(9, ("t", 0), of_producer(0, at)).await.base_offset, 10);
        }
        expected.push((
            10,
            if name == "producer" { Codec::None } else { expected[0].1 },
            5,
            texts(&["a", "b"]),
        ));
        assert_eq!(stored(&world).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn old_clients_write_what_new_ones_read() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let mut expected = Vec::new();
    let formats = [(0, Format::V0), (1, Format::V0), (2, Format::V1), (0, Format::V1)];
    for (version, format) in formats {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            let next = 3 * expected.len() as i64;
            let told = world.produce(version, ("t", 0), old_set(format, codec, &["a", "b", "c"])).await;
            assert_eq!((told.error_code, told.base_offset), (0, next), "v{version} {format:?} {codec}");
            expected.push((next, codec, -1, texts(&["a", "b", "c"])));
        }
    }
    assert_eq!(stored(&world).await, expected);

    let set = old_set(Format::V1, Codec::None, &["a"]);
    for (version, records, expected) in [
        (2, set.slice(..set.len() - 1), ErrorCode::None),
        (2, Bytes::new(), ErrorCode::None),
        (2, broken(&set, set.len() - 1), ErrorCode::CorruptMessage),
        (3, set.clone(), ErrorCode::InvalidRecord),
        (3, Bytes::new(), ErrorCode::InvalidRecord),
    ] {
        let told = world.produce(version, ("t", 0), records).await;
        assert_eq!((code(told.error_code), told.base_offset), (expected, -1), "v{version}");
    }
    let log = world.broker.hosted.get("t", 0).unwrap().log.view();
    assert_eq!(log.end.0, 3 * expected.len() as i64, "nothing was appended");
}

#[tokio::test(start_paused = true)]
async fn records_are_looked_at_inside_of_any_codec() {
    let world = World::start(&[]).await;
    world.topic("keyed", 1, &["cleanup.policy=compact"]).await;
    world.topic("small", 1, &["max.message.bytes=200", "segment.bytes=150"]).await;
    for codec in Codec::ALL {
        let told =
            world.refuses("keyed", compressed(codec, &["a", "b", "c", "d"]), ErrorCode::InvalidRecord).await;
        let named: Vec<_> = told.record_errors.iter().map(|error| error.batch_index).collect();
        assert_eq!((named, told.log_start_offset), (vec![0, 1, 2, 3], 0));
        let text = "Compacted topic cannot accept message without key in topic partition keyed-0";
        assert_eq!(told.record_errors[3].batch_index_error_message.as_deref(), Some(text));
        let summary = told.error_message.unwrap();
        assert!(summary.contains("4 record errors") && !summary.contains("batchIndex=3"), "{summary}");

        let long = "x".repeat(10_000);
        let (large, whole) = (compressed(codec, &[&long]), compressed(codec, &["y"]));
        if codec == Codec::None {
            let told = world.refuses("small", large, ErrorCode::MessageTooLarge).await;
            assert_eq!(told.log_start_offset, -1);
            let told =
                world.refuses("small", broken(&whole, whole.len() - 1), ErrorCode::CorruptMessage).await;
            assert_eq!(told.log_start_offset, -1);
            let values = ["0123456789"; 6];
            let told =
                world.refuses("small", compressed(codec, &values), ErrorCode::RecordListTooLarge).await;
            assert_eq!(told.log_start_offset, -1);
        } else {
            let mut bytes = compressed(codec, &[&long]).to_vec();
            bytes.truncate(bytes.len() - 8);
            let mut header = BatchHeader::parse(&bytes).unwrap();
            header.length -= 8;
            header.seal(&bytes[HEADER_SIZE..]);
            bytes[..HEADER_SIZE].copy_from_slice(&header.to_bytes());
            let told = world.produce(9, ("keyed", 0), bytes.into()).await;
            let damaged = [ErrorCode::UnknownServerError, ErrorCode::InvalidRecord];
            assert!(damaged.contains(&code(told.error_code)), "{codec}: {told:?}");
            assert_eq!(told.log_start_offset, 0);
        }
    }
}
