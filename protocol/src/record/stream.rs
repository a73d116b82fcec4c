//! The records of a compressed batch, without holding the batch: what a bomb unpacks to is counted, not kept.
//!
//! [`scan_block`] and [`find_record`] look at each record in a window of fixed size; [`RecordStream`] shows them one at a time, the largest
//! being what it holds. Called by the Produce path. Source: DefaultRecordBatch's streaming iterators in Kafka 3.9.

use super::compression::CompressionError;
use super::inflow::{Inflow, WINDOW};
use super::scan::{Glimpse, Sums};
use super::varint::Reader;
use super::{Record, RecordError, RecordFault, Scan, read};
use crate::batch::Codec;
use crate::ids::Millis;

/// Bytes in which the length of a record surely ends.
const LENGTH_SIZE_MAX: usize = 5;

/// Why the records of a block cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

/// A batch's records as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    pub codec: Codec,
    pub bytes: &'a [u8],
    /// How many records there should be.
    pub count: i32,
    /// Bytes that may come out of it.
    pub limit: usize,
}

/// [`scan`](fn@super::scan) for records that are compressed.
pub fn scan_block(block: &Block<'_>, base_timestamp: Millis) -> Result<Scan, StreamError> {
    let mut sums = Sums::default();
    walk_block(block, |record, seen| sums.add(record, seen))?;
    Ok(sums.scan(base_timestamp))
}

/// Shows every record, by its index, to `see`.
pub(crate) fn walk_block(block: &Block<'_>, mut see: impl FnMut(i32, &Glimpse)) -> Result<(), StreamError> {
    let mut inflow = Inflow::new(block.codec, block.bytes, block.limit);
    for record in 0..block.count {
        see(record, &next_seen(&mut inflow, record)?);
    }
    ended(&mut inflow, block.count)
}

/// The first record that `is` wants; those behind it are not looked at.
pub fn find_record(
    block: &Block<'_>,
    mut is: impl FnMut(&Glimpse) -> bool,
) -> Result<Option<Glimpse>, StreamError> {
    let mut inflow = Inflow::new(block.codec, block.bytes, block.limit);
    for record in 0..block.count {
        let seen = next_seen(&mut inflow, record)?;
        if is(&seen) {
            return Ok(Some(seen));
        }
    }
    Ok(None)
}

#[inline(always)]
fn next_seen(inflow: &mut Inflow<'_>, record: i32) -> Result<Glimpse, StreamError> {
    let seen = match Glimpse::at(inflow.ahead()) {
        Ok(seen) => seen,
        // Either its end is not in the window yet, or it is none.
        Err(_) => look_closely(inflow).map_err(|fault| told(inflow, record, fault))?,
    };
    inflow.consume(seen.size);
    Ok(seen)
}

/// The record at the front once all of it is in the window; one that is larger is skimmed, and its size is then 0.
fn look_closely(inflow: &mut Inflow<'_>) -> Result<Glimpse, RecordFault> {
    let size = record_size(inflow)?;
    if size > WINDOW {
        return Skim::over(inflow);
    }
    inflow.fill(size);
    Glimpse::at(inflow.ahead())
}

/// Bytes of the record at the front, its length included.
fn record_size(inflow: &mut Inflow<'_>) -> Result<usize, RecordFault> {
    inflow.fill(LENGTH_SIZE_MAX);
    let mut reader = Reader { rest: inflow.ahead() };
    let length = reader.varint().ok_or(RecordFault::CutShort)?;
    let size = usize::try_from(length).map_err(|_| RecordFault::Length(length))?;
    Ok(inflow.ahead().len() - reader.rest.len() + size)
}

/// A codec's failure explains why a record is cut short.
fn told(inflow: &mut Inflow<'_>, record: i32, fault: RecordFault) -> StreamError {
    match inflow.failure() {
        Some(failure) if fault == RecordFault::CutShort => failure.into(),
        _ => RecordError { record, fault }.into(),
    }
}

/// Nothing may follow the last record.
fn ended(inflow: &mut Inflow<'_>, count: i32) -> Result<(), StreamError> {
    inflow.fill(1);
    match (inflow.ahead().len(), inflow.failure()) {
        (0, None) => Ok(()),
        (0, Some(failure)) => Err(failure.into()),
        (bytes, _) => {
            let record = count.saturating_sub(1);
            Err(RecordError { record, fault: RecordFault::Leftover(bytes) }.into())
        }
    }
}

/// Reads a record that is larger than the window, passing over what is long in it.
struct Skim<'a, 'b> {
    inflow: &'a mut Inflow<'b>,
    /// Bytes of the record that have not been read.
    left: usize,
}

