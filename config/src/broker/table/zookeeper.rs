//! How the broker reaches ZooKeeper.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// host:port of each ZooKeeper server, separated by commas, with an optional /chroot after the last.
    "zookeeper.connect": String = null, Any, High [acted];
    /// How long a start waits for ZooKeeper; the session's time-out where it is not set.
    "zookeeper.connection.timeout.ms": Int = null, Any, High [acted];
    /// After this much silence ZooKeeper declares the broker dead.
    "zookeeper.session.timeout.ms": Int = "18000", Any, High [acted];
    /// Requests sent to ZooKeeper that may await their answers at one time.
    "zookeeper.max.in.flight.requests": Int = "10", AtLeast(1), High [acted];
    /// Protects the znodes that the broker makes by ACLs.
    "zookeeper.set.acl": Boolean = "false", Any, High
        refused "ZooKeeper ACLs are not served yet, so znodes would stay open to everyone; only false is allowed";
    /// Class of the Java ZooKeeper client's socket; of no use outside Java.
    "zookeeper.clientCnxnSocket": String = null, Any, Medium;
    /// Speaks TLS to ZooKeeper.
    "zookeeper.ssl.client.enable": Boolean = "false", Any, Medium
        refused "TLS to ZooKeeper is not served yet; only false is allowed";
    /// Cipher suites allowed towards ZooKeeper.
    "zookeeper.ssl.cipher.suites": List = null, Any, Low
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Checks ZooKeeper's certificate against revocation lists.
    "zookeeper.ssl.crl.enable": Boolean = "false", Any, Low
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// TLS versions allowed towards ZooKeeper.
    "zookeeper.ssl.enabled.protocols": List = null, Any, Low
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Whether ZooKeeper's certificate must name its host.
    "zookeeper.ssl.endpoint.identification.algorithm": String = "HTTPS", Any, Low
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// File with the broker's certificate and key for ZooKeeper.
    "zookeeper.ssl.keystore.location": String = null, Any, Medium
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Password of that key store.
    "zookeeper.ssl.keystore.password": Password = null, Any, Medium
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Format of that key store.
    "zookeeper.ssl.keystore.type": String = null, Any, Medium
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Checks ZooKeeper's certificate by OCSP.
    "zookeeper.ssl.ocsp.enable": Boolean = "false", Any, Low
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// TLS version proposed to ZooKeeper.
    "zookeeper.ssl.protocol": String = "TLSv1.2", Any, Low
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// File with the authorities trusted for ZooKeeper's certificate.
    "zookeeper.ssl.truststore.location": String = null, Any, Medium
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Password of that trust store.
    "zookeeper.ssl.truststore.password": Password = null, Any, Medium
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Format of that trust store.
    "zookeeper.ssl.truststore.type": String = null, Any, Medium
        refused "TLS to ZooKeeper is not served yet; leave it out";
    /// Takes part in a migration from ZooKeeper to KRaft.
    "zookeeper.metadata.migration.enable": Boolean = "false", Any, High
        refused "this broker keeps its metadata in ZooKeeper and cannot move it to KRaft; only false is allowed";
    /// Smallest batch of records that a migration to KRaft writes.
    "zookeeper.metadata.migration.min.batch.size": Int = "200", AtLeast(1), Medium [internal];
};
