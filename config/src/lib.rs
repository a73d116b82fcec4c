//! Every setting of a broker and a topic, defined once, and the files operators edit.
//! It reads and checks text; it opens no socket, keeps no clock and knows no other crate of the project.
//! `broker`, `tools` and `ottla` call it. Invariant: names, types and defaults are those of Kafka 3.9.1.

pub mod alter;
pub mod broker;
pub mod define;
pub mod describe;
mod dynamic;
pub mod error;
pub mod layers;
pub mod listeners;
pub mod properties;
pub mod quota;
pub mod topic;
pub mod version;
