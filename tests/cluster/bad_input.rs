//! What must not hurt: frames, batches, settings, znodes, disks and twins that are wrong. Each gets a clear error, only the connection
//! or partition concerned suffers, and no data is lost.
//! How: a healthy client works beside each attack, and afterwards the broker still serves it.
mod batches;
mod disks;
mod frames;
mod settings;
mod twins;
mod znodes;
