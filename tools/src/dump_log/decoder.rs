//! What is printed of a record's key and value, by the decoder that was asked for.
//!
//! Source: DumpLogSegments' message parsers, TransactionLog.formatRecordKeyAndValue, org.apache.kafka.tools.api.

mod offsets;
mod transactions;

use super::java_text;

/// Both sides of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyValue<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// What is printed of them; a side may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) key: Option<String>,
    pub(super) payload: Option<String>,
}

/// How records are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    Plain {
        key: Plain,
        value: Plain,
    },
    /// As records of `__consumer_offsets`.
    Offsets,
    /// As records of `__transaction_state`.
    Transactions,
}

/// A decoder of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Text,
    /// The first eight bytes.
    Long,
    /// The first four bytes.
    Integer,
}

impl Decoder {
    /// Decodes the record at `offset`; an error is one that Kafka's tool ends with.
    pub(super) fn decode(self, record: KeyValue<'_>, offset: i64) -> Result<Shown, String> {
        match self {
            Decoder::Plain { key, value } => {
                let side = |decoder: Plain, bytes: Option<&[u8]>| {
                    bytes.map(|bytes| decoder.decode(bytes, offset)).transpose()
                };
                Ok(Shown { key: side(key, record.key)?, payload: side(value, record.value)? })
            }
            Decoder::Offsets => offsets::decode(record, offset),
            Decoder::Transactions => transactions::decode(record, offset),
        }
    }
}

impl Plain {
    fn decode(self, bytes: &[u8], offset: i64) -> Result<String, String> {
        let number = match self {
            Plain::Text => return Ok(java_text::decode(bytes).into_owned()),
            Plain::Long => bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)),
            Plain::Integer => bytes.first_chunk().map(|bytes| i64::from(i32::from_be_bytes(*bytes))),
        };
        let short = || format!("the record at offset {offset} has only {} bytes of a number", bytes.len());
        number.map(|number| number.to_string()).ok_or_else(short)
    }
}
