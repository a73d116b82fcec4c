//! What a scenario is played on: a broker, ours or Kafka's, in a corner of a ZooKeeper that all of them share.
//! Each scenario finds it without topics and without dynamic settings, and must leave no setting behind.
use crate::exchange::Exchange;
use crate::message::Api;
use crate::tree::Tree as Message;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::broker::{Broker, Kind, Site};
use tests::condition::until_ok;
use tests::wire::Served;
use tests::znode::Tree;
use tests::znode::dump::Names;
use tests::zookeeper::Zookeeper;

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Entities whose dynamic settings a scenario may change.
const ENTITIES: [&str; 4] = ["brokers", "clients", "ips", "users"];

/// What the harness gives a Kafka that is alone, and ours shows in its settings too.
const FOR_ONE_BROKER: [(&str, i32); 4] = [
    ("offsets.topic.replication.factor", 1),
    ("transaction.state.log.replication.factor", 1),
    ("transaction.state.log.min.isr", 1),
    ("group.initial.rebalance.delay.ms", 0),
];

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    zookeeper: String,
    /// Where the broker keeps its files.
    pub(crate) folder: String,
    /// The path in ZooKeeper below which everything is.
    pub(crate) corner: String,
    /// What is different on every stage.
    pub(crate) names: Names,
    deletes_topics: bool,
}

impl Stage {
    /// Starts a broker with these settings besides the usual ones.
    pub(crate) fn start(
        kind: Kind,
        zookeeper: &Zookeeper,
        apis: &BTreeMap<String, Api>,
        settings: &[(String, String)],
    ) -> Result<Stage> {
        let mut site = Site::new(1, zookeeper)?;
        site.kind = kind;
        let corner = format!("/{kind:?}-{}", site.port()).to_lowercase();
        site.set("zookeeper.connect", zookeeper.address() + &corner);
        for (key, value) in FOR_ONE_BROKER {
            site.set(key, value);
        }
        // Nobody is killed here, and the machine may be busy.
        site.set("zookeeper.session.timeout.ms", 60_000);
        // Records of cases have the time of cases.
        site.set("log.retention.ms", -1);
        let folder = site.path("").display().to_string().trim_end_matches('/').to_owned();
        for (key, value) in settings {
            site.set(key, value.replace("$dir", &folder));
        }
        let mut broker = site.start()?;
        // Cases are full of what a broker may well warn about.
        broker.announce(" WARN ");
        // Some name a directory that cannot be.
        broker.announce("ERROR broker::broker::logs: log directory is offline");
        let cluster = zookeeper.tree()?.text(&format!("{corner}/cluster/id"))?;
        let cluster: serde_json::Value = serde_json::from_str(&cluster)?;
        let mut names = Names::default();
        names.name(&broker.site.port().to_string(), "<port>").name(&folder, "<dir>").name(&corner, "");
        names
            .name(&zookeeper.address(), "<zookeeper>")
            .name(cluster["id"].as_str().context("a cluster without id")?, "<cluster>");
        let deletes_topics = !settings.contains(&("delete.topic.enable".to_owned(), "false".to_owned()));
        // The first block of producer ids comes when the first is asked for.
        until_ok("there are producer ids", SOON, || {
            let mut exchange = Exchange { wire: &mut broker.connect()?, api: &apis["InitProducerId"] };
            let answer =
                exchange.plain(0, &Message::parse("{TransactionalId:null,TransactionTimeoutMs:1}")?)?;
            anyhow::ensure!(answer.at("ErrorCode") == Some(&Message::Int(0)), "{answer}");
            Ok(())
        })?;
        Ok(Stage { broker, zookeeper: zookeeper.address(), folder, corner, names, deletes_topics })
    }

    /// A look at what is in ZooKeeper.
    pub(crate) fn znodes(&self) -> Result<Tree> {
        Tree::connect(&self.zookeeper)
    }

    pub(crate) fn served(&self) -> Result<Vec<Served>> {
        self.broker.connect()?.served()
    }

