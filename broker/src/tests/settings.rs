//! Settings as clients see and change them, and when a change is in force.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::batch::StoredAs;
use protocol::ids::TopicPartition;
use protocol::messages::alter_configs_request::{
    AlterConfigsResource as LegacyResource, AlterableConfig as Legacy,
};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::DescribeConfigsResult;
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use protocol::record::Compression;
use zookeeper::store::Watch;

use super::world::{World, code};
use crate::metadata::Picture;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Change = (&'static str, i8, Option<&'static str>);

fn resource((kind, name): (i8, &'static str), changes: &[Change]) -> AlterConfigsResource {
    let config = |(key, op, value): &Change| {
        AlterableConfig::default()
            .with_name((*key).into())
            .with_config_operation(*op)
            .with_value(value.map(Into::into))
    };
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.into())
        .with_configs(changes.iter().map(config).collect())
}

async fn alter(world: &World, resources: Vec<AlterConfigsResource>) -> Vec<ErrorCode> {
    let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
    world.ask(1, &request).await.responses.iter().map(|told| code(told.error_code)).collect()
}

async fn describe(world: &World, version: i16, kind: i8, name: &'static str) -> DescribeConfigsResult {
    let resource =
        DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(name.into());
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource.with_configuration_keys(None)]);
    world.ask(version, &request).await.results[0].clone()
}

