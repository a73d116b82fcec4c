//! The tool with --zookeeper, as far as Kafka 3.9 still has it: SCRAM credentials of users, and settings of brokers that do not run.
//!
//! Reads and writes znodes, and tells running brokers of changes. Source: ConfigCommand.alterConfigWithZk, AdminZkClient (3.9).

use std::collections::BTreeMap;
use std::io::Write;

use config::alter::{check_offline, is_password};
use config::layers::Scope;
use zookeeper::paths;
use zookeeper::session::{Session, create_all};
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{ConfigChange, EntityConfig, QuotaName};

use super::command::{BROKERS, CLIENTS, Command, USERS};
use super::credentials::{self, Mechanism};
use super::pairs;
use super::trouble::Trouble;
use crate::java_hash::in_map_order;
use crate::zookeeper_session;

const DEFAULT: &str = "<default>";
const RUNNING: &str = "Broker configuration operations using ZooKeeper are only supported if the affected broker(s) are not running.";

/// Whose settings are meant: one entity, or all of a type. Names are those of znodes.
#[derive(Debug, Clone)]
struct Entity {
    kind: &'static str,
    name: Option<String>,
    /// Client ids of a user: one, or all.
    client: Option<Option<String>>,
}

pub(super) async fn run(command: &Command, connect: &str, out: &mut dyn Write) -> Result<(), Trouble> {
    writeln!(
        out,
        "Warning: --zookeeper is deprecated and will be removed in a future version of Kafka.\n\
         Use --bootstrap-server instead to specify a broker to connect to."
    )?;
    if command.has("zk-tls-config-file") {
        return Trouble::told(
            "--zk-tls-config-file: this version of the tools speaks to ZooKeeper without TLS only",
        );
    }
    let store = zookeeper_session::open(connect).await?;
    let done = match command.has("alter") {
        true => alter(command, &store, out).await,
        false => describe(command, &store, out).await,
    };
    zookeeper_session::close(&store).await;
    done
}

async fn alter(command: &Command, store: &Session, out: &mut dyn Write) -> Result<(), Trouble> {
    let mut added = pairs::added(&command.options, out)?;
    let deleted = pairs::deleted(&command.options);
    let entity = Entity::read(command)?;
    let pairs: Vec<String> = added.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let wanted = format!(
        "--bootstrap-server option must be specified to update {} configs: {{add: {{{}}}, delete: {}}}",
        entity.kind,
        pairs.join(", "),
        scala_list(&deleted, command.has("delete-config")),
    );
    match entity.kind {
        USERS => {
            let mut names = added.iter().map(|(name, _)| name).chain(&deleted);
            if !names.all(|name| Mechanism::of(name).is_some()) {
                return Trouble::told(format!(
                    "requirement failed: {wanted}. User configuration updates using ZooKeeper are only supported for SCRAM \
                     credential updates."
                ));
            }
            credentials::make(&mut added)?;
        }
        _ => {
            entity.require_stopped(store, &wanted).await?;
            check_broker(&entity, &added)?;
        }
    }
    let mut map = read(store, &entity.path()).await?;
    let absent: Vec<&str> =
        deleted.iter().filter(|name| !map.contains_key(*name)).map(String::as_str).collect();
    if !absent.is_empty() {
        return Trouble::told(format!("Invalid config(s): {}", absent.join(",")));
    }
    map.extend(added);
    map.retain(|name, _| !deleted.contains(name));
    let credentials: Vec<&str> =
        map.keys().map(String::as_str).filter(|name| Mechanism::of(name).is_some()).collect();
    if entity.is_default_or_client() && !credentials.is_empty() {
        let names = credentials.join(", ");
        return Trouble::told(format!(
            "requirement failed: Unknown Dynamic Configuration: HashSet({names})."
        ));
    }
    write(store, &entity, map).await?;
    Ok(writeln!(out, "Completed updating config for entity: {}.", entity.words())?)
}

/// `ArrayBuffer` of what was given, and a list of nothing.
fn scala_list(names: &[String], given: bool) -> String {
    format!("{}({})", if given { "ArrayBuffer" } else { "List" }, names.join(", "))
}

fn check_broker(entity: &Entity, added: &[(String, String)]) -> Result<(), Trouble> {
    let is_secret = |name: &str| is_password(name) || name.starts_with("password.encoder.");
    if let Some((name, _)) = added.iter().find(|(name, _)| is_secret(name)) {
        return Trouble::told(format!(
            "{name}: this version of the tools does not encrypt passwords for ZooKeeper"
        ));
    }
    let scope = if entity.name.as_deref() == Some(DEFAULT) { Scope::Cluster } else { Scope::Broker };
    check_offline(scope, &added.iter().cloned().collect()).map_err(|refusal| {
        Trouble::thrown("org.apache.kafka.common.config.ConfigException", &refusal.to_string())
    })
}

async fn describe(command: &Command, store: &Session, out: &mut dyn Write) -> Result<(), Trouble> {
    let entity = Entity::read(command)?;
    if entity.kind == BROKERS {
        let wanted = "--bootstrap-server option must be specified to describe brokers";
        entity.require_stopped(store, wanted).await?;
    }
    let all_users = entity.kind == USERS && entity.name.is_none() && entity.client.is_none();
    for entity in entity.expanded(store).await? {
        let map = read(store, &entity.path()).await?;
        // Of all users those are left out that have but client ids.
        if map.is_empty() && all_users {
            continue;
        }
        let pairs = in_map_order(map.into_iter().collect(), 16, |(name, _): &(String, String)| name);
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(out, "Configs for {} are {}", entity.words(), pairs.join(","))?;
    }
    Ok(())
}

