//! The server as a library: sockets, files, ZooKeeper and clocks around the pure machines.
