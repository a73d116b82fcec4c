//! What a medium may hold after a power cut, computed from a journal of operations.
//!
//! Pure but for the final writing. Bytes of a file are certain once it was synced, names once their directory was.
//! What is not certain may be there, not there, or there in part: pages in any order, names in the order they came.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Operation;

/// What is lost of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: the process was killed, the system went on.
    Nothing,
    /// All of it.
    Unsynced,
    /// Bytes that were not synced; the file system wrote its journal of names.
    UnsyncedBytes,
    /// Some of it, chosen by a seed: names from some point on; of each file's bytes whole pages, or an end.
    Random(u64),
}

/// Unit in which unsynced bytes reach the medium.
const PAGE: usize = 512;

/// A file: what is certain, and what came later.
#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    now: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Dir,
    File(u64),
}

type Names = BTreeMap<PathBuf, Node>;

/// A change of names that its directory's sync has not made certain yet.
#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        let (NameChange::Add(path, _) | NameChange::Rename(_, path) | NameChange::Remove(path)) = self;
        path.parent() == Some(dir)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            NameChange::Add(path, _) | NameChange::Remove(path) => vec![path],
            NameChange::Rename(from, to) => vec![from, to],
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Add(path, node) => drop(names.insert(path.clone(), node.clone())),
            NameChange::Remove(path) => names.retain(|name, _| !name.starts_with(path)),
            NameChange::Rename(from, to) => {
                if !names.contains_key(from) {
                    return;
                }
                names.retain(|name, _| !name.starts_with(to));
                let old = std::mem::take(names);
                names.extend(old.into_iter().map(|(mut name, node)| {
                    moved(&mut name, from, to);
                    (name, node)
                }));
            }
        }
    }
}

/// Changes `name` if it is `from` or lies in it.
pub(super) fn moved(name: &mut PathBuf, from: &Path, to: &Path) {
    if let Ok(rest) = name.strip_prefix(from) {
        *name = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
    }
}

/// Files and directories under `root`, directories before what is in them.
pub(super) fn read_tree(root: &Path, into: &mut Vec<(PathBuf, Option<Vec<u8>>)>) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            into.push((path.clone(), None));
            read_tree(&path, into)?;
        } else {
            into.push((path.clone(), Some(fs::read(&path)?)));
        }
    }
    Ok(())
}

/// The state after some operations.
#[derive(Debug, Default)]
pub(super) struct Medium {
    files: BTreeMap<u64, Content>,
    certain: Names,
    pending: Vec<NameChange>,
}

