//! Look-ups by timestamp, exact to the record.
//!
//! The time index says which batches need not be looked at; the record is found by reading its batch. Blocks for
//! the disk. Source: UnifiedLog.fetchOffsetByTimestamp, LogSegment.findOffsetByTimestamp, KIP-734.

use std::sync::Arc;

use protocol::batch::{BatchHeader, HEADER_SIZE, MAGIC, TimestampType, verify_crc};
use protocol::legacy::{self, Entry, Messages};
use protocol::record::{Block, Glimpse, find_record};
use protocol::{LeaderEpoch, Millis, Offset};

use super::locate::Searchable;
use super::{LogReader, LogView, ReadError, TailIndex, TimestampedOffset, UpTo};
use crate::index::{Largest, TimeEntry};
use crate::names::LOG;
use crate::scan::{HeaderAt, Headers, ScanError};
use crate::segment::{Indexes, Segment, modified};

/// The most that the messages of one old entry may occupy in memory when they are looked through; of a batch nothing is kept.
const RECORDS_MAX: usize = 256 << 20;

/// What is copied from the state for a look-up.
struct Taken {
    view: LogView,
    segments: Arc<Vec<Arc<Segment>>>,
    size: u64,
    largest: Option<Largest>,
    index: TailIndex,
}

/// Which record of a batch is wanted.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// The first at or after both.
    From { timestamp: Millis, start: Offset },
    /// The first that has exactly this time.
    At { timestamp: Millis },
}

impl LogReader {
    /// The first record at or after the log start with this timestamp or a later one, if below the limit
    /// (ListOffsets with a time). May read and decompress batches: not for a loop turn.
    pub fn offset_for_timestamp(
        &self,
        at: Millis,
        up_to: UpTo,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        self.steady(|| self.find_time(at, up_to))
    }

    fn find_time(&self, at: Millis, up_to: UpTo) -> Result<Option<TimestampedOffset>, ReadError> {
        let taken = self.take_times();
        let start = taken.view.start;
        let first = taken.segments.partition_point(|segment| segment.base <= start).saturating_sub(1);
        for index in first..taken.segments.len() {
            let segment = &taken.segments[index];
            let error = |error| self.scan_error(segment, error);
            if taken.largest_of(index).map_err(error)?.is_none_or(|largest| largest < at) {
                continue;
            }
            let wanted = Wanted::From { timestamp: at, start };
            if let Some(found) = self.search(&taken, index, wanted)? {
                return Ok(Some(found).filter(|found| found.offset < taken.view.limit(up_to)));
            }
        }
        Ok(None)
    }

    /// The first record that has the largest timestamp of the log's files, if below the limit (ListOffsets −3). As
    /// with Kafka it may lie below the log start, until its segment goes. Where no record has a time, the first one.
    pub fn offset_of_max_timestamp(&self, up_to: UpTo) -> Result<Option<TimestampedOffset>, ReadError> {
        self.steady(|| self.find_max_time(up_to))
    }

    fn find_max_time(&self, up_to: UpTo) -> Result<Option<TimestampedOffset>, ReadError> {
        let taken = self.take_times();
        let mut best: Option<(usize, Largest)> = None;
        for (index, segment) in taken.segments.iter().enumerate() {
            let largest = taken.largest_entry(index).map_err(|error| self.scan_error(segment, error))?;
            if let Some(largest) = largest
                && best.is_none_or(|(_, best)| largest.timestamp > best.timestamp)
            {
                best = Some((index, largest));
            }
        }
        let (index, timestamp) =
            best.map_or((0, Millis::NONE), |(index, largest)| (index, largest.timestamp));
        let wanted = Wanted::At { timestamp };
        let found = self.search(&taken, index, wanted)?;
        Ok(found.filter(|found| found.offset < taken.view.limit(up_to)))
    }

    fn take_times(&self) -> Taken {
        let state = self.shared.read();
        Taken {
            view: state.view,
            segments: state.segments.clone(),
            size: state.size,
            largest: state.largest,
            index: state.tail.index.clone(),
        }
    }

