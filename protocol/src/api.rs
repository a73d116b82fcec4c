//! The table of requests that the broker serves: key, name, versions.
//!
//! Everything that asks "do we serve this" reads it: the decoder, the answer to ApiVersions, the shape tables.
//! What is not served is not listed. Source: KIP-35, and the message schemas of Kafka 3.9.

use std::fmt;

/// A request the broker serves, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ApiKey {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    DeleteRecords = 21,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    DescribeConfigs = 32,
    AlterConfigs = 33,
    AlterReplicaLogDirs = 34,
    DescribeLogDirs = 35,
    CreatePartitions = 37,
    IncrementalAlterConfigs = 44,
    DescribeClientQuotas = 48,
    AlterClientQuotas = 49,
    UpdateFeatures = 57,
    DescribeCluster = 60,
    DescribeProducers = 61,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    pub key: ApiKey,
    /// Kafka's name.
    pub name: &'static str,
    /// Lowest and highest version served.
    pub min: i16,
    pub max: i16,
    /// First version with compact lengths and tagged fields (KIP-482).
    pub flexible_since: i16,
}

const fn api(key: ApiKey, name: &'static str, versions: (i16, i16), flexible_since: i16) -> Api {
    Api { key, name, min: versions.0, max: versions.1, flexible_since }
}

/// Ordered by key.
pub const API_TABLE: &[Api] = &[
    api(ApiKey::Produce, "Produce", (0, 11), 9),
    api(ApiKey::Fetch, "Fetch", (0, 17), 12),
    api(ApiKey::ListOffsets, "ListOffsets", (0, 9), 6),
    api(ApiKey::Metadata, "Metadata", (0, 12), 9),
    api(ApiKey::ApiVersions, "ApiVersions", (0, 4), 3),
    api(ApiKey::CreateTopics, "CreateTopics", (0, 7), 5),
    api(ApiKey::DeleteTopics, "DeleteTopics", (0, 6), 4),
    api(ApiKey::DeleteRecords, "DeleteRecords", (0, 2), 2),
    api(ApiKey::InitProducerId, "InitProducerId", (0, 5), 2),
    api(ApiKey::OffsetForLeaderEpoch, "OffsetForLeaderEpoch", (0, 4), 4),
    api(ApiKey::DescribeConfigs, "DescribeConfigs", (0, 4), 4),
    api(ApiKey::AlterConfigs, "AlterConfigs", (0, 2), 2),
    api(ApiKey::AlterReplicaLogDirs, "AlterReplicaLogDirs", (0, 2), 2),
    api(ApiKey::DescribeLogDirs, "DescribeLogDirs", (0, 4), 2),
    api(ApiKey::CreatePartitions, "CreatePartitions", (0, 3), 2),
    api(ApiKey::IncrementalAlterConfigs, "IncrementalAlterConfigs", (0, 1), 1),
    api(ApiKey::DescribeClientQuotas, "DescribeClientQuotas", (0, 1), 1),
    api(ApiKey::AlterClientQuotas, "AlterClientQuotas", (0, 1), 1),
    api(ApiKey::UpdateFeatures, "UpdateFeatures", (0, 1), 0),
    api(ApiKey::DescribeCluster, "DescribeCluster", (0, 1), 0),
    api(ApiKey::DescribeProducers, "DescribeProducers", (0, 0), 0),
];

/// By number, the last version of each request of Kafka 3.9 that is deprecated, as all before it are.
const DEPRECATED: &[(i16, i16)] = &[
    (0, 6),
    (1, 3),
    (2, 0),
    (3, 3),
    (8, 1),
    (9, 0),
    (10, 0),
    (11, 1),
    (17, 0),
    (19, 1),
    (20, 0),
    (23, 1),
    (29, 0),
    (30, 0),
    (31, 0),
    (32, 0),
    (34, 0),
    (35, 0),
    (38, 0),
    (39, 0),
    (40, 0),
    (41, 0),
    (42, 0),
];

impl ApiKey {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// `None` where the API is not served.
    pub fn from_code(code: i16) -> Option<ApiKey> {
        API_TABLE.iter().find(|api| api.key.code() == code).map(|api| api.key)
    }

    /// The line of the table for this key.
    pub const fn api(self) -> &'static Api {
        &API_TABLE[self.row()]
    }

    /// Whether the table has this version.
    pub const fn serves(self, version: i16) -> bool {
        let api = self.api();
        api.min <= version && version <= api.max
    }

    /// Whether a version has compact lengths and tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.api().flexible_since
    }

    /// Whether Kafka 3.9 says that the version will go (KIP-896).
    pub fn is_deprecated(self, version: i16) -> bool {
        DEPRECATED.iter().any(|(code, last)| *code == self.code() && version <= *last)
    }

    const fn row(self) -> usize {
        match self {
            ApiKey::Produce => 0,
            ApiKey::Fetch => 1,
            ApiKey::ListOffsets => 2,
            ApiKey::Metadata => 3,
            ApiKey::ApiVersions => 4,
            ApiKey::CreateTopics => 5,
            ApiKey::DeleteTopics => 6,
            ApiKey::DeleteRecords => 7,
            ApiKey::InitProducerId => 8,
            ApiKey::OffsetForLeaderEpoch => 9,
            ApiKey::DescribeConfigs => 10,
            ApiKey::AlterConfigs => 11,
            ApiKey::AlterReplicaLogDirs => 12,
            ApiKey::DescribeLogDirs => 13,
            ApiKey::CreatePartitions => 14,
            ApiKey::IncrementalAlterConfigs => 15,
            ApiKey::DescribeClientQuotas => 16,
            ApiKey::AlterClientQuotas => 17,
            ApiKey::UpdateFeatures => 18,
            ApiKey::DescribeCluster => 19,
            ApiKey::DescribeProducers => 20,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.api().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_finds_its_own_row() {
        for api in API_TABLE {
            assert_eq!(api.key.api(), api);
            assert_eq!(ApiKey::from_code(api.key.code()), Some(api.key));
        }
        assert!(API_TABLE.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert_eq!(ApiKey::from_code(4), None);
    }

    #[test]
    fn served_versions_are_a_range() {
        assert!(ApiKey::Produce.serves(0));
        assert!(ApiKey::Produce.serves(11));
        assert!(!ApiKey::Produce.serves(12));
        assert!(!ApiKey::Produce.serves(-1));
    }
}
