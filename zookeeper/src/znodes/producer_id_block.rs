//! `/latest_producer_id_block`: the producer ids given out last.
//!
//! Owns the layout, whose bounds are strings; the end is inclusive. Before the first block the node is null.
//! Source: Kafka 3.9 `ProducerIdBlockZNode`.

use bytes::Bytes;
use protocol::{BrokerId, ProducerId};

use super::ZnodeError;
use super::json::{Fields, Object};

/// The ids from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// To whom it was given.
    pub broker: BrokerId,
    pub first: ProducerId,
    pub last: ProducerId,
}

impl ProducerIdBlock {
    /// Version 1.
    pub fn encode(&self) -> Bytes {
        Object::new()
            .raw("version", 1)
            .raw("broker", self.broker)
            .string("block_start", &self.first.to_string())
            .string("block_end", &self.last.to_string())
            .into_bytes()
    }

    /// `None`: no block was given out yet.
    pub fn decode(path: &str, data: &[u8]) -> Result<Option<ProducerIdBlock>, ZnodeError> {
        if data.is_empty() {
            return Ok(None);
        }
        let fields = Fields::parse(path, data)?;
        let bound = |key: &str| {
            let text = fields.string(key)?;
            let wrong = || fields.error(format!("the key {key} should be a producer id and is '{text}'"));
            text.parse().ok().filter(|id| *id >= 0).map(ProducerId).ok_or_else(wrong)
        };
        let (first, last) = (bound("block_start")?, bound("block_end")?);
        if last < first {
            return Err(fields.error(format!("the block ends at {last}, before its start {first}")));
        }
        Ok(Some(ProducerIdBlock { broker: BrokerId(fields.int("broker")?), first, last }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_writes_it() {
        let live = br#"{"version":1,"broker":3,"block_start":"1000","block_end":"1999"}"#;
        let block = ProducerIdBlock { broker: BrokerId(3), first: ProducerId(1000), last: ProducerId(1999) };
        assert_eq!(ProducerIdBlock::decode("/latest_producer_id_block", live), Ok(Some(block)));
        assert_eq!(block.encode().as_ref(), &live[..]);
        assert_eq!(ProducerIdBlock::decode("/latest_producer_id_block", b""), Ok(None));
    }

    #[test]
    fn garbage_is_named() {
        for (data, problem) in [
            (r#"{"broker":3,"block_start":1000,"block_end":"1999"}"#, "block_start should be a string"),
            (r#"{"broker":3,"block_start":"-5","block_end":"1999"}"#, "producer id and is '-5'"),
            (r#"{"broker":3,"block_start":"5","block_end":"4"}"#, "before its start"),
            (r#"{"broker":3,"block_start":"0","block_end":"99999999999999999999"}"#, "block_end"),
        ] {
            let error = ProducerIdBlock::decode("/latest_producer_id_block", data.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}
