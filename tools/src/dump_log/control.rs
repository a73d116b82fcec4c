//! What a control record says, as it is printed behind its metadata.
//!
//! Source: DumpLogSegments.dumpLog, ControlRecordType, EndTransactionMarker, ControlRecordUtils of Kafka 3.9.

use super::decoder::KeyValue;
use super::schemas::of_kraft_control;
use super::segment::Fault;

/// The text behind the metadata of a control record, with a space before it.
pub(super) fn describe(record: KeyValue<'_>) -> Result<String, Fault> {
    let (version, kind) = (number(record.key, 0)?, number(record.key, 2)?);
    if version < 0 {
        return Err(format!("a control record has version {version}"));
    }
    match kind {
        0 => marker("ABORT", record.value),
        1 => marker("COMMIT", record.value),
        2 => Ok(format!(" controlType: LEADER_CHANGE({kind})")),
        _ => match of_kraft_control(kind) {
            Some((name, schema)) => {
                let json = schema.read(record.value.unwrap_or_default(), 0);
                json.map(|json| format!(" {name} {json}"))
                    .map_err(|reason| format!("a {name} cannot be read: {reason}"))
            }
            None => Ok(format!(" controlType: UNKNOWN({kind})")),
        },
    }
}

fn number(key: Option<&[u8]>, at: usize) -> Result<i16, Fault> {
    let field = key.and_then(|key| key.get(at..)?.first_chunk());
    field
        .map(|field| i16::from_be_bytes(*field))
        .ok_or_else(|| "a control record without version or type".to_owned())
}

fn marker(name: &str, value: Option<&[u8]>) -> Result<String, Fault> {
    let value = value.unwrap_or_default();
    let (Some(version), Some(epoch)) = (value.first_chunk(), value.get(2..).and_then(<[u8]>::first_chunk))
    else {
        return Err("a transaction marker without the coordinator's epoch".to_owned());
    };
    match i16::from_be_bytes(*version) {
        version if version < 0 => Err(format!("a transaction marker has version {version}")),
        _ => Ok(format!(" endTxnMarker: {name} coordinatorEpoch: {}", i32::from_be_bytes(*epoch))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(key: &[u8], value: &[u8]) -> String {
        describe(KeyValue { key: Some(key), value: Some(value) }).unwrap_or_else(|fault| fault)
    }

    /// As DumpLogSegments 3.9.1 prints such records.
    #[test]
    fn control_records_read_as_kafkas_tool_shows_them() {
        assert_eq!(
            described(&[0, 0, 0, 1], &[0, 0, 0, 0, 0, 9]),
            " endTxnMarker: COMMIT coordinatorEpoch: 9"
        );
        assert_eq!(
            described(&[0, 5, 0, 0], &[0, 3, 0, 0, 0, 9, 1]),
            " endTxnMarker: ABORT coordinatorEpoch: 9"
        );
        assert_eq!(described(&[0, 0, 0, 2], &[]), " controlType: LEADER_CHANGE(2)");
        assert_eq!(described(&[0, 0, 0, 9], &[]), " controlType: UNKNOWN(9)");
        assert_eq!(
            described(&[0, 0, 0, 3], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0]),
            r#" SnapshotHeader {"version":0,"lastContainedLogTimestamp":7}"#
        );
    }

    #[test]
    fn what_is_cut_short_is_said() {
        assert_eq!(described(&[0, 0, 0], &[]), "a control record without version or type");
        assert_eq!(described(&[0xff, 0xff, 0, 0], &[]), "a control record has version -1");
        assert_eq!(described(&[0; 4], &[0; 5]), "a transaction marker without the coordinator's epoch");
        assert_eq!(described(&[0, 0, 0, 4], &[0]), "a SnapshotFooter cannot be read: null");
    }
}
