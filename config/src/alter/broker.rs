//! What the map of a broker, or of all brokers, may become while they run. First what Kafka says of names and single
//! values, then whether the settings make sense together, then what a running broker can do (`live`).
//! Source: `ConfigAdminManager`, `ZkAdminManager.alterBrokerConfigs`, `DynamicBrokerConfig.validate` (3.9).

use super::{Change, Op, Refusal, apply, live, replacement};
use crate::broker::table;
use crate::dynamic;
use crate::layers::{ConfigMap, Layers, Scope};

const NOT_DYNAMIC: &str = "Cannot update these configs dynamically";
const NEEDS_LISTENER: &str =
    "These security configs can be dynamically updated only per-listener using the listener prefix";
const PER_BROKER: &str = "Cannot update these configs at default cluster level, broker id must be specified";

/// The settings of a running broker, against which a change is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// What the broker goes by.
    pub in_force: Layers,
    /// As ZooKeeper has them: the same, unless those make no sense together.
    pub stored: Layers,
}

impl BrokerSettings {
    /// IncrementalAlterConfigs: the map to write over `stored`, without what could not be used of that.
    pub fn changed(
        &self,
        scope: Scope,
        stored: &ConfigMap,
        changes: &[Change],
    ) -> Result<ConfigMap, Refusal> {
        if let Some(code) = changes.iter().find_map(|change| unknown(change.op)) {
            return Err(Refusal::InvalidRequest(format!("Unknown operations type {code}")));
        }
        let (usable, _) = dynamic::usable(scope, stored);
        let wanted = apply(usable, changes, table::setting)?;
        self.check(scope, &wanted)?;
        Ok(wanted)
    }

    /// AlterConfigs: the map to write in place of what is stored.
    pub fn replaced(&self, scope: Scope, entries: &[(String, Option<String>)]) -> Result<ConfigMap, Refusal> {
        let wanted = replacement(entries);
        self.check(scope, &wanted)?;
        Ok(wanted)
    }

    /// Whether a map may be written, or why not. Kafka finds this out last, and not where a request only validates.
    pub fn check_passwords(
        &self,
        scope: Scope,
        stored: &ConfigMap,
        wanted: &ConfigMap,
    ) -> Result<(), &'static str> {
        let is_new =
            |(name, text): (&String, &String)| dynamic::is_password(name) && stored.get(name) != Some(text);
        let has_secret = self.in_force.fixed.contains_key("password.encoder.secret");
        match scope {
            _ if !wanted.iter().any(is_new) => Ok(()),
            Scope::Cluster => Err("Password config can be defined only at broker level"),
            Scope::Broker if has_secret => Err("passwords cannot be stored encrypted yet"),
            Scope::Broker => Err("Password encoder secret not configured"),
        }
    }

    fn check(&self, scope: Scope, wanted: &ConfigMap) -> Result<(), Refusal> {
        check_offline(scope, wanted)?;
        let mut next = self.stored.clone();
        next.replace(scope, wanted);
        live::check(&self.in_force, &next)
    }
}

/// Names and single values alone, which is all that can be judged where no broker runs (`DynamicBrokerConfig.validateConfigs`).
pub fn check_offline(scope: Scope, wanted: &ConfigMap) -> Result<(), Refusal> {
    none_is(wanted, NOT_DYNAMIC, dynamic::read_only)?;
    none_is(wanted, NEEDS_LISTENER, dynamic::needs_listener)?;
    for (name, text) in wanted {
        dynamic::check(name, text).map_err(|error| Refusal::InvalidRequest(error.wire_message()))?;
    }
    match scope {
        Scope::Cluster => none_is(wanted, PER_BROKER, dynamic::per_broker),
        Scope::Broker => Ok(()),
    }
}

fn unknown(op: Op) -> Option<i8> {
    match op {
        Op::Unknown(code) => Some(code),
        Op::Set | Op::Delete | Op::Append | Op::Subtract => None,
    }
}

