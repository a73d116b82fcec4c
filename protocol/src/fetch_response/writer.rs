//! Writes the fields of a Fetch response in the order and form of one version.

use bytes::{BufMut, BytesMut};

use super::{
    AbortedTransaction, CurrentLeader, EpochEndOffset, FetchResponse, FetchedPartition, FetchedTopic,
    NodeEndpoint,
};
use crate::api::ApiKey;
use crate::response::{EncodeError, Part, Response};

pub(super) const THROTTLE_SINCE: i16 = 1;
/// First version with the last stable offset and aborted transactions.
pub(super) const TRANSACTIONS_SINCE: i16 = 4;
/// First version with the error and the session of the whole response.
pub(super) const SESSION_SINCE: i16 = 7;
pub(super) const LOG_START_SINCE: i16 = 5;
pub(super) const PREFERRED_REPLICA_SINCE: i16 = 11;
/// First version with topic ids instead of names.
pub(super) const TOPIC_ID_SINCE: i16 = 13;
pub(super) const NODE_ENDPOINTS_SINCE: i16 = 16;
/// Bytes of the length prefix.
const PREFIX: usize = 4;
/// Bytes that a partition without aborted transactions takes at most, its records aside.
const PARTITION_ROOM: usize = 80;

/// Everything but records, and where they belong.
pub(super) struct Writer {
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
    pub(super) fn new(version: i16, topics: &[FetchedTopic]) -> Writer {
        let names: usize = topics.iter().map(|topic| topic.name.len().max(16) + 8).sum();
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        let out = BytesMut::with_capacity(32 + names + partitions * PARTITION_ROOM);
        Writer { version, out, cuts: Vec::with_capacity(partitions), records: 0 }
    }

    pub(super) fn response(&mut self, correlation_id: i32, response: FetchResponse) {
        // The length prefix, which `finish` fills in.
        self.out.put_i32(0);
        self.out.put_i32(correlation_id);
        // The header's tagged fields.
        self.tags(0);
        if self.version >= THROTTLE_SINCE {
            self.out.put_i32(response.throttle_time_ms);
        }
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
        if self.version >= TRANSACTIONS_SINCE {
            self.out.put_i64(partition.last_stable_offset.0);
        }
        if self.version >= LOG_START_SINCE {
            self.out.put_i64(partition.log_start_offset.0);
        }
        if self.version >= TRANSACTIONS_SINCE {
            self.aborted(partition.aborted_transactions.as_deref());
        }
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
    pub(super) fn finish(mut self) -> Result<Response, EncodeError> {
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
