//! Zig-zag numbers of variable length, as records use them: seven bits a byte, the lowest first. Source: ByteUtils.

/// Appends a zig-zag varint.
pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Appends a zig-zag varlong.
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends an unsigned varint, as compact lengths and tags are written.
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that a zig-zag varint takes.
pub(super) fn varint_size(value: i32) -> usize {
    varlong_size(i64::from(value))
}

/// Bytes that a zig-zag varlong takes.
pub(super) fn varlong_size(value: i64) -> usize {
    let bits = 64 - ((value << 1) ^ (value >> 63)).leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

/// Reads numbers and runs of bytes off the front of a slice; none where it is too short or a number does not end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Option<i32> {
        let first = self.byte()?;
        let value = if first < 0x80 { u32::from(first) } else { self.long_tail::<5>(first)? as u32 };
        Some((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    #[inline(always)]
    pub(super) fn varlong(&mut self) -> Option<i64> {
        let first = self.byte()?;
        let value = if first < 0x80 { u64::from(first) } else { self.long_tail::<10>(first)? };
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    #[inline(always)]
    pub(super) fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        Some(front)
    }

    /// A run of bytes behind its length; any negative length means null, as Kafka reads it.
    #[inline(always)]
    pub(super) fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.varint()?) {
            Ok(size) => self.take(size).map(Some),
            Err(_) => Some(None),
        }
    }

    /// What follows the first byte of a number of at most `MAX` bytes. Bits beyond the number's width are dropped.
    #[inline]
    fn long_tail<const MAX: usize>(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        for at in 1..MAX {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_bytes() {
        for shift in 0..64 {
            for value in [1i64 << shift, -(1i64 << shift.min(62)), (1i64 << shift).wrapping_sub(1)] {
                let mut out = Vec::new();
                put_varlong(&mut out, value);
                let mut reader = Reader { rest: &out };
                assert_eq!((reader.varlong(), reader.rest.len()), (Some(value), 0));
                assert_eq!(varlong_size(value), out.len());

                let (mut out, value) = (Vec::new(), value as i32);
                put_varint(&mut out, value);
                let mut reader = Reader { rest: &out };
                assert_eq!((reader.varint(), reader.rest.len()), (Some(value), 0));
                assert_eq!(varint_size(value), out.len());
            }
        }
    }

    #[test]
    fn a_number_that_does_not_end_is_none() {
        assert_eq!(Reader { rest: &[0x80; 4] }.varint(), None);
        assert_eq!(Reader { rest: &[0x80; 20] }.varint(), None);
        assert_eq!(Reader { rest: &[0xff; 20] }.varlong(), None);
        assert_eq!(Reader { rest: &[] }.varlong(), None);
    }

    #[test]
    fn small_numbers_take_one_byte() {
        for (value, byte) in [(0, 0), (-1, 1), (1, 2), (63, 126), (-64, 127)] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, [byte]);
        }
    }
}
