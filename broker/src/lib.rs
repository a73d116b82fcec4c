//! The server as a library: sockets, files, ZooKeeper and clocks around the pure machines.

// Nothing here starts them: `broker.rs`, which does, comes with the shards.
#![allow(dead_code, unused_imports)]

mod api;
mod authorizer;
mod network;
mod tasks;
