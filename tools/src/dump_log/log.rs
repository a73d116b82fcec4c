//! `.log` and `.checkpoint` files: a line per batch and, if asked for, one per record.
//!
//! What cannot be read is said, and the walk goes on behind it where it can. Source: DumpLogSegments.dumpLog.

use std::io::{self, Write};
use std::path::Path;

use super::batch::Batch;
use super::control;
use super::decoder::{Decoder, Shown};
use super::findings::Findings;
use super::java_text;
use super::names;
use super::output::Output;
use super::records::{self, Extra, Seen};
use super::segment::{BatchAt, SegmentFile};

/// What is to be printed of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) depth: Depth,
    pub(super) metadata: RecordMetadata,
    /// How far to read; none for the whole file.
    pub(super) bytes_max: Option<u64>,
}

/// How far the records inside batches are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Batches,
    Records,
    /// Keys and values too.
    Contents(Decoder),
}

/// Whether a record's line begins with its offset, time and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordMetadata {
    Shown,
    Skipped,
}

/// Prints a file that holds batches.
pub(super) fn dump(
    name: &str,
    wanted: Wanted,
    findings: &mut Findings,
    output: &mut Output<'_>,
) -> io::Result<()> {
    match headline(name) {
        Ok(line) => writeln!(output.out, "{line}")?,
        Err(sentence) => return output.fault(sentence),
    }
    let mut file = match SegmentFile::open(Path::new(name)) {
        Ok(file) => file,
        Err(error) => return output.fault(format_args!("{name} cannot be read: {error}")),
    };
    let end = wanted.bytes_max.map_or(file.size, |max| max.min(file.size));
    let mut walk = Walk { name, wanted, findings, output, last: None };
    let mut position = 0;
    loop {
        match file.batch_at(position, end) {
            Ok(Some(batch)) => {
                walk.print(&batch, &mut file)?;
                position += batch.size;
            }
            Ok(None) => break,
            Err(fault) => return output.fault(format_args!("{name}: {fault}; nothing behind it is read")),
        }
    }
    let trailing = end - position;
    if trailing > 0 && wanted.bytes_max.is_none() {
        let file_name = names::file_name(name);
        writeln!(output.out, "Found {trailing} invalid bytes at the end of {file_name}")?;
    }
    Ok(())
}

/// The line that tells what kind of file it is.
fn headline(name: &str) -> Result<String, String> {
    let file_name = names::file_name(name);
    if file_name.ends_with(".log") {
        return Ok(format!("Log starting offset: {}", names::base_offset(name)?));
    }
    if file_name == "bootstrap.checkpoint" {
        return Ok("KRaft bootstrap snapshot".to_owned());
    }
    let (offset, epoch) = names::snapshot_id(name)?;
    Ok(format!("Snapshot end offset: {offset}, epoch: {epoch}"))
}

/// What a walk through a file knows.
struct Walk<'a, 'o> {
    name: &'a str,
    wanted: Wanted,
    findings: &'a mut Findings,
    output: &'a mut Output<'o>,
    /// The last record's offset, to find gaps.
    last: Option<i64>,
}

impl Walk<'_, '_> {
    fn print(&mut self, at: &BatchAt, file: &mut SegmentFile) -> io::Result<()> {
        let batch = match Batch::read(at, file) {
            Ok(batch) => batch,
            Err(fault) => return self.skip(at, &fault),
        };
        writeln!(self.output.out, "{}", batch.line(at.position))?;
        if self.wanted.depth == Depth::Batches {
            return Ok(());
        }
        let timestamp_type = batch.timestamp_type();
        match records::each(&batch, |record| self.print_record(timestamp_type, record))? {
            Ok(()) => Ok(()),
            Err(fault) => self.skip(at, &fault),
        }
    }

    fn skip(&mut self, at: &BatchAt, fault: &str) -> io::Result<()> {
        self.output.fault(format_args!("{}: the batch at position {}: {fault}", self.name, at.position))
    }

    /// Notes a gap before a record.
    fn follow(&mut self, offset: i64) {
        if let Some(last) = self.last.filter(|last| last.wrapping_add(1) != offset) {
            self.findings.gap(self.name, last, offset);
        }
        // Kafka takes -1 for "no record yet".
        self.last = Some(offset).filter(|offset| *offset != -1);
    }
    /// Prints one line. What cannot be read of it is said behind it, and the records that follow are still read.
    fn print_record(&mut self, timestamp_type: &str, record: &Seen<'_>) -> io::Result<()> {
        self.follow(record.offset);
        let mut fault = None;
        let mut begin = "| ";
        if self.wanted.metadata == RecordMetadata::Shown {
            begin = " ";
            self.print_metadata(timestamp_type, record)?;
            if record.is_control {
                match control::describe(record.content) {
                    Ok(text) => self.output.out.write_all(text.as_bytes())?,
                    Err(sentence) => fault = Some(sentence),
                }
            }
        }
        if let Depth::Contents(decoder) = self.wanted.depth
            && !record.is_control
        {
            match decoder.decode(record.content, record.offset) {
                Ok(shown) => self.print_content(begin, &shown)?,
                Err(sentence) => fault = Some(sentence),
            }
        }
        writeln!(self.output.out)?;
        match fault {
            Some(sentence) => self.output.fault(format_args!("{}: {sentence}", self.name)),
            None => Ok(()),
        }
    }

    fn print_metadata(&mut self, timestamp_type: &str, record: &Seen<'_>) -> io::Result<()> {
        let size = |part: Option<&[u8]>| part.map_or(-1, |bytes| bytes.len() as i64);
        let out = &mut self.output.out;
        write!(
            out,
            "| offset: {} {timestamp_type}: {} keySize: {} valueSize: {}",
            record.offset,
            record.timestamp,
            size(record.content.key),
            size(record.content.value),
        )?;
        match &record.extra {
            Extra::V2 { sequence, headers } => {
                let keys: Vec<_> = headers.map(|(key, _)| java_text::decode(key)).collect();
                write!(out, " sequence: {sequence} headerKeys: [{}]", keys.join(","))
            }
            // The brace at the end is Kafka's.
            Extra::Legacy(entry) => {
                write!(out, " isValid: {} crc: {}}}", entry.verify_crc().is_ok(), entry.crc)
            }
        }
    }

    fn print_content(&mut self, begin: &str, shown: &Shown) -> io::Result<()> {
        if let Some(key) = &shown.key {
            write!(self.output.out, "{begin}key: {key}")?;
        }
        if let Some(payload) = &shown.payload {
            write!(self.output.out, " payload: {payload}")?;
        }
        Ok(())
    }
}
