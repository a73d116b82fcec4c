//! Encodes a Fetch response, versions 4 to 17, around records that stay where they are: in a file, or in memory.
//!
//! kafka-protocol's encoder would copy every record byte; this one writes all else into one buffer and cuts it
//! where records stand. Called by Fetch alone. Source: FetchResponse's schema; KIP-392, KIP-595, KIP-951 for tags.

use bytes::{BufMut, BytesMut};
use kafka_protocol::protocol::StrBytes;

use crate::api::ApiKey;
use crate::error_code::ErrorCode;
use crate::ids::{BrokerId, LeaderEpoch, Offset, ProducerId, TopicId};
use crate::response::{EncodeError, Part, Response};

/// First version with the error and the session of the whole response.
const SESSION_SINCE: i16 = 7;
const LOG_START_SINCE: i16 = 5;
const PREFERRED_REPLICA_SINCE: i16 = 11;
/// First version with topic ids instead of names.
const TOPIC_ID_SINCE: i16 = 13;
const NODE_ENDPOINTS_SINCE: i16 = 16;
/// Bytes of the length prefix.
const PREFIX: usize = 4;
/// Bytes that a partition without aborted transactions takes at most, its records aside.
const PARTITION_ROOM: usize = 80;

/// What versions cannot say is left out, as Kafka leaves it out.
#[derive(Debug, Clone)]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    pub error: ErrorCode,
    /// 0 outside a fetch session.
    pub session_id: i32,
    pub topics: Vec<FetchedTopic>,
    /// Where the current leaders that partitions name can be reached.
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone)]
pub struct FetchedTopic {
    pub name: StrBytes,
    pub id: TopicId,
    pub partitions: Vec<FetchedPartition>,
}

