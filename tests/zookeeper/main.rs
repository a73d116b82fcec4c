//! The ZooKeeper session against a real Apache ZooKeeper: what no model can promise.
//! How: each test starts a server of its own, breaks it or the way to it, and asks a second client what came of it.
#![expect(clippy::unwrap_used, reason = "a suite is test code from top to bottom")]
mod agreement;
mod client;
mod expiry;
mod load;
mod nulls;
mod operations;
mod outage;
mod relay;
mod start;
mod takeover;
