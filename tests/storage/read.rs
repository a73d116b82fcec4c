//! Reads from every part of a log: the tail in memory, index entries not yet written, the files of the active
//! segment, sealed segments.

use protocol::batch::{Batches, Codec};
use protocol::{Millis, Offset};
use storage::disk::crash::scratch;
use storage::{FirstBatch, Log, LogSettings, ReadError, TimestampedOffset, UpTo};

use crate::kit::{EPOCH, NOW, append, batch, batch_with, create, fetch, headers, settings, slice_bytes};

/// Batches of three records, twenty milliseconds apart.
fn filled(dir: &std::path::Path, settings: &LogSettings, batches: i64) -> Log {
    let mut log = create(dir, settings);
    for at in 0..batches {
        append(&mut log, &batch(&["a", "b", "c"], 20 * at));
    }
    log
}

fn small() -> LogSettings {
    LogSettings { segment_bytes: 40_000, index_interval_bytes: 200, ..settings() }
}

#[test]
fn every_offset_of_every_part_is_found() {
    let dir = scratch();
    // Several segments; in the active one more entries than stay in memory, and more batches than the tail holds.
    let log = filled(dir.path(), &LogSettings { index_interval_bytes: 0, ..small() }, 4000);
    let reader = log.reader();
    assert!(!reader.is_hot(Offset(0)));
    assert!(reader.is_hot(log.end_offset()) && reader.is_hot(log.end_offset() - 1));
    for offset in (0..12_000).step_by(7) {
        let fetched = reader.read(Offset(offset), 1, UpTo::LogEnd, FirstBatch::Whole).unwrap();
        let bytes = slice_bytes(&fetched.records.unwrap());
        let header = Batches::new(&bytes).next().unwrap().unwrap().header;
        assert_eq!(header.base_offset.0, offset - offset % 3);
        assert_eq!(bytes.len(), header.size());
        assert_eq!(fetched.is_hot, reader.is_hot(Offset(offset)));
    }
}

#[test]
fn any_size_limit_gives_the_same_bytes() {
    let dir = scratch();
    let log = filled(dir.path(), &small(), 1500);
    let all = fetch(&log.reader(), Offset(0), 1 << 20);
    assert_eq!(Batches::new(&all).count(), 1500);
    for max_bytes in [0, 100, 5000, 20_000] {
        assert_eq!(fetch(&log.reader(), Offset(0), max_bytes), all, "{max_bytes}");
    }
}

#[test]
fn a_slice_ends_at_a_batch_where_that_is_at_hand() {
    let dir = scratch();
    let log = filled(dir.path(), &small(), 1500);
    let size = headers(&log)[0].size() as u32;
    for from in [0, 3000, 4497 - 3 * 100] {
        let fetched =
            log.reader().read(Offset(from), 10 * size + 50, UpTo::LogEnd, FirstBatch::Whole).unwrap();
        let length = fetched.records.unwrap().length;
        assert!(length <= 10 * size + 50, "{from}: {length}");
        if from != 3000 || fetched.is_hot {
            assert_eq!(length % size, 0, "{from}");
        }
    }
}

#[test]
fn a_read_tells_what_lies_ahead_whether_it_is_returned_or_not() {
    let dir = scratch();
    let log = filled(dir.path(), &small(), 1500);
    let (reader, size) = (log.reader(), u64::from(headers(&log)[0].size() as u32));
    let ahead = |from: Offset, first| reader.read(from, 1, UpTo::LogEnd, first).unwrap().ahead;
    for back in [1, 10, 50] {
        for first in [FirstBatch::IfItFits, FirstBatch::Whole] {
            let near = ahead(log.end_offset() - 3 * back, first);
            assert_eq!((near.bytes, near.is_older), (back as u64 * size, false), "{back}");
        }
    }
    assert!(ahead(Offset(0), FirstBatch::IfItFits).is_older);
    let end = ahead(log.end_offset(), FirstBatch::Whole);
    assert_eq!((end.bytes, end.is_older), (0, false));
}

#[test]
fn nothing_beyond_the_limit_is_returned() {
    let dir = scratch();
    let mut log = create(dir.path(), &small());
    for at in 0..900 {
        log.append(&[batch(&["a", "b", "c"], at)], EPOCH, NOW);
    }
    for watermark in [0, 3, 300, 1500, 2697] {
        log.advance_high_watermark(Offset(watermark));
        let mut from = 0;
        loop {
            let fetched = log.reader().read(Offset(from), 1 << 20, UpTo::HighWatermark, FirstBatch::Whole);
            let Some(slice) = fetched.unwrap().records else { break };
            let bytes = slice_bytes(&slice);
            let last = Batches::new(&bytes).last().unwrap().unwrap();
            assert_eq!(last.position + last.bytes.len(), bytes.len());
            from = last.header.next_offset().0;
        }
        assert_eq!(from, watermark);
    }
}