    /// The names and ids of all topics there are.
    pub(crate) fn topics(&self) -> Result<Vec<(String, String)>> {
        let folder = format!("{}/brokers/topics", self.corner);
        let (mut znodes, mut topics) = (self.znodes()?, Vec::new());
        for name in znodes.children(&folder)? {
            // It may be deleted meanwhile.
            let Some((Some(contents), _)) = znodes.get(&format!("{folder}/{name}"))? else { continue };
            let contents: serde_json::Value = serde_json::from_slice(&contents)?;
            topics.push((name, contents["topic_id"].as_str().unwrap_or_default().to_owned()));
        }
        Ok(topics)
    }

    /// Makes a topic and waits until its partitions are led.
    pub(crate) fn make_topic(
        &self,
        apis: &BTreeMap<String, Api>,
        name: &str,
        partitions: i64,
        configs: &[(String, String)],
    ) -> Result<()> {
        let configs: String =
            configs.iter().map(|(key, value)| format!("{{Name:\"{key}\",Value:\"{value}\"}}")).collect();
        let request = format!(
            "{{Topics:[{{Name:\"{name}\",NumPartitions:{partitions},ReplicationFactor:1,Configs:[{configs}]}}],timeoutMs:30000}}"
        );
        let mut exchange = Exchange { wire: &mut self.broker.connect()?, api: &apis["CreateTopics"] };
        let request = Message::parse(&request)?;
        // One of this name may still be on its way out.
        until_ok("the topic is made", SOON, || {
            let answer = exchange.plain(4, &request)?;
            anyhow::ensure!(
                answer.at("Topics.ErrorCode") == Some(&Message::Int(0)),
                "topic {name}: {answer}"
            );
            Ok(())
        })?;
        let request = Message::parse(&format!("{{Topics:[{{Name:\"{name}\"}}]}}"))?;
        let mut exchange = Exchange { wire: &mut self.broker.connect()?, api: &apis["Metadata"] };
        until_ok("the topic's partitions are led", SOON, || {
            let answer = exchange.plain(1, &request)?.to_string();
            let led = answer.matches("LeaderId:1").count();
            anyhow::ensure!(led as i64 == partitions, "{answer}");
            Ok(())
        })
    }

    /// Makes it as it was at the start.
    pub(crate) fn clean(&self, apis: &BTreeMap<String, Api>) -> Result<()> {
        let mut znodes = self.znodes()?;
        for entities in ENTITIES.map(|kind| format!("{}/config/{kind}", self.corner)) {
            for child in znodes.children(&entities)? {
                let path = format!("{entities}/{child}");
                let contents = znodes.text(&path)?;
                anyhow::ensure!(contents.contains("\"config\":{}"), "{child} keeps {contents}");
                znodes.delete(&path)?;
            }
        }
        if self.deletes_topics { self.delete_topics(apis) } else { Ok(()) }
    }

    fn delete_topics(&self, apis: &BTreeMap<String, Api>) -> Result<()> {
        let mut wire = self.broker.connect()?;
        until_ok("there is no topic any more", SOON, || {
            let topics = self.topics()?;
            if !topics.is_empty() {
                let names: Vec<String> = topics.iter().map(|(name, _)| format!("{name:?}")).collect();
                let request = format!("{{TopicNames:[{}],TimeoutMs:5000}}", names.join(","));
                let mut exchange = Exchange { wire: &mut wire, api: &apis["DeleteTopics"] };
                exchange.plain(1, &Message::parse(&request)?)?;
            }
            anyhow::ensure!(self.topics()?.is_empty(), "{topics:?} are still there");
            let deleting = self.znodes()?.children(&format!("{}/admin/delete_topics", self.corner))?;
            anyhow::ensure!(deleting.is_empty(), "{deleting:?} are being deleted");
            let mut exchange = Exchange { wire: &mut wire, api: &apis["Metadata"] };
            let answer = exchange.plain(1, &Message::parse("{Topics:null}")?)?;
            anyhow::ensure!(answer.at("Topics") == Some(&Message::List(Vec::new())), "{answer}");
            Ok(())
        })
    }
}
