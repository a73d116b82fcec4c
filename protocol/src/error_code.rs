//! Kafka's numeric errors, one enum with their names on the wire and in logs.
//!
//! Which condition gets which code is decided in one place of the broker and nowhere here. Codes and names:
//! Errors of Kafka 3.9; the sentences are ours.

use std::fmt;

macro_rules! error_codes {
    ($($variant:ident = $code:literal, $name:literal, $message:literal;)*) => {
        /// An error code of Kafka 3.9.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $($variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, in ascending order.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// Kafka's name, in capitals.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// One sentence for people, for the message fields of responses.
            pub const fn message(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $message,)*
                }
            }
        }
    };
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// A code that Kafka 3.9 does not know reads as UNKNOWN_SERVER_ERROR, as its clients read it.
    pub fn from_code(code: i16) -> ErrorCode {
        let row = usize::try_from(i32::from(code) + 1).unwrap_or(0);
        ErrorCode::ALL.get(row).copied().unwrap_or(ErrorCode::UnknownServerError)
    }

    /// Whether it is any but NONE.
    pub fn is_error(self) -> bool {
        self != ErrorCode::None
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[rustfmt::skip]
error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", "an error occurred in the broker that has no code of its own; its log has the details";
    None = 0, "NONE", "no error";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", "the offset lies outside the partition's log";
    CorruptMessage = 2, "CORRUPT_MESSAGE", "the record batch is damaged: its checksum, size or format is wrong";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", "this broker does not have the topic or partition";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", "the fetch size is not valid";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", "the partition has no leader at the moment";
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", "this broker is not the leader of the partition, or not a replica of it";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", "the request was not completed within its time limit";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", "the broker is not available";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", "the replica is not available on this broker";
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", "the record batch is larger than max.message.bytes allows";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", "the request comes from a controller that has been replaced";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", "the metadata string of a committed offset is too long";
    NetworkException = 13, "NETWORK_EXCEPTION", "the connection was closed before the response arrived";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", "the coordinator is still loading its state";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", "there is no coordinator at the moment";
    NotCoordinator = 16, "NOT_COORDINATOR", "this broker is not the coordinator asked for";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", "the topic name is not valid, or the topic does not allow this operation";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", "the record batches are larger than one log segment";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", "fewer replicas are in sync than min.insync.replicas asks for; nothing was written";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "the records were written, but fewer replicas are in sync than min.insync.replicas asks for";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", "acks must be -1, 0 or 1";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", "the generation is not the group's current one";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", "the member shares no protocol with the rest of the group";
    InvalidGroupId = 24, "INVALID_GROUP_ID", "the group id is not valid";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", "the group has no such member";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", "the session timeout is outside the range that the broker allows";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", "the group is rebalancing; the member has to join again";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", "the offset commit is too large";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", "the principal may not do this with the topic";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", "the principal may not do this with the group";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", "the principal may not do this with the cluster";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", "a record's timestamp is outside the range that the topic allows";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", "the broker does not offer this SASL mechanism";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", "the request does not fit the state of the SASL exchange";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", "the broker does not serve this version of the request";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", "a topic of this name exists already";
    InvalidPartitions = 37, "INVALID_PARTITIONS", "the number of partitions is not valid";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", "the replication factor is below 1 or above the number of live brokers";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", "the replica assignment is not valid";
    InvalidConfig = 40, "INVALID_CONFIG", "a configuration key or value is not valid";
    NotController = 41, "NOT_CONTROLLER", "this broker is not the controller";
    InvalidRequest = 42, "INVALID_REQUEST", "the request contradicts itself or lacks something";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", "the topic's message format does not allow this";
    PolicyViolation = 44, "POLICY_VIOLATION", "a policy of the cluster forbids the request";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", "the producer's sequence number does not follow the last one";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", "the producer's batch was written before";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", "the producer's epoch is older than the current one";
    InvalidTxnState = 48, "INVALID_TXN_STATE", "the transaction is in a state that does not allow this";
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", "the producer id does not belong to this transactional id";
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", "the transaction timeout is longer than transaction.max.timeout.ms";
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", "the transactional id's previous operation is still going on";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", "the transaction marker comes from a coordinator that has been replaced";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "the principal may not use the transactional id";
    SecurityDisabled = 54, "SECURITY_DISABLED", "no authorizer is configured";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", "the operation was not tried, because another one of the same request failed";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", "the disk that holds the log has failed";
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", "the broker has no such log directory";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", "SASL authentication failed";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", "the partition knows nothing of this producer id";
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", "the partition is being reassigned";
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", "delegation tokens are not enabled";
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", "the delegation token does not exist";
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", "the principal is neither owner nor renewer of the delegation token";
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", "delegation tokens cannot be requested over this kind of connection";
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", "the principal may not use the delegation token";
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", "the delegation token has expired";
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", "the principal type is not supported";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", "the group has members";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", "the group does not exist";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", "the fetch session does not exist any more";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", "the fetch session is at another epoch";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", "the leader has no listener of the name that the request came in on";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", "delete.topic.enable is false";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", "the leader epoch of the request is older than the partition's";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", "the leader epoch of the request is newer than this broker has heard of";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", "the version of the request does not allow this compression type";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", "the broker has registered anew since";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", "a new leader does not know its high watermark yet";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", "the member has to join again with the id it was given";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", "the preferred leader is not available";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", "the group has as many members as it may have";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", "another member uses the same group.instance.id";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "no replica may become leader at the moment";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", "the partition has the right leader already";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", "the partition is not being reassigned";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", "the group is subscribed to the topic";
    InvalidRecord = 87, "INVALID_RECORD", "a record or its batch breaks a rule of the topic or of the format";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", "a transaction with committed offsets is still open";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", "the quota for this kind of request is used up";
    ProducerFenced = 90, "PRODUCER_FENCED", "a newer producer uses the same transactional id";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", "the resource does not exist";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", "the request names a resource twice";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", "the credential does not meet the requirements";
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", "sender and receiver disagree about the set of voters";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", "the version of the update is not valid";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", "the features could not be updated";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", "the principal of a forwarded request cannot be read";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", "the snapshot does not exist";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", "the position lies outside the snapshot";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", "this broker has no topic with this id";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", "another broker is registered with this id";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", "no broker is registered with this id";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", "the log belongs to another topic id";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", "the request is meant for another cluster";
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", "the transactional id does not exist";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", "the fetch session mixes topic names and topic ids";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", "a replica of the new in-sync set may not be in it";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", "the change was made, but the partition has a new leader";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", "the offset is in remote storage only";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", "the member's epoch is fenced; it has to give up its partitions and join again";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", "another member still holds the instance id";
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", "the group does not support this assignor";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", "the member's epoch is out of date; retry after the next heartbeat";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", "the request was sent to the wrong type of endpoint";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", "this type of endpoint is not supported";
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", "no controller has this id";
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", "the telemetry subscription id is not valid or out of date";
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", "the telemetry is larger than the broker accepts";
    InvalidRegistration = 119, "INVALID_REGISTRATION", "the controller refuses the broker's registration";
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE", "the transaction has to be aborted; the transactional id stays usable";
    InvalidRecordState = 121, "INVALID_RECORD_STATE", "the record is in a state that does not allow the acknowledgement";
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", "the share session does not exist";
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", "the share session is at another epoch";
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", "the state epoch of the share group is another one";
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", "the voter's key is not the receiving replica's";
    DuplicateVoter = 126, "DUPLICATE_VOTER", "the voter is in the set of voters already";
    VoterNotFound = 127, "VOTER_NOT_FOUND", "the voter is not in the set of voters";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_survive_the_wire() {
        for (row, error) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(error.code(), row as i16 - 1);
            assert_eq!(ErrorCode::from_code(error.code()), *error);
        }
        assert_eq!(ErrorCode::ALL.len(), 129);
    }

    #[test]
    fn foreign_codes_are_unknown_errors() {
        for code in [i16::MIN, -2, 128, i16::MAX] {
            assert_eq!(ErrorCode::from_code(code), ErrorCode::UnknownServerError);
        }
    }

    #[test]
    fn it_displays_as_kafka_names_it() {
        assert_eq!(ErrorCode::NotLeaderOrFollower.to_string(), "NOT_LEADER_OR_FOLLOWER");
    }
}
