//! What of a message is still to be read: memory, with the lengths of files in between, which can only be passed over.

#[derive(Debug, Default)]
pub(super) struct BytesLeft<'a> {
    /// The next piece last.
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
enum Piece<'a> {
    Memory(&'a [u8]),
    File(usize),
}

impl<'a> BytesLeft<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> BytesLeft<'a> {
        BytesLeft { pieces: vec![Piece::Memory(bytes)] }
    }

    pub(super) fn push(&mut self, bytes: &'a [u8]) {
        self.pieces.insert(0, Piece::Memory(bytes));
    }

    pub(super) fn push_file(&mut self, length: usize) {
        self.pieces.insert(0, Piece::File(length));
    }

    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take_slice(N)?.try_into().ok()
    }

    /// Fields never reach from one piece into the next: only records are pieces of their own.
    pub(super) fn take_slice(&mut self, count: usize) -> Option<&'a [u8]> {
        while let Some(Piece::Memory([])) = self.pieces.last() {
            self.pieces.pop();
        }
        match self.pieces.last_mut() {
            None => (count == 0).then_some(&[]),
            Some(Piece::File(_)) => None,
            Some(Piece::Memory(bytes)) => {
                let (taken, rest) = bytes.split_at_checked(count)?;
                *bytes = rest;
                Some(taken)
            }
        }
    }

    pub(super) fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let left = match self.pieces.pop()? {
                Piece::Memory(bytes) if bytes.len() > count => Piece::Memory(&bytes[count..]),
                Piece::File(length) if length > count => Piece::File(length - count),
                Piece::Memory(bytes) => {
                    count -= bytes.len();
                    continue;
                }
                Piece::File(length) => {
                    count -= length;
                    continue;
                }
            };
            self.pieces.push(left);
            count = 0;
        }
        Some(())
    }
}