impl Skim<'_, '_> {
    fn over(inflow: &mut Inflow<'_>) -> Result<Glimpse, RecordFault> {
        let mut skim = Skim { inflow, left: LENGTH_SIZE_MAX };
        let length = skim.varint()?;
        skim.left = usize::try_from(length).map_err(|_| RecordFault::Length(length))?;
        skim.pass(1)?;
        let timestamp_delta = skim.number(|reader| reader.varlong())?;
        let offset_delta = skim.varint()?;
        let key_size = skim.part()?;
        let value_size = skim.part()?;
        let headers = skim.varint()?;
        if usize::try_from(headers).is_ok_and(|headers| headers <= skim.left / 2) {
            for _ in 0..headers {
                if skim.part()? < 0 {
                    return Err(RecordFault::NullHeaderKey);
                }
                skim.part()?;
            }
        } else {
            return Err(RecordFault::HeaderCount(headers));
        }
        if skim.left > 0 {
            return Err(RecordFault::Unfilled);
        }
        Ok(Glimpse { size: 0, timestamp_delta, offset_delta, key_size, value_size })
    }

    /// A length and as many bytes, which are passed over; the length is negative for null.
    fn part(&mut self) -> Result<i32, RecordFault> {
        let length = self.varint()?;
        self.pass(usize::try_from(length).unwrap_or(0))?;
        Ok(length)
    }

    fn varint(&mut self) -> Result<i32, RecordFault> {
        self.number(|reader| reader.varint())
    }

    fn number<T>(&mut self, read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Result<T, RecordFault> {
        self.inflow.fill(2 * LENGTH_SIZE_MAX);
        let ahead = self.inflow.ahead();
        let ahead = &ahead[..ahead.len().min(self.left)];
        let mut reader = Reader { rest: ahead };
        let number = read(&mut reader).ok_or(RecordFault::CutShort)?;
        let size = ahead.len() - reader.rest.len();
        self.pass(size)?;
        Ok(number)
    }

    fn pass(&mut self, size: usize) -> Result<(), RecordFault> {
        self.left = self.left.checked_sub(size).ok_or(RecordFault::CutShort)?;
        if self.inflow.skip(size) { Ok(()) } else { Err(RecordFault::CutShort) }
    }
}

/// The records one at a time, each as long as it is looked at.
pub(crate) struct RecordStream<'a> {
    inflow: Inflow<'a>,
    codec: Codec,
    next: i32,
    count: i32,
    /// Bytes of the record that was shown last.
    shown: usize,
    record_size_max: usize,
}

