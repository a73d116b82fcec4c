//! Records of `__consumer_offsets` as JSON: committed offsets, classic groups, and the groups of KIP-848.
//!
//! A record that cannot be read is named and skipped. Source: DumpLogSegments.OffsetsMessageParser,
//! CoordinatorRecordSerde.

use super::{KeyValue, Shown};
use crate::dump_log::json::Json;
use crate::dump_log::schema::Schema;
use crate::dump_log::schemas::{ASSIGNMENT, GROUP_METADATA, SUBSCRIPTION, of_offsets_record};

/// The protocol type of Kafka's own consumers, whose metadata is known.
const CONSUMER: &str = "consumer";

pub(super) fn decode(record: KeyValue<'_>, offset: i64) -> Result<Shown, String> {
    let Some(key) = record.key else {
        return Err(format!("the record at offset {offset} has no key, which no record of this topic lacks"));
    };
    let skipped =
        |reason| Shown { key: Some(format!("Error at offset {offset}, skipping. {reason}")), payload: None };
    Ok(shown(key, record.value, offset).unwrap_or_else(skipped))
}

fn shown(key: &[u8], value: Option<&[u8]>, offset: i64) -> Result<Shown, String> {
    let (kind, fields) = versioned(key, "key")?;
    let Some((key_schema, value_schema)) = of_offsets_record(kind) else {
        let key = format!("Unknown record type {kind} at offset {offset}, skipping.");
        return Ok(Shown { key: Some(key), payload: None });
    };
    let key = labelled("type", kind, message(key_schema, fields, kind, "key")?);
    let Some(value) = value else {
        return Ok(Shown { key: Some(key), payload: Some("<DELETE>".to_owned()) });
    };
    let (version, fields) = versioned(value, "value")?;
    let mut json = message(value_schema, fields, version, "value")?;
    if kind == GROUP_METADATA {
        unfold_members(&mut json);
    }
    Ok(Shown { key: Some(key), payload: Some(labelled("version", version, json)) })
}

fn versioned<'a>(bytes: &'a [u8], side: &str) -> Result<(i16, &'a [u8]), String> {
    let (version, fields) =
        bytes.split_first_chunk().ok_or_else(|| format!("Could not read version from {side}'s buffer."))?;
    Ok((i16::from_be_bytes(*version), fields))
}

fn message(schema: &Schema, fields: &[u8], version: i16, side: &str) -> Result<Json, String> {
    schema.read(fields, version).map_err(|reason| {
        format!("Could not read record with version {version} from {side}'s buffer due to: {reason}.")
    })
}

fn labelled(label: &'static str, version: i16, data: Json) -> String {
    Json::Object(vec![(label, Json::Text(version.to_string())), ("data", data)]).to_string()
}

/// Shows what members of a consumer group subscribe to and are assigned, where that can be read.
fn unfold_members(group: &mut Json) {
    if group.get("protocolType") != Some(&Json::Text(CONSUMER.to_owned())) {
        return;
    }
    let Some(Json::Array(members)) = group.get_mut("members") else { return };
    for member in members {
        unfold(member, "subscription", &SUBSCRIPTION);
        unfold(member, "assignment", &ASSIGNMENT);
    }
}

fn unfold(member: &mut Json, name: &str, schema: &Schema) {
    let Some(field) = member.get_mut(name) else { return };
    let Json::Bytes(bytes) = &*field else { return };
    let unfolded = versioned(bytes, name).and_then(|(version, fields)| schema.read(fields, version));
    if let Ok(json) = unfolded {
        *field = json;
    }
}
