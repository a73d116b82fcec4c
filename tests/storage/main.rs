//! The log against directories that Kafka wrote, against a disk that fails, and against power cuts.

// What a suite needs to go on is as good as asserted; clippy knows only of #[test] functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod append;
mod coordinator_records;
mod copy;
mod crash;
mod crash_lives;
mod crew;
mod failing_disk;
mod fixtures;
mod follow;
mod formats;
mod fuzz;
mod handles;
mod judge;
mod kit;
mod leftovers;
mod legacy;
mod moves;
mod produced;
mod read;
mod recovery;
mod recovery_point;
mod retention;
mod rules;
mod transactions;
mod truncate;