/// The value of one setting and the number of its source.
async fn value(world: &World, (kind, name): (i8, &'static str), key: &str) -> (String, i8) {
    let told = describe(world, 4, kind, name).await;
    let config = told.configs.iter().find(|config| *config.name == *key).unwrap();
    (config.value.as_deref().unwrap_or_default().to_owned(), config.config_source)
}

#[tokio::test(start_paused = true)]
async fn topic_settings_are_changed_one_by_one() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let t = (TOPIC, "t");
    let (set, default) = (1, 5);
    for (change, key, expected) in [
        (("retention.ms", SET, Some("1000")), "retention.ms", ("1000", set)),
        (("retention.ms", DELETE, None), "retention.ms", ("604800000", default)),
        (("cleanup.policy", APPEND, Some("compact")), "cleanup.policy", ("delete,compact", set)),
        (("cleanup.policy", SUBTRACT, Some("delete")), "cleanup.policy", ("compact", set)),
        (("compression.type", SET, Some("zstd")), "compression.type", ("zstd", set)),
        (("compression.zstd.level", SET, Some("7")), "compression.zstd.level", ("7", set)),
        (("max.message.bytes", SET, Some("100")), "max.message.bytes", ("100", set)),
    ] {
        assert_eq!(alter(&world, vec![resource(t, &[change])]).await, [ErrorCode::None], "{change:?}");
        assert_eq!(value(&world, t, key).await, (expected.0.to_owned(), expected.1), "{change:?}");
    }
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    world.until("the change", || hosted.rules().max_message_bytes == 100).await;
    assert_eq!(hosted.rules().stored_as, StoredAs::Always(Compression::Zstd(7)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_changed_has_its_code() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let (t, invalid) = ((TOPIC, "t"), ErrorCode::InvalidRequest);
    let set: &[Change] = &[("retention.ms", SET, Some("7"))];
    for (resource, expected) in [
        (resource((TOPIC, "x"), set), ErrorCode::UnknownTopicOrPartition),
        (resource((TOPIC, ""), set), invalid),
        (resource((99, "t"), set), invalid),
        (resource((BROKER, "2"), set), invalid),
        (resource((BROKER, "1"), &[("broker.id", SET, Some("4"))]), invalid),
        (resource(t, &[("no.such.key", SET, Some("7"))]), ErrorCode::InvalidConfig),
        (resource(t, &[("retention.ms", SET, Some("x"))]), ErrorCode::InvalidConfig),
        (resource(t, &[("retention.ms", SET, None)]), invalid),
        (resource(t, &[("retention.ms", 9, Some("7"))]), ErrorCode::UnknownServerError),
        (resource(t, &[("retention.ms", APPEND, Some("7"))]), ErrorCode::InvalidConfig),
        (resource(t, &[set[0], set[0]]), invalid),
    ] {
        assert_eq!(alter(&world, vec![resource.clone()]).await, [expected], "{resource:?}");
    }
    let mixed = vec![resource(t, set), resource((99, "t"), set), resource((TOPIC, "x"), set)];
    let expected = [ErrorCode::None, invalid, ErrorCode::UnknownTopicOrPartition];
    assert_eq!(alter(&world, mixed).await, expected);
    assert_eq!(alter(&world, vec![resource(t, set), resource(t, set)]).await, [invalid; 2]);

    let tried = vec![resource(t, &[("retention.ms", SET, Some("8"))])];
    let request = IncrementalAlterConfigsRequest::default().with_resources(tried).with_validate_only(true);
    assert_eq!(world.ask(1, &request).await.responses[0].error_code, 0);
    assert_eq!(value(&world, t, "retention.ms").await.0, "7");
}

#[tokio::test(start_paused = true)]
async fn all_settings_of_a_topic_are_replaced() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &["retention.ms=7"]).await;
    let resource = |name: &'static str, entries: &[(&'static str, Option<&'static str>)]| {
        let config = |(key, value): &(&'static str, Option<&'static str>)| {
            Legacy::default().with_name((*key).into()).with_value(value.map(Into::into))
        };
        LegacyResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(name.into())
            .with_configs(entries.iter().map(config).collect())
    };
    let replaced = resource("t", &[("segment.bytes", Some("2000"))]);
    let invalid = ErrorCode::InvalidRequest;
    for (resources, expected) in [
        (vec![replaced.clone()], vec![ErrorCode::None]),
        (vec![replaced.clone(), replaced], vec![invalid; 2]),
        (vec![resource("t", &[("segment.bytes", None)])], vec![invalid]),
        (vec![resource("x", &[])], vec![ErrorCode::UnknownTopicOrPartition]),
    ] {
        let request = AlterConfigsRequest::default().with_resources(resources);
        let answer = world.ask(2, &request).await;
        let codes: Vec<_> = answer.responses.iter().map(|told| code(told.error_code)).collect();
        assert_eq!(codes, expected);
    }
    assert_eq!(value(&world, (TOPIC, "t"), "retention.ms").await, ("604800000".to_owned(), 5));
    assert_eq!(value(&world, (TOPIC, "t"), "segment.bytes").await, ("2000".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn settings_are_described_in_every_version() {
    let world = World::start(&["log.retention.ms=9"]).await;
    world.topic("t", 1, &["segment.bytes=2000"]).await;
    for version in 0..=4 {
        let told = describe(&world, version, TOPIC, "t").await;
        assert_eq!(told.error_code, 0);
        let retention = told.configs.iter().find(|config| &*config.name == "retention.ms").unwrap();
        assert_eq!(retention.value.as_deref(), Some("9"));
        if version >= 1 {
            assert_eq!(retention.config_source, 4, "the broker's file");
        }
    }
    let asked = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name("t".into());
    let keyed = asked.clone().with_configuration_keys(Some(vec!["retention.ms".into()]));
    let request =
        DescribeConfigsRequest::default().with_resources([vec![asked; 1000], vec![keyed; 2]].concat());
    assert_eq!(world.ask(4, &request).await.results.len(), 2, "each is answered once");
    for (kind, name, expected) in [
        (TOPIC, "x", ErrorCode::UnknownTopicOrPartition),
        (TOPIC, "b@d", ErrorCode::InvalidTopicException),
        (BROKER, "1", ErrorCode::None),
        (BROKER, "", ErrorCode::None),
        (BROKER, "2", ErrorCode::InvalidRequest),
        (99, "t", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(code(describe(&world, 4, kind, name).await.error_code), expected, "{kind} {name}");
    }
    let told = describe(&world, 4, BROKER, "1").await;
    let id = told.configs.iter().find(|config| &*config.name == "broker.id").unwrap();
    assert!(id.read_only && id.value.as_deref() == Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_change_while_logs_are_made_is_in_force_on_all_of_them() {
    let world = World::start(&[]).await;
    let first = TopicPartition { topic: "t".into(), partition: 0 };
    let change = async {
        // The clock stands still while logs are made.
        while !world.broker.log_dirs.has_log(&first) {
            tokio::task::yield_now().await;
        }
        let limit = [("message.max.bytes", SET, Some("100"))];
        assert_eq!(alter(&world, vec![resource((BROKER, "1"), &limit)]).await, [ErrorCode::None]);
    };
    tokio::join!(world.topic("t", 64, &[]), change);
    for index in 0..64 {
        let hosted = world.broker.hosted.get("t", index).unwrap();
        world.until("the change", || hosted.rules().max_message_bytes == 100).await;
    }
}

async fn stored(world: &World, path: &str) -> String {
    let node = world.broker.store.get(path, Watch::None).await.unwrap();
    String::from_utf8(node.data.into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_brokers_own_settings_lie_over_those_of_all() {
    let world = World::start(&["num.io.threads=4"]).await;
    let (all, own) = ((BROKER, ""), (BROKER, "1"));
    let key = "message.max.bytes";
    for (resource_of, change, expected) in [
        (all, (key, SET, Some("3000")), ("3000", 3)),
        (own, (key, SET, Some("2000")), ("2000", 2)),
        (own, (key, DELETE, None), ("3000", 3)),
        (all, (key, DELETE, None), ("1048588", 5)),
    ] {
        assert_eq!(
            alter(&world, vec![resource(resource_of, &[change])]).await,
            [ErrorCode::None],
            "{change:?}"
        );
        let max = expected.0.parse::<u32>().unwrap();
        let in_force = || world.broker.settings.config().topic_defaults.config.max_message_bytes;
        world.until("the change", || in_force() == max).await;
        assert_eq!(value(&world, own, key).await, (expected.0.to_owned(), expected.1), "{change:?}");
    }
    assert_eq!(stored(&world, "/config/brokers/1").await, r#"{"version":1,"config":{}}"#);

    // Half to double of what is in force, one change after the other.
    for (threads, expected) in [
        ("9", ErrorCode::InvalidRequest),
        ("8", ErrorCode::None),
        ("16", ErrorCode::None),
        ("7", ErrorCode::InvalidRequest),
    ] {
        let change = [("num.io.threads", SET, Some(threads))];
        assert_eq!(alter(&world, vec![resource(all, &change)]).await, [expected], "{threads}");
        if expected == ErrorCode::None {
            let set = || {
                world.broker.settings.layers().cluster.get("num.io.threads").map(String::as_str)
                    == Some(threads)
            };
            world.until("the change", set).await;
        }
    }

    let key = "listener.name.plaintext.ssl.key.password";
    let secret = || resource(own, &[(key, SET, Some("x"))]);
    assert_eq!(alter(&world, vec![secret()]).await, [ErrorCode::InvalidConfig]);
    let tried =
        IncrementalAlterConfigsRequest::default().with_resources(vec![secret()]).with_validate_only(true);
    assert_eq!(world.ask(1, &tried).await.responses[0].error_code, 0, "Kafka finds out when it stores");
}

#[tokio::test(start_paused = true)]
async fn what_is_advertised_changes_in_the_same_life_of_the_broker() {
    let world = World::start(&[]).await;
    let epoch = world.broker.registration.epoch();
    let change = [("advertised.listeners", SET, Some("PLAINTEXT://elsewhere:1234"))];
    assert_eq!(alter(&world, vec![resource((BROKER, "1"), &change)]).await, [ErrorCode::None]);
    let told = |picture: &Picture| format!("{:?}", picture.brokers).contains("elsewhere");
    assert!(world.broker.metadata.wait_for(Duration::from_secs(60), told).await);
    assert!(stored(&world, "/brokers/ids/1").await.contains(r#""endpoints":["PLAINTEXT://elsewhere:1234"]"#));
    assert_eq!(world.broker.registration.epoch(), epoch);
}

#[tokio::test(start_paused = true)]
async fn levels_of_loggers_are_described_and_altered() {
    let world = World::start(&[]).await;
    let loggers = (BROKER_LOGGER, "1");
    assert_eq!(value(&world, loggers, "kafka.request.logger").await, ("WARN".to_owned(), 6));
    let set = |level| resource(loggers, &[("kafka.request.logger", SET, Some(level))]);
    assert_eq!(alter(&world, vec![set("DEBUG")]).await, [ErrorCode::None]);
    assert_eq!(value(&world, loggers, "kafka.request.logger").await.0, "DEBUG");
    let (config, invalid) = (ErrorCode::InvalidConfig, ErrorCode::InvalidRequest);
    for (name, changes, expected) in [
        ("1", [("kafka", SET, Some("OFF"))], config),
        ("1", [("nosuch", DELETE, None)], config),
        ("1", [("root", DELETE, None)], invalid),
        ("1", [("kafka", APPEND, Some("INFO"))], invalid),
        ("1", [("kafka", 9, Some("INFO"))], ErrorCode::UnknownServerError),
        ("2", [("kafka", SET, Some("INFO"))], invalid),
        ("", [("kafka", SET, Some("INFO"))], invalid),
    ] {
        assert_eq!(
            alter(&world, vec![resource((BROKER_LOGGER, name), &changes)]).await,
            [expected],
            "{changes:?}"
        );
    }
    let legacy = LegacyResource::default().with_resource_type(BROKER_LOGGER).with_resource_name("1".into());
    let answer = world.ask(2, &AlterConfigsRequest::default().with_resources(vec![legacy])).await;
    assert_eq!(answer.responses[0].error_message.as_deref(), Some("Unknown resource type 8"));
    for (kind, name) in [(BROKER_LOGGER, ""), (BROKER_LOGGER, "2"), (BROKER_LOGGER, "x"), (16, ""), (16, "x")]
    {
        assert_eq!(code(describe(&world, 4, kind, name).await.error_code), invalid, "{kind} {name}");
    }
    for version in 0..=4 {
        assert!(describe(&world, version, BROKER_LOGGER, "1").await.configs.len() > 20);
    }
}
