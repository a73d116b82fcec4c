//! Transactions and idempotent producers.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// How long a partition remembers a producer that has gone quiet.
    "producer.id.expiration.ms": Int = "86400000", AtLeast(1), Low [cluster_wide, acted];
    /// How often quiet producers are looked for.
    "producer.id.expiration.check.interval.ms": Int = "600000", AtLeast(1), Low [internal, acted];
    /// Longest time-out a transactional producer may ask for.
    "transaction.max.timeout.ms": Int = "900000", AtLeast(1), High;
    /// How long an unused transactional id is remembered.
    "transactional.id.expiration.ms": Int = "604800000", AtLeast(1), High;
    /// How often transactions that took too long are looked for.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": Int = "10000", AtLeast(1), Low;
    /// How often unused transactional ids are looked for.
    "transaction.remove.expired.transaction.cleanup.interval.ms": Int = "3600000", AtLeast(1), Low;
    /// Checks that a partition was added to its transaction before records are appended.
    "transaction.partition.verification.enable": Boolean = "true", Any, Low [cluster_wide];
    /// Partitions of the topic of transactions.
    "transaction.state.log.num.partitions": Int = "50", AtLeast(1), High;
    /// Replicas of the topic of transactions.
    "transaction.state.log.replication.factor": Short = "3", AtLeast(1), High;
    /// In-sync replicas that the topic of transactions needs.
    "transaction.state.log.min.isr": Int = "2", AtLeast(1), High;
    /// Segment size of the topic of transactions.
    "transaction.state.log.segment.bytes": Int = "104857600", AtLeast(1), High;
    /// Bytes read at once when transactions are loaded.
    "transaction.state.log.load.buffer.size": Int = "5242880", AtLeast(1), High;
};
