//! The search in an offset index that has been read whole.
//!
//! Done as Kafka does it, since in a damaged index, or one with zero bytes behind its entries, the way decides what is
//! found. Source: AbstractIndex.largestLowerBoundSlotFor.

use protocol::Offset;
use storage::files::OffsetIndexEntry;

/// Entries that are searched first, since they are what consumers at the end of a log ask for: 8 KiB.
const WARM: usize = 8192 / 8;

/// Where to begin looking for `target`.
pub(super) fn position_for(entries: &[OffsetIndexEntry], target: Offset) -> i32 {
    let Some(last) = entries.len().checked_sub(1) else { return 0 };
    let first_warm = last.saturating_sub(WARM);
    if entries[first_warm].offset < target {
        return search(entries, target, first_warm, last);
    }
    if entries[0].offset > target {
        return 0;
    }
    search(entries, target, 0, first_warm)
}

fn search(entries: &[OffsetIndexEntry], target: Offset, mut low: usize, mut high: usize) -> i32 {
    while low < high {
        let middle = (low + high).div_ceil(2);
        let found = entries[middle];
        if found.offset > target {
            high = middle - 1;
        } else if found.offset < target {
            low = middle;
        } else {
            return found.position;
        }
    }
    entries[low].position
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(count: i32) -> Vec<OffsetIndexEntry> {
        (0..count)
            .map(|at| OffsetIndexEntry { offset: Offset(100 + 10 * i64::from(at)), position: at + 1 })
            .collect()
    }

    #[test]
    fn the_greatest_entry_not_after_the_target_is_found() {
        for count in [1, 2, 7, 1024, 1025, 1026, 3000] {
            let entries = index(count);
            for target in 95..(100 + 10 * i64::from(count) + 5) {
                let expected =
                    if target < 100 { 0 } else { ((target - 100) / 10).min(i64::from(count) - 1) + 1 };
                let found = position_for(&entries, Offset(target));
                assert_eq!(i64::from(found), expected, "{target} among {count}");
            }
        }
        assert_eq!(position_for(&[], Offset(5)), 0);
    }
}