    /// The wanted record in one segment.
    fn search(
        &self,
        taken: &Taken,
        index: usize,
        wanted: Wanted,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let segment = &taken.segments[index];
        let error = |error| self.scan_error(segment, error);
        let searchable = taken.searchable(index);
        let (timestamp, start) = match wanted {
            Wanted::From { timestamp, start } => (timestamp, start),
            Wanted::At { timestamp } => (timestamp, segment.base),
        };
        let from = taken.from(index, timestamp).map_err(error)?.max(start);
        let Some(first) = searchable.find(from, taken.index.hint(from)).map_err(error)? else {
            return Ok(None);
        };
        let file = segment.log().map_err(ScanError::Io).map_err(error)?;
        let mut headers = Headers::new(&file, first.position, searchable.size);
        while let Some(batch) = headers.next().map_err(error)? {
            if batch.header.max_timestamp < timestamp {
                continue;
            }
            // A message of format v0 cannot have had a time: Kafka tells nothing of it.
            if batch.magic == 0 {
                return Ok(None);
            }
            if let Some(found) = self.record_in(segment, batch, wanted)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn record_in(
        &self,
        segment: &Segment,
        at: HeaderAt,
        wanted: Wanted,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let file = segment.log().map_err(|error| self.disk_error(segment, &error))?;
        let mut bytes = vec![0; at.header.size()];
        let read = file.read_at(&mut bytes, at.position).map_err(|error| self.disk_error(segment, &error))?;
        let found = match at.magic {
            MAGIC => record_of_batch(&at.header, &bytes[..read], wanted),
            _ => record_of_message(&bytes[..read], wanted),
        };
        found.map_err(|reason| ReadError::Corrupt {
            partition: self.shared.partition.clone(),
            segment: segment.base,
            position: at.position,
            reason,
        })
    }
}

/// The wanted one of a batch's records, or what is wrong with the batch.
fn record_of_batch(
    header: &BatchHeader,
    batch: &[u8],
    wanted: Wanted,
) -> Result<Option<TimestampedOffset>, String> {
    verify_crc(batch).map_err(|error| error.to_string())?;
    let block = batch.get(HEADER_SIZE..).unwrap_or_default();
    let codec = header.attributes.codec().map_err(|codec| format!("compression type {codec}"))?;
    let block = Block { codec, bytes: block, count: header.record_count, limit: usize::MAX };
    let place = |record: &Glimpse| {
        let timestamp = timestamp_of(header, record.timestamp_delta);
        (timestamp, header.base_offset + i64::from(record.offset_delta))
    };
    let is_wanted = |record: &Glimpse| {
        let (timestamp, offset) = place(record);
        wanted.is(timestamp, offset)
    };
    let found = find_record(&block, is_wanted).map_err(|error| error.to_string())?;
    Ok(found.map(|record| {
        let (timestamp, offset) = place(&record);
        TimestampedOffset { offset, timestamp, leader_epoch: header.leader_epoch }
    }))
}

/// The same of a message of an old format, which may have others compressed in it.
fn record_of_message(bytes: &[u8], wanted: Wanted) -> Result<Option<TimestampedOffset>, String> {
    legacy::verify_crc(bytes).map_err(|error| error.to_string())?;
    let entry = Entry::parse(bytes).map_err(|error| error.to_string())?;
    let messages = Messages::of(&entry, RECORDS_MAX).map_err(|error| error.to_string())?;
    let found = messages.iter().find(|message| wanted.is(message.timestamp, message.offset));
    Ok(found.map(|message| TimestampedOffset {
        offset: message.offset,
        timestamp: message.timestamp,
        leader_epoch: LeaderEpoch::NONE,
    }))
}

fn timestamp_of(header: &BatchHeader, delta: i64) -> Millis {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => header.base_timestamp + delta,
        TimestampType::LogAppendTime => header.max_timestamp,
    }
}

impl Wanted {
    fn is(self, found: Millis, offset: Offset) -> bool {
        match self {
            Wanted::From { timestamp, start } => found >= timestamp && offset >= start,
            Wanted::At { timestamp } => found == timestamp,
        }
    }
}

impl Taken {
    fn searchable(&self, index: usize) -> Searchable<'_> {
        let segment = &self.segments[index];
        Searchable {
            segment,
            size: segment.sealed_size().unwrap_or(self.size),
            offsets_written: self.index.offsets_written,
            times_written: self.index.times_written,
        }
    }

    /// The largest timestamp that the index of a segment names.
    fn largest_entry(&self, index: usize) -> Result<Option<Largest>, ScanError> {
        let segment = &self.segments[index];
        match &segment.indexes {
            Indexes::Growing(_) => Ok(self.largest),
            Indexes::Sealed(sealed) => Ok(segment.sealed_largest(sealed)?),
        }
    }

    /// The largest timestamp of a segment; without an index entry the time of its file, as with Kafka.
    fn largest_of(&self, index: usize) -> Result<Option<Millis>, ScanError> {
        if let Some(largest) = self.largest_entry(index)? {
            return Ok(Some(largest.timestamp));
        }
        Ok(modified(&self.segments[index].path(LOG)).filter(|_| self.searchable(index).size > 0))
    }

    /// An offset below which no record of the segment has this timestamp or a later one.
    fn from(&self, index: usize, timestamp: Millis) -> Result<Offset, ScanError> {
        let base = self.segments[index].base;
        let is_before = |entry: &TimeEntry| entry.timestamp <= timestamp;
        let is_active = index + 1 == self.segments.len();
        let waiting = self.index.times.partition_point(is_before).checked_sub(1).filter(|_| is_active);
        let entry = match waiting {
            Some(at) => Some(self.index.times[at]),
            None => self.searchable(index).greatest_time(is_before)?,
        };
        Ok(entry.map_or(base, |entry| base + i64::from(entry.last)))
    }
}
