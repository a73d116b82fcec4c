//! Topics from birth to death as clients see them: Metadata, CreateTopics, CreatePartitions, DeleteTopics, DescribeCluster.

use protocol::ErrorCode;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    MetadataRequest, MetadataResponse,
};
use uuid::Uuid;

use super::world::{CLUSTER_ID, World, code, creatable, topic_name};

fn named(names: &[&'static str]) -> MetadataRequest {
    let topic = |name: &&'static str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false)
}

fn told(answer: &MetadataResponse) -> Vec<(String, ErrorCode, usize)> {
    let topic = |topic: &protocol::messages::metadata_response::MetadataResponseTopic| {
        let name = topic.name.as_ref().map_or_else(String::new, |name| name.to_string());
        (name, code(topic.error_code), topic.partitions.len())
    };
    answer.topics.iter().map(topic).collect()
}

fn topic(name: &str, error: ErrorCode, partitions: usize) -> (String, ErrorCode, usize) {
    (name.to_owned(), error, partitions)
}

#[tokio::test(start_paused = true)]
async fn metadata_of_all_of_some_and_of_none() {
    let world = World::start(&[]).await;
    world.topic("a", 2, &[]).await;
    world.topic("b", 1, &[]).await;
    let (a, b) = (topic("a", ErrorCode::None, 2), topic("b", ErrorCode::None, 1));
    for version in 0..=12 {
        let named = |names| named(names).with_allow_auto_topic_creation(version < 4);
        let all = named(&[]).with_topics(if version == 0 { Some(vec![]) } else { None });
        let answer = world.ask(version, &all).await;
        assert_eq!(told(&answer), [a.clone(), b.clone()], "version {version}");
        assert_eq!((answer.brokers[0].node_id.0, answer.brokers[0].port), (1, 9092));
        let controller = if version >= 1 { 1 } else { -1 };
        assert_eq!(answer.controller_id.0, controller);
        assert_eq!(answer.cluster_id.as_deref(), (version >= 2).then_some(CLUSTER_ID));
        assert_eq!(answer.brokers[0].rack.as_deref(), (version >= 1).then_some("r1"));
        let partition = &answer.topics[0].partitions[0];
        assert_eq!((partition.leader_id.0, &partition.isr_nodes), (1, &vec![BrokerId(1)]));
        assert_eq!(partition.leader_epoch, if version >= 7 { 0 } else { -1 });
        assert_eq!(answer.topics[0].topic_id.is_nil(), version < 10);
        if version >= 1 {
            assert_eq!(told(&world.ask(version, &named(&[])).await), []);
        }
        let unknown = topic("x", ErrorCode::UnknownTopicOrPartition, 0);
        let invalid = topic("..", ErrorCode::InvalidTopicException, 0);
        if version >= 4 {
            let mixed = world.ask(version, &named(&["x", "b", "..", "b"])).await;
            assert_eq!(told(&mixed), [invalid, b.clone(), unknown], "version {version}");
        }
    }
    let elsewhere = {
        let mut other = world.reconnect();
        other.context.listener = "OTHER".into();
        other.ask(6, &named(&["b"])).await
    };
    assert_eq!(elsewhere.brokers.len(), 0);
    assert_eq!(code(elsewhere.topics[0].partitions[0].error_code), ErrorCode::ListenerNotFound);
}

#[tokio::test(start_paused = true)]
async fn metadata_by_id() {
    let world = World::start(&[]).await;
    world.topic("a", 1, &[]).await;
    let known = world.broker.metadata.picture().topics["a"].id;
    let by = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    let answer = world.ask(12, &named(&[]).with_topics(Some(vec![by(known)]))).await;
    assert_eq!(told(&answer), [topic("a", ErrorCode::None, 1)]);
    let answer = world.ask(12, &named(&[]).with_topics(Some(vec![by(Uuid::from_u128(4))]))).await;
    assert_eq!(told(&answer), [topic("", ErrorCode::UnknownTopicId, 0)]);
    let early = named(&["a"]);
    let mut early = early.clone();
    early.topics.iter_mut().flatten().for_each(|topic| topic.topic_id = known);
    assert_eq!(told(&world.ask(10, &early).await), [topic("a", ErrorCode::InvalidRequest, 0)]);
}

#[tokio::test(start_paused = true)]
async fn metadata_creates_what_is_missing() {
    let world = World::start(&["num.partitions=3"]).await;
    let asked = named(&["new", ".."]).with_allow_auto_topic_creation(true);
    let answer = world.ask(9, &asked).await;
    let expected =
        [topic("..", ErrorCode::InvalidTopicException, 0), topic("new", ErrorCode::LeaderNotAvailable, 0)];
    assert_eq!(told(&answer), expected);
    let made = || world.broker.metadata.picture().topics.contains_key("new");
    world.until("the creation", made).await;
    assert_eq!(told(&world.ask(9, &named(&["new"])).await), [topic("new", ErrorCode::None, 3)]);

    let never = World::start(&["auto.create.topics.enable=false"]).await;
    let answer = never.ask(9, &named(&["new"]).with_allow_auto_topic_creation(true)).await;
    assert_eq!(told(&answer), [topic("new", ErrorCode::UnknownTopicOrPartition, 0)]);
}

async fn create(world: &World, topics: Vec<CreatableTopic>) -> Vec<ErrorCode> {
    let request = CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(60_000);
    world.ask(5, &request).await.topics.iter().map(|topic| code(topic.error_code)).collect()
}

#[tokio::test(start_paused = true)]
async fn topics_are_created_or_refused_one_by_one() {
    let world = World::start(&[]).await;
    let with = |name, value: Option<&'static str>| {
        let config = CreatableTopicConfig::default().with_name("retention.ms".into());
        creatable(name).with_configs(vec![config.with_value(value.map(Into::into))])
    };
    let assigned = |name, replicas: Vec<i32>| {
        let replicas = replicas.into_iter().map(BrokerId).collect();
        let assignment =
            CreatableReplicaAssignment::default().with_partition_index(0).with_broker_ids(replicas);
        creatable(name).with_num_partitions(-1).with_replication_factor(-1).with_assignments(vec![assignment])
    };
    let topics = vec![
        creatable("good"),
        creatable("twice"),
        creatable("twice"),
        creatable("wide").with_replication_factor(3),
        creatable("empty").with_num_partitions(0),
        creatable("b@d"),
        with("odd", Some("x")),
        with("null", None),
        with("set", Some("1000")),
        assigned("placed", vec![1]),
        assigned("both", vec![1]).with_num_partitions(2),
        creatable("__cluster_metadata"),
    ];
    let (invalid, none) = (ErrorCode::InvalidRequest, ErrorCode::None);
    let expected = [
        none,
        invalid,
        invalid,
        ErrorCode::InvalidReplicationFactor,
        ErrorCode::InvalidPartitions,
        ErrorCode::InvalidTopicException,
        ErrorCode::InvalidConfig,
        ErrorCode::InvalidConfig,
        none,
        none,
        invalid,
        invalid,
    ];
    assert_eq!(create(&world, topics).await, expected);
    assert_eq!(create(&world, vec![creatable("good")]).await, [ErrorCode::TopicAlreadyExists]);
    let topics = world.broker.metadata.picture().topics.keys().cloned().collect::<Vec<_>>();
    assert_eq!(topics, ["good", "placed", "set"].map(std::sync::Arc::from));
    for name in ["good", "placed", "set"] {
        assert!(world.broker.hosted.get(name, 0).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn creation_answers_what_was_made_and_can_only_be_tried() {
    let world = World::start(&["default.replication.factor=1"]).await;
    let wanted = creatable("t").with_num_partitions(-1).with_replication_factor(-1);
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(60_000);
    for version in 5..=7 {
        let answer = world.ask(version, &request.clone().with_validate_only(true)).await;
        let topic = &answer.topics[0];
        assert_eq!((topic.error_code, topic.num_partitions, topic.replication_factor), (0, 1, 1));
        assert!(topic.configs.as_ref().is_some_and(|configs| configs.len() > 20));
    }
    assert!(world.broker.metadata.picture().topics.is_empty(), "nothing was made");
    let hasty = world.ask(7, &request.clone().with_timeout_ms(0)).await;
    assert_eq!(code(hasty.topics[0].error_code), ErrorCode::RequestTimedOut);
    let made = || world.broker.metadata.picture().topics.contains_key("t");
    world.until("the creation", made).await;
    let again = world.ask(7, &request).await;
    assert_eq!(code(again.topics[0].error_code), ErrorCode::TopicAlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn partitions_are_added() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let grow = |name, count| {
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(None)
    };
    let request = |topics| CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(60_000);
    let tried = world.ask(3, &request(vec![grow("t", 3)]).with_validate_only(true)).await;
    assert_eq!(tried.results[0].error_code, 0);
    assert_eq!(world.broker.metadata.picture().topics["t"].partitions.len(), 1);
    for (topics, expected) in [
        (vec![grow("t", 3)], vec![ErrorCode::None]),
        (vec![grow("t", 3)], vec![ErrorCode::InvalidPartitions]),
        (
            vec![grow("t", 2), grow("x", 2)],
            vec![ErrorCode::InvalidPartitions, ErrorCode::UnknownTopicOrPartition],
        ),
        // Named twice, told once.
        (vec![grow("t", 9), grow("t", 9)], vec![ErrorCode::InvalidRequest]),
    ] {
        let answer = world.ask(3, &request(topics)).await;
        let codes: Vec<_> = answer.results.iter().map(|topic| code(topic.error_code)).collect();
        assert_eq!(codes, expected);
    }
    assert!(world.broker.hosted.get("t", 2).is_ok());
    let hasty = world.ask(3, &request(vec![grow("t", 4)]).with_timeout_ms(0)).await;
    assert_eq!(code(hasty.results[0].error_code), ErrorCode::RequestTimedOut);
}

#[tokio::test(start_paused = true)]
async fn topics_are_deleted_by_name_and_by_id() {
    let world = World::start(&[]).await;
    for name in ["a", "b", "c"] {
        world.topic(name, 1, &[]).await;
    }
    let request = DeleteTopicsRequest::default().with_timeout_ms(60_000);
    let names = request.clone().with_topic_names(vec![topic_name("a"), topic_name("x")]);
    let answer = world.ask(5, &names).await;
    let codes: Vec<_> = answer.responses.iter().map(|topic| code(topic.error_code)).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::UnknownTopicOrPartition]);
    assert!(world.broker.hosted.get("a", 0).is_err());

    let by = |id| DeleteTopicState::default().with_name(None).with_topic_id(id);
    let id = world.broker.metadata.picture().topics["b"].id;
    let ids = request.clone().with_topics(vec![by(id), by(Uuid::from_u128(3))]);
    let answer = world.ask(6, &ids).await;
    let told: Vec<_> = answer
        .responses
        .iter()
        .map(|topic| (topic.name.as_ref().map(|name| name.to_string()), code(topic.error_code)))
        .collect();
    assert_eq!(told, [(Some("b".to_owned()), ErrorCode::None), (None, ErrorCode::UnknownTopicId)]);

    let hasty = request.clone().with_timeout_ms(0).with_topic_names(vec![topic_name("c")]);
    assert_eq!(code(world.ask(5, &hasty).await.responses[0].error_code), ErrorCode::RequestTimedOut);
    let left = || world.broker.metadata.picture().topics.is_empty();
    world.until("the deletion", left).await;
    // The name is free again.
    world.topic("a", 1, &[]).await;

    let kept = World::start(&["delete.topic.enable=false"]).await;
    for (version, expected) in [(2, ErrorCode::InvalidRequest), (3, ErrorCode::TopicDeletionDisabled)] {
        assert_eq!(code(kept.ask(version, &names).await.responses[0].error_code), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_described_to_brokers_clients() {
    let world = World::start(&[]).await;
    let request = DescribeClusterRequest::default().with_endpoint_type(1);
    for version in 0..=1 {
        let answer = world.ask(version, &request).await;
        assert_eq!((&*answer.cluster_id, answer.controller_id.0), (CLUSTER_ID, 1));
        assert_eq!(answer.cluster_authorized_operations, i32::MIN);
        let broker = &answer.brokers[0];
        assert_eq!((broker.broker_id.0, &*broker.host, broker.rack.as_deref()), (1, "localhost", Some("r1")));
    }
    for (kind, expected) in [(2, ErrorCode::MismatchedEndpointType), (9, ErrorCode::UnsupportedEndpointType)]
    {
        let answer = world.ask(1, &request.clone().with_endpoint_type(kind)).await;
        assert_eq!(code(answer.error_code), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_without_a_topic_id_gets_the_controllers() {
    let world = World::start_over(&[], |dir| std::fs::create_dir(dir.join("s-0")).unwrap()).await;
    world.topic("s", 2, &[]).await;
    let [a, b] = world.dirs();
    let file = |partition: &str| {
        [&a, &b]
            .into_iter()
            .find_map(|dir| std::fs::read(dir.join(partition).join("partition.metadata")).ok())
    };
    // The other partition's log is made with the id.
    let id = file("s-1").unwrap();
    world.until("the topic id is written", || file("s-0").is_some()).await;
    assert_eq!(file("s-0").unwrap(), id);
}
