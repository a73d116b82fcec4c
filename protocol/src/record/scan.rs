//! One fast walk over all records of a produced batch: lengths, count, timestamps. The hottest loop of Produce.
//!
//! Allocates nothing and keeps nothing of a record but sums. Source: LogValidator's walk in Kafka 3.9.

use super::varint::Reader;
use super::{RecordError, RecordFault, read};
use crate::ids::Millis;

/// What the leader of a partition has to know about the records of a batch before it appends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Lowest and highest timestamp of the records, by their own deltas.
    pub min_timestamp: Millis,
    pub max_timestamp: Millis,
    /// Whether a record has no key, which a compacted topic refuses.
    pub null_key: bool,
    /// Whether the offset deltas are 0, 1, 2 and so on.
    pub consecutive: bool,
}

/// Walks all records of an uncompressed batch, checking every length and the count. Which records break a rule of the
/// topic is for a second walk, in the rare case that the answer shows there are such.
///
/// `count` is positive, as `batch::check_produced` has made sure; of no records there is no lowest and highest timestamp.
pub fn scan(records: &[u8], base_timestamp: Millis, count: i32) -> Result<Scan, RecordError> {
    let mut sums = Sums::default();
    walk(records, count, |record, seen| sums.add(record, seen))?;
    Ok(sums.scan(base_timestamp))
}

/// Shows every record, by its index, to `see`.
#[inline(always)]
pub(crate) fn walk(
    records: &[u8],
    count: i32,
    mut see: impl FnMut(i32, &Glimpse),
) -> Result<(), RecordError> {
    let mut rest = records;
    for record in 0..count {
        let seen = Glimpse::at(rest).map_err(|fault| RecordError { record, fault })?;
        let fault = RecordFault::CutShort;
        rest = rest.get(seen.size..).ok_or(RecordError { record, fault })?;
        see(record, &seen);
    }
    if !rest.is_empty() {
        let fault = RecordFault::Leftover(rest.len());
        return Err(RecordError { record: count.saturating_sub(1), fault });
    }
    Ok(())
}

/// What is kept of the records that were seen.
pub(super) struct Sums {
    min_delta: i64,
    max_delta: i64,
    null_key: bool,
    consecutive: bool,
}

impl Default for Sums {
    fn default() -> Sums {
        Sums { min_delta: i64::MAX, max_delta: i64::MIN, null_key: false, consecutive: true }
    }
}

impl Sums {
    #[inline(always)]
    pub(super) fn add(&mut self, index: i32, seen: &Glimpse) {
        self.min_delta = self.min_delta.min(seen.timestamp_delta);
        self.max_delta = self.max_delta.max(seen.timestamp_delta);
        self.null_key |= seen.key_size < 0;
        self.consecutive &= seen.offset_delta == index;
    }

    pub(super) fn scan(&self, base_timestamp: Millis) -> Scan {
        Scan {
            min_timestamp: base_timestamp + self.min_delta,
            max_timestamp: base_timestamp + self.max_delta,
            null_key: self.null_key,
            consecutive: self.consecutive,
        }
    }
}

/// What the rules of a topic need of a record.
#[derive(Debug)]
pub(crate) struct Glimpse {
    pub(super) size: usize,
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    /// Negative for null.
    pub(crate) key_size: i32,
    pub(crate) value_size: i32,
}

impl Glimpse {
    /// The record at the front.
    #[inline(always)]
    pub(super) fn at(rest: &[u8]) -> Result<Glimpse, RecordFault> {
        match glimpse(rest) {
            Some(seen) => Ok(seen),
            None => Glimpse::of(&Reader { rest }),
        }
    }

    /// The full reading, for whatever the short one leaves aside.
    #[inline(never)]
    fn of(reader: &Reader<'_>) -> Result<Glimpse, RecordFault> {
        let mut after = *reader;
        let record = read(&mut after)?;
        let size = |part: Option<&[u8]>| part.map_or(-1, |bytes| bytes.len() as i32);
        Ok(Glimpse {
            size: reader.rest.len() - after.rest.len(),
            timestamp_delta: record.timestamp_delta,
            offset_delta: record.offset_delta,
            key_size: size(record.key),
            value_size: size(record.value),
        })
    }
}

