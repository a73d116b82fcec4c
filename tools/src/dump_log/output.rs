//! Where the tool's lines go: what files hold to standard output, what is wrong with them to standard error.
//!
//! The two keep their order, so that a reader of both sees a fault where it was found.

use std::io::{self, Write};

/// Both streams, and whether a fault was told.
pub(super) struct Output<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
    pub(super) is_faulty: bool,
}

impl<'a> Output<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Output<'a> {
        Output { out, err, is_faulty: false }
    }

    /// A line about what was found, which is the tool's business and no failure of it.
    pub(super) fn tell(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        self.out.flush()?;
        writeln!(self.err, "{line}")
    }

    /// Something that cannot be read, for which Kafka's tool would break off with an exception.
    pub(super) fn fault(&mut self, sentence: impl std::fmt::Display) -> io::Result<()> {
        self.is_faulty = true;
        self.tell(sentence)
    }
}
