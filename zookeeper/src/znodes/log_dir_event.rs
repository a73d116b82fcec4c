//! `/log_dir_event_notification/log_dir_event_N`: a broker has replicas that it cannot serve any more.
//!
//! Owns the layout. The controller reads the broker's id and asks it about its replicas. Source: Kafka 3.9
//! `LogDirEventNotificationSequenceZNode`.

use bytes::Bytes;
use protocol::BrokerId;

use super::ZnodeError;
use super::json::{Fields, Object};

/// Kafka knows one kind of event.
const FAILURE: i32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogDirEvent {
    pub broker: BrokerId,
}

impl LogDirEvent {
    /// Version 1.
    pub fn encode(&self) -> Bytes {
        Object::new().raw("version", 1).raw("broker", self.broker).raw("event", FAILURE).into_bytes()
    }

    /// The broker that tells; the event is not looked at.
    pub fn decode(path: &str, data: &[u8]) -> Result<LogDirEvent, ZnodeError> {
        Ok(LogDirEvent { broker: BrokerId(Fields::parse(path, data)?.int("broker")?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_writes_it() {
        let live = br#"{"version":1,"broker":3,"event":1}"#;
        let event = LogDirEvent::decode("/x", live).unwrap();
        assert_eq!((event.broker, event.encode().as_ref()), (BrokerId(3), &live[..]));
        assert!(LogDirEvent::decode("/x", b"{}").is_err());
    }
}