/// Reads a record of the usual kind in two thirds of the instructions: no headers, numbers of at most three bytes, and more
/// of the batch behind it. None, which says nothing about the record, in every other case.
#[inline(always)]
fn glimpse(rest: &[u8]) -> Option<Glimpse> {
    let window = rest.first_chunk::<WINDOW>()?;
    let mut at = 0;
    let length = short_varint(window, &mut at)?;
    let end = at.wrapping_add(length as usize);
    at += 1;
    let timestamp_delta = short_varint(window, &mut at)?;
    let offset_delta = short_varint(window, &mut at)?;
    let key_size = short_varint(window, &mut at)?;
    at += key_size.max(0) as usize;
    let window = rest.get(at..at + WINDOW)?.first_chunk::<WINDOW>()?;
    let mut behind = 0;
    let value_size = short_varint(window, &mut behind)?;
    at += behind + value_size.max(0) as usize;
    let ends = *rest.get(at)? == 0 && at + 1 == end;
    let timestamp_delta = i64::from(timestamp_delta);
    ends.then_some(Glimpse { size: end, timestamp_delta, offset_delta, key_size, value_size })
}

/// A power of two that holds the numbers in front of a key, so that an index needs a mask and no check.
const WINDOW: usize = 16;

#[inline(always)]
fn short_varint(window: &[u8; WINDOW], at: &mut usize) -> Option<i32> {
    let byte = |index: usize| u32::from(window[index % WINDOW]);
    let first = byte(*at);
    let mut value = first & 0x7f;
    let mut size = 1;
    if first >= 0x80 {
        let second = byte(*at + 1);
        value |= (second & 0x7f) << 7;
        size = 2;
        if second >= 0x80 {
            let third = byte(*at + 2);
            value |= third << 14;
            size = 3;
            if third >= 0x80 {
                return None;
            }
        }
    }
    *at += size;
    Some((value >> 1) as i32 ^ -((value & 1) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Codec, HEADER_SIZE};
    use crate::random::{Random, push, samples};
    use crate::record::{BatchBuilder, RecordIter};

    /// `scan`, by way of the iterator.
    fn scan_one_by_one(records: &[u8], base_timestamp: Millis, count: i32) -> Result<Scan, RecordError> {
        let mut sums = Sums::default();
        for (record, index) in RecordIter::new(records, count).zip(0..) {
            let record = record?;
            sums.min_delta = sums.min_delta.min(record.timestamp_delta);
            sums.max_delta = sums.max_delta.max(record.timestamp_delta);
            sums.null_key |= record.key.is_none();
            sums.consecutive &= record.offset_delta == index;
        }
        Ok(sums.scan(base_timestamp))
    }

    #[test]
    fn a_count_below_one_has_no_records() {
        for count in [0, -1, i32::MIN] {
            assert!(scan(&[], Millis(0), count).is_ok());
            assert!(matches!(scan(&[0], Millis(0), count).unwrap_err().fault, RecordFault::Leftover(1)));
        }
    }

    #[test]
    fn the_fast_walk_sees_what_the_full_one_sees() {
        for seed in 0..2000 {
            let mut random = Random::new(seed);
            let mut builder = BatchBuilder::new(Codec::None);
            samples(&mut random).iter().for_each(|sample| push(&mut builder, sample));
            let (base, count) = (builder.header.base_timestamp, builder.header.record_count);
            let mut records = builder.build().unwrap()[HEADER_SIZE..].to_vec();
            for _ in 0..random.below(3) {
                let reach = records.len().min(1 << random.below(14));
                let at = random.below(reach);
                records[at] = [0, 1, 2, 0x7f, 0x80, 0xff, random.next() as u8][random.below(7)];
            }
            records.truncate(records.len() - [0, 0, 1, 20][random.below(4)].min(records.len()));
            assert_eq!(scan(&records, base, count), scan_one_by_one(&records, base, count), "seed {seed}");
        }
    }
}
