//! What a new topic has, who may make one, and what it may be changed to.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Partitions of a topic made without saying how many.
    "num.partitions": Int = "1", AtLeast(1), Medium [acted];
    /// Replicas of a topic made without saying how many.
    "default.replication.factor": Int = "1", Any, Medium [acted];
    /// Makes a missing topic when a client asks for it.
    "auto.create.topics.enable": Boolean = "true", Any, High [acted];
    /// Allows topics to be deleted.
    "delete.topic.enable": Boolean = "true", Any, High [acted];
    /// Replicas that must have a record before a producer with acks=all is answered.
    "min.insync.replicas": Int = "1", AtLeast(1), High [cluster_wide, acted];
    /// Lets a replica outside the in-sync set lead when nobody else can, losing records.
    "unclean.leader.election.enable": Boolean = "false", Any, High [cluster_wide, acted];
    /// How often partitions without a leader are looked at (KRaft).
    "unclean.leader.election.interval.ms": Long = "300000", AtLeast(1), Medium [internal];
    /// Codec that batches are stored in; producer keeps what was sent.
    "compression.type": String =
        "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), High [cluster_wide, acted];
    /// Level of gzip, where it is the stored codec.
    "compression.gzip.level": Int = "-1", GzipLevel, Medium [cluster_wide, acted];
    /// Level of lz4, where it is the stored codec.
    "compression.lz4.level": Int = "9", Between(1.0, 17.0), Medium [cluster_wide, acted];
    /// Level of zstd, where it is the stored codec.
    "compression.zstd.level": Int = "3", Between(-131072.0, 22.0), Medium [cluster_wide, acted];
    /// Class that may forbid a new topic.
    "create.topic.policy.class.name": Class = null, Any, Low
        refused "Java classes cannot be loaded, so no topic would be checked by it; leave it out";
    /// Class that may forbid a change of settings.
    "alter.config.policy.class.name": Class = null, Any, Low
        refused "Java classes cannot be loaded, so no change would be checked by it; leave it out";
};