impl Medium {
    pub(super) fn after(initial: &[(PathBuf, Option<Vec<u8>>)], operations: &[Operation]) -> Medium {
        let mut medium = Medium::default();
        let mut id = 0;
        for (path, content) in initial {
            let node = match content {
                None => Node::Dir,
                Some(bytes) => {
                    medium.files.insert(id, Content { synced: bytes.clone(), now: bytes.clone() });
                    id += 1;
                    Node::File(id - 1)
                }
            };
            medium.certain.insert(path.clone(), node);
        }
        for operation in operations {
            medium.apply(operation);
        }
        medium
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { path, id } => {
                self.files.insert(*id, Content::default());
                self.pending.push(NameChange::Add(path.clone(), Node::File(*id)));
            }
            Operation::CreateDir { path } => self.pending.push(NameChange::Add(path.clone(), Node::Dir)),
            Operation::Write { id, position, bytes } => {
                let now = &mut self.files.entry(*id).or_default().now;
                let end = *position as usize + bytes.len();
                if now.len() < end {
                    now.resize(end, 0);
                }
                now[*position as usize..end].copy_from_slice(bytes);
            }
            Operation::SetSize { id, size } => {
                self.files.entry(*id).or_default().now.resize(*size as usize, 0);
            }
            Operation::Sync { id } => {
                let content = self.files.entry(*id).or_default();
                content.synced = content.now.clone();
            }
            Operation::SyncDir { path } => self.settle(path),
            Operation::Rename { from, to } => {
                self.pending.push(NameChange::Rename(from.clone(), to.clone()));
            }
            Operation::Remove { path } | Operation::RemoveDir { path } => {
                self.pending.push(NameChange::Remove(path.clone()));
            }
        }
    }

    fn settle(&mut self, dir: &Path) {
        for change in std::mem::take(&mut self.pending) {
            if change.is_in(dir) {
                change.apply(&mut self.certain);
                self.follow(&change);
            } else {
                self.pending.push(change);
            }
        }
    }

    /// Names in a directory go where it goes, certain or not.
    fn follow(&mut self, settled: &NameChange) {
        match settled {
            NameChange::Add(..) => {}
            NameChange::Rename(from, to) => {
                self.pending.iter_mut().flat_map(NameChange::paths).for_each(|path| moved(path, from, to));
            }
            NameChange::Remove(gone) => {
                self.pending.retain_mut(|change| change.paths().iter().all(|path| !path.starts_with(gone)));
            }
        }
    }

    pub(super) fn write(mut self, loss: Loss, root: &Path, into: &Path) -> io::Result<()> {
        let mut dice = Dice(match loss {
            Loss::Random(seed) => seed,
            Loss::Nothing | Loss::Unsynced | Loss::UnsyncedBytes => 0,
        });
        let kept = match loss {
            Loss::Nothing | Loss::UnsyncedBytes => self.pending.len(),
            Loss::Unsynced => 0,
            Loss::Random(_) => dice.below(self.pending.len() + 1),
        };
        for change in &self.pending[..kept] {
            change.apply(&mut self.certain);
        }
        for (path, node) in &self.certain {
            let Ok(inside) = path.strip_prefix(root) else { continue };
            let path = into.join(inside);
            match node {
                Node::Dir => fs::create_dir_all(&path)?,
                Node::File(id) => {
                    let content = &self.files[id];
                    let bytes = match loss {
                        Loss::Nothing => content.now.clone(),
                        Loss::Unsynced | Loss::UnsyncedBytes => content.synced.clone(),
                        Loss::Random(_) => content.damaged(&mut dice),
                    };
                    // A name whose directory's own name was lost is lost with it.
                    if path.parent().is_some_and(Path::is_dir) {
                        fs::write(&path, bytes)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Content {
    /// Some mixture of what is certain and what came later.
    fn damaged(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(4) {
            0 => self.now.clone(),
            1 => self.synced.clone(),
            which => {
                let mut bytes = if which == 2 { self.now.clone() } else { self.pages(dice) };
                // Its size may have come before its last bytes, or after them.
                if let Some(more) = bytes.len().checked_sub(self.synced.len()).filter(|_| dice.below(2) == 0)
                {
                    bytes.truncate(self.synced.len() + dice.below(more + 1));
                }
                bytes
            }
        }
    }

    /// Each page is old or new by chance; a page that never was is zeros.
    fn pages(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.now.clone();
        for (at, page) in bytes.chunks_mut(PAGE).enumerate() {
            if dice.below(2) == 0 {
                continue;
            }
            let old = self.synced.get(at * PAGE..).unwrap_or(&[]);
            for (index, byte) in page.iter_mut().enumerate() {
                *byte = old.get(index).copied().unwrap_or(0);
            }
        }
        bytes
    }
}

/// A small generator (SplitMix64): the same seed gives the same losses.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::super::{CrashDisk, scratch};
    use super::*;
    use crate::disk::{Disk, Mode};

    /// Writes two files, syncs one, syncs no directory after the second.
    fn workload(root: &Path) -> CrashDisk {
        let disk = CrashDisk::new(root).unwrap();
        let one = disk.open(&root.join("one"), Mode::Create).unwrap();
        disk.write_at(&one, 0, &mut [IoSlice::new(b"synced")]).unwrap();
        disk.sync(&one).unwrap();
        disk.sync_dir(root).unwrap();
        disk.write_at(&one, 6, &mut [IoSlice::new(b" not")]).unwrap();
        let two = disk.open(&root.join("two"), Mode::Create).unwrap();
        disk.write_at(&two, 0, &mut [IoSlice::new(b"2")]).unwrap();
        disk.rename(&root.join("two"), &root.join("three")).unwrap();
        disk
    }

    fn check(loss: Loss, expected: &[(&str, &str)]) {
        let (root, into) = (scratch(), scratch());
        let disk = workload(root.path());
        disk.image(disk.operations(), loss, into.path()).unwrap();
        let mut found = Vec::new();
        read_tree(into.path(), &mut found).unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(path, bytes)| (name(&path), String::from_utf8(bytes.unwrap()).unwrap()))
            .collect();
        found.sort();
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, expected, "{loss:?}");
    }

    #[test]
    fn a_loss_takes_what_was_not_synced() {
        check(Loss::Nothing, &[("one", "synced not"), ("three", "2")]);
        check(Loss::Unsynced, &[("one", "synced")]);
        check(Loss::UnsyncedBytes, &[("one", "synced"), ("three", "")]);
    }

    #[test]
    fn names_in_a_directory_go_where_it_goes() {
        let (root, into) = (scratch(), scratch());
        let disk = CrashDisk::new(root.path()).unwrap();
        let [one, two] = ["one", "two"].map(|name| root.path().join(name));
        disk.create_dir(&one).unwrap();
        disk.open(&one.join("file"), Mode::Create).unwrap();
        disk.rename(&one, &two).unwrap();
        disk.sync_dir(root.path()).unwrap();
        disk.create_dir(&one).unwrap();
        disk.image(disk.operations(), Loss::Nothing, into.path()).unwrap();
        assert!(into.path().join("two/file").exists() && !into.path().join("one/file").exists());
        disk.remove_dir(&two).unwrap();
        disk.create_dir(&two).unwrap();
        disk.sync_dir(root.path()).unwrap();
        let into = scratch();
        disk.image(disk.operations(), Loss::UnsyncedBytes, into.path()).unwrap();
        assert!(into.path().join("two").exists() && !into.path().join("two/file").exists());
    }

    #[test]
    fn what_was_synced_survives_every_seed() {
        let root = scratch();
        let disk = workload(root.path());
        for seed in 0..50 {
            let into = scratch();
            disk.image(disk.operations(), Loss::Random(seed), into.path()).unwrap();
            assert!(fs::read(into.path().join("one")).unwrap().starts_with(b"synced"));
        }
    }
}
