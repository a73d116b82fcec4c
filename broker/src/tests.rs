//! The broker from decoded requests to encoded answers, without sockets: a real `Broker` over a ZooKeeper in memory and a folder of
//! its own, with an authorizer that remembers what it was asked. Time is stepped by the runtime; nothing sleeps.
mod arbitrary;
mod authorization;
mod bad_disk;
mod checkpoints;
mod committed;
mod delete_records;
mod disks;
mod features;
mod fetch;
mod handles;
mod log_dirs;
mod long_lists;
mod moves;
mod offsets;
mod old_clients;
mod produce;
mod producers;
mod quotas;
mod settings;
mod throttling;
mod topics;
mod upkeep;
mod world;
