//! Directories that Kafka 3.9.1 wrote, and what its own DumpLogSegments printed of them, character by character.
//!
//! The files are those of the storage suite, and `made`, which holds what Kafka does not write but its tool shows: odd
//! records, damaged indexes and snapshots, groups of KIP-848. Paths were cut off in what was recorded: `Dumping` names a
//! file from its log directory on, what is told at the end names it with the directory's name.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::output::Output;
use super::settings::Settings;

/// Where Kafka's tool broke off with an exception: the file, the exception, and what ours says and prints instead.
const BROKEN_OFF: [(&str, &str, &str); 3] = [
    // Zero bytes behind the last batch.
    (
        "crash-zeros-before/fx-crash-0/log.txt",
        "Exception in thread \"main\" org.apache.kafka.common.errors.CorruptRecordException: Found record size 0",
        "fx-crash-0/00000000000000000231.log: the bytes at position 1064 are no batch: they say their size is 0, and the \
         least is 14; nothing behind it is read\n",
    ),
    // An index entry of a batch that is cut short.
    (
        "crash-torn-before/fx-crash-0/indexes.txt",
        "Exception in thread \"main\" java.util.NoSuchElementException",
        "fx-crash-0/00000000000000000231.index: the entry of offset 239 points to position 709, where no whole batch \
         stands\nDumping fx-crash-0/00000000000000000231.snapshot\n",
    ),
    // A time index whose offset index is missing; Kafka's tool leaves an empty file in its place.
    (
        "crash-noindex-before/fx-crash-0/indexes.txt",
        "Exception in thread \"main\" java.lang.IllegalArgumentException: Invalid max index size: -1",
        "fx-crash-0/00000000000000000033.index cannot be read: No such file or directory (os error 2); \
         fx-crash-0/00000000000000000033.timeindex is looked at without it\ntimestamp: 1700000001302 offset: 41\n",
    ),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/storage/fixtures")
}

/// Both streams as one, in the order in which they were written.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the tool prints of `files`, and whether it found all of it readable.
fn printed(files: &[PathBuf], options: &[&str]) -> (String, bool) {
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let mut args = vec!["--files".to_owned(), names.join(",")];
    args.extend(options.iter().map(|&option| option.to_owned()));
    let shared = Shared::default();
    let (mut out, mut err) = (shared.clone(), shared.clone());
    let done = super::dump(&Settings::read(&args).unwrap(), &mut Output::new(&mut out, &mut err));
    let bytes = shared.0.take();
    (String::from_utf8(bytes).unwrap(), done.is_ok())
}

/// The files of a partition whose names end so, by name.
fn files(partition: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|file| file.extension().is_some_and(|kind| endings.contains(&kind.to_str().unwrap())))
        .collect();
    files.sort();
    files
}

/// Every recorded text: its path below `expected`, and that of its partition below `logdir`.
fn recorded() -> Vec<(String, PathBuf)> {
    let (expected, logdir) = (fixtures().join("expected"), fixtures().join("logdir"));
    let mut found = Vec::new();
    let mut left = vec![expected.clone()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let below = path.strip_prefix(&expected).unwrap().to_path_buf();
            found.push((below.to_str().unwrap().to_owned(), logdir.join(below.parent().unwrap())));
        }
    }
    found.sort();
    found
}

/// Our output of what was recorded at `below`, with paths as they are there, and whether all was readable.
fn ours(below: &str, partition: &Path) -> (String, bool) {
    const INDEXES: &[&str] = &["index", "timeindex", "txnindex", "snapshot"];
    let (_, what) = below.rsplit_once('/').unwrap();
    let (kind, _) = what.split_once('.').unwrap();
    let endings = if kind == "log" { &["log"] } else { INDEXES };
    let options: &[&str] = match what {
        "log.txt" => &["--deep-iteration", "--print-data-log"],
        "log.offsets-decoder.txt" => &["--offsets-decoder"],
        "log.transaction-log-decoder.txt" => &["--transaction-log-decoder"],
        "log.shallow.txt" | "indexes.txt" => &[],
        "log.deep.txt" => &["--deep-iteration"],
        "log.skip-record-metadata.txt" => &["--skip-record-metadata", "--print-data-log"],
        "log.max-bytes.txt" => &["--max-bytes", "500"],
        "log.numbers.txt" => &[
            "--key-decoder-class",
            "org.apache.kafka.tools.api.LongDecoder",
            "--value-decoder-class",
            "kafka.serializer.IntegerDecoder",
        ],
        "indexes.verify.txt" => &["--verify-index-only"],
        "indexes.sanity.txt" => &["--index-sanity-check"],
        other => panic!("{other} was recorded with unknown options"),
    };
    let (text, is_readable) = printed(&files(partition, endings), options);
    let dir = partition.parent().unwrap().to_str().unwrap();
    let all = fixtures().join("logdir");
    let is_at_end = |line: &&str| line.contains(" in :/") || line.starts_with("Non-consecutive offsets in /");
    let relative = |line: &str| {
        let prefix = if is_at_end(&line) { all.to_str().unwrap() } else { dir };
        line.replace(&format!("{prefix}/"), "")
    };
    (text.split_inclusive('\n').map(relative).collect(), is_readable)
}

