//! What is measured and who is told.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Java classes that are told of metrics.
    "metric.reporters": List = "", Any, Low [cluster_wide];
    /// Reports to JMX without being asked to.
    "auto.include.jmx.reporter": Boolean = "true", Any, Low;
    /// Older Java classes that are told of metrics.
    "kafka.metrics.reporters": List = "", Any, Low;
    /// How often the older classes look.
    "kafka.metrics.polling.interval.secs": Int = "10", AtLeast(1), Low;
    /// Samples that a rate is made of.
    "metrics.num.samples": Int = "2", AtLeast(1), Low;
    /// Length of such a sample.
    "metrics.sample.window.ms": Long = "30000", AtLeast(1), Low;
    /// How much is measured: INFO, DEBUG or TRACE.
    "metrics.recording.level": String = "INFO", Any, Low;
    /// Largest set of metrics that a client may push.
    "telemetry.max.bytes": Int = "1048576", AtLeast(1), Low;
};
