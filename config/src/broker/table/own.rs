//! Settings that Kafka does not have. Their names begin with `ottla.`; descriptions leave them out unless they are set,
//! so that DescribeConfigs answers what Kafka's does.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Bytes kept back in each log directory for deletes, retention and checkpoints on a full disk; 0 for none.
    "ottla.log.dir.reserve.bytes": Long = "16777216", AtLeast(0), Medium [internal, acted];
    /// Bytes in each log directory up to which a start keeps what earlier starts cut off logs; -1 sets no limit.
    "ottla.salvage.max.bytes": Long = "1073741824", AtLeast(-1), Medium [internal, acted];
    /// Requests that take longer are logged at WARN by kafka.request.logger; -1 logs none.
    "ottla.slow.request.ms": Long = "-1", AtLeast(-1), Low [internal, acted];
};
