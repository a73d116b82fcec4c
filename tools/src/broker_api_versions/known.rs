//! The requests that Kafka 3.9's clients know: name and newest version, by number. The oldest version of each is 0.
//!
//! A table and nothing else. Source: ApiKeys, and the message schemas (3.9).

#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) latest: i16,
    /// Controllers talk to each other by it: a broker that does not serve it lacks nothing.
    pub(super) of_controllers: bool,
}

const fn api(name: &'static str, latest: i16) -> Known {
    Known { name, latest, of_controllers: false }
}

const fn between_controllers(name: &'static str, latest: i16) -> Known {
    Known { name, latest, of_controllers: true }
}

/// The place is the number on the wire.
pub(super) const KNOWN: &[Known] = &[
    api("Produce", 11),
    api("Fetch", 17),
    api("ListOffsets", 9),
    api("Metadata", 12),
    api("LeaderAndIsr", 7),
    api("StopReplica", 4),
    api("UpdateMetadata", 8),
    api("ControlledShutdown", 3),
    api("OffsetCommit", 9),
    api("OffsetFetch", 9),
    api("FindCoordinator", 6),
    api("JoinGroup", 9),
    api("Heartbeat", 4),
    api("LeaveGroup", 5),
    api("SyncGroup", 5),
    api("DescribeGroups", 5),
    api("ListGroups", 5),
    api("SaslHandshake", 1),
    api("ApiVersions", 4),
    api("CreateTopics", 7),
    api("DeleteTopics", 6),
    api("DeleteRecords", 2),
    api("InitProducerId", 5),
    api("OffsetForLeaderEpoch", 4),
    api("AddPartitionsToTxn", 5),
    api("AddOffsetsToTxn", 4),
    api("EndTxn", 4),
    api("WriteTxnMarkers", 1),
    api("TxnOffsetCommit", 4),
    api("DescribeAcls", 3),
    api("CreateAcls", 3),
    api("DeleteAcls", 3),
    api("DescribeConfigs", 4),
    api("AlterConfigs", 2),
    api("AlterReplicaLogDirs", 2),
    api("DescribeLogDirs", 4),
    api("SaslAuthenticate", 2),
    api("CreatePartitions", 3),
    api("CreateDelegationToken", 3),
    api("RenewDelegationToken", 2),
    api("ExpireDelegationToken", 2),
    api("DescribeDelegationToken", 3),
    api("DeleteGroups", 2),
    api("ElectLeaders", 2),
    api("IncrementalAlterConfigs", 1),
    api("AlterPartitionReassignments", 0),
    api("ListPartitionReassignments", 0),
    api("OffsetDelete", 0),
    api("DescribeClientQuotas", 1),
    api("AlterClientQuotas", 1),
    api("DescribeUserScramCredentials", 0),
    api("AlterUserScramCredentials", 0),
    between_controllers("Vote", 1),
    between_controllers("BeginQuorumEpoch", 1),
    between_controllers("EndQuorumEpoch", 1),
    api("DescribeQuorum", 2),
    api("AlterPartition", 3),
    api("UpdateFeatures", 1),
    api("Envelope", 0),
    between_controllers("FetchSnapshot", 1),
    api("DescribeCluster", 1),
    api("DescribeProducers", 0),
    between_controllers("BrokerRegistration", 4),
    between_controllers("BrokerHeartbeat", 1),
    api("UnregisterBroker", 0),
    api("DescribeTransactions", 0),
    api("ListTransactions", 1),
    api("AllocateProducerIds", 0),
    api("ConsumerGroupHeartbeat", 0),
    api("ConsumerGroupDescribe", 0),
    between_controllers("ControllerRegistration", 0),
    api("GetTelemetrySubscriptions", 0),
    api("PushTelemetry", 0),
    between_controllers("AssignReplicasToDirs", 0),
    api("ListClientMetricsResources", 0),
    api("DescribeTopicPartitions", 0),
    api("ShareGroupHeartbeat", 0),
    api("ShareGroupDescribe", 0),
    api("ShareFetch", 0),
    api("ShareAcknowledge", 0),
    api("AddRaftVoter", 0),
    api("RemoveRaftVoter", 0),
    between_controllers("UpdateRaftVoter", 0),
    api("InitializeShareGroupState", 0),
    api("ReadShareGroupState", 0),
    api("WriteShareGroupState", 0),
    api("DeleteShareGroupState", 0),
    api("ReadShareGroupStateSummary", 0),
];

#[cfg(test)]
mod tests {
    use protocol::API_TABLE;

    use super::*;

    #[test]
    fn what_the_broker_serves_is_known() {
        for api in API_TABLE {
            let known = &KNOWN[usize::try_from(api.key.code()).unwrap()];
            assert_eq!((known.name, known.latest), (api.name, api.max));
        }
    }
}
