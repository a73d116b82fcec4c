//! `ottla log salvage`: lists, reads and removes what recovery cut off logs and set aside.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use storage::OsDisk;
use storage::salvage::{Piece, pieces};

use super::print;
use crate::failure::Failure;
use crate::options::{Grammar, Options, Spec, flag, with};

static SPECS: &[Spec] = &[
    with("dir", "directory,…", "Log directories, as in log.dirs."),
    with("log-dirs", "directory,…", "The same as --dir."),
    with("partition", "topic-partition", "Only pieces of this partition; may be repeated."),
    flag(
        "read",
        "Print the records of the pieces; a line of a bad batch has isvalid: false, and its records a '?'.",
    ),
    flag("remove", "Remove the pieces for good."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const ABOUT: &str = "This tool lists, reads and removes what the broker's recovery cut off logs and set aside. \
                     It may be used while the broker runs.";

const COLUMNS: [&str; 6] = ["PARTITION", "FILE", "OFFSETS", "BYTES", "AGE", "WHY"];

pub(super) fn run(args: &[String]) -> Result<(), Failure> {
    let options = GRAMMAR.read(args, ABOUT)?;
    carry_out(&options, &mut BufWriter::new(io::stdout().lock()))
}

fn carry_out(options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    if options.has("read") && options.has("remove") {
        return Err(GRAMMAR.usage("Option \"[read]\" can't be used with option \"[remove]\""));
    }
    let found = found(options)?;
    if options.has("read") {
        for piece in &found {
            print::piece(piece, out)?;
        }
    } else if options.has("remove") {
        for piece in &found {
            piece.remove(&OsDisk).context("nothing more was removed")?;
            writeln!(out, "Removed {} ({} bytes)", piece.path.display(), piece.bytes)?;
        }
        writeln!(out, "{} pieces removed.", found.len())?;
    } else {
        list(&found, out)?;
    }
    Ok(out.flush()?)
}

/// The pieces that are asked for, the oldest first in each directory.
fn found(options: &Options) -> Result<Vec<Piece>, Failure> {
    let dirs = options.all("dir").iter().chain(options.all("log-dirs"));
    let dirs: Vec<&str> =
        dirs.flat_map(|dirs| dirs.split(',')).map(str::trim).filter(|dir| !dir.is_empty()).collect();
    if dirs.is_empty() {
        return Err(GRAMMAR.missing("dir"));
    }
    let wanted = options.all("partition");
    let mut found = Vec::new();
    for dir in dirs {
        found.extend(pieces(Path::new(dir)).context("the log directory cannot be looked through")?);
    }
    found.retain(|piece| wanted.is_empty() || wanted.contains(&piece.partition.to_string()));
    Ok(found)
}

fn list(pieces: &[Piece], out: &mut impl Write) -> Result<(), Failure> {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for piece in pieces {
        let contents = piece.contents().context("a piece cannot be read")?;
        let offsets = match contents.offsets {
            Some((first, last)) => format!("{first}-{last}"),
            None => "none".to_owned(),
        };
        let name = piece.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bad = if contents.bad > 0 { format!(" ({} bad stretches)", contents.bad) } else { String::new() };
        rows.push([
            piece.partition.to_string(),
            name,
            offsets,
            piece.bytes.to_string(),
            age(piece),
            format!("{}{bad}", contents.why),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn age(piece: &Piece) -> String {
    // A clock that stands before the file's time makes it new.
    let since = UNIX_EPOCH + Duration::from_millis(piece.since.0.try_into().unwrap_or(0));
    let minutes = SystemTime::now().duration_since(since).unwrap_or_default().as_secs() / 60;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use protocol::batch::Codec;
    use protocol::record::{BatchBuilder, NewRecord};
    use protocol::{Millis, Offset};
    use storage::disk::crash::{Scratch, scratch};

    use super::*;
    use crate::words::refusal;

    fn batch(offset: i64, codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec);
        let record = |value| NewRecord { timestamp: Millis(7), key: Some(b"k"), value, headers: &[] };
        builder.push(&record(Some(b"first")));
        builder.push(&NewRecord { key: None, headers: &[("h", Some(b"x"))], ..record(None) });
        builder.header.base_offset = Offset(offset);
        builder.build().unwrap().to_vec()
    }

    /// One piece of `a-0` that begins badly, and one of `b-1`, a good segment from behind.
    fn logs() -> Scratch {
        let dir = scratch();
        let mut bad = batch(3, Codec::None);
        *bad.last_mut().unwrap() ^= 1;
        let pieces = [
            (
                "a-0/salvaged-00000000000000000000-at-0000000100-0.bytes",
                [bad, batch(5, Codec::Gzip)].concat(),
            ),
            ("b-1/salvaged-00000000000000000009-at-0000000000-0.bytes", batch(9, Codec::None)),
        ];
        for (name, bytes) in pieces {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        dir
    }

    fn tool(dir: &Scratch, args: &[&str]) -> Result<String, String> {
        let dir = dir.path().display().to_string();
        let args: Vec<String> = ["--dir", &dir].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        let mut out = Vec::new();
        match carry_out(&GRAMMAR.parse(&args).unwrap(), &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            refused => Err(refusal(refused)),
        }
    }

    #[test]
    fn pieces_are_listed_with_what_is_in_them() {
        let dir = logs();
        let listed = tool(&dir, &[]).unwrap();
        let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], COLUMNS);
        let a = rows.iter().find(|row| row[0] == "a-0").unwrap();
        assert_eq!(
            a[2..],
            ["5-6", a[3], "0", "min", "the", "checksum", "does", "not", "match", "(1", "bad", "stretches)"]
        );
        let b = rows.iter().find(|row| row[0] == "b-1").unwrap();
        assert_eq!(b[2], "9-10");
        assert!(listed.contains("behind the place where the log was cut"), "{listed}");
        assert_eq!(tool(&dir, &["--partition", "b-1"]).unwrap().lines().count(), 2);
        assert_eq!(tool(&dir, &["--partition", "c-1"]).unwrap().lines().count(), 1);
    }

    #[test]
    fn records_are_printed_and_bad_batches_flagged() {
        let read = tool(&logs(), &["--read"]).unwrap();
        let lines: Vec<&str> = read.lines().collect();
        assert!(
            lines[0].starts_with("Salvaged from a-0: ") || lines[0].starts_with("Salvaged from b-1: "),
            "{read}"
        );
        for expected in [
            "| offset: 5 CreateTime: 7 keySize: 1 valueSize: 5 sequence: -1 headerKeys: [] key: k payload: first",
            "| offset: 6 CreateTime: 7 keySize: -1 valueSize: -1 sequence: -1 headerKeys: [h]",
            "? offset: 3 CreateTime: 7 keySize: 1 valueSize: 5 sequence: -1 headerKeys: [] key: k payload: first",
        ] {
            assert!(lines.contains(&expected), "{expected}\n{read}");
        }
        assert!(read.contains("isvalid: false (the checksum does not match)"), "{read}");
        assert!(read.contains("compresscodec: gzip"), "{read}");
    }

    #[test]
    fn removal_takes_what_is_named_and_nothing_else() {
        let dir = logs();
        let log = dir.path().join("a-0/00000000000000000000.log");
        std::fs::write(&log, "x").unwrap();
        let removed = tool(&dir, &["--remove", "--partition", "a-0"]).unwrap();
        assert!(removed.ends_with("1 pieces removed.\n"), "{removed}");
        assert!(log.exists());
        assert_eq!(tool(&dir, &[]).unwrap().lines().count(), 2);
        assert!(tool(&dir, &["--remove"]).unwrap().ends_with("1 pieces removed.\n"));
        assert_eq!(tool(&dir, &[]).unwrap().lines().count(), 1);
    }

    #[test]
    fn says_what_is_wrong() {
        let dir = logs();
        assert!(tool(&dir, &["--read", "--remove"]).unwrap_err().contains("can't be used with"));
        let mut out = Vec::new();
        let none = carry_out(&GRAMMAR.parse(&["--read".to_owned()]).unwrap(), &mut out);
        assert!(refusal(none).contains("[dir]"));
        let nowhere = GRAMMAR.parse(&["--log-dirs=/no/where".to_owned()]).unwrap();
        assert!(refusal(carry_out(&nowhere, &mut out)).contains("/no/where"));
    }
}
