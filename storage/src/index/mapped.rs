//! An index file that nobody writes any more, read through memory.
//!
//! The only unsafe code of the crate. The map is made at the first look-up, since most sealed segments are never
//! read. A page that the disk cannot deliver ends the process (SIGBUS), as it does with Kafka.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use memmap2::Mmap;

use super::{Entry, greatest};

/// A sealed index; empty if its file is missing or empty, for then the log itself is searched.
#[derive(Debug)]
pub(crate) struct MappedIndex {
    path: PathBuf,
    map: OnceLock<Option<Mmap>>,
}

impl MappedIndex {
    /// Opens nothing yet.
    pub(crate) fn new(path: PathBuf) -> MappedIndex {
        MappedIndex { path, map: OnceLock::new() }
    }

    /// The greatest entry for which `is_before` holds; it has to hold for a front part of the index only.
    pub(crate) fn greatest<E: Entry>(&self, is_before: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        let bytes = self.bytes()?;
        greatest(bytes.len() / E::SIZE, |at| Ok(E::from_bytes(&bytes[at * E::SIZE..])), is_before)
    }

    pub(crate) fn last<E: Entry>(&self) -> io::Result<Option<E>> {
        let bytes = self.bytes()?;
        let count = bytes.len() / E::SIZE;
        Ok(count.checked_sub(1).and_then(|at| E::from_bytes(&bytes[at * E::SIZE..])))
    }

    fn bytes(&self) -> io::Result<&[u8]> {
        let map = match self.map.get() {
            Some(map) => map,
            // Two readers may map at the same time; one map is kept.
            None => {
                let map = map(&self.path)?;
                self.map.get_or_init(|| map)
            }
        };
        Ok(map.as_deref().unwrap_or(&[]))
    }
}

fn map(path: &Path) -> io::Result<Option<Mmap>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    // SAFETY: the slice is sound as long as nobody changes or shortens the file. This broker writes an index only
    // while its segment is active and maps it only afterwards, removal leaves the mapped file in being, and the
    // directory's lock keeps other brokers out.
    unsafe { Mmap::map(&file).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::crash::scratch;
    use crate::index::{OffsetEntry, to_bytes};

    #[test]
    fn a_file_is_searched_and_an_absent_one_is_empty() {
        let dir = scratch();
        let path = dir.path().join("0.index");
        let missing = MappedIndex::new(path.clone());
        assert_eq!(missing.last::<OffsetEntry>().unwrap(), None);
        std::fs::write(&path, []).unwrap();
        assert_eq!(MappedIndex::new(path.clone()).last::<OffsetEntry>().unwrap(), None);

        let entries = [OffsetEntry { last: 3, position: 100 }, OffsetEntry { last: 9, position: 200 }];
        let mut bytes = to_bytes(&entries);
        bytes.extend([0; 5]);
        std::fs::write(&path, bytes).unwrap();
        let index = MappedIndex::new(path);
        assert_eq!(index.last().unwrap(), Some(entries[1]));
        assert_eq!(index.greatest(|entry: &OffsetEntry| entry.last <= 8).unwrap(), Some(entries[0]));
        assert_eq!(index.greatest(|entry: &OffsetEntry| entry.last <= 2).unwrap(), None);
    }
}
