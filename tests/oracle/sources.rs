//! Idempotent producers that go on while the brokers behind their address change.
//! How: librdkafka; record `n` has the key `n`, a header and a value that tells where it belongs. Nothing may fail to be delivered.
use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longer than a broker needs to come back.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of the records sent.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    failed: Mutex<Vec<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if let Err((error, _)) = result {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.push(format!("record {number}: {error}"));
        }
    }
}

/// One producer with the topic that is named after its codec.
pub(crate) struct Source {
    pub(crate) topic: String,
    pub(crate) sent: usize,
    producer: ThreadedProducer<Deliveries>,
}

impl Source {
    pub(crate) fn new(address: &str, codec: &str) -> Result<Source> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", address).set("compression.type", codec);
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("batch.num.messages", "20");
        config.set("reconnect.backoff.max.ms", "500").set("log_level", "0");
        let producer = config.create_with_context(Deliveries::default()).context("a producer")?;
        Ok(Source { topic: codec.to_owned(), sent: 0, producer })
    }

    /// Sends records, and waits until each is acknowledged.
    pub(crate) fn send(&mut self, count: usize) -> Result<()> {
        for number in self.sent..self.sent + count {
            let (key, value) =
                (number.to_string(), format!("{} {number} ", self.topic).repeat(1 + number % 30));
            let headers = OwnedHeaders::new().insert(Header { key: "number", value: Some(&key) });
            let record = BaseRecord::with_opaque_to(&self.topic, number).partition(0).headers(headers);
            self.producer.send(record.key(&key).payload(&value)).map_err(|(error, _)| error)?;
        }
        self.sent += count;
        self.producer.flush(PATIENCE).with_context(|| format!("{}: not all was answered", self.topic))?;
        let failed = self.producer.context().failed.lock().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(failed.is_empty(), "{}: {failed:?}", self.topic);
        Ok(())
    }
}
