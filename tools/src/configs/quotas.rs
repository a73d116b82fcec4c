//! Quotas of users, client ids, both together, and addresses: asked for, changed, printed.
//!
//! Order and numbers are as Java's hash tables and its `Double.toString` give them. Source: ConfigCommand (3.9).

use std::io::Write;

use client::{Client, DescribedQuotas, QuotaEntity, QuotaMatch};
use config::define::Value;

use super::command::{CLIENTS, Command, USERS};
use super::through_brokers::Changes;
use super::trouble::Trouble;
use crate::java_hash::{in_hash_order, in_map_order, of_text};

pub(super) const USERS_AND_CLIENTS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
pub(super) const IP: &str = "connection_creation_rate";

const SCRAM_MECHANISMS: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Types in the order in which they are printed, and their words.
const WORDS: [(&str, &str); 3] = [("user", "user-principal"), ("client-id", "client-id"), ("ip", "ip")];

/// Whether what is to be changed for users and clients is of one kind that they have.
pub(super) fn check_names(command: &Command, changes: &Changes) -> Result<(), Trouble> {
    let is_scram = |name: &&str| SCRAM_MECHANISMS.contains(name);
    let is_quota = |name: &&str| USERS_AND_CLIENTS.contains(name);
    let added: Vec<&str> = changes.added.iter().map(|(name, _)| name.as_str()).collect();
    let deleted: Vec<&str> = changes.deleted.iter().map(String::as_str).collect();
    let of_client = command.kind() == CLIENTS || command.types.len() == 2;
    // What is unknown stands before credentials.
    let unexpected = |names: &[&str]| -> Vec<String> {
        let unknown = names.iter().copied().filter(|name| !is_scram(name) && !is_quota(name));
        let credentials = names.iter().copied().filter(|name| of_client && is_scram(name));
        unknown.chain(credentials).map(str::to_owned).collect()
    };
    let (what, kind) = match of_client {
        true => ("quota", CLIENTS),
        false => ("quota and SCRAM credential", USERS),
    };
    for (verb, names, set) in
        [("added", &added, set_name(unexpected(&added).len())), ("deleted", &deleted, "ArrayBuffer")]
    {
        let unexpected = unexpected(names);
        if !unexpected.is_empty() {
            return Trouble::told(format!(
                "Only {what} configs can be {verb} for '{kind}' using --bootstrap-server. Unexpected config names: {set}({})",
                unexpected.join(", ")
            ));
        }
    }
    let all = || added.iter().chain(&deleted);
    if !all().any(is_scram) {
        return Ok(());
    }
    if command.names.iter().any(String::is_empty) {
        return Trouble::told(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
             --bootstrap-server.",
        );
    }
    match all().any(is_quota) {
        true => Trouble::told(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        ),
        false => Ok(()),
    }
}

/// How Scala prints a set.
fn set_name(count: usize) -> &'static str {
    if count > 4 { "HashSet" } else { "Set" }
}

pub(super) async fn alter(command: &Command, cluster: &mut Client, changes: &Changes) -> Result<(), Trouble> {
    let present = described(command, cluster).await?;
    let present = present.first().map(|found| found.quotas.as_slice()).unwrap_or_default();
    let absent: Vec<&str> = changes
        .deleted
        .iter()
        .map(String::as_str)
        .filter(|deleted| !present.iter().any(|(name, _)| name == deleted))
        .collect();
    if !absent.is_empty() {
        return Trouble::told(format!("Invalid config(s): {}", absent.join(",")));
    }
    let mut wanted = Vec::new();
    for (name, text) in &changes.added {
        let Ok(value) = text.parse() else {
            return Trouble::told(format!("Cannot parse quota configuration value for {name}: {text}"));
        };
        wanted.push((name.clone(), Some(value)));
    }
    wanted.extend(changes.deleted.iter().map(|name| (name.clone(), None)));
    let names = command.names.iter().map(|name| Some(name.clone()).filter(|name| !name.is_empty()));
    let entity: QuotaEntity =
        command.types.iter().map(|kind| wire_type(kind).to_owned()).zip(names).collect();
    Ok(cluster.alter_client_quotas(&entity, &wanted).await??)
}

pub(super) async fn describe(
    command: &Command,
    cluster: &mut Client,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    if command.names.len() > command.types.len() {
        return Trouble::told("More entity names specified than entity types");
    }
    let found = described(command, cluster).await?;
    let capacity = found.len();
    for DescribedQuotas { entity, quotas } in in_hash_order(found, capacity, |found| hash(&found.entity)) {
        let words = WORDS.iter().filter_map(|(kind, word)| {
            Some(match entity.get(*kind)? {
                Some(name) => format!("{word} '{name}'"),
                None => format!("the default {word}"),
            })
        });
        let words: Vec<String> = words.collect();
        let count = quotas.len();
        let quotas = in_map_order(quotas, count, |(name, _)| name);
        let quotas: Vec<String> =
            quotas.iter().map(|(name, value)| format!("{name}={}", Value::Double(*value).text())).collect();
        writeln!(out, "Quota configs for {} are {}", words.join(", "), quotas.join(", "))?;
    }
    Ok(())
}

async fn described(command: &Command, cluster: &mut Client) -> Result<Vec<DescribedQuotas>, Trouble> {
    let wanted = command.types.iter().enumerate().map(|(at, kind)| {
        let wanted = match command.names.get(at).map(String::as_str) {
            Some("") => QuotaMatch::Default,
            Some(name) => QuotaMatch::Name(name.to_owned()),
            None => QuotaMatch::Any,
        };
        (wire_type(kind).to_owned(), wanted)
    });
    Ok(cluster.describe_client_quotas(&wanted.collect::<Vec<_>>()).await??)
}

fn wire_type(kind: &str) -> &'static str {
    match kind {
        USERS => "user",
        CLIENTS => "client-id",
        _ => "ip",
    }
}

/// `ClientQuotaEntity.hashCode`.
fn hash(entity: &QuotaEntity) -> u32 {
    entity.iter().fold(31, |sum: u32, (kind, name)| {
        sum.wrapping_add(of_text(kind) ^ name.as_deref().map_or(0, of_text))
    })
}
