//! The fields of the messages that Kafka keeps as records: in `__consumer_offsets`, inside these, and in control batches.
//!
//! Here every field of every version goes by the name that the JSON output has; for those that a coordinator acts on,
//! `coordinator` has types. Source: the JSON files of group-coordinator and clients in Kafka 3.9.

use super::schema::{Field, Kind, NEVER, Schema};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, from: i16::MIN, until: NEVER, nullable: false, tag: None }
}

const fn nullable(name: &'static str, kind: Kind) -> Field {
    Field { nullable: true, ..field(name, kind) }
}

const fn since(from: i16, field: Field) -> Field {
    Field { from, ..field }
}

const fn key(version: i16, fields: &'static [Field]) -> Schema {
    Schema { fields, highest: version, flexible_from: NEVER }
}

const fn flexible(fields: &'static [Field]) -> Schema {
    Schema { fields, highest: 0, flexible_from: 0 }
}

static GROUP_ID: &[Field] = &[field("groupId", Kind::Text)];
static MEMBER_ID: &[Field] = &[field("groupId", Kind::Text), field("memberId", Kind::Text)];

/// What a record of `__consumer_offsets` is, by the number its key begins with: schemas of key and value.
pub(super) fn of_offsets_record(kind: i16) -> Option<(&'static Schema, &'static Schema)> {
    Some(match kind {
        0 | 1 => (&OFFSET_COMMIT_KEY, &OFFSET_COMMIT_VALUE),
        GROUP_METADATA => (&GROUP_METADATA_KEY, &GROUP_METADATA_VALUE),
        3 => (&CONSUMER_GROUP_METADATA_KEY, &CONSUMER_GROUP_METADATA_VALUE),
        4 => (&CONSUMER_GROUP_PARTITION_METADATA_KEY, &CONSUMER_GROUP_PARTITION_METADATA_VALUE),
        5 => (&CONSUMER_GROUP_MEMBER_METADATA_KEY, &CONSUMER_GROUP_MEMBER_METADATA_VALUE),
        6 => (&TARGET_ASSIGNMENT_METADATA_KEY, &TARGET_ASSIGNMENT_METADATA_VALUE),
        7 => (&TARGET_ASSIGNMENT_MEMBER_KEY, &TARGET_ASSIGNMENT_MEMBER_VALUE),
        8 => (&CURRENT_MEMBER_ASSIGNMENT_KEY, &CURRENT_MEMBER_ASSIGNMENT_VALUE),
        _ => return None,
    })
}

/// The key version of a classic group's metadata.
pub(super) const GROUP_METADATA: i16 = 2;

static OFFSET_COMMIT_KEY: Schema =
    key(1, &[field("group", Kind::Text), field("topic", Kind::Text), field("partition", Kind::Int32)]);

static OFFSET_COMMIT_VALUE: Schema = Schema {
    fields: &[
        field("offset", Kind::Int64),
        since(3, field("leaderEpoch", Kind::Int32)),
        field("metadata", Kind::Text),
        field("commitTimestamp", Kind::Int64),
        Field { until: 1, ..since(1, field("expireTimestamp", Kind::Int64)) },
    ],
    highest: 4,
    flexible_from: 4,
};

static GROUP_METADATA_KEY: Schema = key(2, &[field("group", Kind::Text)]);

static GROUP_METADATA_VALUE: Schema = Schema {
    fields: &[
        field("protocolType", Kind::Text),
        field("generation", Kind::Int32),
        nullable("protocol", Kind::Text),
        nullable("leader", Kind::Text),
        since(2, field("currentStateTimestamp", Kind::Int64)),
        field("members", Kind::Array(&Kind::Struct(None, MEMBER))),
    ],
    highest: 4,
    flexible_from: 4,
};

static MEMBER: &[Field] = &[
    field("memberId", Kind::Text),
    since(3, nullable("groupInstanceId", Kind::Text)),
    field("clientId", Kind::Text),
    field("clientHost", Kind::Text),
    since(1, field("rebalanceTimeout", Kind::Int32)),
    field("sessionTimeout", Kind::Int32),
    field("subscription", Kind::Bytes),
    field("assignment", Kind::Bytes),
];

/// What a classic consumer tells its group of itself.
pub(super) static SUBSCRIPTION: Schema = Schema {
    fields: &[
        field("topics", Kind::Array(&Kind::Text)),
        nullable("userData", Kind::Bytes),
        since(1, field("ownedPartitions", PARTITIONS_OF_TOPICS)),
        since(2, field("generationId", Kind::Int32)),
        since(3, nullable("rackId", Kind::Text)),
    ],
    highest: 3,
    flexible_from: NEVER,
};

/// What a classic consumer is told by its group.
pub(super) static ASSIGNMENT: Schema = Schema {
    fields: &[field("assignedPartitions", PARTITIONS_OF_TOPICS), nullable("userData", Kind::Bytes)],
    highest: 3,
    flexible_from: NEVER,
};

const PARTITIONS_OF_TOPICS: Kind = Kind::Array(&Kind::Struct(Some("TopicPartition"), PARTITIONS_OF_TOPIC));
static PARTITIONS_OF_TOPIC: &[Field] =
    &[field("topic", Kind::Text), field("partitions", Kind::Array(&Kind::Int32))];

