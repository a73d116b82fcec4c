//! What is written to a frame, gathered into the blocks that LZ4 and Snappy compress one by one.

use std::io::{self, Write};

/// A frame of blocks that is being written.
pub(crate) trait BlockFrame {
    /// Input bytes of a block; only the last one may have fewer.
    const BLOCK: usize;

    /// Adds a block, which is not empty.
    fn add(&mut self, block: &[u8]) -> io::Result<()>;

    /// Adds what stands behind the last block, and gives the output.
    fn end(self) -> Vec<u8>;
}

/// Writes a frame block by block.
pub(crate) struct BlockWriter<F> {
    pub(crate) frame: F,
    /// What waits to become a block.
    block: Vec<u8>,
}

impl<F: BlockFrame> BlockWriter<F> {
    pub(super) fn new(frame: F) -> BlockWriter<F> {
        BlockWriter { frame, block: Vec::new() }
    }

    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        self.add_block()?;
        Ok(self.frame.end())
    }

    fn add_block(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.frame.add(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }
}

impl<F: BlockFrame> Write for BlockWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == F::BLOCK {
            self.add_block()?;
        }
        let size = bytes.len().min(F::BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..size]);
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
