//! How use is measured for quotas.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Windows that clients' quotas are measured over.
    "quota.window.num": Int = "11", AtLeast(1), Low [acted];
    /// Length of such a window.
    "quota.window.size.seconds": Int = "1", AtLeast(1), Low [acted];
    /// Windows that replication quotas are measured over.
    "replication.quota.window.num": Int = "11", AtLeast(1), Low;
    /// Length of such a window.
    "replication.quota.window.size.seconds": Int = "1", AtLeast(1), Low;
    /// Windows that moves between log directories are measured over.
    "alter.log.dirs.replication.quota.window.num": Int = "11", AtLeast(1), Low;
    /// Length of such a window.
    "alter.log.dirs.replication.quota.window.size.seconds": Int = "1", AtLeast(1), Low;
    /// Windows that changes of topics are measured over.
    "controller.quota.window.num": Int = "11", AtLeast(1), Low [acted];
    /// Length of such a window.
    "controller.quota.window.size.seconds": Int = "1", AtLeast(1), Low [acted];
};
