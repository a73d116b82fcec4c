//! Kafka's own Java tools against the broker: those of 3.9 over the wire, those of 2.8 with `--zookeeper` through znodes.
//! How: the tools run as processes; their output is compared with what they print on a real Kafka.
use crate::scene::{SOON, Scene};
use anyhow::{Context, Result};
use tests::condition::until_ok;
use tests::run::{Finished, run, run_with, tool, tool28};

#[test]
fn topics_are_created_described_enlarged_and_deleted() -> Result<()> {
    let scene = Scene::new()?;
    let create = ["--create", "--topic", "xiaoyou", "--partitions", "1", "--config", "retention.ms=100000"];
    assert_eq!(scene.topics(&create)?.stdout, "Created topic xiaoyou.\n");
    assert_eq!(scene.topics(&["--list"])?.stdout, "xiaoyou\n");
    check_description(&scene, 1, "retention.ms=100000")?;

    scene.topics(&["--alter", "--topic", "xiaoyou", "--partitions", "3"])?;
    check_description(&scene, 3, "retention.ms=100000")?;

    scene.topics(&["--delete", "--topic", "xiaoyou"])?;
    until_ok("the topic is gone", SOON, || {
        let left = scene.topics(&["--list"])?.stdout;
        anyhow::ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })
}

fn check_description(scene: &Scene, partitions: usize, configs: &str) -> Result<()> {
    let described = scene.topics(&["--describe", "--topic", "xiaoyou"])?;
    let lines = described.lines();
    let (head, id) = lines[0].split_once("TopicId: ").context("no topic id")?;
    let (id, rest) = id.split_once('\t').context("nothing after the topic id")?;
    assert_eq!((head, id.len()), ("Topic: xiaoyou\t", 22), "{described}");
    assert_eq!(rest, format!("PartitionCount: {partitions}\tReplicationFactor: 1\tConfigs: {configs}"));
    for (number, line) in lines[1..].iter().enumerate() {
        let replicas = "Leader: 1\tReplicas: 1\tIsr: 1\tElr: N/A\tLastKnownElr: N/A";
        assert_eq!(*line, format!("\tTopic: xiaoyou\tPartition: {number}\t{replicas}"));
    }
    assert_eq!(lines.len(), partitions + 1, "{described}");
    Ok(())
}

#[test]
fn a_topic_is_refused_with_kafkas_error() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("twice", 1)?;
    let address = scene.address();
    let refused = |args: &[&str], error: &str| -> Result<()> {
        let args = [&["--bootstrap-server", &address, "--create"], args].concat();
        run(&mut tool("topics", &args))?.failed()?.says(error).map(drop)
    };
    refused(&["--topic", "twice"], "TopicExistsException")?;
    refused(&["--topic", "one", "--replication-factor", "2"], "InvalidReplicationFactorException")?;
    let entity = ["--bootstrap-server", &address, "--entity-type", "topics", "--entity-name", "twice"];
    let bad = [&entity[..], &["--alter", "--add-config", "segment.bytes=one"]].concat();
    run(&mut tool("configs", &bad))?.failed()?.says("InvalidConfigurationException")?;
    assert_eq!(scene.topics(&["--list"])?.stdout, "twice\n");
    Ok(())
}

#[test]
fn the_console_producer_writes_what_get_offsets_counts() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("console", 1)?;
    let address = scene.address();
    let args = ["--bootstrap-server", &address, "--topic", "console"];
    let keyed = [&args[..], &["--property", "parse.key=true", "--property", "key.separator=:"]].concat();
    run_with(&mut tool("console-producer", &keyed), b"a:one\nb:two\nc:three\n")?.ok()?;
    assert_eq!(scene.read_all("console")?, ["0 0 a one", "0 1 b two", "0 2 c three"]);

    assert_eq!(scene.admin("get-offsets", &["--topic", "console"])?.stdout, "console:0:3\n");
    assert_eq!(scene.admin("get-offsets", &["--topic", "console", "--time", "-2"])?.stdout, "console:0:0\n");
    Ok(())
}

#[test]
fn producer_perf_sends_all_it_should() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("perf", 2)?;
    for (acks, records) in [("all", 100_000), ("1", 50_000), ("0", 50_000)] {
        let sent = producer_perf(&scene, acks, records)?;
        assert!(sent.stdout.contains(&format!("{records} records sent, ")), "{sent}");
    }
    // Nobody acknowledges the last of acks=0: the end of the log tells when they are there.
    until_ok("all records are counted", SOON, || {
        let offsets = scene.admin("get-offsets", &["--topic", "perf"])?;
        let ends =
            offsets.lines().into_iter().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok());
        let total: u64 = ends.sum();
        anyhow::ensure!(total == 200_000, "{total}");
        Ok(())
    })
}

