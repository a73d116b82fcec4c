//! Records as cases write them and as answers are shown: a row of batches `{BaseOffset:3,Records:["value",["key","value"]]}`, and of
//! messages of formats v0 and v1 `{Magic:1,Offset:3,Value:"value"}`. What is not said is as usual and not shown; every field can be
//! said, wrongly too (`Crc`, `Length`, `Count`, `Payload` in place of the records). Codecs are those of `protocol`, all else is our own.
use crate::tree::Tree;
use anyhow::{Context, Result, bail};
use protocol::batch::Codec;
use protocol::legacy::Checksum;
use protocol::record::{compress, decompress};

/// The time of records that say nothing: long before any test runs.
const USUAL_TIME: i64 = 1_600_000_000_000;
/// Bytes before the part that a batch's checksum covers, and before its records.
const CHECKED: usize = 21;
const HEADER: usize = 61;
const INFLATED_MAX: usize = 1 << 24;

/// The bytes of a row of batches.
pub(crate) fn encode(batches: &[Tree]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend(match (batch, said(batch, "Magic", 2)) {
            (Tree::Bytes(raw), _) => raw.clone(),
            (_, 0 | 1) => message(batch)?,
            _ => newest(batch)?,
        });
    }
    Ok(bytes)
}

fn said(batch: &Tree, name: &str, usual: i64) -> i64 {
    batch.field(name).and_then(Tree::int).unwrap_or(usual)
}

fn newest(batch: &Tree) -> Result<Vec<u8>> {
    let attributes = said(batch, "Attributes", 0);
    let records: &[Tree] = if let Some(Tree::List(records)) = batch.field("Records") { records } else { &[] };
    let payload = match batch.field("Payload") {
        Some(Tree::Bytes(payload)) => payload.clone(),
        _ => {
            let mut plain = Vec::new();
            for (at, of) in records.iter().enumerate() {
                record(&mut plain, at as i64, of)?;
            }
            compress(codec(attributes), &plain)?.into_owned()
        }
    };
    let count = said(batch, "Count", records.len() as i64);
    let base_time = said(batch, "BaseTimestamp", USUAL_TIME);
    let mut rest = Vec::new();
    rest.extend((attributes as i16).to_be_bytes());
    rest.extend((said(batch, "LastOffsetDelta", count - 1) as i32).to_be_bytes());
    rest.extend(base_time.to_be_bytes());
    rest.extend(said(batch, "MaxTimestamp", base_time).to_be_bytes());
    rest.extend(said(batch, "ProducerId", -1).to_be_bytes());
    rest.extend((said(batch, "ProducerEpoch", -1) as i16).to_be_bytes());
    rest.extend((said(batch, "BaseSequence", -1) as i32).to_be_bytes());
    rest.extend((count as i32).to_be_bytes());
    rest.extend(payload);
    let length = said(batch, "Length", (rest.len() + CHECKED - 12) as i64);
    let crc = said(batch, "Crc", crc32c::crc32c(&rest).into());
    let mut bytes = said(batch, "BaseOffset", 0).to_be_bytes().to_vec();
    bytes.extend((length as i32).to_be_bytes());
    bytes.extend((said(batch, "LeaderEpoch", -1) as i32).to_be_bytes());
    bytes.push(said(batch, "Magic", 2) as u8);
    bytes.extend((crc as u32).to_be_bytes());
    bytes.extend(rest);
    Ok(bytes)
}

fn record(out: &mut Vec<u8>, at: i64, record: &Tree) -> Result<()> {
    let nothing = Tree::Null;
    let (key, value) = match record {
        Tree::List(pair) => (pair.first().context("no key")?, pair.get(1).context("no value")?),
        Tree::Fields(_) => {
            (record.field("Key").unwrap_or(&nothing), record.field("Value").unwrap_or(&nothing))
        }
        value => (&nothing, value),
    };
    let mut body = vec![said(record, "Attributes", 0) as u8];
    varint(&mut body, said(record, "Time", 0));
    varint(&mut body, said(record, "Offset", at));
    sized(&mut body, key)?;
    sized(&mut body, value)?;
    let headers: &[Tree] =
        if let Some(Tree::List(headers)) = record.field("Headers") { headers } else { &[] };
    varint(&mut body, said(record, "HeaderCount", headers.len() as i64));
    for header in headers {
        let Tree::List(pair) = header else { bail!("{header} is no header") };
        pair.iter().try_for_each(|part| sized(&mut body, part))?;
    }
    varint(out, said(record, "Length", body.len() as i64));
    out.extend(body);
    Ok(())
}