#[derive(Debug, Clone)]
pub struct FetchedPartition {
    pub partition: i32,
    pub error: ErrorCode,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    /// Where the follower's log parts from the leader's.
    pub diverging_epoch: Option<EpochEndOffset>,
    pub current_leader: Option<CurrentLeader>,
    /// None for a reader that does not ask for committed records only.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica to read from instead; none to go on here.
    pub preferred_read_replica: BrokerId,
    /// Whole batches, in order.
    pub records: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentLeader {
    pub leader: BrokerId,
    pub epoch: LeaderEpoch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEndpoint {
    pub node: BrokerId,
    pub host: StrBytes,
    pub port: i32,
    pub rack: Option<StrBytes>,
}

impl FetchedPartition {
    /// A partition that could not be read.
    pub fn failed(partition: i32, error: ErrorCode) -> FetchedPartition {
        FetchedPartition {
            partition,
            error,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: BrokerId::NONE,
            records: Vec::new(),
        }
    }
}

impl FetchResponse {
    /// The response on the wire, length prefix included. The records' parts become the response's.
    pub fn encode(self, correlation_id: i32, version: i16) -> Result<Response, EncodeError> {
        self.check(version)?;
        let mut writer = Writer::new(version, &self.topics);
        writer.out.put_i32(0);
        writer.out.put_i32(correlation_id);
        // The header's tagged fields.
        writer.tags(0);
        writer.response(self);
        writer.finish()
    }

    fn check(&self, version: i16) -> Result<(), EncodeError> {
        let fail = |reason| Err(EncodeError::Unencodable { api: ApiKey::Fetch, version, reason });
        if !ApiKey::Fetch.serves(version) {
            return fail("version is not served".to_owned());
        }
        match self.topics.iter().find(|topic| topic.name.len() > i16::MAX as usize) {
            Some(topic) => fail(format!("topic name has {} bytes", topic.name.len())),
            None => Ok(()),
        }
    }
}

/// Everything but records, and where they belong.
struct Writer {
    version: i16,
    out: BytesMut,
    cuts: Vec<Cut>,
    /// Bytes of all records.
    records: usize,
}

struct Cut {
    at: usize,
    records: Vec<Part>,
}

impl Writer {
    fn new(version: i16, topics: &[FetchedTopic]) -> Writer {
        let names: usize = topics.iter().map(|topic| topic.name.len().max(16) + 8).sum();
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        let out = BytesMut::with_capacity(32 + names + partitions * PARTITION_ROOM);
        Writer { version, out, cuts: Vec::with_capacity(partitions), records: 0 }
    }

    fn response(&mut self, response: FetchResponse) {
        self.out.put_i32(response.throttle_time_ms);
        if self.version >= SESSION_SINCE {
            self.out.put_i16(response.error.code());
            self.out.put_i32(response.session_id);
        }
        self.length(response.topics.len());
        for topic in response.topics {
            self.topic(topic);
        }
        if self.version >= NODE_ENDPOINTS_SINCE && !response.node_endpoints.is_empty() {
            self.tags(1);
            self.node_endpoints(&response.node_endpoints);
        } else {
            self.tags(0);
        }
    }

    fn topic(&mut self, topic: FetchedTopic) {
        if self.version >= TOPIC_ID_SINCE {
            self.out.put_slice(topic.id.as_bytes());
        } else {
            self.string(&topic.name);
        }
        self.length(topic.partitions.len());
        for partition in topic.partitions {
            self.partition(partition);
        }
        self.tags(0);
    }

    fn partition(&mut self, partition: FetchedPartition) {
        self.out.put_i32(partition.partition);
        self.out.put_i16(partition.error.code());
        self.out.put_i64(partition.high_watermark.0);
        self.out.put_i64(partition.last_stable_offset.0);
        if self.version >= LOG_START_SINCE {
            self.out.put_i64(partition.log_start_offset.0);
        }
        self.aborted(partition.aborted_transactions.as_deref());
        if self.version >= PREFERRED_REPLICA_SINCE {
            self.out.put_i32(partition.preferred_read_replica.0);
        }
        self.records(partition.records);
        self.partition_tags(partition.diverging_epoch, partition.current_leader);
    }

    fn aborted(&mut self, transactions: Option<&[AbortedTransaction]>) {
        let Some(transactions) = transactions else {
            return if self.is_flexible() { self.varint(0) } else { self.out.put_i32(-1) };
        };
        self.length(transactions.len());
        for transaction in transactions {
            self.out.put_i64(transaction.producer_id.0);
            self.out.put_i64(transaction.first_offset.0);
            self.tags(0);
        }
    }

    /// Kafka sends empty records, never null, where there are none.
    fn records(&mut self, records: Vec<Part>) {
        let size = records.iter().map(Part::size).sum();
        self.length(size);
        if size > 0 {
            self.records += size;
            self.cuts.push(Cut { at: self.out.len(), records });
        }
    }

    fn partition_tags(&mut self, diverging: Option<EpochEndOffset>, leader: Option<CurrentLeader>) {
        self.tags(u32::from(diverging.is_some()) + u32::from(leader.is_some()));
        if !self.is_flexible() {
            return;
        }
        if let Some(diverging) = diverging {
            self.out.put_slice(&[0, 13]);
            self.out.put_i32(diverging.epoch.0);
            self.out.put_i64(diverging.end_offset.0);
            self.tags(0);
        }
        if let Some(leader) = leader {
            self.out.put_slice(&[1, 9]);
            self.out.put_i32(leader.leader.0);
            self.out.put_i32(leader.epoch.0);
            self.tags(0);
        }
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) {
        // Its size comes first, so the content is written apart.
        let before = std::mem::take(&mut self.out);
        self.length(endpoints.len());
        for endpoint in endpoints {
            self.out.put_i32(endpoint.node.0);
            self.string(&endpoint.host);
            self.out.put_i32(endpoint.port);
            match &endpoint.rack {
                Some(rack) => self.string(rack),
                None => self.varint(0),
            }
            self.tags(0);
        }
        let content = std::mem::replace(&mut self.out, before);
        self.varint(0);
        self.varint(content.len() as u32);
        self.out.put_slice(&content);
    }

    fn string(&mut self, text: &str) {
        if self.is_flexible() {
            self.varint(text.len() as u32 + 1);
        } else {
            self.out.put_i16(text.len() as i16);
        }
        self.out.put_slice(text.as_bytes());
    }

    /// The length of records or the count of an array. One too large for the wire makes the whole response too
    /// large, which `finish` refuses.
    fn length(&mut self, length: usize) {
        if self.is_flexible() {
            self.varint((length as u32).wrapping_add(1))
        } else {
            self.out.put_i32(length as i32)
        }
    }

    fn tags(&mut self, count: u32) {
        if self.is_flexible() {
            self.varint(count);
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.put_u8(value as u8);
    }

    fn is_flexible(&self) -> bool {
        ApiKey::Fetch.is_flexible(self.version)
    }

    /// Fills in the length prefix and cuts the buffer where records go.
    fn finish(mut self) -> Result<Response, EncodeError> {
        let size = self.out.len() - PREFIX + self.records;
        let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLarge {
            api: ApiKey::Fetch,
            version: self.version,
            size,
        })?;
        self.out[..PREFIX].copy_from_slice(&prefix.to_be_bytes());
        let mut rest = self.out.freeze();
        let Some(first) = self.cuts.first() else {
            return Ok(Response::from(rest));
        };
        let head = rest.split_to(first.at);
        let mut response = Response { body: Vec::with_capacity(2 * self.cuts.len()), head };
        let mut written = response.head.len();
        for cut in self.cuts {
            if cut.at > written {
                response.body.push(Part::Bytes(rest.split_to(cut.at - written)));
                written = cut.at;
            }
            response.body.extend(cut.records);
        }
        if !rest.is_empty() {
            response.body.push(Part::Bytes(rest));
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    use bytes::Bytes;
    use kafka_protocol::messages::FetchResponse as Decoded;
    use kafka_protocol::messages::fetch_response::PartitionData;

    use super::*;
    use crate::random::Random;
    use crate::response::{self, FileSlice};

    /// What a client receives.
    fn wire(response: &Response) -> Bytes {
        let mut out = response.head.to_vec();
        for part in &response.body {
            match part {
                Part::Bytes(bytes) => out.extend(bytes),
                Part::File(slice) => {
                    let mut bytes = vec![0; slice.length as usize];
                    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
                    out.extend(bytes);
                }
            }
        }
        assert_eq!(out.len(), response.size());
        Bytes::from(out)
    }

    /// Records partly in this very source file.
    fn records(random: &mut Random) -> Vec<Part> {
        let file =
            Arc::new(File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/src/fetch_response.rs")).unwrap());
        let count = random.below(4);
        (0..count)
            .map(|_| {
                let (position, length) = (random.below(500) as u64, random.below(1000) as u32);
                if random.one_in(2) {
                    return Part::File(FileSlice { file: file.clone(), position, length });
                }
                Part::Bytes(random.bytes(length as usize).into())
            })
            .collect()
    }

    fn partition(random: &mut Random) -> FetchedPartition {
        let offset = |random: &mut Random| Offset(random.next() as i64);
        FetchedPartition {
            partition: random.next() as i32,
            error: ErrorCode::ALL[random.below(ErrorCode::ALL.len())],
            high_watermark: offset(random),
            last_stable_offset: offset(random),
            log_start_offset: offset(random),
            diverging_epoch: random.one_in(3).then(|| EpochEndOffset {
                epoch: LeaderEpoch(random.next() as i32),
                end_offset: Offset(random.next() as i64),
            }),
            current_leader: random.one_in(3).then(|| CurrentLeader {
                leader: BrokerId(random.next() as i32),
                epoch: LeaderEpoch(random.next() as i32),
            }),
            aborted_transactions: random.one_in(2).then(|| {
                let count = random.below(3);
                let mut one = || AbortedTransaction {
                    producer_id: ProducerId(random.next() as i64),
                    first_offset: Offset(random.next() as i64),
                };
                (0..count).map(|_| one()).collect()
            }),
            preferred_read_replica: BrokerId(random.next() as i32),
            records: records(random),
        }
    }

    fn response(random: &mut Random) -> FetchResponse {
        let (topics, endpoints) = (random.below(4), random.below(3));
        FetchResponse {
            throttle_time_ms: random.next() as i32,
            error: ErrorCode::ALL[random.below(ErrorCode::ALL.len())],
            session_id: random.next() as i32,
            topics: (0..topics)
                .map(|_| {
                    let partitions = random.below(5);
                    FetchedTopic {
                        name: random.text().into(),
                        id: TopicId::from_u128(u128::from(random.next()) << 3),
                        partitions: (0..partitions).map(|_| partition(random)).collect(),
                    }
                })
                .collect(),
            node_endpoints: (0..endpoints)
                .map(|_| NodeEndpoint {
                    node: BrokerId(random.next() as i32),
                    host: random.text().repeat(20).into(),
                    port: random.next() as i32,
                    rack: random.one_in(2).then(|| random.text().into()),
                })
                .collect(),
        }
    }

    fn check_partition(sent: &FetchedPartition, found: &PartitionData, version: i16) {
        assert_eq!((found.partition_index, found.error_code), (sent.partition, sent.error.code()));
        assert_eq!(found.high_watermark, sent.high_watermark.0);
        assert_eq!(found.last_stable_offset, sent.last_stable_offset.0);
        if version >= LOG_START_SINCE {
            assert_eq!(found.log_start_offset, sent.log_start_offset.0);
        }
        if version >= PREFERRED_REPLICA_SINCE {
            assert_eq!(found.preferred_read_replica.0, sent.preferred_read_replica.0);
        }
        let aborted = |sent: &[AbortedTransaction]| {
            sent.iter().map(|one| (one.producer_id.0, one.first_offset.0)).collect::<Vec<_>>()
        };
        let found_aborted = found.aborted_transactions.as_ref();
        let found_aborted = found_aborted
            .map(|found| found.iter().map(|one| (one.producer_id.0, one.first_offset)).collect::<Vec<_>>());
        assert_eq!(found_aborted, sent.aborted_transactions.as_deref().map(aborted));
        let sent_records = Response { head: Bytes::new(), body: sent.records.clone() };
        assert_eq!(found.records, Some(wire(&sent_records)));
        let diverging = sent.diverging_epoch.map(|sent| (sent.epoch.0, sent.end_offset.0));
        let flexible = version >= 12;
        let expected = diverging.filter(|_| flexible).unwrap_or((-1, -1));
        assert_eq!((found.diverging_epoch.epoch, found.diverging_epoch.end_offset), expected);
        let leader = sent.current_leader.map(|sent| (sent.leader.0, sent.epoch.0));
        let expected = leader.filter(|_| flexible).unwrap_or((-1, -1));
        assert_eq!((found.current_leader.leader_id.0, found.current_leader.leader_epoch), expected);
    }

    fn check(sent: &FetchResponse, found: &Decoded, version: i16) {
        assert_eq!(found.throttle_time_ms, sent.throttle_time_ms);
        let of_session = (sent.error.code(), sent.session_id);
        let expected = if version >= SESSION_SINCE { of_session } else { (0, 0) };
        assert_eq!((found.error_code, found.session_id), expected);
        assert_eq!(found.responses.len(), sent.topics.len());
        for (sent, found) in sent.topics.iter().zip(&found.responses) {
            let by_id = version >= TOPIC_ID_SINCE;
            assert_eq!(&*found.topic.0, if by_id { "" } else { sent.name.as_str() });
            assert_eq!(found.topic_id, if by_id { sent.id } else { TopicId::nil() });
            assert_eq!(found.partitions.len(), sent.partitions.len());
            for (sent, found) in sent.partitions.iter().zip(&found.partitions) {
                check_partition(sent, found, version);
            }
        }
        let endpoints = |sent: &NodeEndpoint| (sent.node.0, sent.host.clone(), sent.port, sent.rack.clone());
        let expected: Vec<_> = sent.node_endpoints.iter().map(endpoints).collect();
        let found: Vec<_> = found
            .node_endpoints
            .iter()
            .map(|found| (found.node_id.0, found.host.clone(), found.port, found.rack.clone()))
            .collect();
        assert_eq!(found, if version >= NODE_ENDPOINTS_SINCE { expected } else { Vec::new() });
    }

    #[test]
    fn every_version_reads_as_it_was_meant() {
        for version in 4..=17 {
            for seed in 0..60 {
                let sent = response(&mut Random::new(seed));
                let bytes = wire(&sent.clone().encode(77, version).unwrap());
                assert_eq!(bytes[..4], (bytes.len() as u32 - 4).to_be_bytes());
                let (correlation_id, found) =
                    response::decode::<Decoded>(ApiKey::Fetch, version, bytes.slice(4..)).unwrap();
                assert_eq!(correlation_id, 77);
                check(&sent, &found, version);
                let again = response::encode(77, ApiKey::Fetch, version, &found).unwrap();
                assert!(again == bytes, "v{version} seed {seed} differs from the reference encoder");
            }
        }
    }

    #[test]
    fn records_in_memory_are_not_copied() {
        let records = Bytes::from(vec![1; 5000]);
        let mut partition = FetchedPartition::failed(0, ErrorCode::None);
        partition.records = vec![Part::Bytes(records.clone())];
        let topic = FetchedTopic { name: "t".into(), id: TopicId::nil(), partitions: vec![partition] };
        let response = FetchResponse {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: Vec::new(),
        };
        let encoded = response.encode(1, 12).unwrap();
        assert!(matches!(&encoded.body[0], Part::Bytes(part) if part.as_ptr() == records.as_ptr()));
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        let topic = |name: String, records| {
            let mut partition = FetchedPartition::failed(0, ErrorCode::None);
            partition.records = records;
            FetchedTopic { name: name.into(), id: TopicId::nil(), partitions: vec![partition] }
        };
        let response = |topic| FetchResponse {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: Vec::new(),
        };
        for version in [3, 18] {
            assert!(response(topic("t".to_owned(), Vec::new())).encode(1, version).is_err());
        }
        assert!(response(topic("t".repeat(40_000), Vec::new())).encode(1, 4).is_err());
        let file = Arc::new(File::open("/dev/null").unwrap());
        let slice = Part::File(FileSlice { file, position: 0, length: i32::MAX as u32 });
        let error = response(topic("t".to_owned(), vec![slice.clone(), slice])).encode(1, 12).unwrap_err();
        assert!(matches!(error, EncodeError::TooLarge { .. }), "{error}");
    }
}