fn producer_perf(scene: &Scene, acks: &str, records: u32) -> Result<Finished> {
    let (server, acks, records) =
        (format!("bootstrap.servers={}", scene.address()), format!("acks={acks}"), records.to_string());
    let size = ["--topic", "perf", "--num-records", &records, "--record-size", "100", "--throughput", "-1"];
    let properties = ["--producer-props", &server, &acks, "linger.ms=5"];
    run(&mut tool("producer-perf", &[&size[..], &properties].concat()))?.ok()
}

#[test]
fn every_codec_of_the_java_producer_is_kept_and_served() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("codecs", 1)?;
    let address = scene.address();
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        let args = ["--bootstrap-server", &address, "--topic", "codecs", "--compression-codec", codec];
        run_with(&mut tool("console-producer", &args), format!("{codec}\n").repeat(20).as_bytes())?.ok()?;
    }
    let read = scene.read_all("codecs")?;
    let expected = codecs.iter().flat_map(|codec| vec![*codec; 20]).enumerate();
    let expected: Vec<String> = expected.map(|(offset, codec)| format!("0 {offset}  {codec}")).collect();
    assert_eq!(read, expected);
    Ok(())
}

#[test]
fn topic_configs_are_set_described_and_removed() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("set", 1)?;
    let of_topic = ["--entity-type", "topics", "--entity-name", "set"];
    let configs = |args: &[&str]| scene.configs(&[&of_topic, args].concat());

    let set = configs(&["--alter", "--add-config", "retention.ms=200000,segment.bytes=1048576"])?;
    assert_eq!(set.stdout, "Completed updating config for topic set.\n");
    assert_eq!(
        configs(&["--describe"])?.lines(),
        [
            "Dynamic configs for topic set are:",
            "  retention.ms=200000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=200000}",
            "  segment.bytes=1048576 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:segment.bytes=1048576, \
             DEFAULT_CONFIG:log.segment.bytes=1073741824}",
        ]
    );
    configs(&["--alter", "--delete-config", "retention.ms,segment.bytes"])?;
    assert_eq!(configs(&["--describe"])?.stdout, "Dynamic configs for topic set are:\n");
    Ok(())
}

#[test]
fn all_configs_of_a_topic_and_of_the_broker_are_described() -> Result<()> {
    let scene = Scene::with(&[("log.retention.hours", "12")])?;
    scene.create_topic("described", 1)?;
    let topic =
        scene.configs(&["--entity-type", "topics", "--entity-name", "described", "--describe", "--all"])?;
    assert!(topic.stdout.starts_with("All configs for topic described are:\n"), "{topic}");
    let cleanup =
        "  cleanup.policy=delete sensitive=false synonyms={DEFAULT_CONFIG:log.cleanup.policy=delete}";
    assert!(topic.lines().contains(&cleanup), "{topic}");

    let broker = scene.configs(&["--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"])?;
    let hours = "  log.retention.hours=12 sensitive=false synonyms={STATIC_BROKER_CONFIG:log.retention.hours=12, \
                 DEFAULT_CONFIG:log.retention.hours=168}";
    assert!(broker.lines().contains(&hours), "{broker}");
    Ok(())
}

#[test]
fn the_tools_of_kafka_2_8_work_through_zookeeper() -> Result<()> {
    let scene = Scene::new()?;
    let address = scene.zookeeper.address();
    let topics =
        |args: &[&str]| run(&mut tool28("topics", &[&["--zookeeper", &address], args].concat()))?.ok();

    let sized = [
        "--topic",
        "old",
        "--partitions",
        "2",
        "--replication-factor",
        "1",
        "--config",
        "retention.ms=100000",
    ];
    assert_eq!(topics(&[&["--create"][..], &sized].concat())?.stdout, "Created topic old.\n");
    scene.await_topic("old", 2)?;
    scene.kcat(&["-P", "-t", "old", "-p", "1"], "kept\n")?;
    let described = topics(&["--describe", "--topic", "old"])?;
    assert!(
        described.lines()[0]
            .ends_with("\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: retention.ms=100000")
    );
    assert_eq!(described.lines()[2], "\tTopic: old\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1");

    topics(&["--alter", "--topic", "old", "--partitions", "3"])?.says("Adding partitions succeeded!")?;
    scene.await_topic("old", 3)?;
    scene.kcat(&["-P", "-t", "old", "-p", "2"], "new\n")?;
    let mut read = scene.read_all("old")?;
    read.sort();
    assert_eq!(read, ["1 0  kept", "2 0  new"]);

    topics(&["--alter", "--topic", "old", "--config", "retention.ms=5000"])?
        .says("Updated config for topic old.")?;
    until_ok("the broker knows the new config", SOON, || {
        scene.topics(&["--describe", "--topic", "old"])?.says("Configs: retention.ms=5000")
    })?;

    topics(&["--delete", "--topic", "old"])?.says("Topic old is marked for deletion.")?;
    until_ok("the topic is gone", SOON, || {
        let left = topics(&["--list"])?.stdout;
        anyhow::ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })
}
