//! `kafka-dump-log.sh`: prints what is in the files of a log: batches and records, indexes, producer snapshots.
//!
//! Reads the files alone and changes none. Where Kafka's tool breaks off with an exception, this one says what is
//! wrong, goes on with what can be read, and ends with 1. Source: DumpLogSegments of Kafka 3.9.

mod batch;
mod control;
mod decoder;
mod findings;
mod indexes;
mod java_text;
mod json;
mod log;
mod names;
mod output;
mod records;
mod scala_hash;
mod schema;
mod schemas;
mod segment;
mod settings;
mod small_files;

use std::io::{self, BufWriter};

use crate::failure::Failure;
use findings::Findings;
use output::Output;
use settings::Settings;

/// Bytes of output that are written at once.
const OUTPUT_BUFFER: usize = 64 << 10;

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let settings = Settings::read(args)?;
    let mut out = BufWriter::with_capacity(OUTPUT_BUFFER, io::stdout().lock());
    let mut err = io::stderr().lock();
    let mut output = Output::new(&mut out, &mut err);
    dump(&settings, &mut output)
}

fn dump(settings: &Settings, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut findings = Findings::new();
    for file in &settings.files {
        dump_file(file, settings, &mut findings, output)?;
    }
    findings.tell(output)?;
    output.out.flush()?;
    if output.is_faulty { Err(Failure::Told) } else { Ok(()) }
}

fn dump_file(
    name: &str,
    settings: &Settings,
    findings: &mut Findings,
    output: &mut Output<'_>,
) -> io::Result<()> {
    writeln!(output.out, "Dumping {name}")?;
    match names::kind(name) {
        Some("log" | "checkpoint") => {
            for notice in &settings.notices {
                writeln!(output.out, "{notice}")?;
            }
            log::dump(name, settings.log, findings, output)
        }
        Some("index") => {
            indexes::dump_offsets(name, settings.check, settings.message_bytes_max, findings, output)
        }
        Some("timeindex") => indexes::dump_times(name, settings.check, findings, output),
        Some("txnindex") => small_files::dump_aborted(name, output),
        Some("snapshot") => small_files::dump_producers(name, output),
        Some(_) => output.tell(format_args!("Ignoring unknown file {name}")),
        None => output.fault(format_args!("{name} has no ending that tells what it is")),
    }
}

#[cfg(test)]
mod fixtures;