fn sized(out: &mut Vec<u8>, tree: &Tree) -> Result<()> {
    let Some(bytes) = bytes_of(tree)? else {
        varint(out, -1);
        return Ok(());
    };
    varint(out, bytes.len() as i64);
    out.extend(bytes);
    Ok(())
}

fn bytes_of(tree: &Tree) -> Result<Option<&[u8]>> {
    Ok(match tree {
        Tree::Null => None,
        Tree::Text(text) => Some(text.as_bytes()),
        Tree::Bytes(bytes) => Some(bytes),
        other => bail!("{other} is neither text nor bytes"),
    })
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A message of an old format; one with `Inner` messages is a compressed wrapper.
fn message(of: &Tree) -> Result<Vec<u8>> {
    let (magic, attributes) = (said(of, "Magic", 1), said(of, "Attributes", 0));
    let mut checked = vec![magic as u8, attributes as u8];
    if magic > 0 {
        checked.extend(said(of, "Time", USUAL_TIME).to_be_bytes());
    }
    let value = match of.field("Inner") {
        Some(Tree::List(inner)) => Tree::Bytes(compress(codec(attributes), &encode(inner)?)?.into_owned()),
        _ => of.field("Value").cloned().unwrap_or(Tree::Null),
    };
    for part in [of.field("Key").unwrap_or(&Tree::Null), &value] {
        let bytes = bytes_of(part)?;
        checked.extend(bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        checked.extend(bytes.unwrap_or_default());
    }
    let mut bytes = said(of, "Offset", 0).to_be_bytes().to_vec();
    bytes.extend((said(of, "Length", checked.len() as i64 + 4) as i32).to_be_bytes());
    bytes.extend((said(of, "Crc", checksum(&checked).into()) as u32).to_be_bytes());
    bytes.extend(checked);
    Ok(bytes)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut checksum = Checksum::default();
    checksum.add(bytes);
    checksum.value()
}

fn codec(attributes: i64) -> Codec {
    Codec::ALL.get(attributes as usize & 7).copied().unwrap_or(Codec::None)
}

/// What a records field holds, with every checksum verified. A batch that is not there in full is told by its size.
pub(crate) fn show(mut bytes: &[u8]) -> Result<Tree> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let length = bytes.get(8..12).map(|length| i32::from_be_bytes(length.try_into().unwrap_or_default()));
        let size = length.and_then(|length| usize::try_from(length).ok()).map(|length| length + 12);
        let Some((batch, rest)) = size.and_then(|size| bytes.split_at_checked(size)) else {
            batches.push(Tree::Fields(vec![("CutTo".to_owned(), Tree::Int(bytes.len() as i64))]));
            break;
        };
        batches.push(if batch.get(16) == Some(&2) { show_newest(batch) } else { show_message(batch) }?);
        bytes = rest;
    }
    Ok(Tree::List(batches))
}

fn show_newest(batch: &[u8]) -> Result<Tree> {
    let mut reader = Reader { rest: batch };
    let base_offset = reader.int(8)?;
    let (_length, epoch, _magic, crc) = (reader.int(4)?, reader.int(4)?, reader.int(1)?, reader.int(4)?);
    anyhow::ensure!(crc as u32 == crc32c::crc32c(&batch[CHECKED..]), "the checksum of a batch is wrong");
    let attributes = reader.int(2)?;
    let (last_delta, base_time, max_time) = (reader.int(4)?, reader.int(8)?, reader.int(8)?);
    let (producer, producer_epoch, sequence) = (reader.int(8)?, reader.int(2)?, reader.int(4)?);
    let count = reader.int(4)?;
    let plain = decompress(codec(attributes), &batch[HEADER..], INFLATED_MAX)?;
    let mut records = Reader { rest: &plain };
    let shown = (0..count).map(|at| show_record(&mut records, at)).collect::<Result<Vec<_>>>()?;
    anyhow::ensure!(records.rest.is_empty(), "bytes behind the last record");
    let mut fields = vec![("BaseOffset".to_owned(), Tree::Int(base_offset))];
    let others = [
        ("LeaderEpoch", epoch, -1),
        ("Attributes", attributes, 0),
        ("LastOffsetDelta", last_delta, count - 1),
        ("BaseTimestamp", base_time, USUAL_TIME),
        ("MaxTimestamp", max_time, base_time),
        ("ProducerId", producer, -1),
        ("ProducerEpoch", producer_epoch, -1),
        ("BaseSequence", sequence, -1),
    ];
    fields.extend(unusual(&others));
    fields.push(("Records".to_owned(), Tree::List(shown)));
    Ok(Tree::Fields(fields))
}

fn unusual(fields: &[(&str, i64, i64)]) -> Vec<(String, Tree)> {
    let odd = fields.iter().filter(|(_, value, usual)| value != usual);
    odd.map(|(name, value, _)| ((*name).to_owned(), Tree::Int(*value))).collect()
}

