//! Where log lines go, and which are written. RUST_LOG, where it is set, has a level for all lines, and levels for single targets:
//! `RUST_LOG=info,broker::api=debug`. A broker's other levels change while it runs (`broker::Loggers`); those targets keep theirs.

use std::env;
use std::io;

use broker::{Level, Levels, Loggers};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// To standard output, with levels that can be changed.
pub(crate) fn of_broker() -> Loggers {
    let given = given();
    let levels = Levels::starting_at(Level::from(root(&given, LevelFilter::INFO)));
    let (filter, handle) = reload::Layer::<_, Registry>::new(targets(&levels, &given));
    tracing_subscriber::registry().with(filter).with(fmt::layer()).init();
    Loggers::new(
        levels,
        Box::new(move |levels| {
            if let Err(error) = handle.reload(targets(levels, &given)) {
                tracing::error!(%error, "the levels of the log stay as they are");
            }
        }),
    )
}

/// To standard error, as a tool's output is somebody's input.
pub(crate) fn of_tool() {
    let given = given();
    let filter = given.clone().with_default(root(&given, LevelFilter::WARN));
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
}

fn given() -> Targets {
    let text = env::var("RUST_LOG").unwrap_or_default();
    if text.is_empty() {
        return Targets::new();
    }
    text.parse().unwrap_or_else(|error| {
        eprintln!("RUST_LOG={text} is ignored: {error}");
        Targets::new()
    })
}

fn root(given: &Targets, otherwise: LevelFilter) -> LevelFilter {
    given.default_level().unwrap_or(otherwise)
}

/// What is asked for by hand counts more than the levels of loggers.
fn targets(levels: &Levels, given: &Targets) -> Targets {
    Targets::new().with_default(levels.root()).with_targets(levels.targets()).with_targets(given.iter())
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn a_level_for_all_and_levels_for_some() {
        let given: Targets = "warn,broker::api=trace".parse().unwrap();
        let levels = Levels::starting_at(Level::from(root(&given, LevelFilter::INFO)));
        let wanted = |target: &str, level| targets(&levels, &given).would_enable(target, &level);
        assert!(wanted("broker::api::fetch", tracing::Level::TRACE));
        assert!(
            wanted("broker::network", tracing::Level::WARN)
                && !wanted("broker::network", tracing::Level::INFO)
        );
        assert_eq!(root(&Targets::new(), LevelFilter::INFO), LevelFilter::INFO);
        assert_eq!(root(&"off".parse().unwrap(), LevelFilter::INFO), LevelFilter::OFF);
    }
}
