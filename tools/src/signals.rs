//! Ctrl-C and SIGTERM as a flag that a loop looks at.
//!
//! A second signal can end the process at once, as it would without us: for a loop that does not get to look.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Set once the user wants the tool to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// What a second signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    Ends,
    /// Something must not be left behind.
    Ignored,
}

impl Stop {
    /// Listens on a thread of its own.
    pub(crate) fn on_signals(second: Second) -> anyhow::Result<Stop> {
        let stop = Stop::default();
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot start listening for signals")?;
        let flag = stop.clone();
        thread::spawn(move || runtime.block_on(listen(&flag, second)));
        Ok(stop)
    }

    pub(crate) fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives Ctrl-C and SIGTERM back their effect on the program that this process is about to become.
///
/// A shell ignores Ctrl-C for what it starts in the background, a program inherits that, and Java keeps to it for good. A
/// signal that is caught is back at its default after exec(2).
pub(crate) fn restored_by_exec() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    drop(signal(SignalKind::interrupt())?);
    drop(signal(SignalKind::terminate())?);
    Ok(())
}

async fn listen(stop: &Stop, second: Second) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // The signals keep their default effect, which is to end the process.
        return;
    };
    loop {
        // Both are cancel-safe: a signal that is not received here is received next time.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.0.swap(true, Ordering::Relaxed) && second == Second::Ends {
            process::exit(130);
        }
    }
}
