//! Which operation on which resource every API asks the authorizer for, in Kafka's order (KafkaApis 3.9).

use protocol::RequestMessage;
use protocol::messages::alter_configs_request::AlterConfigsResource as LegacyResource;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderTopic;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    AlterClientQuotasRequest, AlterConfigsRequest, ApiVersionsRequest, BrokerId, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClientQuotasRequest,
    DescribeClusterRequest, DescribeConfigsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    FetchRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, TransactionalId, UpdateFeaturesRequest,
};

use super::world::{World, batch, creatable, topic_name};
use crate::authorizer::Operation::{self, *};
use crate::authorizer::ResourceType;

const CLUSTER: &str = "kafka-cluster";
/// Every operation there is on a topic and on the cluster, as the sets of authorized operations ask for them.
const ON_TOPICS: [Operation; 8] =
    [Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs];
const ON_CLUSTER: [Operation; 7] =
    [Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe];

/// Sends `request` and compares what the authorizer was asked, each `(operation, name)`; the kind of a resource is told by its name.
async fn check<Q: RequestMessage>(world: &World, version: i16, request: &Q, expected: &[(Operation, &str)]) {
    world.asked.take();
    world.outcome(version, request).await;
    let asked = world.asked.take();
    for question in &asked {
        let kind = match question.name.as_deref() {
            Some(CLUSTER) => ResourceType::Cluster,
            Some("tx") => ResourceType::TransactionalId,
            _ => ResourceType::Topic,
        };
        assert_eq!(question.resource, kind, "{question:?}");
        assert_eq!(question.principal.to_string(), "User:ANONYMOUS");
        assert_eq!(question.client_host.to_string(), "127.0.0.1");
    }
    let pairs: Vec<_> = asked.iter().map(|a| (a.operation, a.name.as_deref().unwrap_or("*"))).collect();
    assert_eq!(pairs, expected, "version {version} of {}", std::any::type_name::<Q>());
}

fn produce(topics: &[&'static str], transactional: bool) -> ProduceRequest {
    let records = batch(-1, &["v"], |batch| {
        if transactional {
            batch.header.attributes.0 |= 1 << 4;
        }
    });
    let data = |name: &&'static str| {
        let partition = PartitionProduceData::default().with_records(Some(records.clone()));
        TopicProduceData::default().with_name(topic_name(name)).with_partition_data(vec![partition])
    };
    ProduceRequest::default()
        .with_acks(1)
        .with_transactional_id(transactional.then(|| TransactionalId("tx".into())))
        .with_topic_data(topics.iter().map(data).collect())
}

fn fetch(topics: &[&'static str]) -> FetchRequest {
    let topic = |name: &&'static str| {
        FetchTopic::default()
            .with_topic(topic_name(name))
            .with_partitions(vec![FetchPartition::default().with_partition_max_bytes(1)])
    };
    FetchRequest::default().with_max_bytes(1).with_topics(topics.iter().map(topic).collect())
}

