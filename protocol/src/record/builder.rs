//! Makes batches: for tools, tests, and records that the broker writes itself.

use bytes::{Bytes, BytesMut};

use super::compression::{CompressionError, compress};
use super::varint::{put_varint, put_varlong, varint_size, varlong_size};
use super::{Headers, Record};
use crate::batch::{BatchHeader, Codec, HEADER_SIZE, LENGTH_MIN};
use crate::ids::Millis;

/// A record to be put into a batch.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    pub timestamp: Millis,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A batch that is being filled.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// What the batch will say of itself, as a producer without idempotence would; change what should differ.
    /// Length, checksum, count, last offset delta and timestamps are the builder's.
    pub header: BatchHeader,
    records: Vec<u8>,
    body: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch that will be compressed with `codec`, at its default level.
    pub fn new(codec: Codec) -> BatchBuilder {
        BatchBuilder { header: BatchHeader::empty(codec), records: Vec::new(), body: Vec::new() }
    }

    /// Adds a record at the next offset. The first one's timestamp is the base of all.
    pub fn push(&mut self, record: &NewRecord<'_>) {
        self.push_at(self.header.last_offset_delta + 1, record);
    }

    /// Adds a record at a distance from the base offset, so that there may be gaps.
    pub fn push_at(&mut self, offset_delta: i32, record: &NewRecord<'_>) {
        if self.header.record_count == 0 {
            self.header.base_timestamp = record.timestamp;
        }
        self.header.max_timestamp = self.header.max_timestamp.max(record.timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;

        let timestamp_delta = record.timestamp - self.header.base_timestamp;
        self.body.clear();
        self.body.push(0);
        put_varlong(&mut self.body, timestamp_delta);
        put_varint(&mut self.body, offset_delta);
        put_nullable(&mut self.body, record.key);
        put_nullable(&mut self.body, record.value);
        put_varint(&mut self.body, record.headers.len() as i32);
        for (key, value) in record.headers {
            put_nullable(&mut self.body, Some(key.as_bytes()));
            put_nullable(&mut self.body, *value);
        }
        put_varint(&mut self.records, self.body.len() as i32);
        self.records.extend_from_slice(&self.body);
    }

    /// Bytes of the records so far, before compression.
    pub fn size(&self) -> usize {
        self.records.len()
    }

    /// The finished batch. A codec number that does not exist leaves the records as they are.
    pub fn build(mut self) -> Result<Bytes, CompressionError> {
        let codec = self.header.attributes.codec().unwrap_or(Codec::None);
        let block = compress(codec, &self.records)?;
        self.header.length = (LENGTH_MIN + block.len()) as u32;
        self.header.seal(&block);
        let mut batch = BytesMut::with_capacity(HEADER_SIZE + block.len());
        batch.extend_from_slice(&self.header.to_bytes());
        batch.extend_from_slice(&block);
        Ok(batch.freeze())
    }
}

/// Appends a record behind its length.
pub(crate) fn put_record(out: &mut Vec<u8>, record: &Record<'_>) {
    let size_of = |part: Option<&[u8]>| part.map_or(1, |part| varint_size(part.len() as i32) + part.len());
    let Headers { bytes: headers, count } = record.headers;
    let numbers = varlong_size(record.timestamp_delta) + varint_size(record.offset_delta);
    let size = 1 + numbers + size_of(record.key) + size_of(record.value);
    put_varint(out, (size + varint_size(count as i32) + headers.len()) as i32);
    out.push(record.attributes as u8);
    put_varlong(out, record.timestamp_delta);
    put_varint(out, record.offset_delta);
    put_nullable(out, record.key);
    put_nullable(out, record.value);
    put_varint(out, count as i32);
    out.extend_from_slice(headers);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i32));
    out.extend_from_slice(bytes.unwrap_or_default());
}