impl<'a> RecordStream<'a> {
    pub(crate) fn new(block: &Block<'a>, record_size_max: usize) -> RecordStream<'a> {
        let inflow = Inflow::new(block.codec, block.bytes, block.limit);
        RecordStream { inflow, codec: block.codec, next: 0, count: block.count, shown: 0, record_size_max }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, StreamError> {
        self.inflow.consume(std::mem::take(&mut self.shown));
        if self.next >= self.count {
            return ended(&mut self.inflow, self.count).map(|()| None);
        }
        let record = self.next;
        self.next += 1;
        let size = record_size(&mut self.inflow).map_err(|fault| told(&mut self.inflow, record, fault))?;
        if size > self.record_size_max {
            let limit = self.record_size_max;
            return Err(CompressionError::TooLarge { codec: self.codec, limit }.into());
        }
        self.inflow.fill(size);
        if let Err(fault) = Glimpse::at(self.inflow.ahead()) {
            return Err(told(&mut self.inflow, record, fault));
        }
        self.shown = size;
        let found = read(&mut Reader { rest: self.inflow.ahead() });
        found.map(Some).map_err(|fault| RecordError { record, fault }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::HEADER_SIZE;
    use crate::random::{Random, push, samples};
    use crate::record::{BatchBuilder, NewRecord, RecordIter, compress, scan};

    const LIMIT: usize = 8 << 20;

    fn block(codec: Codec, bytes: &[u8], count: i32) -> Block<'_> {
        Block { codec, bytes, count, limit: LIMIT }
    }

    /// What is wrong with a record larger than the window may have more than one name.
    fn index<T, E: Into<StreamError>>(found: Result<T, E>) -> Result<T, i32> {
        found.map_err(|error| match error.into() {
            StreamError::Record(error) => error.record,
            StreamError::Compression(error) => panic!("{error}"),
        })
    }

    /// Records, some of which are larger than the window.
    fn records(random: &mut Random) -> (Vec<u8>, i32) {
        let mut builder = BatchBuilder::new(Codec::None);
        for sample in samples(random) {
            push(&mut builder, &sample);
            if random.one_in(5) {
                let size = WINDOW - 20 + random.below(40);
                let value = random.bytes(size);
                let headers: &[(&str, Option<&[u8]>)] = &[("h", Some(&value)), ("", None)];
                let headers = if random.one_in(2) { headers } else { &[] };
                let value = random.one_in(2).then_some(&value[..]);
                builder.push(&NewRecord { timestamp: Millis(9), key: value, value, headers });
            }
        }
        let count = builder.header.record_count;
        (builder.build().unwrap()[HEADER_SIZE..].to_vec(), count)
    }

    #[test]
    fn a_window_sees_what_the_plain_walk_sees() {
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let (mut records, count) = records(&mut random);
            for _ in 0..random.below(3) {
                let reach = records.len().min(1 << random.below(14));
                let at = random.below(reach);
                records[at] = [0, 1, 2, 0x7f, 0x80, 0xff, random.next() as u8][random.below(7)];
            }
            records.truncate(records.len() - [0, 0, 1, 20][random.below(4)].min(records.len()));
            let codec = Codec::ALL[random.below(5)];
            let bytes = compress(codec, &records).unwrap();
            let found = index(scan_block(&block(codec, &bytes, count), Millis(5)));
            assert_eq!(found, index(scan(&records, Millis(5), count)), "seed {seed} {codec}");
        }
    }

    #[test]
    fn a_stream_shows_the_same_records() {
        for seed in 0..40 {
            let mut random = Random::new(seed);
            let (records, count) = records(&mut random);
            let codec = Codec::ALL[random.below(5)];
            let bytes = compress(codec, &records).unwrap();
            let mut stream = RecordStream::new(&block(codec, &bytes, count), LIMIT);
            for expected in RecordIter::new(&records, count) {
                assert_eq!(stream.next().unwrap(), Some(expected.unwrap()), "seed {seed} {codec}");
            }
            assert_eq!(stream.next(), Ok(None));
            let wanted = random.below(count as usize) as i32;
            let found =
                find_record(&block(codec, &bytes, count), |seen| seen.offset_delta == wanted).unwrap();
            let expected = RecordIter::new(&records, count).nth(wanted as usize).unwrap().unwrap();
            let delta = found.map(|seen| (seen.offset_delta, seen.timestamp_delta));
            assert_eq!(delta, Some((wanted, expected.timestamp_delta)));
            assert!(find_record(&block(codec, &bytes, count), |_| false).unwrap().is_none());
        }
    }

    #[test]
    fn a_bomb_is_counted_and_not_held() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let mut builder = BatchBuilder::new(Codec::None);
            let value = Some(&[0; LIMIT][..]);
            builder.push(&NewRecord { timestamp: Millis(1), key: None, value, headers: &[] });
            let bytes = compress(codec, &builder.build().unwrap()[HEADER_SIZE..]).unwrap().into_owned();
            let too_large = StreamError::from(CompressionError::TooLarge { codec, limit: LIMIT });
            assert_eq!(scan_block(&block(codec, &bytes, 1), Millis(0)).unwrap_err(), too_large);
            let wide = Block { limit: 2 * LIMIT, ..block(codec, &bytes, 1) };
            let mut inflow = Inflow::new(codec, &bytes, wide.limit);
            assert!(Skim::over(&mut inflow).is_ok() && inflow.ahead().is_empty());
            assert!(scan_block(&wide, Millis(0)).is_ok());
            let mut stream = RecordStream::new(&wide, LIMIT);
            assert_eq!(stream.next(), Err(too_large));
        }
    }

    #[test]
    fn the_fault_that_comes_first_is_told() {
        let mut builder = BatchBuilder::new(Codec::None);
        let value = [7; 300];
        for _ in 0..3 {
            builder.push(&NewRecord { timestamp: Millis(1), key: None, value: Some(&value), headers: &[] });
        }
        let records = builder.build().unwrap()[HEADER_SIZE..].to_vec();
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bytes = compress(codec, &records).unwrap();
            let cut = block(codec, &bytes[..bytes.len() - 1], 3);
            let damaged = |error| matches!(error, StreamError::Compression(CompressionError::Damaged { .. }));
            assert!(scan_block(&cut, Millis(0)).is_err_and(damaged), "{codec}");
            let none = Block { count: 3, ..block(codec, &[], 3) };
            assert!(scan_block(&none, Millis(0)).is_err(), "{codec}");
        }
        let bytes = compress(Codec::Gzip, &[1, 0, 0]).unwrap();
        let error = scan_block(&block(Codec::Gzip, &bytes[..bytes.len() - 1], 3), Millis(0)).unwrap_err();
        assert_eq!(error, RecordError { record: 0, fault: RecordFault::Length(-1) }.into());
    }
}
