//! Consumer groups: what is kept of them in `__consumer_offsets`.

pub mod records;
