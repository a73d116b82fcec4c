//! Settings and quotas by kafka-configs.sh, ours and Kafka's own, and what the tools tell of the cluster.
//! How: one tool changes, both show it, and must print the same; then the other changes it back.
use crate::admin_tools::alike;
use crate::scene::Scene;
use anyhow::Result;
use tests::run::{Finished, run, script, tool};

/// Our tool with these arguments.
fn ours(scene: &Scene, name: &str, args: &[&str]) -> Result<Finished> {
    let address = scene.address();
    run(&mut script(&format!("kafka-{name}.sh"), &[&["--bootstrap-server", &address], args].concat()))
}

/// Sets by one tool and removes by the other; what both describe meanwhile is returned.
fn set_and_remove(scene: &Scene, entity: &[&str], (name, value): (&str, &str)) -> Result<String> {
    let added = format!("{name}={value}");
    let add = [&["--alter"], entity, &["--add-config", &added]].concat();
    let delete = [&["--alter"], entity, &["--delete-config", name]].concat();
    let describe = [&["--describe"], entity].concat();
    let changed = ours(scene, "configs", &add)?.ok()?;
    let described = alike(scene, "configs", &describe)?.stdout;
    assert_eq!(scene.admin("configs", &delete)?.stdout, changed.stdout, "{entity:?}");
    let without = alike(scene, "configs", &describe)?.stdout;
    assert!(!without.contains(name), "{without}");
    Ok(described)
}

#[test]
fn settings_of_topics_and_brokers() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("t", 1)?;
    let topic = set_and_remove(&scene, &["--topic", "t"], ("cleanup.policy", "[compact,delete]"))?;
    assert_eq!(
        topic,
        "Dynamic configs for topic t are:\n  cleanup.policy=compact,delete sensitive=false \
         synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}\n"
    );
    let broker = set_and_remove(&scene, &["--broker", "1"], ("log.retention.ms", "7200000"))?;
    assert!(broker.contains("DYNAMIC_BROKER_CONFIG:log.retention.ms=7200000"), "{broker}");
    let all = set_and_remove(&scene, &["--broker-defaults"], ("log.retention.ms", "3600000"))?;
    assert!(
        all.starts_with("Default configs for brokers in the cluster are:\n  log.retention.ms=3600000"),
        "{all}"
    );
    alike(&scene, "configs", &["--describe", "--topic", "t", "--all"])?;

    for (args, error) in [
        (&["--topic", "t", "--add-config", "retention.ms=x"][..], "InvalidConfigurationException"),
        (&["--topic", "none", "--add-config", "retention.ms=1"], "UnknownTopicOrPartitionException"),
        (&["--broker", "1", "--add-config", "num.partitions=3"], "Cannot update these configs dynamically"),
    ] {
        ours(&scene, "configs", &[&["--alter"], args].concat())?.failed()?.says(error)?;
    }
    Ok(())
}

#[test]
fn quotas_of_users_clients_and_addresses() -> Result<()> {
    let scene = Scene::new()?;
    let rate = ("consumer_byte_rate", "1024");
    let of = |described: &str, whom: &str| {
        assert_eq!(described, format!("Quota configs for {whom} are consumer_byte_rate=1024.0\n"));
    };
    of(&set_and_remove(&scene, &["--client", "c 1"], rate)?, "client-id 'c 1'");
    of(
        &set_and_remove(&scene, &["--user", "u", "--client", "c"], rate)?,
        "user-principal 'u', client-id 'c'",
    );
    of(&set_and_remove(&scene, &["--user-defaults"], rate)?, "the default user-principal");
    let both =
        ["--entity-type", "users", "--entity-default", "--entity-type", "clients", "--entity-name", "c"];
    of(&set_and_remove(&scene, &both, rate)?, "the default user-principal, client-id 'c'");
    let ip = set_and_remove(&scene, &["--ip", "10.0.0.1"], ("connection_creation_rate", "10"))?;
    assert_eq!(ip, "Quota configs for ip '10.0.0.1' are connection_creation_rate=10.0\n");

    let many = "producer_byte_rate=1,consumer_byte_rate=2,request_percentage=0.5,controller_mutation_rate=12345678.5";
    for client in ["a", "b", "c", "d", "e", "f"] {
        ours(&scene, "configs", &["--alter", "--client", client, "--add-config", many])?.ok()?;
    }
    let all = alike(&scene, "configs", &["--describe", "--entity-type", "clients"])?;
    assert_eq!(all.lines().len(), 6, "{all}");
    ours(&scene, "configs", &["--alter", "--client", "a", "--add-config", "producer_byte_rate=1.5"])?
        .failed()?
        .says("InvalidRequestException: Configuration producer_byte_rate must be a LONG value")?;
    Ok(())
}

#[test]
fn the_cluster_tells_of_itself() -> Result<()> {
    let scene = Scene::new()?;
    let address = scene.address();
    let theirs = run(&mut tool("api-versions", &["--bootstrap-server", &address]))?.ok()?;
    let versions = ours(&scene, "broker-api-versions", &[])?.ok()?;
    assert_eq!(versions.stdout, theirs.stdout);
    assert!(versions.stdout.contains("\tJoinGroup(11): "), "{versions}");
    let id = run(&mut script("kafka-cluster.sh", &["cluster-id", "--bootstrap-server", &address]))?.ok()?;
    assert_eq!((id.stdout.starts_with("Cluster ID: "), id.stdout.len()), (true, 12 + 22 + 1), "{id}");
    let unregister = ["unregister", "--bootstrap-server", &address, "--id", "1"];
    run(&mut script("kafka-cluster.sh", &unregister))?.ok()?.says("does not support")?;
    Ok(())
}