fn metadata(topics: &[&'static str]) -> MetadataRequest {
    let topic = |name: &&'static str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default().with_topics(Some(topics.iter().map(topic).collect()))
}

#[tokio::test(start_paused = true)]
async fn records_and_offsets() {
    let world = World::start(&[]).await;
    world.topic("a", 1, &[]).await;
    world.topic("b", 1, &[]).await;
    check(&world, 3, &produce(&["a", "b"], false), &[(Write, "a"), (Write, "b")]).await;
    check(&world, 11, &produce(&["none"], false), &[(Write, "none")]).await;
    check(&world, 9, &produce(&["a"], true), &[(Write, "tx"), (Write, "a")]).await;
    let nameless = produce(&["a"], true).with_transactional_id(None);
    check(&world, 9, &nameless, &[]).await;

    check(&world, 4, &fetch(&["a", "b"]), &[(Read, "a"), (Read, "b")]).await;
    check(&world, 4, &fetch(&["none"]), &[(Read, "none")]).await;
    let follower = fetch(&["a", "b"]).with_replica_id(BrokerId(2));
    check(&world, 12, &follower, &[(ClusterAction, CLUSTER)]).await;
    let tool = fetch(&["a", "b"]).with_replica_id(BrokerId(-2));
    check(&world, 12, &tool, &[(Read, "a"), (Read, "b")]).await;

    let topic = |name| {
        let partitions = vec![ListOffsetsPartition::default().with_timestamp(-1)];
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    };
    let offsets = ListOffsetsRequest::default().with_topics(vec![topic("a"), topic("none")]);
    for version in [0, 1, 9] {
        check(&world, version, &offsets, &[(Describe, "a"), (Describe, "none")]).await;
    }

    let topic = |name| OffsetForLeaderTopic::default().with_topic(topic_name(name));
    let ends = OffsetForLeaderEpochRequest::default().with_topics(vec![topic("a"), topic("none")]);
    for version in [0, 4] {
        check(&world, version, &ends, &[(ClusterAction, CLUSTER)]).await;
    }

    let topic = |name| {
        let partitions = vec![DeleteRecordsPartition::default()];
        DeleteRecordsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    };
    let deletion =
        DeleteRecordsRequest::default().with_topics(vec![topic("b"), topic("a"), topic("none"), topic("a")]);
    for version in [0, 2] {
        check(&world, version, &deletion, &[(Delete, "a"), (Delete, "b"), (Delete, "none")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn producers() {
    let world = World::start(&[]).await;
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    check(&world, 4, &idempotent, &[(IdempotentWrite, CLUSTER)]).await;
    let transactional = idempotent.with_transactional_id(Some(TransactionalId("tx".into())));
    check(&world, 4, &transactional, &[(Write, "tx")]).await;
}

#[tokio::test(start_paused = true)]
async fn the_cluster_picture() {
    let world = World::start(&[]).await;
    world.topic("a", 1, &[]).await;
    world.topic("b", 1, &[]).await;
    check(&world, 0, &ApiVersionsRequest::default(), &[]).await;
    let all = MetadataRequest::default().with_topics(None);
    check(&world, 1, &all, &[(Describe, "a"), (Describe, "b")]).await;
    check(&world, 1, &metadata(&[]), &[]).await;
    let unknown = metadata(&["x", "y", "a"]).with_allow_auto_topic_creation(false);
    check(&world, 8, &unknown, &[(Describe, "a"), (Describe, "x"), (Describe, "y")]).await;
    let created = unknown.with_allow_auto_topic_creation(true);
    let asked = [(Describe, "a"), (Describe, "x"), (Describe, "y"), (Create, CLUSTER)];
    check(&world, 8, &created, &asked).await;

    let all = all
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(topic_name("a")))]))
        .with_include_cluster_authorized_operations(true)
        .with_include_topic_authorized_operations(true);
    let mut asked = vec![(Describe, "a"), (Describe, CLUSTER)];
    asked.extend(ON_CLUSTER.map(|operation| (operation, CLUSTER)));
    asked.extend(ON_TOPICS.map(|operation| (operation, "a")));
    check(&world, 8, &all, &asked).await;

    for version in [0, 4] {
        check(&world, version, &DescribeLogDirsRequest::default(), &[(Describe, CLUSTER)]).await;
    }

    let described = ["t", "a b", "nix"].map(|name| TopicRequest::default().with_name(topic_name(name)));
    let described = DescribeProducersRequest::default().with_topics(described.to_vec());
    check(&world, 0, &described, &[(Read, "t"), (Read, "nix")]).await;

    let cluster = DescribeClusterRequest::default().with_endpoint_type(1);
    check(&world, 1, &cluster, &[]).await;
    let mut asked = vec![(Describe, CLUSTER)];
    asked.extend(ON_CLUSTER.map(|operation| (operation, CLUSTER)));
    check(&world, 0, &cluster.with_include_cluster_authorized_operations(true), &asked).await;

    for version in [0, 1] {
        let described = DescribeClientQuotasRequest::default();
        check(&world, version, &described, &[(DescribeConfigs, CLUSTER)]).await;
        let altered = AlterClientQuotasRequest::default();
        check(&world, version, &altered, &[(AlterConfigs, CLUSTER)]).await;
        check(&world, version, &UpdateFeaturesRequest::default(), &[(Alter, CLUSTER)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn topics() {
    let world = World::start(&[]).await;
    let request = CreateTopicsRequest::default()
        .with_topics(vec![creatable("a"), creatable("b"), creatable("__cluster_metadata")])
        .with_timeout_ms(60_000);
    let asked = [(Create, CLUSTER), (DescribeConfigs, "a"), (DescribeConfigs, "b")];
    for version in [0, 7] {
        check(&world, version, &request, &asked).await;
    }

    let topic = |name| CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(2);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![topic("a"), topic("c"), topic("d"), topic("d")])
        .with_timeout_ms(60_000);
    check(&world, 3, &request, &[(Alter, "a"), (Alter, "c")]).await;

    let id = world.broker.metadata.picture().topics["b"].id;
    let named = DeleteTopicsRequest::default().with_timeout_ms(60_000);
    let by_name = named.clone().with_topic_names(vec![topic_name("a"), topic_name("c")]);
    let asked = [(Describe, "a"), (Describe, "c"), (Delete, "a"), (Delete, "c")];
    check(&world, 5, &by_name, &asked).await;
    let by_id = named.with_topics(vec![DeleteTopicState::default().with_name(None).with_topic_id(id)]);
    check(&world, 6, &by_id, &[(Describe, "b"), (Delete, "b")]).await;
    check(&world, 6, &by_id, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn settings() {
    let world = World::start(&[]).await;
    world.topic("a", 1, &[]).await;
    let named = [(2, "a"), (2, "none"), (4, "1"), (4, ""), (8, "1")];
    let asked = |operation| {
        [
            (operation, "a"),
            (operation, "none"),
            (operation, CLUSTER),
            (operation, CLUSTER),
            (operation, CLUSTER),
        ]
    };
    let resources = named.map(|(kind, name)| {
        DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(name.into())
    });
    let request = DescribeConfigsRequest::default().with_resources(resources.to_vec());
    check(&world, 4, &request, &asked(DescribeConfigs)).await;

    let resources = named.map(|(kind, name)| {
        AlterConfigsResource::default().with_resource_type(kind).with_resource_name(name.into())
    });
    let request = IncrementalAlterConfigsRequest::default().with_resources(resources.to_vec());
    check(&world, 1, &request, &asked(AlterConfigs)).await;

    let resources = named.map(|(kind, name)| {
        LegacyResource::default().with_resource_type(kind).with_resource_name(name.into())
    });
    let request = AlterConfigsRequest::default().with_resources(resources.to_vec());
    check(&world, 2, &request, &asked(AlterConfigs)).await;
}