#[test]
fn the_first_batch_may_exceed_the_limit_once() {
    let dir = scratch();
    let log = filled(dir.path(), &small(), 2);
    let size = headers(&log)[0].size() as u32;
    let length = |max_bytes, first| {
        let fetched = log.reader().read(Offset(1), max_bytes, UpTo::LogEnd, first).unwrap();
        fetched.records.map(|slice| slice.length)
    };
    assert_eq!(length(1, FirstBatch::Whole), Some(size));
    assert_eq!(length(1, FirstBatch::IfItFits), None);
    assert_eq!(length(2 * size, FirstBatch::IfItFits), Some(2 * size));
}

#[test]
fn offsets_outside_are_refused() {
    let dir = scratch();
    let mut log = filled(dir.path(), &small(), 10);
    log.advance_start(Offset(7));
    let read = |from| log.reader().read(Offset(from), 100, UpTo::LogEnd, FirstBatch::Whole);
    assert!(matches!(read(6), Err(ReadError::OutOfRange { asked: Offset(6), .. })));
    assert!(matches!(read(31), Err(ReadError::OutOfRange { .. })));
    assert!(read(30).unwrap().records.is_none());
    assert!(read(7).unwrap().records.is_some());
}

#[test]
fn times_are_found_in_every_part() {
    let dir = scratch();
    let log = filled(dir.path(), &LogSettings { index_interval_bytes: 0, ..small() }, 2000);
    let reader = log.reader();
    let found =
        |at| reader.offset_for_timestamp(Millis(at), UpTo::LogEnd).unwrap().map(|found| found.offset.0);
    for at in (0..40_000).step_by(13) {
        let (batch, inside) = (at / 20, at % 20);
        let expected = if inside <= 2 { 3 * batch + inside } else { 3 * batch + 3 };
        assert_eq!(found(at), Some(expected).filter(|offset| *offset < 6000), "{at}");
    }
    assert_eq!(found(-5), Some(0));
    assert_eq!(found(40_000), None);
}

#[test]
fn a_compressed_batch_is_looked_into() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let dir = scratch();
        let mut log = create(dir.path(), &settings());
        append(&mut log, &batch_with(codec, &["a", "b", "c", "d"], 100, |_| {}));
        let found = log.reader().offset_for_timestamp(Millis(102), UpTo::HighWatermark).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp), (Offset(2), Millis(102)), "{codec}");
    }
}

#[test]
fn a_time_beyond_the_limit_is_not_found() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    log.append(&[batch(&["a"], 10), batch(&["b"], 20)], EPOCH, NOW);
    log.advance_high_watermark(Offset(1));
    let at = |time, up_to| log.reader().offset_for_timestamp(Millis(time), up_to).unwrap();
    assert_eq!(at(15, UpTo::HighWatermark), None);
    assert_eq!(at(15, UpTo::LogEnd).unwrap().offset, Offset(1));
    assert_eq!(log.reader().offset_of_max_timestamp(UpTo::HighWatermark), Ok(None));
    assert_eq!(log.reader().offset_of_max_timestamp(UpTo::LogEnd).unwrap().unwrap().offset, Offset(1));
}

#[test]
fn the_first_record_is_the_latest_where_none_has_a_time() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    let latest = |log: &Log| log.reader().offset_of_max_timestamp(UpTo::LogEnd).unwrap();
    assert_eq!(latest(&log), None);
    log.append(&[batch(&["a"], -1), batch(&["b"], -1)], EPOCH, NOW);
    let first = TimestampedOffset { offset: Offset(0), timestamp: Millis::NONE, leader_epoch: EPOCH };
    assert_eq!(latest(&log), Some(first));
    append(&mut log, &batch(&["c"], 10));
    assert_eq!(latest(&log).map(|found| found.offset), Some(Offset(2)));
}

#[test]
fn a_reader_on_another_thread_sees_only_whole_batches() {
    let dir = scratch();
    let mut log = create(dir.path(), &small());
    let reader = log.reader();
    let thread = std::thread::spawn(move || {
        let mut from = Offset(0);
        while from < Offset(6000) {
            let fetched = reader.read(from, 3000, UpTo::LogEnd, FirstBatch::Whole).unwrap();
            let Some(slice) = fetched.records else { continue };
            let bytes = slice_bytes(&slice);
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                protocol::batch::verify_crc(batch.bytes).unwrap();
                assert_eq!(batch.header.base_offset, from);
                from = batch.header.next_offset();
            }
        }
    });
    for at in 0..2000 {
        append(&mut log, &batch(&["a", "b", "c"], at));
    }
    thread.join().unwrap();
}

#[test]
fn readers_go_anywhere_and_a_log_to_another_thread() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_send::<Log>();
    is_shared::<storage::LogReader>();
    is_shared::<storage::FlushPlan>();
    is_send::<storage::Retirement>();
    is_send::<storage::Removal>();
}
