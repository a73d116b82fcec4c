//! Record batches that are broken, too large or not what they say. Each is refused with Kafka's error for its partition; the good
//! batch beside it in the same request is appended.
//! How: batches are made by kafka-protocol and spoiled; requests are Produce version 7 by hand; a real Kafka gives the same answers.
use crate::scene::Scene;
use anyhow::Result;
use bytes::BytesMut;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use tests::broker::Kind;
use tests::wire::{Body, PRODUCE, Wire};

const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const LAST_OFFSET_DELTA_AT: usize = 23;
const COUNT_AT: usize = 57;

const CORRUPT_MESSAGE: i16 = 2;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_RECORD: i16 = 87;

#[test]
fn a_spoiled_batch_is_refused_and_its_neighbour_appended() -> Result<()> {
    let scene = Scene::with(&[("message.max.bytes", "5000")])?;
    scene.create_topic("spoiled", 2)?;
    let mut wire = scene.broker.connect()?;
    let mut good = 0;
    let mut check = |what: &str, bad: &[u8], error: i16| -> Result<()> {
        let answer = produce(&mut wire, "spoiled", &[(0, bad), (1, &batch("good", 2)?)])?;
        assert_eq!(answer[0].error, error, "{what}: {answer:?}");
        if scene.broker.site.kind == Kind::Kafka && answer[1].error == error {
            // Kafka refuses the whole request for some of these.
            return Ok(());
        }
        assert_eq!((answer[1].error, answer[1].offset), (0, good), "{what}: {answer:?}");
        good += 2;
        Ok(())
    };
    let whole = batch("record", 3)?;
    let flipped = changed(&whole, whole.len() - 1, &[0xff]);
    check("a flipped byte", &flipped, CORRUPT_MESSAGE)?;
    check("a wrong checksum", &changed(&whole, CRC_AT, &[0; 4]), CORRUPT_MESSAGE)?;
    check("larger than the topic allows", &batch(&"x".repeat(6_000), 1)?, MESSAGE_TOO_LARGE)?;
    check("an unknown format", &changed(&whole, MAGIC_AT, &[3]), CORRUPT_MESSAGE)?;
    check("nothing", &[], INVALID_RECORD)?;
    check("two batches", &[&whole[..], &whole].concat(), INVALID_RECORD)?;
    check("cut off", &whole[..whole.len() - 5], INVALID_RECORD)?;
    check(
        "fewer records than announced",
        &sealed(changed(&whole, COUNT_AT, &i32::MAX.to_be_bytes())),
        INVALID_RECORD,
    )?;
    check(
        "more records than announced",
        &sealed(changed(&whole, COUNT_AT, &1_i32.to_be_bytes())),
        INVALID_RECORD,
    )?;
    check("no records announced", &sealed(changed(&whole, COUNT_AT, &0_i32.to_be_bytes())), INVALID_RECORD)?;
    check(
        "offsets that do not fit",
        &sealed(changed(&whole, LAST_OFFSET_DELTA_AT, &9_i32.to_be_bytes())),
        INVALID_RECORD,
    )?;

    // The partition that was attacked is as good as before.
    let answer = produce(&mut wire, "spoiled", &[(0, &whole)])?;
    assert_eq!((answer[0].error, answer[0].offset), (0, 0), "{answer:?}");
    let read = scene.read_all("spoiled")?;
    assert_eq!(read.iter().filter(|line| line.starts_with("0 ")).count(), 3);
    assert_eq!(read.iter().filter(|line| line.starts_with("1 ")).count(), usize::try_from(good)?);
    Ok(())
}

/// What the broker says of one partition.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) error: i16,
    pub(super) offset: i64,
}

/// Produce version 7 with acks=all; the answers are in the order of the partitions asked for.
pub(super) fn produce(wire: &mut Wire, topic: &str, partitions: &[(i32, &[u8])]) -> Result<Vec<Answer>> {
    let mut body = Vec::new();
    let count = |count: usize| i32::try_from(count).map(i32::to_be_bytes);
    body.extend((-1_i16).to_be_bytes());
    body.extend((-1_i16).to_be_bytes());
    body.extend(30_000_i32.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(i16::try_from(topic.len())?.to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(count(partitions.len())?);
    for (partition, records) in partitions {
        body.extend(partition.to_be_bytes());
        body.extend(count(records.len())?);
        body.extend(*records);
    }
    let answer = wire.call(PRODUCE, 7, &body)?;
    let mut answer = Body::new(&answer);
    assert_eq!((answer.int32()?, answer.string()?.as_deref()), (1, Some(topic)));
    let mut answers = (0..answer.int32()?)
        .map(|_| {
            let (partition, error, offset) = (answer.int32()?, answer.int16()?, answer.int64()?);
            let (_append_time, _log_start) = (answer.int64()?, answer.int64()?);
            Ok((partition, Answer { error, offset }))
        })
        .collect::<Result<Vec<_>>>()?;
    answers.sort_by_key(|(partition, _)| *partition);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// A good batch of `count` records.
pub(super) fn batch(value: &str, count: i64) -> Result<Vec<u8>> {
    let record = |offset: i64| Record {
        transactional: false,
        control: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        // The encoder begins another batch where offset and sequence do not go up together.
        sequence: i32::try_from(offset).unwrap_or(i32::MAX) - 1,
        timestamp: 1_700_000_000_000 + offset,
        key: None,
        value: Some(value.to_owned().into()),
        headers: IndexMap::default(),
    };
    let records: Vec<Record> = (0..count).map(record).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options)?;
    Ok(bytes.to_vec())
}

fn changed(batch: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    batch
}

/// The batch with the checksum that it should have.
fn sealed(batch: Vec<u8>) -> Vec<u8> {
    let sum = crc32c::crc32c(&batch[CRC_AT + 4..]);
    changed(&batch, CRC_AT, &sum.to_be_bytes())
}
