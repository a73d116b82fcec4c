//! The log against directories that Kafka wrote, against a disk that fails, and against power cuts.

mod append;
mod crash;
mod failing_disk;
mod fixtures;
mod kit;
mod read;
mod recovery;
mod retention;
