//! One broker on a real ZooKeeper, driven from outside by the programs that people use: processes on loopback, nothing in common
//! with our crates but what a client sees. How: each test starts its own ZooKeeper and broker (`scene.rs`), and waits for conditions.
//! `OTTLA_TEST_BROKER=kafka` runs the client tests against a real Kafka 3.9, which proves the tests themselves.
mod admin_tools;
mod bad_input;
mod configs;
mod disks;
mod dump_log;
mod dynamic_configs;
mod go_clients;
mod java_tools;
mod kcat;
mod kill9;
mod load;
mod old_clients;
mod quotas;
mod readme;
mod scene;
mod signals;
mod startup;
mod znodes;
mod zookeeper_outage;
