//! Encodes a Fetch response, versions 0 to 17, around records that stay where they are: in a file, or in memory.
//!
//! kafka-protocol's encoder would copy every record byte; this one writes all else into one buffer and cuts it
//! where records stand. Called by Fetch alone. Source: FetchResponse's schema; KIP-392, KIP-595, KIP-951 for tags.

use kafka_protocol::protocol::StrBytes;

use crate::api::ApiKey;
use crate::error_code::ErrorCode;
use crate::ids::{BrokerId, LeaderEpoch, Offset, ProducerId, TopicId};
use crate::response::{EncodeError, Part, Response};

mod writer;

use writer::Writer;

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

/// What is answered for one topic: by name up to v12, by id from v13 on.
#[derive(Debug, Clone)]
pub struct FetchedTopic {
    pub name: StrBytes,
    pub id: TopicId,
    pub partitions: Vec<FetchedPartition>,
}

/// What is answered for one partition.
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

/// The largest leader epoch that both sides may have, and the offset where it ends (KIP-595).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

/// Whom to ask instead (KIP-951).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentLeader {
    pub leader: BrokerId,
    pub epoch: LeaderEpoch,
}

/// A transaction whose records from `first_offset` on, up to its marker, a read_committed consumer has to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
}

/// Where a broker can be reached on the client's listener.
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
        writer.response(correlation_id, self);
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    use bytes::Bytes;
    use kafka_protocol::messages::FetchResponse as Decoded;
    use kafka_protocol::messages::fetch_response::PartitionData;

    use super::writer::{
        LOG_START_SINCE, NODE_ENDPOINTS_SINCE, PREFERRED_REPLICA_SINCE, SESSION_SINCE, THROTTLE_SINCE,
        TOPIC_ID_SINCE, TRANSACTIONS_SINCE,
    };
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
        let knows_transactions = version >= TRANSACTIONS_SINCE;
        let expected = if knows_transactions { sent.last_stable_offset.0 } else { -1 };
        assert_eq!(found.last_stable_offset, expected);
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
        let expected = sent.aborted_transactions.as_deref().map(aborted);
        assert_eq!(found_aborted, if knows_transactions { expected } else { Some(Vec::new()) });
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
        let throttled = if version >= THROTTLE_SINCE { sent.throttle_time_ms } else { 0 };
        assert_eq!(found.throttle_time_ms, throttled);
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
        for version in 0..=17 {
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
        for version in [-1, 18] {
            assert!(response(topic("t".to_owned(), Vec::new())).encode(1, version).is_err());
        }
        assert!(response(topic("t".repeat(40_000), Vec::new())).encode(1, 4).is_err());
        let file = Arc::new(File::open("/dev/null").unwrap());
        let slice = Part::File(FileSlice { file, position: 0, length: i32::MAX as u32 });
        let error = response(topic("t".to_owned(), vec![slice.clone(), slice])).encode(1, 12).unwrap_err();
        assert!(matches!(error, EncodeError::TooLarge { .. }), "{error}");
    }
}