impl Entity {
    fn read(command: &Command) -> Result<Entity, Trouble> {
        let (types, names) = (&command.types, &command.names);
        let of_users = command.kind() == USERS || command.kind() == CLIENTS;
        if of_users && command.has("alter") && types.len() != names.len() {
            return Trouble::told(
                "--entity-name or --entity-default must be specified with each --entity-type for --alter",
            );
        }
        let sanitised = |name: &String| match name.as_str() {
            "" => DEFAULT.to_owned(),
            name if of_users => QuotaName::Named(name.to_owned()).sanitised(),
            name => name.to_owned(),
        };
        let mut names: Vec<String> = names.iter().map(sanitised).collect();
        if types.len() == 2 && command.kind() == CLIENTS && names.len() == 2 {
            names.reverse();
        }
        let mut names = names.into_iter();
        let name = names.next();
        Ok(match of_users {
            true => Entity { kind: USERS, name, client: (types.len() == 2).then(|| names.next()) },
            false => Entity { kind: BROKERS, name, client: None },
        })
    }

    fn is_default_or_client(&self) -> bool {
        self.client.is_some() || self.name.as_deref() == Some(DEFAULT)
    }

    fn announcement(&self) -> ConfigChange {
        let name = self.name.as_deref().unwrap_or_default();
        let entity = match &self.client {
            Some(client) => format!("{name}/{CLIENTS}/{}", client.as_deref().unwrap_or_default()),
            None => name.to_owned(),
        };
        ConfigChange { entity_type: self.kind.to_owned(), entity }
    }

    fn path(&self) -> String {
        paths::config(self.kind, &self.announcement().entity)
    }

    /// All that are meant, in ZooKeeper's order.
    async fn expanded(self, store: &Session) -> Result<Vec<Entity>, Trouble> {
        let names = match &self.name {
            Some(name) => vec![name.clone()],
            None => children(store, &paths::config_type(self.kind)).await?,
        };
        let mut entities = Vec::new();
        for name in names {
            let entity = Entity { name: Some(name.clone()), ..self.clone() };
            if self.client == Some(None) {
                let clients = format!("{}/{CLIENTS}", paths::config(self.kind, &name));
                let clients = children(store, &clients).await?;
                entities.extend(
                    clients.into_iter().map(|client| Entity { client: Some(Some(client)), ..entity.clone() }),
                );
            } else {
                entities.push(entity);
            }
        }
        Ok(entities)
    }

    async fn require_stopped(&self, store: &Session, wanted: &str) -> Result<(), Trouble> {
        let running = children(store, paths::BROKER_IDS).await?;
        match self.name.as_deref() {
            Some(DEFAULT) if !running.is_empty() => Trouble::told(format!(
                "requirement failed: {wanted} - {} brokers are running. {RUNNING}",
                running.len()
            )),
            Some(id) if running.iter().any(|running| running == id) => {
                Trouble::told(format!("requirement failed: {wanted} - broker {id} is running. {RUNNING}"))
            }
            // Kafka asks which broker the empty name is.
            None => Trouble::told(
                "Error parsing broker . The broker's Entity Name must be a single integer value",
            ),
            Some(_) => Ok(()),
        }
    }

    fn words(&self) -> String {
        let one = |word: &str, kind: &str, name: Option<&str>| match name {
            None => kind.to_owned(),
            Some(DEFAULT) => format!("default {word}"),
            Some(name) => match QuotaName::of(name) {
                Ok(QuotaName::Named(name)) => format!("{word} '{name}'"),
                _ => format!("{word} '{name}'"),
            },
        };
        let word = if self.kind == USERS { "user-principal" } else { BROKERS };
        let words = one(word, self.kind, self.name.as_deref());
        match &self.client {
            Some(client) => format!("{words}, {}", one("client-id", CLIENTS, client.as_deref())),
            None => words,
        }
    }
}

/// Nothing where there is no node.
async fn read(store: &Session, path: &str) -> Result<BTreeMap<String, String>, Trouble> {
    match store.get(path, Watch::None).await {
        Ok(node) => match EntityConfig::decode(path, &node.data) {
            Ok(config) => Ok(config.0),
            Err(error) => Trouble::told(error.to_string()),
        },
        Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

async fn children(store: &Session, path: &str) -> Result<Vec<String>, Trouble> {
    match store.children(path, Watch::None).await {
        Ok((names, _)) => Ok(names),
        Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The node of a user who has nothing any more is removed, unless it has children.
async fn write(store: &Session, entity: &Entity, map: BTreeMap<String, String>) -> Result<(), Trouble> {
    let path = entity.path();
    let is_bare = entity.kind == USERS && map.is_empty() && children(store, &path).await?.is_empty();
    if is_bare {
        match store.delete(&path, Expected::Any).await {
            Err(error) if error.refusal() == Some(Refusal::NoNode) => {}
            deleted => deleted?,
        }
    } else {
        put(store, &path, EntityConfig(map)).await?;
    }
    create_all(store, paths::CONFIG_CHANGES).await?;
    let notice = Some(entity.announcement().encode());
    store.create(&paths::config_change_prefix(), notice, CreateMode::PersistentSequential).await?;
    Ok(())
}

async fn put(store: &Session, path: &str, content: EntityConfig) -> Result<(), StoreError> {
    let data = content.encode();
    match store.set(path, data.clone(), Expected::Any).await {
        Err(error) if error.refusal() == Some(Refusal::NoNode) => {}
        written => return written.map(drop),
    }
    if let Some((parent, _)) = path.rsplit_once('/') {
        create_all(store, parent).await?;
    }
    store.create(path, Some(data), CreateMode::Persistent).await.map(drop)
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Thrown(error.to_string())
    }
}