/// How what is told at the end begins.
const AT_END: [&str; 5] = [
    "Mismatches in :",
    "Found timestamp mismatch in :",
    "Found out of order timestamp in :",
    "The following indexed offsets ",
    "Non-consecutive offsets in ",
];

/// Lines before those about whole files, and the blocks of these, sorted: their order depends on the directory's name.
fn parts(text: &str) -> (&str, Vec<String>) {
    let begins = |line: &str| AT_END.iter().any(|begin| line.starts_with(begin));
    let mut lines = 0;
    let mut blocks: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match blocks.last_mut() {
            _ if begins(line) => blocks.push(line.to_owned()),
            Some(block) => block.push_str(line),
            None => lines += line.len(),
        }
    }
    blocks.sort();
    (&text[..lines], blocks)
}

#[test]
fn every_fixture_is_printed_as_kafkas_tool_prints_it() {
    let recorded = recorded();
    assert!(recorded.len() > 150, "{}", recorded.len());
    for (below, partition) in recorded {
        if BROKEN_OFF.iter().any(|(broken, ..)| *broken == below) {
            continue;
        }
        let expected =
            String::from_utf8(fs::read(fixtures().join("expected").join(&below)).unwrap()).unwrap();
        let (text, is_readable) = ours(&below, &partition);
        let (lines, blocks) = parts(&text);
        let (expected_lines, expected_blocks) = parts(&expected);
        for (line, expected) in lines.lines().zip(expected_lines.lines()) {
            assert_eq!(line, expected, "{below}");
        }
        assert_eq!((lines.len(), blocks), (expected_lines.len(), expected_blocks), "{below}");
        assert!(is_readable, "{below}");
    }
}

#[test]
fn what_breaks_kafkas_tool_off_is_said_and_the_rest_is_printed() {
    for (below, exception, sentence) in BROKEN_OFF {
        let expected = fs::read_to_string(fixtures().join("expected").join(below)).unwrap();
        let (before, _) = expected.split_once(exception).expect(below);
        let (text, is_readable) = ours(below, fixtures().join("logdir").join(below).parent().unwrap());
        assert!(!is_readable, "{below}");
        assert!(text.starts_with(before), "{below}");
        let after = &text[before.len()..];
        assert_eq!(after.get(..sentence.len()), Some(sentence), "{below}");
    }
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Some bytes of each file are changed, and some files cut: whatever is in them, the tool reads it and ends.
#[test]
fn damaged_files_do_no_harm() {
    let scratch = std::env::temp_dir().join(format!("dump-log-damaged-{}", std::process::id()));
    fs::create_dir_all(&scratch).unwrap();
    let partitions =
        ["made/odd-0", "made/__consumer_offsets-0", "made/__transaction_state-0", "legacy-ibp28/fx-v0-lz4-0"];
    let partitions =
        partitions.iter().chain(&["legacy-ibp28/fx-v1-gzip-0", "main/fx-zstd-0", "main/fx-segments-0"]);
    let kinds = ["log", "index", "timeindex", "txnindex", "snapshot"];
    let all: Vec<_> =
        partitions.flat_map(|name| files(&fixtures().join("logdir").join(name), &kinds)).collect();
    for seed in 0..400 {
        let mut random = Random(seed);
        let original = &all[random.below(all.len())];
        let segment = names_of(original);
        let beside =
            all.iter().filter(|file| names_of(file) == segment && file.parent() == original.parent());
        let mut damaged = Vec::new();
        for file in beside {
            let mut bytes = fs::read(file).unwrap();
            for _ in 0..random.below(6) {
                let (at, value) = (random.below(bytes.len().max(1)), random.below(256) as u8);
                // Headers are where it hurts most.
                let at = if random.below(2) == 0 { at } else { at % 61 };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            if random.below(4) == 0 {
                bytes.truncate(random.below(bytes.len() + 1));
            }
            let copy = scratch.join(file.file_name().unwrap());
            fs::write(&copy, bytes).unwrap();
            damaged.push(copy);
        }
        for options in [&["--print-data-log"][..], &["--offsets-decoder"], &["--transaction-log-decoder"]] {
            let (text, _) = printed(&damaged, options);
            assert_eq!(text.matches("Dumping ").count(), damaged.len(), "seed {seed}");
        }
        damaged.iter().for_each(|file| fs::remove_file(file).unwrap());
    }
    fs::remove_dir(scratch).unwrap();
}

/// What a file's name begins with.
fn names_of(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap().split('.').next().unwrap()
}
