//! KRaft, which this broker does not use: its metadata is in ZooKeeper.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Roles of a KRaft process.
    "process.roles": List = "", EachOf(&["broker", "controller"]), High
        refused "this broker keeps its metadata in ZooKeeper and has no KRaft mode; leave it out";
    /// Number of a KRaft node; here another name of broker.id.
    "node.id": Int = "-1", Any, High [acted];
    /// Listeners of KRaft controllers.
    "controller.listener.names": String = null, Any, High;
    /// Voters of the KRaft quorum.
    "controller.quorum.voters": List = "", Any, High;
    /// Where the KRaft quorum is found.
    "controller.quorum.bootstrap.servers": List = "", Any, High;
    /// How long a KRaft node waits for its leader before an election.
    "controller.quorum.election.timeout.ms": Int = "1000", Any, High;
    /// Longest wait between two elections of KRaft.
    "controller.quorum.election.backoff.max.ms": Int = "1000", Any, High;
    /// How long a KRaft voter goes without a fetch before it stands for election.
    "controller.quorum.fetch.timeout.ms": Int = "2000", Any, High;
    /// How long a KRaft node waits for an answer.
    "controller.quorum.request.timeout.ms": Int = "2000", Any, Medium;
    /// How long a KRaft node waits before it asks again.
    "controller.quorum.retry.backoff.ms": Int = "20", Any, Low;
    /// How long a KRaft leader gathers records before it writes them.
    "controller.quorum.append.linger.ms": Int = "25", Any, Medium;
    /// How often a KRaft broker reports to its controller.
    "broker.heartbeat.interval.ms": Int = "2000", Any, Medium;
    /// After this much silence a KRaft broker is fenced.
    "broker.session.timeout.ms": Int = "9000", Any, Medium;
    /// How long a KRaft broker tries to register.
    "initial.broker.registration.timeout.ms": Int = "60000", Any, Medium;
    /// Directory of KRaft's metadata log.
    "metadata.log.dir": String = null, Any, High;
    /// Segment size of KRaft's metadata log.
    "metadata.log.segment.bytes": Int = "1073741824", AtLeast(12), High;
    /// Smallest segment size of KRaft's metadata log; for tests.
    "metadata.log.segment.min.bytes": Int = "8388608", AtLeast(12), High [internal];
    /// Age at which a segment of KRaft's metadata log is closed.
    "metadata.log.segment.ms": Long = "604800000", Any, High;
    /// Bytes of KRaft's metadata log between two snapshots.
    "metadata.log.max.record.bytes.between.snapshots": Long = "20971520", AtLeast(1), High;
    /// Longest time between two snapshots of KRaft's metadata.
    "metadata.log.max.snapshot.interval.ms": Long = "3600000", AtLeast(0), High;
    /// How often an idle KRaft controller writes a record.
    "metadata.max.idle.interval.ms": Int = "500", AtLeast(0), Low;
    /// Size beyond which KRaft's old metadata is deleted.
    "metadata.max.retention.bytes": Long = "104857600", Any, High;
    /// Age beyond which KRaft's old metadata is deleted.
    "metadata.max.retention.ms": Long = "604800000", Any, High;
};
