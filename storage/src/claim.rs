//! Which of two logs of one partition counts, where a move between log directories ended while both had its name.
//!
//! A copy says so before it takes a log's place, and takes it back when that one is gone. Where the copy could not be taken back, the
//! other log says that it stayed. Kafka ignores the file, and does not start with two logs. Written by moves, read at start.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::TopicId;

use crate::disk::{Disk, DiskError, During, remove_if_there, replace};

const FILE: &str = ".ottla-move";

/// What a partition's directory says of a move, which has an id of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// This log has taken the place of the other.
    Took(TopicId),
    /// The move came to nothing, and this log has gone on.
    Kept(TopicId),
}

/// One of two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    One,
    Other,
}

/// The log that counts; none if the claims do not tell.
pub fn counts(one: Option<Claim>, other: Option<Claim>) -> Option<Side> {
    match (one, other) {
        (Some(Claim::Took(took)), Some(Claim::Kept(kept))) if took == kept => Some(Side::Other),
        (Some(Claim::Kept(kept)), Some(Claim::Took(took))) if took == kept => Some(Side::One),
        (Some(Claim::Took(_)), None | Some(Claim::Kept(_))) => Some(Side::One),
        (None | Some(Claim::Kept(_)), Some(Claim::Took(_))) => Some(Side::Other),
        _ => None,
    }
}

/// The claim of a partition's directory. One that cannot be read is none.
pub fn read(dir: &Path) -> Option<Claim> {
    let text = fs::read_to_string(path(dir)).ok()?;
    let (word, id) = text.trim_end().split_once(' ')?;
    let id = TopicId::try_parse(id).ok()?;
    match word {
        "took" => Some(Claim::Took(id)),
        "kept" => Some(Claim::Kept(id)),
        _ => None,
    }
}

/// Writes a claim. Blocks for the disk.
pub fn write(disk: &dyn Disk, dir: &Path, claim: Claim) -> Result<(), DiskError> {
    let text = match claim {
        Claim::Took(id) => format!("took {}\n", id.simple()),
        Claim::Kept(id) => format!("kept {}\n", id.simple()),
    };
    replace(disk, &path(dir), text.as_bytes())
}

/// Takes back what the directory may have claimed. Blocks for the disk.
pub fn remove(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let path = path(dir);
    if path.exists() {
        remove_if_there(disk, &path)?;
        disk.sync_dir(dir).during("sync", dir)?;
    }
    Ok(())
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;
    use crate::disk::crash::scratch;

    #[test]
    fn the_later_claim_counts() {
        let [a, b] = [1, 2].map(TopicId::from_u128);
        let check = |one, other, expected| {
            assert_eq!(counts(one, other), expected, "{one:?} {other:?}");
            let turned = expected.map(|side| if side == Side::One { Side::Other } else { Side::One });
            assert_eq!(counts(other, one), turned, "{other:?} {one:?}");
        };
        let [took_a, took_b, kept_a] = [Claim::Took(a), Claim::Took(b), Claim::Kept(a)].map(Some);
        check(took_a, None, Some(Side::One));
        check(took_a, kept_a, Some(Side::Other));
        // An earlier move came to nothing, a later one did not.
        check(took_b, kept_a, Some(Side::One));
        check(None, None, None);
        check(kept_a, None, None);
        check(kept_a, kept_a, None);
        check(took_a, took_b, None);
    }

    #[test]
    fn a_claim_is_written_and_taken_back() {
        let scratch = scratch();
        let dir = scratch.path();
        assert_eq!(read(dir), None);
        for claim in [Claim::Took(TopicId::from_u128(7)), Claim::Kept(TopicId::from_u128(8))] {
            write(&OsDisk, dir, claim).unwrap();
            assert_eq!(read(dir), Some(claim));
        }
        assert_eq!(fs::read_to_string(path(dir)).unwrap(), "kept 00000000000000000000000000000008\n");
        fs::write(path(dir), "nonsense").unwrap();
        assert_eq!(read(dir), None);
        for _ in 0..2 {
            remove(&OsDisk, dir).unwrap();
            assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
        }
    }
}
