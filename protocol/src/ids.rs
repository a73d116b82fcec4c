//! The numbers and names that pass between crates, one type each so that the compiler keeps them apart.
//!
//! The field is public: a newtype here says what a number means and guards no invariant. Sums saturate, because
//! offsets and times arrive from outside and must not be able to panic or wrap.

use std::fmt;
use std::sync::Arc;

/// A topic's id (KIP-516); all zeros means "none".
pub type TopicId = uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Where a record stands in its partition's log.
    Offset(i64)
}
number! {
    /// Counts the leaders a partition has had.
    LeaderEpoch(i32)
}
number! {
    /// Counts the controllers a cluster has had.
    ControllerEpoch(i32)
}
number! {
    /// One life of a broker: the creation zxid of its node under `/brokers/ids`.
    BrokerEpoch(i64)
}
number! {
    /// `broker.id`.
    BrokerId(i32)
}
number! {
    /// An idempotent or transactional producer.
    ProducerId(i64)
}
number! {
    /// One life of a producer id.
    ProducerEpoch(i16)
}
number! {
    /// The number an idempotent producer gives a record of one partition.
    Sequence(i32)
}
number! {
    /// Wall-clock time: milliseconds since 1970, UTC.
    Millis(i64)
}

impl Offset {
    /// What requests and responses carry where there is no offset.
    pub const NONE: Offset = Offset(-1);
    /// Where a partition's first record stands.
    pub const ZERO: Offset = Offset(0);
}

impl LeaderEpoch {
    /// Not known, or not asked for.
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl BrokerEpoch {
    /// Of a broker that is not registered.
    pub const NONE: BrokerEpoch = BrokerEpoch(-1);
}

impl BrokerId {
    /// Nobody: a partition without leader.
    pub const NONE: BrokerId = BrokerId(-1);
}

impl ProducerId {
    /// Of a batch whose producer is not idempotent.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    /// Of a batch whose producer is not idempotent.
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

impl Sequence {
    /// Of a batch whose producer is not idempotent.
    pub const NONE: Sequence = Sequence(-1);

    /// The sequence `count` records later; 0 follows 2³¹−1 (DefaultRecordBatch.incrementSequence).
    pub fn plus(self, count: i32) -> Sequence {
        let sum = i64::from(self.0) + i64::from(count);
        let over = sum > i64::from(i32::MAX);
        Sequence(if over { (sum - (1 << 31)) as i32 } else { sum as i32 })
    }
}

impl Millis {
    /// "No timestamp" in a record or batch.
    pub const NONE: Millis = Millis(-1);
}

macro_rules! line {
    ($name:ident) => {
        impl std::ops::Add<i64> for $name {
            type Output = $name;
            fn add(self, distance: i64) -> $name {
                $name(self.0.saturating_add(distance))
            }
        }

        impl std::ops::AddAssign<i64> for $name {
            fn add_assign(&mut self, distance: i64) {
                *self = *self + distance;
            }
        }

        impl std::ops::Sub<i64> for $name {
            type Output = $name;
            fn sub(self, distance: i64) -> $name {
                $name(self.0.saturating_sub(distance))
            }
        }

        impl std::ops::Sub for $name {
            type Output = i64;
            fn sub(self, earlier: $name) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    };
}

line!(Offset);
line!(Millis);

impl From<BrokerId> for crate::messages::BrokerId {
    fn from(id: BrokerId) -> Self {
        Self(id.0)
    }
}

impl From<crate::messages::BrokerId> for BrokerId {
    fn from(id: crate::messages::BrokerId) -> Self {
        Self(id.0)
    }
}

impl From<ProducerId> for crate::messages::ProducerId {
    fn from(id: ProducerId) -> Self {
        Self(id.0)
    }
}

impl From<crate::messages::ProducerId> for ProducerId {
    fn from(id: crate::messages::ProducerId) -> Self {
        Self(id.0)
    }
}

/// One partition of one topic; displayed as Kafka names its directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_wraps_to_zero() {
        assert_eq!(Sequence(i32::MAX).plus(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX).plus(3), Sequence(2));
        assert_eq!(Sequence(i32::MAX).plus(i32::MAX), Sequence(i32::MAX - 1));
        assert_eq!(Sequence(4).plus(5), Sequence(9));
    }

    #[test]
    fn sums_at_the_end_of_the_range_saturate() {
        assert_eq!(Offset(i64::MAX) + 1, Offset(i64::MAX));
        assert_eq!(Millis(i64::MIN) - Millis(1), i64::MIN);
        assert_eq!(Offset(7) - Offset(3), 4);
    }

    #[test]
    fn a_partition_is_displayed_as_its_directory() {
        assert_eq!(TopicPartition::new("a-b", 3).to_string(), "a-b-3");
    }
}
