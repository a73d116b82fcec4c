//! librdkafka, at its defaults and told not to ask a broker for its versions but to take it for an old one. How: by the crate that the
//! tools use, and by kcat where records are read, since a consumer of the crate's wants a group.
use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
    TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;
use tests::run::{kcat, run as run_program};

const RECORDS: i64 = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// A step, and the first version whose requests it takes.
type Step = (&'static str, &'static [&'static str], fn(&Client) -> Result<()>);

/// Versions for which it must not ask, since brokers that answer such a question have been there since 0.10.
const ALL: &[&str] = &["default", "0.8.0", "0.8.2", "0.9.0", "0.10.0"];
/// An older broker does not say who its controller is.
const WITH_ADMIN: &[&str] = &["default"];

/// A line for each version: its name, then each step with "ok" or "none".
pub(super) fn run(address: &str) -> Result<Vec<String>> {
    ["default", "0.8.0", "0.8.2", "0.9.0", "0.10.0"]
        .into_iter()
        .map(|version| steps(address, version))
        .collect()
}

fn steps(address: &str, version: &str) -> Result<String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    if version != "default" {
        config.set("api.version.request", "false").set("broker.version.fallback", version);
    }
    let client = Client { topic: format!("librdkafka-{version}"), admin: config.create()?, config };
    let mut line = version.to_owned();
    let steps: [Step; 8] = [
        ("create", WITH_ADMIN, Client::create),
        ("produce", ALL, Client::produce),
        ("fetch", ALL, Client::fetch),
        ("list", ALL, Client::list),
        ("alter", WITH_ADMIN, Client::alter),
        ("describe", WITH_ADMIN, Client::describe),
        ("grow", WITH_ADMIN, Client::grow),
        ("delete", WITH_ADMIN, Client::delete),
    ];
    for (name, versions, step) in steps {
        let has = versions.contains(&version);
        if has {
            step(&client).with_context(|| format!("{line} {name}"))?;
        }
        line += &format!(" {name}={}", if has { "ok" } else { "none" });
    }
    Ok(line)
}

struct Client {
    topic: String,
    config: ClientConfig,
    admin: AdminClient<DefaultClientContext>,
}

impl Client {
    fn create(&self) -> Result<()> {
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(1));
        answered(wait(self.admin.create_topics([&topic], &options()))??)
    }

    fn produce(&self) -> Result<()> {
        let producer: BaseProducer = self.config.clone().set("acks", "all").create()?;
        for number in 0..RECORDS {
            let (key, value) = (format!("key-{number}"), format!("value-{number}"));
            let record = BaseRecord::to(&self.topic).partition(0).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(PATIENCE)?;
        Ok(())
    }

    fn fetch(&self) -> Result<()> {
        let mut reader =
            kcat(&["-C", "-t", &self.topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %k %s\n"]);
        for (key, value) in self.config.config_map() {
            reader.arg("-X").arg(format!("{key}={value}"));
        }
        let read = run_program(&mut reader)?.ok()?;
        let expected: Vec<String> =
            (0..RECORDS).map(|number| format!("0 {number} key-{number} value-{number}")).collect();
        assert_eq!(read.lines(), expected);
        Ok(())
    }

    fn list(&self) -> Result<()> {
        let listed = self.admin.inner().fetch_metadata(Some(&self.topic), PATIENCE)?;
        let partitions = listed.topics().first().map(|topic| topic.partitions().len());
        ensure!(partitions == Some(1), "{partitions:?} partitions");
        Ok(())
    }

    fn alter(&self) -> Result<()> {
        let change = AlterConfig::new(ResourceSpecifier::Topic(&self.topic)).set("retention.ms", "1234567");
        for altered in wait(self.admin.alter_configs([&change], &options()))?? {
            altered.map_err(|(_, code)| code)?;
        }
        Ok(())
    }

    fn describe(&self) -> Result<()> {
        let topic = ResourceSpecifier::Topic(&self.topic);
        let described = wait(self.admin.describe_configs([&topic], &options()))??;
        let described = described.into_iter().next().context("nothing described")??;
        let value = described.get("retention.ms").and_then(|entry| entry.value.clone());
        ensure!(value.as_deref() == Some("1234567"), "retention.ms is {value:?}");
        Ok(())
    }

    fn grow(&self) -> Result<()> {
        answered(wait(self.admin.create_partitions([&NewPartitions::new(&self.topic, 2)], &options()))??)
    }

    fn delete(&self) -> Result<()> {
        answered(wait(self.admin.delete_topics(&[&self.topic], &options()))??)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

fn wait<T>(answer: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await })?)
}

fn answered(results: Vec<TopicResult>) -> Result<()> {
    match results.into_iter().find_map(Result::err) {
        Some((topic, code)) => bail!("{topic}: {code}"),
        None => Ok(()),
    }
}
