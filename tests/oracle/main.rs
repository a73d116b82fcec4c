//! Logs go from Kafka to us and back: what Kafka 3.9 wrote is served record for record by our broker, and what ours wrote is found
//! sound by Kafka's dump-log and served by a real Kafka. How: brokers are processes on the same directories and the same ZooKeeper; kcat
//! and a Java consumer read, read_uncommitted and read_committed.
mod directories;
mod exchange;
mod expected;
mod fixtures;
mod moves;
mod reading;
mod sources;