static CONSUMER_GROUP_METADATA_KEY: Schema = key(3, GROUP_ID);
static CONSUMER_GROUP_METADATA_VALUE: Schema = flexible(&[field("epoch", Kind::Int32)]);

static CONSUMER_GROUP_PARTITION_METADATA_KEY: Schema = key(4, GROUP_ID);
static CONSUMER_GROUP_PARTITION_METADATA_VALUE: Schema =
    flexible(&[field("topics", Kind::Array(&Kind::Struct(Some("TopicMetadata"), TOPIC_METADATA)))]);
static TOPIC_METADATA: &[Field] = &[
    field("topicId", Kind::Uuid),
    field("topicName", Kind::Text),
    field("numPartitions", Kind::Int32),
    field("partitionMetadata", Kind::Array(&Kind::Struct(Some("PartitionMetadata"), PARTITION_METADATA))),
];
static PARTITION_METADATA: &[Field] =
    &[field("partition", Kind::Int32), field("racks", Kind::Array(&Kind::Text))];

static CONSUMER_GROUP_MEMBER_METADATA_KEY: Schema = key(5, MEMBER_ID);
static CONSUMER_GROUP_MEMBER_METADATA_VALUE: Schema = flexible(&[
    nullable("instanceId", Kind::Text),
    nullable("rackId", Kind::Text),
    field("clientId", Kind::Text),
    field("clientHost", Kind::Text),
    field("subscribedTopicNames", Kind::Array(&Kind::Text)),
    nullable("subscribedTopicRegex", Kind::Text),
    field("rebalanceTimeoutMs", Kind::Int32),
    nullable("serverAssignor", Kind::Text),
    Field {
        tag: Some(0),
        ..nullable("classicMemberMetadata", Kind::Struct(Some("ClassicMemberMetadata"), CLASSIC_MEMBER))
    },
]);
static CLASSIC_MEMBER: &[Field] = &[
    field("sessionTimeoutMs", Kind::Int32),
    field("supportedProtocols", Kind::Array(&Kind::Struct(Some("ClassicProtocol"), CLASSIC_PROTOCOL))),
];
static CLASSIC_PROTOCOL: &[Field] = &[field("name", Kind::Text), field("metadata", Kind::Bytes)];

static TARGET_ASSIGNMENT_METADATA_KEY: Schema = key(6, GROUP_ID);
static TARGET_ASSIGNMENT_METADATA_VALUE: Schema = flexible(&[field("assignmentEpoch", Kind::Int32)]);

static TARGET_ASSIGNMENT_MEMBER_KEY: Schema = key(7, MEMBER_ID);
static TARGET_ASSIGNMENT_MEMBER_VALUE: Schema = flexible(&[field(
    "topicPartitions",
    Kind::Array(&Kind::Struct(Some("TopicPartition"), PARTITIONS_BY_ID)),
)]);
static PARTITIONS_BY_ID: &[Field] =
    &[field("topicId", Kind::Uuid), field("partitions", Kind::Array(&Kind::Int32))];

static CURRENT_MEMBER_ASSIGNMENT_KEY: Schema = key(8, MEMBER_ID);
static CURRENT_MEMBER_ASSIGNMENT_VALUE: Schema = flexible(&[
    field("memberEpoch", Kind::Int32),
    field("previousMemberEpoch", Kind::Int32),
    field("state", Kind::Int8),
    field("assignedPartitions", Kind::Array(&Kind::Struct(None, PARTITIONS_BY_ID))),
    field("partitionsPendingRevocation", Kind::Array(&Kind::Struct(None, PARTITIONS_BY_ID))),
]);

/// The control records of a KRaft log that its snapshots hold, by type: the name in the output, and the fields.
pub(super) fn of_kraft_control(kind: i16) -> Option<(&'static str, &'static Schema)> {
    Some(match kind {
        3 => ("SnapshotHeader", &SNAPSHOT_HEADER),
        4 => ("SnapshotFooter", &SNAPSHOT_FOOTER),
        5 => ("KRaftVersion", &KRAFT_VERSION),
        6 => ("KRaftVoters", &KRAFT_VOTERS),
        _ => return None,
    })
}

static SNAPSHOT_HEADER: Schema =
    flexible(&[field("version", Kind::Int16), field("lastContainedLogTimestamp", Kind::Int64)]);
static SNAPSHOT_FOOTER: Schema = flexible(&[field("version", Kind::Int16)]);
static KRAFT_VERSION: Schema = flexible(&[field("version", Kind::Int16), field("kRaftVersion", Kind::Int16)]);
static KRAFT_VOTERS: Schema = flexible(&[
    field("version", Kind::Int16),
    field("voters", Kind::Array(&Kind::Struct(Some("Voter"), VOTER))),
]);
static VOTER: &[Field] = &[
    field("voterId", Kind::Int32),
    field("voterDirectoryId", Kind::Uuid),
    field("endpoints", Kind::Array(&Kind::Struct(Some("Endpoint"), ENDPOINT))),
    field("kRaftVersionFeature", Kind::Struct(Some("KRaftVersionFeature"), KRAFT_VERSION_FEATURE)),
];
static ENDPOINT: &[Field] =
    &[field("name", Kind::Text), field("host", Kind::Text), field("port", Kind::Uint16)];
static KRAFT_VERSION_FEATURE: &[Field] =
    &[field("minSupportedVersion", Kind::Int16), field("maxSupportedVersion", Kind::Int16)];
