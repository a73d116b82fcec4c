//! Random records.

use super::Random;
use crate::ids::Millis;
use crate::record::{BatchBuilder, NewRecord};

/// A record to put into batches.
pub(crate) struct Sample {
    pub(crate) timestamp: Millis,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

pub(crate) fn samples(random: &mut Random) -> Vec<Sample> {
    let bytes = |random: &mut Random| {
        let size = [0, 1, 63, 64, 1000, 9000][random.below(6)];
        (!random.one_in(4)).then(|| random.bytes(size))
    };
    let headers = |random: &mut Random| {
        let count = if random.one_in(2) { 0 } else { random.below(4) };
        (0..count).map(|_| (random.text(), bytes(random))).collect()
    };
    (0..1 + random.below(20))
        .map(|_| Sample {
            timestamp: Millis(1_700_000_000_000 + random.below(1 << 20) as i64 - (1 << 19)),
            key: bytes(random),
            value: bytes(random),
            headers: headers(random),
        })
        .collect()
}

pub(crate) fn push(builder: &mut BatchBuilder, sample: &Sample) {
    let headers: Vec<_> =
        sample.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    builder.push(&NewRecord {
        timestamp: sample.timestamp,
        key: sample.key.as_deref(),
        value: sample.value.as_deref(),
        headers: &headers,
    });
}
