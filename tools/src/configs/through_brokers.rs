//! The tool with --bootstrap-server: which requests a command comes to.
//!
//! Resources and quotas have files of their own. Source: ConfigCommand.alterConfig and describeConfig (3.9).

use std::io::Write;
use std::path::Path;

use client::Client;

use super::command::{CLIENTS, Command, IPS, USERS};
use super::trouble::Trouble;
use super::{credentials, pairs, quotas, resources};
use crate::java_properties;

const CLIENT_ID: &str = "adminclient-1";

const DESCRIBE_USER_SCRAM_CREDENTIALS: i16 = 50;
const ALTER_USER_SCRAM_CREDENTIALS: i16 = 51;

/// What a command wants changed.
#[derive(Debug)]
pub(super) struct Changes {
    /// In the order of Java's hash table.
    pub(super) added: Vec<(String, String)>,
    pub(super) deleted: Vec<String>,
}

pub(super) fn client(command: &Command, bootstrap: &str) -> Result<Client, Trouble> {
    let file = command.options.text("command-config")?;
    if let Some(file) = file.filter(|file| !Path::new(file).exists()) {
        return Err(Trouble::thrown("java.nio.file.NoSuchFileException", file));
    }
    let settings = java_properties::admin_settings(file, CLIENT_ID)?;
    let addresses = client::Address::list(bootstrap).map_err(|_| {
        Trouble::thrown("org.apache.kafka.common.KafkaException", "Failed to create new KafkaAdminClient")
    })?;
    Ok(Client::new(addresses, settings))
}

pub(super) async fn run(command: &Command, mut cluster: Client, out: &mut dyn Write) -> Result<(), Trouble> {
    if command.has("describe") {
        return describe(command, &mut cluster, out).await;
    }
    if command.types.len() != command.names.len() {
        return Trouble::told("An entity name must be specified for every entity type");
    }
    let added = pairs::added(&command.options, out)?;
    let changes = Changes { added, deleted: pairs::deleted(&command.options) };
    alter(command, &mut cluster, &changes).await?;
    let kind = command.kind();
    match command.names.first().map_or("", String::as_str) {
        "" => writeln!(out, "Completed updating default config for {kind} in the cluster.")?,
        name => writeln!(out, "Completed updating config for {} {name}.", singular(kind))?,
    }
    Ok(())
}

/// Without its last letter, as Kafka makes it.
pub(super) fn singular(kind: &str) -> &str {
    kind.strip_suffix('s').unwrap_or(kind)
}

async fn alter(command: &Command, cluster: &mut Client, changes: &Changes) -> Result<(), Trouble> {
    match command.kind() {
        USERS | CLIENTS => {
            quotas::check_names(command, changes)?;
            let is_quota = |name: &str| quotas::USERS_AND_CLIENTS.contains(&name);
            let quotas = changes.added.iter().map(|(name, _)| name).chain(&changes.deleted);
            if quotas.into_iter().any(|name| is_quota(name)) {
                return quotas::alter(command, cluster, changes).await;
            }
            credentials::check(&changes.added)?;
            Err(Trouble::not_asked(cluster, ALTER_USER_SCRAM_CREDENTIALS, "ALTER_USER_SCRAM_CREDENTIALS")
                .await)
        }
        IPS => {
            let names = changes.added.iter().map(|(name, _)| name).chain(&changes.deleted);
            let unknown: Vec<&str> = names.map(String::as_str).filter(|name| *name != quotas::IP).collect();
            if !unknown.is_empty() {
                return Trouble::told(format!(
                    "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config \
                     names: {}",
                    unknown.join(",")
                ));
            }
            quotas::alter(command, cluster, changes).await
        }
        _ => resources::alter(command, cluster, changes).await,
    }
}

async fn describe(command: &Command, cluster: &mut Client, out: &mut dyn Write) -> Result<(), Trouble> {
    match command.kind() {
        USERS | CLIENTS | IPS => {
            quotas::describe(command, cluster, out).await?;
            // Credentials are asked for as well, but not of clients or of the default user, who have none.
            match &command.types[..] {
                [users] if users == USERS && !command.names.iter().any(String::is_empty) => {
                    let api = "DESCRIBE_USER_SCRAM_CREDENTIALS";
                    Err(Trouble::not_asked(cluster, DESCRIBE_USER_SCRAM_CREDENTIALS, api).await)
                }
                _ => Ok(()),
            }
        }
        _ => resources::describe(command, cluster, out).await,
    }
}
