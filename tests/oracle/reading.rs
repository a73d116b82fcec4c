//! Reads whole brokers with Kafka's Java consumer, and partitions with kcat.
//! How: `Read.java` prints bytes as text, which is compared with what is expected; from the same bytes follows what kcat must print.
use crate::expected::{Record, Seen};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use tests::run::{java, kcat, run};

/// Bytes as Read.java prints them: hexadecimal, `#` and the hash behind long ones, `-` for none.
type Text = String;

/// A record as the Java consumer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    offset: i64,
    timestamp: i64,
    key: Text,
    value: Text,
    headers: Vec<(Text, Text)>,
}

/// All lines of a partition by isolation level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) uncommitted: Vec<Line>,
    pub(crate) committed: Vec<Line>,
}

/// What the brokers at some addresses serve to a Java consumer: by address and `topic-partition`. Empty partitions are left out.
pub(crate) fn by_java(addresses: &[&str]) -> Result<BTreeMap<(String, String), Read>> {
    let done = run(&mut java("tests/oracle/Read.java", addresses))?.ok()?;
    let mut read: BTreeMap<(String, String), Read> = BTreeMap::new();
    for line in done.stdout.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [address, isolation, topic, partition, rest @ ..] = &fields[..] else {
            anyhow::bail!("an odd line: {line}")
        };
        let of = read.entry((address.to_string(), format!("{topic}-{partition}"))).or_default();
        let lines = if *isolation == "read_committed" { &mut of.committed } else { &mut of.uncommitted };
        lines.push(Line::parse(rest).with_context(|| format!("an odd line: {line}"))?);
    }
    Ok(read)
}

/// What kcat prints of a partition, record for record.
pub(crate) fn by_kcat(address: &str, partition: &str, isolation: &str) -> Result<Vec<u8>> {
    let (topic, number) = partition.rsplit_once('-').context("not a partition")?;
    let isolation = format!("isolation.level={isolation}");
    let format = "%o\t%T\t%K\t%k\t%S\t%s\t%h\n";
    let from = ["-b", address, "-C", "-t", topic, "-p", number, "-o", "beginning", "-e", "-q"];
    let how = ["-X", &isolation, "-X", "check.crcs=true", "-f", format];
    Ok(run(&mut kcat(&[&from[..], &how].concat()))?.ok()?.raw)
}

/// What kcat must print where the Java consumer saw these.
pub(crate) fn as_kcat_prints(lines: &[Line]) -> Result<Vec<u8>> {
    let mut printed = Vec::new();
    for line in lines {
        let (key, value) = (bytes(&line.key)?, bytes(&line.value)?);
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        let (key_length, value_length) = (length(&key), length(&value));
        // A message of format v0 has no time, which Java shows as -1.
        let timestamp = line.timestamp.max(0);
        printed.extend(format!("{}\t{timestamp}\t{key_length}\t", line.offset).into_bytes());
        printed.extend(key.unwrap_or_default());
        printed.extend(format!("\t{value_length}\t").into_bytes());
        printed.extend(value.unwrap_or_default());
        printed.push(b'\t');
        for (at, (name, value)) in line.headers.iter().enumerate() {
            printed.extend(if at > 0 { &b","[..] } else { b"" });
            printed.extend(bytes(name)?.unwrap_or_default());
            printed.push(b'=');
            let value = bytes(value)?.unwrap_or(b"NULL".to_vec());
            // kcat shows the value of a header up to its first zero byte.
            printed.extend(value.into_iter().take_while(|byte| *byte != 0));
        }
        printed.push(b'\n');
    }
    Ok(printed)
}

impl Read {
    /// As the decoder of the fixtures would have it.
    pub(crate) fn seen(&self) -> Result<Seen> {
        let records = |lines: &[Line]| lines.iter().map(Line::record).collect::<Result<Vec<_>>>();
        Ok(Seen { uncommitted: records(&self.uncommitted)?, committed: records(&self.committed)? })
    }
}

impl Line {
    fn parse(fields: &[&str]) -> Result<Line> {
        let [offset, timestamp, key, value, headers] = fields else { anyhow::bail!("not five fields") };
        let pairs = headers.split(',').filter_map(|pair| pair.split_once('='));
        Ok(Line {
            offset: offset.parse()?,
            timestamp: timestamp.parse()?,
            key: key.to_string(),
            value: value.to_string(),
            headers: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }

    fn record(&self) -> Result<Record> {
        let header = |(name, value): &(Text, Text)| {
            let name = String::from_utf8(bytes(name)?.unwrap_or_default())?;
            anyhow::Ok((name, as_golden(value)))
        };
        Ok(Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: as_golden(&self.key),
            value: as_golden(&self.value),
            headers: self.headers.iter().map(header).collect::<Result<_>>()?,
        })
    }
}

fn as_golden(text: &str) -> Option<String> {
    match text.split_once('#') {
        Some((bytes, hash)) => Some(format!("sha256:{hash}:{}", bytes.len() / 2)),
        None => (text != "-").then(|| text.to_owned()),
    }
}

fn bytes(text: &str) -> Result<Option<Vec<u8>>> {
    let digits = text.split('#').next().unwrap_or_default();
    if digits == "-" {
        return Ok(None);
    }
    let byte = |at| Ok(u8::from_str_radix(digits.get(at..at + 2).context("half a byte")?, 16)?);
    (0..digits.len()).step_by(2).map(byte).collect::<Result<_>>().map(Some)
}

#[test]
fn a_line_is_told_in_every_form() {
    let line = Line::parse(&["7", "-1", "6b", "-", "61=-,62=310032"]).unwrap();
    assert_eq!(as_kcat_prints(std::slice::from_ref(&line)).unwrap(), b"7\t0\t1\tk\t-1\t\ta=NULL,b=1\n");
    let headers = vec![("a".to_owned(), None), ("b".to_owned(), Some("310032".to_owned()))];
    let record = Record { offset: 7, timestamp: -1, key: Some("6b".into()), value: None, headers };
    assert_eq!(line.record().unwrap(), record);
    assert_eq!(as_golden("6162#ff").unwrap(), "sha256:ff:2");
}
