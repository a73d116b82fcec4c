//! The levels of the log, under the names that Kafka's loggers have, so that its tools set and show them while the broker runs.
//!
//! Pure but for `Loggers`, which keeps the levels in force and hands each new set to whoever filters lines.
//! Nothing is kept in ZooKeeper: a restart forgets it. Source: KIP-412, RuntimeLoggerManager, Log4jController (3.9).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use config::alter::{Change, Op, Refusal};
use tracing::info;
use tracing::level_filters::LevelFilter;

mod level;
mod table;

pub use level::Level;
use table::LOGGERS;

const ROOT: &str = "root";
/// Kafka's log4j.properties quietens it.
const REQUESTS: &str = "kafka.request.logger";

/// The levels that are set. A logger without one has that of the logger above it, which ends at a dot of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels(BTreeMap<&'static str, Level>);

/// Puts levels in force.
pub type Filter = Box<dyn Fn(&Levels) + Send + Sync>;

/// The levels in force.
pub struct Loggers {
    /// Held while somebody reads or changes levels, never across an await.
    levels: Mutex<Levels>,
    filter: Filter,
}

impl Levels {
    /// What a broker starts with: everything at `root`, but requests only from WARN on.
    pub fn starting_at(root: Level) -> Levels {
        Levels(BTreeMap::from([(ROOT, root), (REQUESTS, Level::Warn)]))
    }

    /// For lines of nobody below.
    pub fn root(&self) -> LevelFilter {
        self.of(ROOT).into()
    }

    /// The targets of our lines, each with the level of its logger. The longest that a target begins with counts.
    pub fn targets(&self) -> impl Iterator<Item = (&'static str, LevelFilter)> {
        LOGGERS
            .iter()
            .flat_map(|(name, targets)| targets.iter().map(|target| (*target, self.of(name).into())))
    }

    /// The level of a logger: its own, or that of the nearest above it that has one.
    fn of(&self, name: &str) -> Level {
        let mut name = name;
        loop {
            match (self.0.get(name), name.rsplit_once('.')) {
                (Some(level), _) => return *level,
                (None, Some((above, _))) => name = above,
                (None, None) => return self.0.get(ROOT).copied().unwrap_or(Level::Info),
            }
        }
    }

    /// These levels with changes, or why they are refused: then none is made.
    fn changed(&self, changes: &[Change]) -> Result<Levels, Refusal> {
        let mut levels = self.clone();
        for Change { name, op, value } in changes {
            let operation = match op {
                Op::Set | Op::Delete => None,
                Op::Append => Some("APPEND"),
                Op::Subtract => Some("SUBTRACT"),
                Op::Unknown(code) => {
                    return Err(Refusal::Unexpected(format!("there is no operation {code}")));
                }
            };
            if let Some(operation) = operation {
                let text = format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
                return Err(Refusal::InvalidRequest(text));
            }
            let unknown = || Refusal::InvalidConfig(format!("Logger {name} does not exist!"));
            let logger = existing(name).ok_or_else(unknown)?;
            if *op == Op::Set {
                levels.0.insert(logger, level(name, value.as_deref().unwrap_or_default())?);
            } else if logger == ROOT {
                let text = format!("Removing the log level of the {ROOT} logger is not allowed");
                return Err(Refusal::InvalidRequest(text));
            } else {
                levels.0.remove(logger);
            }
        }
        Ok(levels)
    }
}

impl Loggers {
    /// `filter` has these levels already, and is told of others.
    pub fn new(levels: Levels, filter: Filter) -> Loggers {
        Loggers { levels: Mutex::new(levels), filter }
    }

    /// Every logger with the level that it goes by.
    pub(crate) fn listed(&self) -> Vec<(&'static str, Level)> {
        let levels = self.lock();
        std::iter::once(ROOT)
            .chain(LOGGERS.iter().map(|(name, _)| *name))
            .map(|name| (name, levels.of(name)))
            .collect()
    }

    /// Whether the changes could be made.
    pub(crate) fn check(&self, changes: &[Change]) -> Result<(), Refusal> {
        self.lock().changed(changes).map(drop)
    }

    pub(crate) fn change(&self, changes: &[Change]) -> Result<(), Refusal> {
        let mut levels = self.lock();
        let next = levels.changed(changes)?;
        (self.filter)(&next);
        *levels = next;
        for Change { name, value, .. } in changes {
            info!(logger = name, level = value, "the level of a logger was changed");
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Loggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loggers").field(&*self.lock()).finish()
    }
}

fn existing(name: &str) -> Option<&'static str> {
    std::iter::once(ROOT).chain(LOGGERS.iter().map(|(name, _)| *name)).find(|known| *known == name)
}

