//! Kafka's wire format: frames, requests, responses, record batches; no I/O.
//!
//! Lengths and counts that arrive are checked against the bytes that are there before anything is reserved for
//! them. Record bytes are slices of the frame they came in and are never copied.

pub mod api;
pub mod batch;
pub mod error_code;
pub mod fetch_response;
pub mod frame;
pub mod ids;
pub mod json;
pub mod legacy;
pub mod record;
pub mod request;
pub mod response;
pub mod shape;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(test)]
mod random;

pub use bytes;
/// The message structs, one per request and response, the same for all versions of it.
pub use kafka_protocol::messages;
pub use kafka_protocol::protocol::StrBytes;
/// What the message structs have in common, for code that is generic over them.
pub use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request as RequestMessage};

pub use api::{API_TABLE, Api, ApiKey};
pub use error_code::ErrorCode;
pub use ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence,
    TopicId, TopicPartition,
};
