//! Pieces as recovery leaves them, with good and bad batches.

use std::sync::Arc;

use protocol::batch::Codec;
use protocol::record::{BatchBuilder, NewRecord};

use super::*;
use crate::disk::crash::{Scratch, scratch};
use crate::names::salvage_name;

fn batch(offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(&NewRecord { timestamp: Millis(1), key: None, value: Some(b"some value"), headers: &[] });
    builder.header.base_offset = Offset(offset);
    builder.build().unwrap().to_vec()
}

/// A log directory with these pieces of partition `t-0`.
fn with(pieces: &[(i64, u64, Vec<u8>)]) -> Scratch {
    let dir = scratch();
    let partition = dir.path().join("t-0");
    std::fs::create_dir(&partition).unwrap();
    std::fs::create_dir(dir.path().join("lost+found")).unwrap();
    std::fs::write(partition.join("00000000000000000000.log"), "").unwrap();
    for (base, position, bytes) in pieces {
        std::fs::write(partition.join(salvage_name(Offset(*base), *position, 0)), bytes).unwrap();
    }
    dir
}

fn only(dir: &Scratch) -> Piece {
    let mut pieces = pieces(dir.path()).unwrap();
    assert_eq!(pieces.len(), 1);
    pieces.remove(0)
}

#[test]
fn good_batches_are_found_behind_bad_bytes() {
    let (mut first, second, third) = (batch(10), batch(11), batch(12));
    first[70] ^= 1;
    let garbage = vec![2; 1000];
    let bytes = [first.clone(), second.clone(), garbage, third.clone(), third[..40].to_vec()].concat();
    let dir = with(&[(10, 700, bytes)]);
    let piece = only(&dir);
    assert_eq!(
        (piece.partition.to_string(), piece.base, piece.position),
        ("t-0".to_owned(), Offset(10), 700)
    );
    let found = piece.batches().unwrap().map(|found| match found.unwrap() {
        Found::Good(batch) => (batch.header.base_offset.0, batch.records().unwrap() == second[61..]),
        Found::Bad(bad) => (-(bad.bytes as i64), bad.batch.is_some() == (bad.position == 0)),
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, [(-(first.len() as i64), true), (11, true), (-1000, true), (12, true), (-40, true)]);
    let contents = piece.contents().unwrap();
    assert_eq!((contents.offsets, contents.good, contents.bad), (Some((Offset(11), Offset(12))), 2, 3));
    assert_eq!(contents.why.to_string(), "the checksum does not match");
}

#[test]
fn a_good_segment_was_behind_the_cut() {
    let dir = with(&[(5, 0, [batch(5), batch(6)].concat())]);
    let contents = only(&dir).contents().unwrap();
    assert_eq!((contents.offsets, contents.bad), (Some((Offset(5), Offset(6))), 0));
    assert_eq!(contents.why, Why::Behind);
}

#[test]
fn nothing_good_is_no_error() {
    for bytes in [vec![], vec![0; 10], vec![7; 300_000]] {
        let dir = with(&[(5, 0, bytes)]);
        let contents = only(&dir).contents().unwrap();
        assert_eq!((contents.offsets, contents.good), (None, 0));
    }
}

#[test]
fn the_oldest_go_first() {
    let piece = |base| (base, 0, vec![1; 100]);
    let dir = with(&[piece(1), piece(2), piece(3), piece(4)]);
    // Which are the oldest is asked for: they may all be of one moment, as the file system counts.
    let all = pieces(dir.path()).unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(bound(dir.path(), 250, &OsDisk).unwrap(), all[..2]);
    assert_eq!(pieces(dir.path()).unwrap(), all[2..]);
    assert_eq!(bound(dir.path(), 250, &OsDisk).unwrap(), []);
    assert_eq!(bound(dir.path(), 0, &OsDisk).unwrap(), all[2..]);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    all[0].remove(&*disk).unwrap();
    assert_eq!(pieces(dir.path()).unwrap(), []);
}

#[test]
fn what_was_cut_has_offsets() {
    let dir = with(&[(5, 100, [vec![9; 80], batch(7)].concat()), (9, 0, batch(9))]);
    let files: Vec<_> = pieces(dir.path()).unwrap().into_iter().map(|piece| piece.path).collect();
    assert_eq!(offsets_in(&files), Some((Offset(7), Offset(9))));
    assert_eq!(offsets_in(&[]), None);
}
