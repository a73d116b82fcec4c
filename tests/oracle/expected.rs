//! What a client must see of a partition, from what an independent decoder read in its files (`tests/storage/fixtures/golden`).
//! How: offsets, times, keys, values and headers as they stand there; read_committed leaves out what was aborted, and all from the first
//! open transaction on.
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// A record as the decoder writes it: bytes as text, long ones as their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
}

/// The records of a partition by isolation level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) uncommitted: Vec<Record>,
    pub(crate) committed: Vec<Record>,
}

/// What is to be seen of the partition that `golden` describes, from `log_start` on.
pub(crate) fn of(golden: &Value, log_start: i64) -> Result<Seen> {
    let files = golden.as_object().context("no files")?;
    let logs: BTreeMap<&String, &Value> = files.iter().filter(|(name, _)| name.ends_with(".log")).collect();
    let batches: Vec<&Value> = logs.values().filter_map(|log| log["batches"].as_array()).flatten().collect();
    let (aborted, stable_end) = outcomes(&batches);
    let mut seen = Seen::default();
    for (at, batch) in batches.iter().enumerate() {
        if batch["isControl"] == true {
            continue;
        }
        for record in batch["records"].as_array().context("no records")? {
            let record = read(record)?;
            if record.offset < log_start {
                continue;
            }
            if !aborted.contains(&at) && record.offset < stable_end {
                seen.committed.push(record.clone());
            }
            seen.uncommitted.push(record);
        }
    }
    Ok(seen)
}

/// The places of aborted batches, and the offset of the first one whose transaction is open.
fn outcomes(batches: &[&Value]) -> (Vec<usize>, i64) {
    let mut open: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut aborted = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        let producer = batch["producerId"].as_i64().unwrap_or(-1);
        if batch["isControl"] == true {
            let ended = open.remove(&producer).unwrap_or_default();
            if batch["records"][0]["control"]["type"] == 0 {
                aborted.extend(ended);
            }
        } else if batch["isTransactional"] == true && batch["count"] != 0 {
            open.entry(producer).or_default().push(at);
        }
    }
    let first = open.values().filter_map(|places| batches[*places.first()?]["baseOffset"].as_i64()).min();
    (aborted, first.unwrap_or(i64::MAX))
}

fn read(record: &Value) -> Result<Record> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let headers = record["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Record {
        offset: record["offset"].as_i64().context("no offset")?,
        timestamp: record["timestamp"].as_i64().context("no timestamp")?,
        key: text(&record["key"]),
        value: text(&record["value"]),
        headers: headers.iter().map(|one| (text(&one[0]).unwrap_or_default(), text(&one[1]))).collect(),
    })
}