fn none_is(wanted: &ConfigMap, problem: &str, is: fn(&str) -> bool) -> Result<(), Refusal> {
    let found: Vec<&str> = wanted.keys().map(String::as_str).filter(|name| is(name)).collect();
    if found.is_empty() {
        return Ok(());
    }
    // As Scala prints a set.
    let set = if found.len() > 4 || problem == NEEDS_LISTENER { "HashSet" } else { "Set" };
    Err(Refusal::InvalidRequest(format!("{problem}: {set}({})", found.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::Properties;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The broker that answered what is in `facts/`.
    fn settings() -> BrokerSettings {
        let file = b"broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:21301\nzookeeper.connect=localhost\n";
        let layers = Layers::new(&Properties::parse(file).unwrap());
        BrokerSettings { in_force: layers.clone(), stored: layers }
    }

    /// `SET name value | DELETE name -`
    fn changes(text: &str) -> Vec<Change> {
        let change = |text: &str| {
            let mut words = text.trim().splitn(3, ' ');
            let op = match words.next().unwrap() {
                "SET" => Op::Set,
                "DELETE" => Op::Delete,
                "APPEND" => Op::Append,
                "SUBTRACT" => Op::Subtract,
                word => panic!("{word}?"),
            };
            let name = words.next().unwrap().to_owned();
            Change { name, op, value: Some(words.next().unwrap_or_default().to_owned()) }
        };
        text.split('|').map(change).collect()
    }

    fn answer(scope: Scope, ops: &str) -> (i16, String) {
        match settings().changed(scope, &ConfigMap::new(), &changes(ops)) {
            Ok(_) => (0, String::new()),
            Err(Refusal::InvalidRequest(text)) => (42, text),
            Err(Refusal::InvalidConfig(text)) => (40, text),
            Err(Refusal::Unexpected(_)) => (-1, String::new()),
        }
    }

    #[test]
    fn answers_as_kafka_did() {
        let facts = include_str!("facts/brokers.tsv").lines().filter(|line| !line.starts_with('#'));
        let mut differing = Vec::new();
        for fact in facts {
            let mut parts = fact.split('\t');
            let mut next = || parts.next().unwrap();
            let (scope, ops, code, text) = (next(), next(), next().parse().unwrap(), next());
            let found = answer(if scope == "broker" { Scope::Broker } else { Scope::Cluster }, ops);
            if found != (code, text.to_owned()) {
                differing
                    .push(format!("{scope} {ops}\n  Kafka: {code} {text}\n  ours:  {} {}", found.0, found.1));
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }

    #[test]
    fn only_plaintext_listeners_are_opened() {
        let (code, text) = answer(
            Scope::Broker,
            "SET listeners PLAINTEXT://127.0.0.1:21301,S://:2 | SET listener.security.protocol.map PLAINTEXT:PLAINTEXT,S:SSL",
        );
        assert_eq!(code, 42);
        assert!(text.ends_with("only PLAINTEXT is served yet, and listener S speaks SSL"), "{text}");
    }

    #[test]
    fn what_could_not_be_used_is_not_written_again() {
        let stored = map(&[("num.partitions", "3"), ("log.segment.bytes", "x"), ("some.plugin", "x")]);
        let wanted = settings().changed(Scope::Cluster, &stored, &changes("SET min.insync.replicas 2"));
        assert_eq!(wanted, Ok(map(&[("min.insync.replicas", "2"), ("some.plugin", "x")])));
        let replaced = [("log.segment.bytes".to_owned(), Some("2000".to_owned()))];
        let wanted = settings().replaced(Scope::Cluster, &replaced);
        assert_eq!(wanted, Ok(map(&[("log.segment.bytes", "2000")])));
    }

    #[test]
    fn a_pool_grows_from_what_is_in_force() {
        let mut settings = settings();
        for layers in [&mut settings.in_force, &mut settings.stored] {
            layers.replace(Scope::Cluster, &map(&[("num.io.threads", "16")]));
        }
        let wanted = |scope, ops| settings.changed(scope, &map(&[("num.io.threads", "16")]), &changes(ops));
        assert!(wanted(Scope::Cluster, "SET num.io.threads 32").is_ok());
        assert!(wanted(Scope::Cluster, "SET num.io.threads 33").is_err());
        assert!(wanted(Scope::Cluster, "DELETE num.io.threads").is_ok());
    }

    #[test]
    fn passwords_need_a_secret() {
        let key = "listener.name.a.ssl.key.password";
        let check = |settings: &BrokerSettings, scope, text| {
            settings.check_passwords(scope, &map(&[(key, "x")]), &map(&[(key, text), ("log.roll.ms", "7")]))
        };
        let mut settings = settings();
        assert_eq!(check(&settings, Scope::Broker, "x"), Ok(()), "it is as it was");
        assert_eq!(check(&settings, Scope::Broker, "y"), Err("Password encoder secret not configured"));
        let cluster = "Password config can be defined only at broker level";
        assert_eq!(check(&settings, Scope::Cluster, "y"), Err(cluster));
        settings.in_force.fixed.insert("password.encoder.secret".to_owned(), "geheim".to_owned());
        assert_eq!(check(&settings, Scope::Broker, "y"), Err("passwords cannot be stored encrypted yet"));
    }
}
