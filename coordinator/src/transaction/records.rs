//! The records of `__transaction_state`: one per transactional id, its last value counts.
//!
//! A value that is missing (a tombstone) removes the id. Version 0 is written; version 1, which needs a feature that
//! a cluster in ZooKeeper mode cannot have, is read. Source: TransactionLog; TransactionLogKey.json, -Value.json.

use protocol::{Millis, ProducerEpoch, ProducerId};

use crate::record_bytes::{Form, Reader, RecordError, Writer};

/// The version in which values are written.
pub const VALUE_VERSION: i16 = 0;

const KEY_VERSION: i16 = 0;
const VALUE_HIGHEST: i16 = 1;
const FLEXIBLE: i16 = 1;

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    TransactionalId(String),
    /// A kind of record that is skipped.
    Other(i16),
}

impl Key {
    /// Reads a key of `__transaction_state`.
    pub fn decode(bytes: &[u8]) -> Result<Key, RecordError> {
        let mut reader = Reader::new(bytes);
        match reader.i16("key version")? {
            KEY_VERSION => reader.text("transactional id").map(Key::TransactionalId),
            other => Ok(Key::Other(other)),
        }
    }

    /// The bytes of a key; of one that is not ours there is only the number.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Key::TransactionalId(id) => {
                let mut writer = Writer::new(KEY_VERSION, Form::Fixed);
                writer.text(id);
                writer.finish()
            }
            Key::Other(version) => Writer::new(*version, Form::Fixed).finish(),
        }
    }
}

/// Where a transactional id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum State {
    Empty = 0,
    Ongoing = 1,
    PrepareCommit = 2,
    PrepareAbort = 3,
    CompleteCommit = 4,
    CompleteAbort = 5,
    Dead = 6,
    PrepareEpochFence = 7,
}

impl State {
    /// In the order of their numbers.
    pub const ALL: [State; 8] = [
        State::Empty,
        State::Ongoing,
        State::PrepareCommit,
        State::PrepareAbort,
        State::CompleteCommit,
        State::CompleteAbort,
        State::Dead,
        State::PrepareEpochFence,
    ];

    /// By the number in the record; `None` where there is no such state.
    pub fn from_id(id: i8) -> Option<State> {
        State::ALL.into_iter().find(|state| *state as i8 == id)
    }

    /// The name that Kafka's tools and DescribeTransactions show.
    pub const fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
            State::Dead => "Dead",
            State::PrepareEpochFence => "PrepareEpochFence",
        }
    }
}

/// The partitions of one topic that a transaction wrote to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPartitions {
    pub topic: String,
    pub partitions: Vec<i32>,
}

/// What is known of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub timeout_ms: i32,
    pub state: State,
    /// None in state Empty, otherwise a list, which may be empty.
    pub partitions: Option<Vec<TopicPartitions>>,
    pub updated_at: Millis,
    /// −1 in state Empty.
    pub started_at: Millis,
}

impl Transaction {
    /// Reads the value of a transactional id's key; an error where it is cut short or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Transaction, RecordError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16("value version")?;
        if !(0..=VALUE_HIGHEST).contains(&version) {
            return Err(RecordError::Version { what: "a transaction", version });
        }
        reader.form = Form::of(version, FLEXIBLE);
        let (producer_id, producer_epoch) = (reader.i64("producer id")?, reader.i16("producer epoch")?);
        let (timeout_ms, state) = (reader.i32("timeout")?, reader.i8("state")?);
        Ok(Transaction {
            producer_id: ProducerId(producer_id),
            producer_epoch: ProducerEpoch(producer_epoch),
            timeout_ms,
            state: State::from_id(state).ok_or(RecordError::State(state))?,
            partitions: reader.nullable_array("partitions", TopicPartitions::decode)?,
            updated_at: Millis(reader.i64("update timestamp")?),
            started_at: Millis(reader.i64("start timestamp")?),
        })
    }

    /// The bytes of `version`, 0 or 1.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::new(version, Form::of(version, FLEXIBLE));
        writer.i64(self.producer_id.0);
        writer.i16(self.producer_epoch.0);
        writer.i32(self.timeout_ms);
        writer.i8(self.state as i8);
        writer.nullable_array(self.partitions.as_deref(), |writer, topic| topic.encode(writer));
        writer.i64(self.updated_at.0);
        writer.i64(self.started_at.0);
        writer.tags();
        writer.finish()
    }
}

impl TopicPartitions {
    fn decode(reader: &mut Reader<'_>) -> Result<TopicPartitions, RecordError> {
        let topic = reader.text("topic")?;
        let partitions = reader.array("partition ids", |reader| reader.i32("partition id"))?;
        reader.tags()?;
        Ok(TopicPartitions { topic, partitions })
    }

    fn encode(&self, writer: &mut Writer) {
        writer.text(&self.topic);
        writer.array(&self.partitions, |writer, partition| writer.i32(*partition));
        writer.tags();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(state: State) -> Transaction {
        let topic = |name: &str, partitions: &[i32]| TopicPartitions {
            topic: name.to_owned(),
            partitions: partitions.to_vec(),
        };
        Transaction {
            producer_id: ProducerId(4),
            producer_epoch: ProducerEpoch(2),
            timeout_ms: 60_000,
            state,
            partitions: (state != State::Empty).then(|| vec![topic("a", &[0, 7]), topic("b", &[])]),
            updated_at: Millis(1_795_247_577_026),
            started_at: Millis(-1),
        }
    }

    /// The value that Kafka 3.9.1 wrote for a new transactional id.
    #[test]
    fn a_value_has_kafkas_bytes() {
        let new = Transaction { producer_epoch: ProducerEpoch(0), ..transaction(State::Empty) };
        let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0xea, 0x60, 0];
        expected.extend([0xff; 4]);
        expected.extend([0, 0, 1, 0xa1, 0xfd, 0x18, 0x17, 0xc2]);
        expected.extend([0xff; 8]);
        assert_eq!(new.encode(VALUE_VERSION), expected);
        assert_eq!(Transaction::decode(&expected), Ok(new));
    }

    #[test]
    fn values_survive_both_versions() {
        for (state, version) in State::ALL.into_iter().flat_map(|state| [(state, 0), (state, 1)]) {
            let transaction = transaction(state);
            let bytes = transaction.encode(version);
            assert_eq!(Transaction::decode(&bytes), Ok(transaction));
            for end in 0..bytes.len() - version as usize {
                assert!(Transaction::decode(&bytes[..end]).is_err(), "version {version} cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_unknown_is_said() {
        let id = Key::TransactionalId("tx-a".to_owned());
        assert_eq!(id.encode(), b"\0\0\0\x04tx-a");
        assert_eq!(Key::decode(&id.encode()), Ok(id));
        assert_eq!(Key::decode(&[0, 3, 9]), Ok(Key::Other(3)));
        let unknown = RecordError::Version { what: "a transaction", version: 2 };
        assert_eq!(Transaction::decode(&[0, 2]), Err(unknown));
        let mut bytes = transaction(State::Empty).encode(0);
        bytes[16] = 9;
        assert_eq!(Transaction::decode(&bytes), Err(RecordError::State(9)));
    }
}
