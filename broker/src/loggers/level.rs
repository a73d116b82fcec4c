//! The levels that a logger may have: those of log4j, in the terms of tracing.

use tracing::level_filters::LevelFilter;

/// What a line must be at least to be written (LogLevelConfig).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    /// Nothing of ours is fatal but does not end the process: it silences a logger.
    Fatal,
}

impl Level {
    const ALL: [Level; 6] =
        [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];

    pub(super) fn parse(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// As log4j has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
        }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> LevelFilter {
        match level {
            Level::Trace => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Fatal => LevelFilter::OFF,
        }
    }
}

impl From<LevelFilter> for Level {
    fn from(filter: LevelFilter) -> Level {
        Level::ALL.into_iter().find(|level| LevelFilter::from(*level) == filter).unwrap_or(Level::Fatal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_kafkas_names_and_tracings_meaning() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.name()), Some(level));
            assert_eq!(Level::from(LevelFilter::from(level)), level);
        }
        assert_eq!(Level::parse("OFF"), None);
    }
}