fn show_record(reader: &mut Reader<'_>, at: i64) -> Result<Tree> {
    let length = reader.varint()?;
    let mut body = Reader { rest: reader.take(usize::try_from(length)?)? };
    let (attributes, time, offset) = (body.int(1)?, body.varint()?, body.varint()?);
    let (key, value) = (body.sized()?, body.sized()?);
    let headers = (0..body.varint()?)
        .map(|_| Ok(Tree::List(vec![body.sized()?, body.sized()?])))
        .collect::<Result<Vec<_>>>()?;
    anyhow::ensure!(body.rest.is_empty(), "a record is longer than it is");
    let mut fields = unusual(&[("Attributes", attributes, 0), ("Time", time, 0), ("Offset", offset, at)]);
    if fields.is_empty() && headers.is_empty() {
        return Ok(if key == Tree::Null { value } else { Tree::List(vec![key, value]) });
    }
    fields.extend([("Key".to_owned(), key), ("Value".to_owned(), value)]);
    if !headers.is_empty() {
        fields.push(("Headers".to_owned(), Tree::List(headers)));
    }
    Ok(Tree::Fields(fields))
}

fn show_message(bytes: &[u8]) -> Result<Tree> {
    let mut reader = Reader { rest: bytes };
    let (offset, _length, crc) = (reader.int(8)?, reader.int(4)?, reader.int(4)?);
    anyhow::ensure!(crc as u32 == checksum(reader.rest), "the checksum of a message is wrong");
    let (magic, attributes) = (reader.int(1)?, reader.int(1)?);
    let time = if magic > 0 { reader.int(8)? } else { USUAL_TIME };
    let mut part = || -> Result<Option<Vec<u8>>> {
        let Ok(length) = usize::try_from(reader.int(4)?) else { return Ok(None) };
        Ok(Some(reader.take(length)?.to_vec()))
    };
    let (key, value) = (part()?, part()?);
    let mut fields = vec![("Magic".to_owned(), Tree::Int(magic)), ("Offset".to_owned(), Tree::Int(offset))];
    fields.extend(unusual(&[("Attributes", attributes, 0), ("Time", time, USUAL_TIME)]));
    if let Some(key) = key {
        fields.push(("Key".to_owned(), text_or_bytes(&key)));
    }
    fields.push(match (codec(attributes), value) {
        (_, None) => ("Value".to_owned(), Tree::Null),
        (Codec::None, Some(value)) => ("Value".to_owned(), text_or_bytes(&value)),
        (codec, Some(value)) => ("Inner".to_owned(), show(&decompress(codec, &value, INFLATED_MAX)?)?),
    });
    Ok(Tree::Fields(fields))
}

fn text_or_bytes(bytes: &[u8]) -> Tree {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => Tree::Text(text.to_owned()),
        Ok(_) | Err(_) => Tree::Bytes(bytes.to_vec()),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).context("records are cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A signed number of so many bytes.
    fn int(&mut self, width: usize) -> Result<i64> {
        let bytes = self.take(width)?;
        let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        Ok(bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte)))
    }

    fn varint(&mut self) -> Result<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        bail!("a number that does not end")
    }

    fn sized(&mut self) -> Result<Tree> {
        let Ok(length) = usize::try_from(self.varint()?) else { return Ok(Tree::Null) };
        Ok(text_or_bytes(self.take(length)?))
    }
}

#[test]
fn what_is_sent_is_shown() {
    for text in [
        r#"[{BaseOffset:3,Attributes:1,Records:["a",["k",null],{Time:5,Key:null,Value:"v",Headers:[["h",x"00"]]}]}]"#,
        r#"[{Magic:1,Offset:4,Key:"k",Value:"v"},{Magic:0,Offset:5,Value:null}]"#,
        r#"[{Magic:1,Offset:1,Attributes:1,Inner:[{Magic:1,Offset:0,Value:"v"},{Magic:1,Offset:1,Value:"w"}]}]"#,
        r#"[{BaseOffset:0,BaseTimestamp:5,ProducerId:7,ProducerEpoch:0,BaseSequence:2,Records:["a"]}]"#,
    ] {
        let Tree::List(batches) = Tree::parse(text).unwrap() else { unreachable!() };
        let bytes = encode(&batches).unwrap();
        assert_eq!(show(&bytes).unwrap().to_string(), text);
        assert!(show(&bytes[..bytes.len() - 1]).unwrap().to_string().contains("CutTo"));
    }
    let wrong = Tree::parse(r#"{Crc:1,Records:["a"]}"#).unwrap();
    assert!(show(&encode(&[wrong]).unwrap()).is_err());
}
