//! One partition's log on disk, in Kafka's file formats; synchronous, no clock.
