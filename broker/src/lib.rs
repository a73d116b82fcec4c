//! The server as a library: sockets, files, ZooKeeper and clocks around the pure machines.
//!
//! Holds no rules: what is decided is decided in `coordinator` and `storage`. `broker.rs` starts and stops everything.

mod abreast;
mod api;
mod authorizer;
mod broker;
mod config_changes;
mod controller;
mod features;
mod hosted;
mod log_dirs;
mod loggers;
mod metadata;
mod moves;
mod network;
mod producer_ids;
mod quota;
mod registration;
mod request_log;
mod settings;
mod shard;
mod tasks;
#[cfg(test)]
mod tests;
/// What the fuzz target `handling` calls.
#[cfg(all(feature = "fuzzing", not(test)))]
#[allow(dead_code, unused_imports, unreachable_pub)]
pub mod tests {
    pub mod arbitrary;
    mod bad_disk;
    mod world;
}
mod topic_settings;
mod upkeep;

pub use broker::{Options, StartError, run};
pub use loggers::{Filter, Level, Levels, Loggers};
pub use network::{BindError, UnknownHost};
