//! What contradicts itself in the files, told when all of them have been read.
//!
//! Source: DumpLogSegments.main and its TimeIndexDumpErrors; the order is that of Scala's maps.

use std::collections::HashMap;
use std::io;

use super::names;
use super::output::Output;
use super::scala_hash::{Table, of_text};

/// Everything found so far, by kind and file.
#[derive(Debug)]
pub(super) struct Findings {
    gaps: PerFile,
    offsets: PerFile,
    times: PerFile,
    unordered: PerFile,
    missing: PerFile,
}

/// Pairs of numbers by the file they are about.
#[derive(Debug)]
struct PerFile {
    order: Table<usize>,
    /// With their absolute paths.
    files: Vec<(String, Vec<(i64, i64)>)>,
    /// Places in the list, by the names that were given.
    places: HashMap<String, usize>,
}

impl PerFile {
    fn new() -> PerFile {
        PerFile { order: Table::new(), files: Vec::new(), places: HashMap::new() }
    }

    /// Notes a pair where Kafka puts the file's list into its map anew each time, which lets the map grow.
    fn put(&mut self, file: &str, pair: (i64, i64)) {
        let at = self.place(file);
        self.files[at].1.push(pair);
        self.order.add(at, of_text(&self.files[at].0));
    }

    /// Notes a pair where Kafka adds to the list that is in its map.
    fn append(&mut self, file: &str, pair: (i64, i64)) {
        let at = self.place(file);
        if self.files[at].1.is_empty() {
            self.order.add(at, of_text(&self.files[at].0));
        }
        self.files[at].1.push(pair);
    }

    fn place(&mut self, file: &str) -> usize {
        if let Some(at) = self.places.get(file) {
            return *at;
        }
        let path = names::absolute(file);
        let known = self.files.iter().position(|(name, _)| *name == path);
        let at = known.unwrap_or(self.files.len());
        if known.is_none() {
            self.files.push((path, Vec::new()));
        }
        self.places.insert(file.to_owned(), at);
        at
    }

    fn into_ordered(self) -> impl Iterator<Item = (String, Vec<(i64, i64)>)> {
        let mut files = self.files;
        self.order.into_ordered().map(move |at| std::mem::take(&mut files[at]))
    }
}

impl Findings {
    pub(super) fn new() -> Findings {
        Findings {
            gaps: PerFile::new(),
            offsets: PerFile::new(),
            times: PerFile::new(),
            unordered: PerFile::new(),
            missing: PerFile::new(),
        }
    }

    /// A record whose offset is not the one before plus one.
    pub(super) fn gap(&mut self, file: &str, before: i64, after: i64) {
        self.gaps.put(file, (before, after));
    }

    /// An entry of an offset index that points to a batch with another last offset.
    pub(super) fn wrong_offset(&mut self, file: &str, index: i64, log: i64) {
        self.offsets.put(file, (index, log));
    }

    /// An entry of a time index whose timestamp is not the largest of its batch.
    pub(super) fn wrong_time(&mut self, file: &str, index: i64, log: i64) {
        self.times.append(file, (index, log));
    }

    /// An entry of a time index that is not later than the one before.
    pub(super) fn unordered_time(&mut self, file: &str, time: i64, before: i64) {
        self.unordered.append(file, (time, before));
    }

    /// An offset in a time index that no batch ends with.
    pub(super) fn missing_offset(&mut self, file: &str, index: i64, log: i64) {
        self.missing.append(file, (index, log));
    }

    /// Tells all of it.
    pub(super) fn tell(self, output: &mut Output<'_>) -> io::Result<()> {
        for (file, pairs) in self.offsets.into_ordered() {
            output.tell(format_args!("Mismatches in :{file}"))?;
            for (index, log) in pairs.iter().rev() {
                output.tell(format_args!("  Index offset: {index}, log offset: {log}"))?;
            }
        }
        for (file, pairs) in self.times.into_ordered() {
            output.tell(format_args!("Found timestamp mismatch in :{file}"))?;
            for (index, log) in pairs {
                output.tell(format_args!("  Index timestamp: {index}, log timestamp: {log}"))?;
            }
        }
        for (file, pairs) in self.unordered.into_ordered() {
            output.tell(format_args!("Found out of order timestamp in :{file}"))?;
            for (time, before) in pairs {
                let line = format!("  Index timestamp: {time}, Previously indexed timestamp: {before}");
                output.tell(line)?;
            }
        }
        for (_, pairs) in self.missing.into_ordered() {
            output.tell("The following indexed offsets are not found in the log.")?;
            for (index, log) in pairs {
                output.tell(format_args!("Indexed offset: {index}, found log offset: {log}"))?;
            }
        }
        for (file, pairs) in self.gaps.into_ordered() {
            output.tell(format_args!("Non-consecutive offsets in {file}"))?;
            for (before, after) in pairs.iter().rev() {
                output.tell(format_args!("  {before} is followed by {after}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which Kafka 3.9.1 told of these files.
    #[test]
    fn files_are_told_of_in_the_order_of_scalas_map() {
        let file = |base: i64| format!("/data/t-0/{base:020}.log");
        let mut findings = Findings::new();
        for base in 500..515 {
            findings.gap(&file(base), base, base + 3);
            findings.gap(&file(base), base + 3, base + 5);
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        findings.tell(&mut Output::new(&mut out, &mut err)).unwrap();
        let told = String::from_utf8(err).unwrap();
        let order = [504, 510, 506, 509, 514, 507, 503, 512, 501, 511, 505, 508, 502, 513, 500];
        let expected = order.map(|base| {
            let (second, third) = (base + 3, base + 5);
            format!("Non-consecutive offsets in {}\n  {second} is followed by {third}\n  {base} is followed by {second}\n", file(base))
        });
        assert_eq!(told, expected.concat());
    }
}
