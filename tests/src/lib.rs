//! The harness of the suites: processes on loopback (ZooKeeper, brokers, client programs) and what is read from them.
//! It never looks into our crates: what it checks, it checks from outside, as a user's programs would.
//! The suites in `tests/` call it, and `bin/ready.rs` runs them. Every process started here ends with the value that owns it.
pub mod broker;
pub mod condition;
pub mod port;
pub mod process;
pub mod project;
pub mod readme;
pub mod ready;
pub mod run;
pub mod temp;
pub mod wire;
pub mod znode;
pub mod zookeeper;
