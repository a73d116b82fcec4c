//! A fuzz target on the stable toolchain: the kept corpus first, then inputs made of it by mutations, each from a seed.
//!
//! Included by the crates whose unit tests run a target. A failure names its seed: `OTTLA_FUZZ_SEED=N` runs that one again,
//! `OTTLA_FUZZ_SECONDS=N` runs as many as fit into the time, `OTTLA_FUZZ_KEEP=1` writes the seeds into the corpus.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A name and an input.
pub(crate) type Seed = (String, Vec<u8>);

/// Runs `target` on its corpus, on `seeds`, and on `rounds` mutations of them.
pub(crate) fn smoke(name: &str, seeds: &[Seed], rounds: u64, mut target: impl FnMut(&[u8])) {
    keep(name, seeds);
    let mut corpus = kept(name);
    corpus.extend(seeds.iter().cloned());
    let mut run = |what: &str, input: &[u8]| {
        let running = Running { name, what, input };
        target(input);
        std::mem::forget(running);
    };
    if let Some(seed) = number("OTTLA_FUZZ_SEED") {
        return run(&format!("seed {seed}"), &mutated(&corpus, seed));
    }
    corpus.iter().for_each(|(file, input)| run(file, input));
    let limit = number("OTTLA_FUZZ_SECONDS").map(Duration::from_secs);
    let start = Instant::now();
    let mut seed = 0;
    while limit.map_or(seed < rounds, |limit| start.elapsed() < limit) {
        run(&format!("seed {seed}"), &mutated(&corpus, seed));
        seed += 1;
    }
    eprintln!("{name}: {} inputs of the corpus, seeds 0 to {seed}", corpus.len());
}

/// Writes seeds into the corpus, where that is asked for.
fn keep(name: &str, seeds: &[Seed]) {
    if number("OTTLA_FUZZ_KEEP").is_some() {
        for (file, input) in seeds {
            fs::write(folder(name).join(file), input).expect("the corpus can be written");
        }
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The corpus by name, so that a seed means the same everywhere.
fn kept(name: &str) -> Vec<Seed> {
    let folder = folder(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    };
    let mut kept: Vec<Seed> =
        files.map(read).collect::<std::io::Result<_>>().expect("the corpus can be read");
    kept.sort();
    kept
}

/// Says what was run when the target panics.
struct Running<'a> {
    name: &'a str,
    what: &'a str,
    input: &'a [u8],
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let shown = &self.input[..self.input.len().min(2000)];
        eprintln!("fuzz target {}, {}: {shown:02x?}", self.name, self.what);
    }
}

/// An input from the corpus with one to eight changes.
fn mutated(corpus: &[Seed], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut input = dice.one_of(corpus).1.clone();
    for _ in 0..1 << dice.below(4) {
        dice.change(&mut input, corpus);
    }
    input
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Part of a run of `size` bytes: where it begins and ends.
    fn part(&mut self, size: usize) -> (usize, usize) {
        let start = self.below(size + 1);
        let most = 1 << self.below(8);
        (start, size.min(start + self.below(most + 1)))
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Seed]) {
        let (start, end) = self.part(input.len());
        match self.below(6) {
            0 => input[start..end].iter_mut().for_each(|byte| *byte ^= 1 << (self.next() % 8)),
            // The numbers at which lengths and counts turn over.
            1 => input[start..end].fill(*self.one_of(&[0, 1, 2, 0x7e, 0x7f, 0x80, 0xfe, 0xff])),
            2 => input[start..end].fill_with(|| self.next() as u8),
            3 => drop(input.drain(start..end)),
            4 => {
                let again = input[start..end].repeat(1 + self.below(4));
                input.splice(start..start, again);
            }
            _ => {
                let other = &self.one_of(corpus).1;
                let (from, to) = self.part(other.len());
                input.splice(start..end, other[from..to].iter().copied());
            }
        }
    }
}
