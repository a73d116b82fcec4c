//! Every decision of the cluster as pure state machines: no I/O, no clock, no randomness, no async.
//!
//! A machine takes events (what happened, the outcome of every effect included) and pushes actions (what to do).
//! The shell in `broker` carries the actions out; time and random seeds are passed in.

pub mod assignment;
pub mod controller;
pub mod deadlines;
pub mod features;
pub mod group;
pub mod moves;
pub mod quota;
mod random;
mod record_bytes;
pub mod replica;
pub mod topics;
pub mod transaction;

pub use record_bytes::RecordError;
