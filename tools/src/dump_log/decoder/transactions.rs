//! Records of `__transaction_state` in the one line that Kafka's tool makes of each.
//!
//! Source: TransactionLog.formatRecordKeyAndValue of Kafka 3.9.

use std::collections::HashSet;

use coordinator::transaction::records::{Key, State, TopicPartitions, Transaction};

use super::{KeyValue, Shown};
use crate::dump_log::scala_hash::{Table, of_partition};

/// From this size on a Scala set is a hash set.
const SMALL_SET_MAX: usize = 4;

pub(super) fn decode(record: KeyValue<'_>, offset: i64) -> Result<Shown, String> {
    let unreadable =
        |reason: &dyn std::fmt::Display| format!("the record at offset {offset} is no transaction: {reason}");
    let key = record.key.ok_or_else(|| unreadable(&"it has no key"))?;
    let id = match Key::decode(key).map_err(|error| unreadable(&error))? {
        Key::TransactionalId(id) => id,
        Key::Other(version) => {
            return Ok(Shown { key: Some(format!("unknown::version={version}")), payload: None });
        }
    };
    let payload = match record.value {
        None => "<DELETE>".to_owned(),
        Some(value) => {
            let transaction = Transaction::decode(value).map_err(|error| unreadable(&error))?;
            let partitions = match (&transaction.partitions, transaction.state) {
                (_, State::Empty) => String::new(),
                (Some(topics), _) => listed(topics),
                (None, _) => return Err(unreadable(&"it has no list of partitions")),
            };
            line(&transaction, &partitions)
        }
    };
    Ok(Shown { key: Some(format!("transaction_metadata::transactionalId={id}")), payload: Some(payload) })
}

fn line(transaction: &Transaction, partitions: &str) -> String {
    format!(
        "producerId:{},producerEpoch:{},state={},partitions=[{partitions}],txnLastUpdateTimestamp={},txnTimeoutMs={}",
        transaction.producer_id.0,
        transaction.producer_epoch.0,
        transaction.state.name(),
        transaction.updated_at.0,
        transaction.timeout_ms,
    )
}

/// The partitions in the order of the set that Kafka puts them in, topic by topic.
fn listed(topics: &[TopicPartitions]) -> String {
    let mut set = Table::new();
    for TopicPartitions { topic, partitions } in topics {
        let distinct = partitions.iter().collect::<HashSet<_>>().len();
        set.expect(distinct);
        for partition in partitions {
            let (item, hash) = (format!("{topic}-{partition}"), of_partition(topic, *partition));
            if distinct > SMALL_SET_MAX {
                set.put(item, hash);
            } else {
                set.add(item, hash);
            }
        }
    }
    set.into_ordered().collect::<Vec<_>>().join(",")
}
