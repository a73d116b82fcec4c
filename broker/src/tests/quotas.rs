//! Quotas as clients see and change them, and the znodes that hold them. What is expected was recorded from Kafka 3.9.1.

use protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use protocol::messages::describe_client_quotas_request::ComponentData;
use protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use protocol::{ErrorCode, StrBytes};
use zookeeper::paths;
use zookeeper::store::Watch;

use super::world::{World, code};

/// An entity: types and names, where none is the default.
type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

const BOB: (&str, Option<&str>) = ("user", Some("bob"));
const DEFAULT_USER: (&str, Option<&str>) = ("user", None);
const CLIENT: (&str, Option<&str>) = ("client-id", Some("c 1*"));

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// A value that is none is a removal.
fn entry(entity: Entity<'_>, ops: &[(&str, Option<f64>)]) -> EntryData {
    let part = |(kind, name): &(&str, Option<&str>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        let op = OpData::default().with_key(text(key)).with_remove(value.is_none());
        op.with_value(value.unwrap_or_default())
    };
    EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect())
}

async fn alter(world: &World, entity: Entity<'_>, ops: &[(&str, Option<f64>)]) -> (ErrorCode, String) {
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry(entity, ops)]);
    let answer = world.ask(1, &request).await;
    let [told] = &answer.entries[..] else { panic!("{answer:?}") };
    (code(told.error_code), told.error_message.as_deref().unwrap_or_default().to_owned())
}

async fn set(world: &World, entity: Entity<'_>, key: &str, value: f64) {
    assert_eq!(alter(world, entity, &[(key, Some(value))]).await, (ErrorCode::None, String::new()));
}

async fn remove(world: &World, entity: Entity<'_>, key: &str) {
    assert_eq!(alter(world, entity, &[(key, None)]).await, (ErrorCode::None, String::new()));
}

/// The content of a znode.
async fn znode(world: &World, path: &str) -> Option<String> {
    let node = world.broker.store.get(path, Watch::None).await.ok()?;
    Some(String::from_utf8(node.data.to_vec()).unwrap())
}

/// The entity paths that have been announced so far.
async fn announced(world: &World) -> Vec<String> {
    let (mut names, _) = world.broker.store.children(paths::CONFIG_CHANGES, Watch::None).await.unwrap();
    names.sort();
    let mut announced = Vec::new();
    for name in names {
        announced.extend(znode(world, &paths::config_change(&name)).await);
    }
    announced
}

/// Components are a type, how it is matched, and a name.
async fn described(
    world: &World,
    components: &[(&str, i8, &str)],
    strict: bool,
) -> Result<String, (ErrorCode, String)> {
    let component = |(kind, how, name): &(&str, i8, &str)| {
        let name = (*how == 0).then(|| text(name));
        ComponentData::default().with_entity_type(text(kind)).with_match_type(*how).with_match(name)
    };
    let request = DescribeClientQuotasRequest::default()
        .with_components(components.iter().map(component).collect())
        .with_strict(strict);
    let answer = world.ask(1, &request).await;
    let Some(entries) = answer.entries else {
        return Err((
            code(answer.error_code),
            answer.error_message.as_deref().unwrap_or_default().to_owned(),
        ));
    };
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (0, Some("")));
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let parts = entry.entity.iter().map(|part| {
                format!("{}={}", &*part.entity_type, part.entity_name.as_deref().unwrap_or("<default>"))
            });
            let values = entry.values.iter().map(|value| format!("{}={:?}", &*value.key, value.value));
            format!("{}: {}", parts.collect::<Vec<_>>().join(","), values.collect::<Vec<_>>().join(","))
        })
        .collect();
    lines.sort();
    Ok(lines.join("; "))
}

