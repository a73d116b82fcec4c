//! Kafka's loggers that have a counterpart here, each with the targets of our lines that go by it: paths of modules, or names that
//! the lines have of themselves. What Kafka has and we have not is left out.

/// Sorted by name. No target stands twice; the longest that matches counts.
pub(super) const LOGGERS: &[(&str, &[&str])] = &[
    ("kafka", &["broker", "config", "ottla", "protocol"]),
    ("kafka.authorizer.logger", &["broker::authorizer"]),
    ("kafka.controller", &["coordinator"]),
    ("kafka.controller.ControllerChannelManager", &["broker::controller::channel"]),
    ("kafka.controller.KafkaController", &["broker::controller", "coordinator::controller"]),
    ("kafka.controller.TopicDeletionManager", &["coordinator::controller::deletion"]),
    ("kafka.coordinator.group.GroupCoordinator", &["coordinator::group"]),
    ("kafka.coordinator.transaction.ProducerIdManager", &["broker::producer_ids"]),
    ("kafka.coordinator.transaction.TransactionCoordinator", &["coordinator::transaction"]),
    (
        "kafka.log.LogManager",
        &[
            "broker::broker::loading",
            "broker::broker::logs",
            "broker::log_dirs",
            "broker::upkeep",
            "storage::log_dir",
        ],
    ),
    ("kafka.log.UnifiedLog", &["storage"]),
    ("kafka.network.ConnectionQuotas", &["broker::network::connection_quotas", "broker::network::seats"]),
    ("kafka.network.SocketServer", &["broker::network"]),
    ("kafka.request.logger", &["kafka.request.logger"]),
    ("kafka.server.ClientQuotaManager", &["broker::quota"]),
    ("kafka.server.KafkaApis", &["broker::api"]),
    ("kafka.server.KafkaConfig", &["broker::settings"]),
    ("kafka.server.KafkaServer", &["broker::broker", "broker::registration", "broker::tasks"]),
    ("kafka.server.ReplicaAlterLogDirsManager", &["broker::moves"]),
    ("kafka.server.ReplicaManager", &["broker::hosted", "broker::shard"]),
    ("kafka.server.ZkAdminManager", &["broker::api::alteration", "broker::api::config_resource"]),
    ("kafka.server.ZkConfigManager", &["broker::config_changes"]),
    ("kafka.zookeeper.ZooKeeperClient", &["zookeeper"]),
    ("org.apache.kafka", &[]),
    ("org.apache.kafka.clients.NetworkClient", &["client"]),
    ("org.apache.zookeeper", &["zookeeper_client"]),
    (
        "state.change.logger",
        &["broker::api::leader_and_isr", "broker::api::stop_replica", "coordinator::controller::partitions"],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_target_is_a_module_and_stands_once() {
        let names: Vec<&str> = LOGGERS.iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted(), "{names:?}");
        let targets: Vec<&str> = LOGGERS.iter().flat_map(|(_, targets)| *targets).copied().collect();
        assert_eq!(targets.iter().collect::<BTreeSet<_>>().len(), targets.len());
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for target in
            targets.iter().filter(|target| !["kafka.request.logger", "zookeeper_client"].contains(target))
        {
            let (of, path) = target.split_once("::").unwrap_or((target, ""));
            let file = match path {
                "" => sources.join(of).join("src"),
                path => sources.join(of).join("src").join(format!("{}.rs", path.replace("::", "/"))),
            };
            assert!(file.exists(), "{target} is no module");
        }
    }
}
