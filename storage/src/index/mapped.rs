//! An index file that nobody writes any more, read through memory.
//!
//! The map is made at the first look-up, since most sealed segments are never read,
//! and taken back when there are too many. A page that the disk cannot deliver ends the process (SIGBUS), as it does
//! with Kafka; in a directory that has shown an error nothing is mapped, and the file is read instead.
#![allow(unsafe_code)]

use std::io;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use super::{Entry, greatest, greatest_in_file};
use crate::disk::{Disk, DiskFile, Mode, OsDisk};
use crate::handles::{MAPS, Slot, may_map};

/// A sealed index; empty if its file is missing or empty, for then the log itself is searched.
#[derive(Debug)]
pub(crate) struct MappedIndex {
    map: Slot<Arc<Mapped>>,
}

/// The bytes of an index file; none if there are none.
#[derive(Debug)]
pub(crate) struct Mapped(Option<Mmap>);

impl MappedIndex {
    /// Opens nothing yet.
    pub(crate) fn new() -> MappedIndex {
        MappedIndex { map: Slot::new() }
    }

    /// The greatest entry for which `is_before` holds; it has to hold for a front part of the index only. `path` gives
    /// the index file, where it has to be opened.
    pub(crate) fn greatest<E: Entry, P: AsRef<Path>>(
        &self,
        path: impl FnOnce() -> P,
        is_before: impl Fn(&E) -> bool,
    ) -> io::Result<Option<E>> {
        let map = match self.map.get() {
            Some(map) => map,
            None => {
                let path = path();
                let path = path.as_ref();
                let Some(file) = open(path)? else { return Ok(None) };
                if !may_map(path) {
                    let count = u32::try_from(file.size()? / E::SIZE as u64).unwrap_or(u32::MAX);
                    return greatest_in_file(&file, count, is_before);
                }
                self.map.keep(&MAPS, Arc::new(map(&file)?))
            }
        };
        let bytes = map.0.as_deref().unwrap_or(&[]);
        greatest(bytes.len() / E::SIZE, |at| Ok(E::from_bytes(&bytes[at * E::SIZE..])), is_before)
    }
}

/// The file, unless it is missing.
pub(super) fn open(path: &Path) -> io::Result<Option<DiskFile>> {
    match OsDisk.open(path, Mode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn map(file: &DiskFile) -> io::Result<Mapped> {
    if file.size()? == 0 {
        return Ok(Mapped(None));
    }
    // SAFETY: the slice is sound as long as nobody changes or shortens the file. This broker writes an index only
    // while its segment is active and maps it only afterwards; a truncation, which makes a segment active again,
    // gives it new files; removal leaves the mapped file in being, and the directory's lock keeps other brokers out.
    unsafe { Mmap::map(&*file.os) }.map(|map| Mapped(Some(map)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::crash::scratch;
    use crate::handles::distrust;
    use crate::index::{OffsetEntry, to_bytes};

    fn find(index: &MappedIndex, path: &Path, target: u32) -> Option<u32> {
        let found = index.greatest(|| path, |entry: &OffsetEntry| entry.last <= target).unwrap();
        found.map(|entry| entry.position)
    }

    #[test]
    fn a_file_is_searched_and_an_absent_one_is_empty() {
        let dir = scratch();
        let path = dir.path().join("0.index");
        assert_eq!(find(&MappedIndex::new(), &path, 9), None);
        std::fs::write(&path, []).unwrap();
        assert_eq!(find(&MappedIndex::new(), &path, 9), None);

        let entries = [OffsetEntry { last: 3, position: 100 }, OffsetEntry { last: 9, position: 200 }];
        let mut bytes = to_bytes(&entries);
        bytes.extend([0; 5]);
        std::fs::write(&path, bytes).unwrap();
        let index = MappedIndex::new();
        assert_eq!(
            [2, 3, 8, 9].map(|target| find(&index, &path, target)),
            [None, Some(100), Some(100), Some(200)]
        );
        // Once it is mapped its name does not matter.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(find(&index, &path, 8), Some(100));
    }

    #[test]
    fn in_a_distrusted_directory_the_file_is_read() {
        let dir = scratch();
        let path = dir.path().join("0.index");
        std::fs::write(&path, to_bytes(&[OffsetEntry { last: 3, position: 100 }])).unwrap();
        distrust(dir.path());
        let index = MappedIndex::new();
        assert_eq!((find(&index, &path, 2), find(&index, &path, 4)), (None, Some(100)));
        assert!(index.map.get().is_none());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(find(&index, &path, 4), None);
    }
}