#[tokio::test(start_paused = true)]
async fn quotas_lie_in_kafkas_znodes() {
    let world = World::start(&[]).await;
    set(&world, &[BOB], "producer_byte_rate", 1024.0).await;
    set(&world, &[BOB], "request_percentage", 200.0).await;
    set(&world, &[CLIENT, BOB], "consumer_byte_rate", 9.0).await;
    set(&world, &[CLIENT], "consumer_byte_rate", 6.0).await;
    set(&world, &[DEFAULT_USER, ("client-id", None)], "consumer_byte_rate", 10.0).await;
    set(&world, &[("ip", Some("10.0.0.1"))], "connection_creation_rate", 3.0).await;
    for (path, expected) in [
        (
            "/config/users/bob",
            r#"{"version":1,"config":{"request_percentage":"200.0","producer_byte_rate":"1024"}}"#,
        ),
        ("/config/users/bob/clients", ""),
        ("/config/users/bob/clients/c%201%2A", r#"{"version":1,"config":{"consumer_byte_rate":"9"}}"#),
        ("/config/clients/c%201%2A", r#"{"version":1,"config":{"consumer_byte_rate":"6"}}"#),
        ("/config/users/<default>", ""),
        (
            "/config/users/<default>/clients/<default>",
            r#"{"version":1,"config":{"consumer_byte_rate":"10"}}"#,
        ),
        ("/config/ips/10.0.0.1", r#"{"version":1,"config":{"connection_creation_rate":"3"}}"#),
    ] {
        assert_eq!(znode(&world, path).await.as_deref(), Some(expected), "{path}");
    }
    let paths = ["users/bob", "users/bob", "users/bob/clients/c%201%2A", "clients/c%201%2A"];
    let paths = paths.iter().chain(&["users/<default>/clients/<default>", "ips/10.0.0.1"]);
    let expected: Vec<String> =
        paths.map(|path| format!(r#"{{"version":2,"entity_path":"{path}"}}"#)).collect();
    assert_eq!(announced(&world).await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_entity_without_quotas_leaves_nothing() {
    let world = World::start(&[]).await;
    set(&world, &[BOB], "producer_byte_rate", 1.0).await;
    set(&world, &[BOB, CLIENT], "producer_byte_rate", 2.0).await;
    remove(&world, &[BOB], "producer_byte_rate").await;
    let empty = Some(r#"{"version":1,"config":{}}"#);
    assert_eq!(znode(&world, "/config/users/bob").await.as_deref(), empty, "it has a client");
    remove(&world, &[BOB, CLIENT], "producer_byte_rate").await;
    assert_eq!(znode(&world, "/config/users/bob").await, None);
    let before = announced(&world).await.len();
    remove(&world, &[("client-id", Some("nobody"))], "producer_byte_rate").await;
    assert_eq!(announced(&world).await.len(), before + 1, "it is announced all the same");
    assert_eq!(znode(&world, "/config/clients/nobody").await, None);

    set(&world, &[BOB, CLIENT], "producer_byte_rate", 2.0).await;
    set(&world, &[BOB, ("client-id", None)], "producer_byte_rate", 3.0).await;
    remove(&world, &[BOB, CLIENT], "producer_byte_rate").await;
    assert_eq!(znode(&world, "/config/users/bob/clients/c%201%2A").await, None);
    assert!(znode(&world, "/config/users/bob/clients/<default>").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn credentials_beside_quotas_stay() {
    let world = World::start(&[]).await;
    let stored = r#"{"version":1,"config":{"SCRAM-SHA-256":"salt=x"}}"#;
    let create = |path| {
        let mode = zookeeper::store::CreateMode::Persistent;
        world.broker.store.create(path, Some(stored.into()), mode)
    };
    create("/config/users/bob").await.unwrap();
    set(&world, &[BOB], "producer_byte_rate", 5.0).await;
    let both = r#"{"version":1,"config":{"SCRAM-SHA-256":"salt=x","producer_byte_rate":"5"}}"#;
    assert_eq!(znode(&world, "/config/users/bob").await.as_deref(), Some(both));
    assert_eq!(described(&world, &[], false).await.as_deref(), Ok("user=bob: producer_byte_rate=5.0"));
    remove(&world, &[BOB], "producer_byte_rate").await;
    assert_eq!(znode(&world, "/config/users/bob").await.as_deref(), Some(stored));
    // The default user has none.
    create("/config/users/<default>").await.unwrap();
    let refused = alter(&world, &[DEFAULT_USER], &[("producer_byte_rate", Some(5.0))]).await;
    assert_eq!(refused, (ErrorCode::UnknownServerError, String::new()));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_entity_or_quota_is_refused() {
    let world = World::start(&[]).await;
    let rate = ("producer_byte_rate", Some(5.0));
    let ip = ("ip", Some("10.0.0.2"));
    for (entity, op, expected) in [
        (&[][..], rate, "Invalid empty client quota entity"),
        (&[("group", Some("g"))], rate, "Unhandled client quota entity type: group"),
        (&[("user", Some(""))], rate, "Empty user not supported"),
        (&[("client-id", Some(""))], rate, "Empty client-id not supported"),
        (
            &[ip, BOB],
            rate,
            "Invalid quota entity combination, IP entity should not be used with user/client ID entity.",
        ),
        (&[("ip", Some("::1"))], rate, "%3A%3A1 is not a valid IP or resolvable host."),
        (&[ip], rate, "Invalid configuration key producer_byte_rate"),
        (&[BOB], ("nosuch", Some(5.0)), "Invalid configuration key nosuch"),
        (&[BOB], ("producer_byte_rate", Some(1.5)), "Configuration producer_byte_rate must be a LONG value"),
    ] {
        let refused = alter(&world, entity, &[op]).await;
        assert_eq!(refused, (ErrorCode::InvalidRequest, expected.to_owned()), "{entity:?}");
    }
    assert_eq!(announced(&world).await, [""; 0]);

    // Of an entity that is named twice the last outcome is told; what was set before stays.
    let entries =
        vec![entry(&[BOB], &[rate]), entry(&[BOB], &[("nosuch", Some(1.0))]), entry(&[CLIENT], &[rate])];
    let answer = world.ask(1, &AlterClientQuotasRequest::default().with_entries(entries)).await;
    let codes: Vec<i16> = answer.entries.iter().map(|entry| entry.error_code).collect();
    assert_eq!(codes, [42, 0]);
    assert!(znode(&world, "/config/users/bob").await.is_some());

    let entries = vec![entry(&[("user", Some("v"))], &[rate])];
    let validated = AlterClientQuotasRequest::default().with_entries(entries).with_validate_only(true);
    assert_eq!(world.ask(0, &validated).await.entries[0].error_code, 0);
    assert_eq!(znode(&world, "/config/users/v").await, None);
}

#[tokio::test(start_paused = true)]
async fn filters_take_what_kafkas_take() {
    let world = World::start(&[]).await;
    let rate = "consumer_byte_rate";
    for (entity, value) in [
        (&[BOB][..], 1.0),
        (&[DEFAULT_USER], 2.0),
        (&[CLIENT], 3.0),
        (&[BOB, CLIENT], 4.0),
        (&[DEFAULT_USER, ("client-id", None)], 5.0),
    ] {
        set(&world, entity, rate, value).await;
    }
    set(&world, &[("ip", None)], "connection_creation_rate", 6.0).await;
    let (bob, default) = ("user=bob: consumer_byte_rate=1.0", "user=<default>: consumer_byte_rate=2.0");
    let client = "client-id=c 1*: consumer_byte_rate=3.0";
    let both = "user=bob,client-id=c 1*: consumer_byte_rate=4.0";
    let defaults = "user=<default>,client-id=<default>: consumer_byte_rate=5.0";
    let ip = "ip=<default>: connection_creation_rate=6.0";
    let (exact, by_default, any) = (0, 1, 2);
    for (components, strict, expected) in [
        (&[][..], false, &[client, ip, defaults, default, both, bob][..]),
        (&[], true, &[]),
        (&[("user", exact, "bob")], true, &[bob]),
        (&[("user", exact, "bob")], false, &[both, bob]),
        (&[("user", exact, "nobody")], true, &[]),
        (&[("user", by_default, "")], true, &[default]),
        (&[("user", any, "")], true, &[default, bob]),
        (&[("client-id", any, "")], true, &[client]),
        (&[("client-id", exact, "c 1*")], false, &[client, both]),
        (&[("user", any, ""), ("client-id", any, "")], true, &[defaults, both]),
        (&[("user", exact, "bob"), ("client-id", exact, "c 1*")], true, &[both]),
        (&[("user", exact, "bob"), ("client-id", by_default, "")], false, &[]),
        (&[("ip", any, "")], true, &[ip]),
        (&[("ip", exact, "10.0.0.1")], false, &[]),
    ] {
        let told = described(&world, components, strict).await;
        assert_eq!(told, Ok(expected.join("; ")), "{components:?} {strict}");
    }
}

#[tokio::test(start_paused = true)]
async fn filters_that_make_no_sense_are_refused() {
    let world = World::start(&[]).await;
    let twice = |kind| [(kind, 2, ""); 2];
    let invalid = |text: &str| Err((ErrorCode::InvalidRequest, text.to_owned()));
    let duplicate = invalid("Duplicate client filter component entity type");
    assert_eq!(described(&world, &twice("client-id"), false).await, duplicate);
    assert_eq!(
        described(&world, &[("", 2, "")], false).await,
        invalid("Unexpected empty filter component entity type")
    );
    assert_eq!(
        described(&world, &[("user", 2, ""), ("ip", 2, "")], false).await,
        invalid(
            "Invalid entity filter component combination, IP filter component should not be used with user or clientId \
             filter component."
        )
    );
    let custom = "Custom entity type 'group' not supported".to_owned();
    let unsupported = Err((ErrorCode::UnsupportedVersion, custom));
    assert_eq!(described(&world, &[("group", 2, "")], true).await, unsupported);
    let unexpected = Err((ErrorCode::UnknownServerError, String::new()));
    assert_eq!(described(&world, &[("user", 3, "")], true).await, unexpected);
}
