//! `/controller` and `/controller_epoch`: which broker decides, and how many have before.
//!
//! Owns both layouts; the second is plain decimal text. Source: Kafka 3.9 `ControllerZNode`, `ControllerEpochZNode`.

use bytes::Bytes;
use protocol::{BrokerId, ControllerEpoch, Millis};
use serde_json::Value;

use super::ZnodeError;
use super::json::{Fields, Object};

/// Who is controller, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    pub broker: BrokerId,
    pub timestamp: Millis,
    /// -1; above 0 while a KRaft controller migrates the cluster, and then no broker may write configs.
    pub kraft_controller_epoch: i32,
}

impl Controller {
    /// Version 2.
    pub fn encode(&self) -> Bytes {
        Object::new()
            .raw("version", 2)
            .raw("brokerid", self.broker)
            .string("timestamp", &self.timestamp.to_string())
            .raw("kraftControllerEpoch", self.kraft_controller_epoch)
            .into_bytes()
    }

    /// Any version; without a KRaft epoch it is -1.
    pub fn decode(path: &str, data: &[u8]) -> Result<Controller, ZnodeError> {
        let fields = Fields::parse(path, data)?;
        let timestamp = fields.get("timestamp").and_then(Value::as_str).and_then(|text| text.parse().ok());
        Ok(Controller {
            broker: BrokerId(fields.int("brokerid")?),
            timestamp: timestamp.map_or(Millis::NONE, Millis),
            kraft_controller_epoch: match fields.get("kraftControllerEpoch") {
                Some(value) => fields.as_int("kraftControllerEpoch", value)?,
                None => -1,
            },
        })
    }
}

/// Decimal digits.
pub fn encode_controller_epoch(epoch: ControllerEpoch) -> Bytes {
    Bytes::from(epoch.to_string())
}

/// Decimal digits, and not negative.
pub fn decode_controller_epoch(path: &str, data: &[u8]) -> Result<ControllerEpoch, ZnodeError> {
    let text = String::from_utf8_lossy(data);
    let problem =
        || ZnodeError { path: path.to_owned(), problem: format!("'{text}' is no controller epoch") };
    text.parse().ok().filter(|epoch| *epoch >= 0).map(ControllerEpoch).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_writes_it() {
        let live = br#"{"version":2,"brokerid":1,"timestamp":"1795247164367","kraftControllerEpoch":-1}"#;
        let controller = Controller::decode("/controller", live).unwrap();
        let expected =
            Controller { broker: BrokerId(1), timestamp: Millis(1795247164367), kraft_controller_epoch: -1 };
        assert_eq!((&controller, controller.encode().as_ref()), (&expected, &live[..]));
    }

    #[test]
    fn only_the_broker_is_required() {
        let controller = Controller::decode("/controller", br#"{"brokerid":4}"#).unwrap();
        assert_eq!((controller.broker, controller.kraft_controller_epoch), (BrokerId(4), -1));
        assert!(Controller::decode("/controller", br#"{"brokerid":"4"}"#).is_err());
    }

    #[test]
    fn the_epoch_is_text() {
        assert_eq!(encode_controller_epoch(ControllerEpoch(12)), "12");
        assert_eq!(decode_controller_epoch("/controller_epoch", b"12"), Ok(ControllerEpoch(12)));
        for wrong in ["", "-1", "x", "99999999999"] {
            let error =
                decode_controller_epoch("/controller_epoch", wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("/controller_epoch"), "{error}");
        }
    }
}
