//! Zstd on contexts that are used again: a fresh one costs more than a small block does.
//!
//! A thread keeps one context for reading and one for writing, and none that has grown beyond a bound: how large a context gets is
//! said by the frame that it reads, or by the level at which it writes.

use std::cell::Cell;
use std::io;
use std::thread::LocalKey;

use ::zstd::stream::raw::{InBuffer, Operation, OutBuffer, WriteBuf};
use ::zstd::stream::zio;
use ::zstd::zstd_safe::{CCtx, CParameter, DCtx, ResetDirective, SafeResult, get_error_name};

/// Bytes that a context may have and still be kept: level 3, Kafka's default, takes less in either direction.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Reads the frames of a block one after the other.
pub(crate) type ZstdReader<'a> = zio::Reader<&'a [u8], Reused<DCtx<'static>>>;

/// Writes one frame behind what is there already.
pub(crate) type ZstdWriter = zio::Writer<Vec<u8>, Reused<CCtx<'static>>>;

pub(super) fn reader(block: &[u8]) -> ZstdReader<'_> {
    zio::Reader::new(block, Reused::of_thread())
}

/// `level` is -131072 to 22.
pub(super) fn writer(out: Vec<u8>, level: i32) -> io::Result<ZstdWriter> {
    let mut context = Reused::<CCtx<'static>>::of_thread();
    told(context.get().set_parameter(CParameter::CompressionLevel(level)))?;
    Ok(zio::Writer::new(out, context))
}

/// A context that goes back to its thread when it is dropped.
pub(crate) struct Reused<C: Context>(Option<C>);

impl<C: Context> Reused<C> {
    fn of_thread() -> Reused<C> {
        Reused(C::kept().take())
    }

    fn get(&mut self) -> &mut C {
        self.0.get_or_insert_with(C::fresh)
    }
}

impl<C: Context> Drop for Reused<C> {
    fn drop(&mut self) {
        if let Some(mut context) = self.0.take()
            && context.size() <= KEPT_BYTES_MAX
            && context.forget_frame().is_ok()
        {
            // A thread that is ending keeps nothing any more.
            let _ = C::kept().try_with(|kept| kept.set(Some(context)));
        }
    }
}

/// What both directions have in common.
pub(crate) trait Context: Sized + 'static {
    fn fresh() -> Self;

    /// The context that waits for this thread's next block.
    fn kept() -> &'static LocalKey<Cell<Option<Self>>>;

    /// Bytes that it holds.
    fn size(&self) -> usize;

    /// Drops what is left of a frame, an error included.
    fn forget_frame(&mut self) -> SafeResult;
}

impl Context for DCtx<'static> {
    fn fresh() -> Self {
        DCtx::create()
    }

    fn kept() -> &'static LocalKey<Cell<Option<Self>>> {
        thread_local!(static KEPT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) });
        &KEPT
    }

    fn size(&self) -> usize {
        self.sizeof()
    }

    fn forget_frame(&mut self) -> SafeResult {
        self.reset(ResetDirective::SessionOnly)
    }
}

impl Context for CCtx<'static> {
    fn fresh() -> Self {
        CCtx::create()
    }

    fn kept() -> &'static LocalKey<Cell<Option<Self>>> {
        thread_local!(static KEPT: Cell<Option<CCtx<'static>>> = const { Cell::new(None) });
        &KEPT
    }

    fn size(&self) -> usize {
        self.sizeof()
    }

    fn forget_frame(&mut self) -> SafeResult {
        self.reset(ResetDirective::SessionOnly)
    }
}

impl Operation for Reused<DCtx<'static>> {
    fn run<B: WriteBuf + ?Sized>(
        &mut self,
        input: &mut InBuffer<'_>,
        output: &mut OutBuffer<'_, B>,
    ) -> io::Result<usize> {
        told(self.get().decompress_stream(output, input))
    }

    fn reinit(&mut self) -> io::Result<()> {
        told(self.get().forget_frame()).map(drop)
    }

    fn finish<B: WriteBuf + ?Sized>(
        &mut self,
        _output: &mut OutBuffer<'_, B>,
        finished_frame: bool,
    ) -> io::Result<usize> {
        if finished_frame {
            Ok(0)
        } else {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame"))
        }
    }
}

impl Operation for Reused<CCtx<'static>> {
    fn run<B: WriteBuf + ?Sized>(
        &mut self,
        input: &mut InBuffer<'_>,
        output: &mut OutBuffer<'_, B>,
    ) -> io::Result<usize> {
        told(self.get().compress_stream(output, input))
    }

    fn finish<B: WriteBuf + ?Sized>(
        &mut self,
        output: &mut OutBuffer<'_, B>,
        _finished_frame: bool,
    ) -> io::Result<usize> {
        told(self.get().end_stream(output))
    }
}

fn told(result: SafeResult) -> io::Result<usize> {
    result.map_err(|code| io::Error::other(get_error_name(code)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn written(bytes: &[u8], level: i32) -> Vec<u8> {
        let mut writer = writer(Vec::new(), level).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap();
        writer.into_inner().0
    }

    fn read(block: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(block).read_to_end(&mut out)?;
        Ok(out)
    }

    fn keeps<C: Context>() -> bool {
        let kept = C::kept().take();
        let keeps = kept.is_some();
        C::kept().set(kept);
        keeps
    }

    #[test]
    fn a_used_context_writes_what_a_fresh_one_writes() {
        let (first, second) = (b"kafka ".repeat(1000), b"zookeeper ".repeat(30_000));
        for level in [-7, 3, 5] {
            let expected = ::zstd::stream::encode_all(&second[..], level).unwrap();
            written(&first, 1);
            assert!(keeps::<CCtx<'static>>());
            assert!(written(&second, level) == expected, "level {level}");
            // One that was given up halfway leaves nothing behind.
            writer(Vec::new(), 1).unwrap().write_all(&first).unwrap();
            assert!(written(&second, level) == expected, "level {level}");
        }
    }

    #[test]
    fn a_used_context_reads_what_a_fresh_one_reads() {
        let bytes = b"kafka ".repeat(10_000);
        let block = written(&bytes, 3);
        for bad in [&block[..block.len() / 2], &b"no frame"[..], &[&block[..], b"no frame"].concat()] {
            assert!(read(bad).is_err());
            assert!(keeps::<DCtx<'static>>());
            assert!(read(&block).unwrap() == bytes);
        }
        reader(&block).read_exact(&mut [0; 10]).unwrap();
        assert!(read(&[&block[..], &block].concat()).unwrap() == bytes.repeat(2));
    }

    #[test]
    fn a_large_context_is_not_kept() {
        let bytes = crate::random::Random::new(1).bytes(9 << 20);
        let block = written(&bytes, 19);
        assert!(!keeps::<CCtx<'static>>());
        assert!(read(&block).unwrap() == bytes);
        assert!(!keeps::<DCtx<'static>>());
        written(&bytes[..1000], 3);
        assert!(keeps::<CCtx<'static>>());
    }
}