fn level(logger: &str, text: &str) -> Result<Level, Refusal> {
    Level::parse(text).ok_or_else(|| {
        Refusal::InvalidConfig(format!(
            "Cannot set the log level of {logger} to {text} as it is not a supported log level. Valid log levels are DEBUG, \
             ERROR, FATAL, INFO, TRACE, WARN"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn change(op: Op, name: &str, value: Option<&str>) -> Change {
        Change { name: name.to_owned(), op, value: value.map(str::to_owned) }
    }

    fn set(name: &str, value: &str) -> Change {
        change(Op::Set, name, Some(value))
    }

    /// The level of a line with this target.
    fn of_target(levels: &Levels, target: &str) -> LevelFilter {
        let matching = levels.targets().filter(|(known, _)| target.starts_with(known));
        matching.max_by_key(|(known, _)| known.len()).map_or(levels.root(), |(_, level)| level)
    }

    #[test]
    fn a_level_holds_for_what_is_below() {
        let levels = Levels::starting_at(Level::Info);
        assert_eq!(of_target(&levels, REQUESTS), LevelFilter::WARN);
        let levels = levels.changed(&[set("kafka", "DEBUG"), set("kafka.controller", "ERROR")]).unwrap();
        assert_eq!(of_target(&levels, "broker::api::fetch::read"), LevelFilter::DEBUG);
        assert_eq!(of_target(&levels, "coordinator::controller::deletion"), LevelFilter::ERROR);
        assert_eq!(of_target(&levels, REQUESTS), LevelFilter::WARN);
        assert_eq!(of_target(&levels, "zookeeper_client::session"), LevelFilter::INFO);
        assert_eq!(of_target(&levels, "tokio"), LevelFilter::INFO);
        let levels = levels.changed(&[change(Op::Delete, REQUESTS, None), set(ROOT, "FATAL")]).unwrap();
        assert_eq!((of_target(&levels, REQUESTS), levels.root()), (LevelFilter::DEBUG, LevelFilter::OFF));
    }

    // The texts are what Kafka 3.9.1 answered.
    #[test]
    fn what_cannot_be_set_is_refused_in_kafkas_words() {
        let levels = Levels::starting_at(Level::Info);
        let refused = |change| levels.changed(&[set("kafka", "WARN"), change]).unwrap_err();
        let config = |text: &str| Refusal::InvalidConfig(text.to_owned());
        let request = |text: &str| Refusal::InvalidRequest(text.to_owned());
        let valid =
            "as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN";
        for level in ["OFF", "debug", "ALL", ""] {
            let expected = config(&format!("Cannot set the log level of kafka to {level} {valid}"));
            assert_eq!(refused(set("kafka", level)), expected);
        }
        assert_eq!(refused(set("nosuch", "INFO")), config("Logger nosuch does not exist!"));
        assert_eq!(refused(change(Op::Delete, "nosuch", None)), config("Logger nosuch does not exist!"));
        let root = request("Removing the log level of the root logger is not allowed");
        assert_eq!(refused(change(Op::Delete, ROOT, None)), root);
        let append = request("APPEND operation is not allowed for the BROKER_LOGGER resource");
        assert_eq!(refused(change(Op::Append, "nosuch", Some("INFO"))), append);
        assert!(matches!(refused(change(Op::Unknown(9), "kafka", None)), Refusal::Unexpected(_)));
    }

    #[test]
    fn a_change_is_handed_on_whole_or_not_at_all() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&told);
        let filter: Filter = Box::new(move |levels| ear.lock().unwrap().push(levels.clone()));
        let loggers = Loggers::new(Levels::starting_at(Level::Warn), filter);
        assert!(loggers.change(&[set("kafka", "DEBUG"), set("nosuch", "INFO")]).is_err());
        loggers.check(&[set("kafka", "DEBUG")]).unwrap();
        assert_eq!(told.lock().unwrap().len(), 0);
        loggers.change(&[set("kafka.server.KafkaApis", "TRACE")]).unwrap();
        assert_eq!(of_target(&told.lock().unwrap()[0], "broker::api"), LevelFilter::TRACE);
        let listed: BTreeMap<_, _> = loggers.listed().into_iter().collect();
        assert_eq!((listed["kafka.server.KafkaApis"], listed["kafka"]), (Level::Trace, Level::Warn));
    }
}
