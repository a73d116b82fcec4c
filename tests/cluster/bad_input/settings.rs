//! Settings that are wrong, or whose neglect would change who may do what: the broker ends with status 1 and names key, value and what
//! is allowed. Settings that are unknown or not acted on: one warning by name.
//! How: a broker is started on each; ZooKeeper is there, so that nothing else can be the reason.
use anyhow::Result;
use std::process::Command;
use tests::broker::Site;
use tests::project;
use tests::zookeeper::Zookeeper;

/// Key, value, and what the message must tell besides the two.
const REFUSED: &[(&str, &str, &[&str])] = &[
    ("num.partitions", "none", &["INT"]),
    ("num.partitions", "0", &["at least 1"]),
    ("log.retention.hours", "99999999999", &["INT"]),
    ("log.segment.bytes", "13", &["at least 14"]),
    ("log.cleanup.policy", "shred", &["compact", "delete"]),
    ("compression.type", "rar", &["zstd", "producer"]),
    ("auto.create.topics.enable", "maybe", &["true", "false"]),
    ("listeners", "127.0.0.1:9092", &["://"]),
    ("advertised.listeners", "PLAINTEXT://0.0.0.0:9092", &["0.0.0.0"]),
    ("broker.id", "1001", &["reserved.broker.max.id"]),
    // What would be neglected.
    ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer", &[]),
    ("listeners", "SASL_PLAINTEXT://127.0.0.1:9092", &["PLAINTEXT"]),
    ("listeners", "SSL://127.0.0.1:9092", &["PLAINTEXT"]),
    ("security.inter.broker.protocol", "SSL", &["PLAINTEXT"]),
    ("zookeeper.set.acl", "true", &[]),
    ("zookeeper.ssl.client.enable", "true", &[]),
    ("remote.log.storage.system.enable", "true", &[]),
    ("zookeeper.metadata.migration.enable", "true", &[]),
    ("create.topic.policy.class.name", "com.example.Policy", &[]),
    ("alter.config.policy.class.name", "com.example.Policy", &[]),
    ("client.quota.callback.class", "com.example.Quotas", &[]),
    ("principal.builder.class", "com.example.Principals", &[]),
    ("inter.broker.protocol.version", "2.7", &["2.8"]),
];

#[test]
fn a_bad_value_ends_the_start_with_key_value_and_what_is_allowed() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut wrong = Vec::new();
    for (key, value, allowed) in REFUSED {
        let (status, log) = Site::new(1, &zookeeper)?.set(key, value).start_in_vain()?;
        let parts = [&[*key, *value], *allowed].concat();
        if status.code() != Some(1) || !parts.iter().all(|part| log.contains(part)) {
            wrong.push(format!("{key}={value} should name {parts:?}: {status}, {log}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn all_bad_values_are_told_at_once() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    site.set("num.partitions", "none").set("log.cleanup.policy", "shred");
    let (status, log) = site.start_in_vain()?;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("num.partitions") && log.contains("log.cleanup.policy"), "{log}");
    Ok(())
}

#[test]
fn a_file_that_is_not_there_ends_the_start() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let site = Site::new(1, &zookeeper)?;
    let missing = site.path("missing.properties");
    let (status, log) = site.end_of(Command::new(project::ottla()?).arg("broker").arg(&missing))?;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("missing.properties"), "{log}");
    Ok(())
}

#[test]
fn unknown_and_unserved_keys_are_warned_about_once() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    site.set("log.retenton.hours", 5)
        .set("num.io.threads", 8)
        .set("metric.reporters", "com.example.Reporter");
    let mut broker = site.start()?;
    let log = broker.log()?;
    for (key, more) in [("log.retenton.hours", "log.retention.hours"), ("metric.reporters", "")] {
        let warnings: Vec<&str> =
            log.lines().filter(|line| line.contains("WARN") && line.contains(key)).collect();
        assert_eq!(warnings.len(), 1, "{key}: {log}");
        assert!(warnings[0].contains(more), "{}", warnings[0]);
    }
    for key in ["log.retenton.hours", "num.io.threads", "metric.reporters"] {
        broker.announce(key);
    }
    Ok(())
}
