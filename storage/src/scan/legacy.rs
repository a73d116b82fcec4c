//! Telling a message of format 0 or 1 from bytes that are nothing at all.
//!
//! Such messages are not served yet, but a log that holds them must be refused, never cut as if they were damage.
//! Source: LegacyRecord of Kafka 3.9.

use std::io;

use crate::disk::DiskFile;

/// Offset, size, checksum, magic.
const FRONT: usize = 17;
/// Where the checksum's bytes begin: at the magic.
const CHECKED_FROM: u64 = 16;
/// The smallest message has 14 bytes after its size.
const SIZE_MIN: u32 = 14;
/// A larger message is not looked at: no legacy log has one.
const SIZE_MAX: u32 = 64 << 20;

/// Whether a whole message of format 0 or 1 with a right checksum stands at `position`.
pub(crate) fn is_legacy(file: &DiskFile, position: u64, end: u64) -> io::Result<bool> {
    let mut front = [0; FRONT];
    if file.read_at(&mut front, position)? < FRONT {
        return Ok(false);
    }
    let size = u32::from_be_bytes([front[8], front[9], front[10], front[11]]);
    let stored = u32::from_be_bytes([front[12], front[13], front[14], front[15]]);
    let is_plausible = front[16] <= 1 && (SIZE_MIN..SIZE_MAX).contains(&size);
    if !is_plausible || position + 12 + u64::from(size) > end {
        return Ok(false);
    }
    let mut bytes = vec![0; size as usize - 4];
    let read = file.read_at(&mut bytes, position + CHECKED_FROM)?;
    Ok(read == bytes.len() && crc32(&bytes) == stored)
}

/// CRC-32 (IEEE), bit by bit: it is computed for one message per refused log.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
