//! Where the broker listens, and how it treats connections.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Addresses to listen on, as NAME://host:port; an empty host takes every interface.
    "listeners": String = "PLAINTEXT://:9092", Any, High [per_broker, acted];
    /// Addresses that clients and other brokers are told; listeners, where it is not set.
    "advertised.listeners": String = null, Any, High [per_broker, acted];
    /// Which security protocol each listener name stands for.
    "listener.security.protocol.map": String =
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", Any, Low [per_broker, acted];
    /// Listener that other brokers connect to.
    "inter.broker.listener.name": String = null, Any, Medium [acted];
    /// Security protocol between brokers, where no listener name is given for it.
    "security.inter.broker.protocol": String =
        "PLAINTEXT", OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium
        refused "only PLAINTEXT is served yet between brokers";
    /// Listener that the controller alone uses.
    "control.plane.listener.name": String = null, Any, High;
    /// Listeners that open before the authorizer is ready.
    "early.start.listeners": String = null, Any, High;
    /// Size of a connection's send buffer in the kernel; -1 leaves the system's own.
    "socket.send.buffer.bytes": Int = "102400", Any, High [acted];
    /// Size of a connection's receive buffer in the kernel; -1 leaves the system's own.
    "socket.receive.buffer.bytes": Int = "102400", Any, High [acted];
    /// Largest request that is read.
    "socket.request.max.bytes": Int = "104857600", AtLeast(1), High [acted];
    /// Connections that may wait to be accepted.
    "socket.listen.backlog.size": Int = "50", AtLeast(1), Medium [acted];
    /// How long a first attempt to connect to another broker may take.
    "socket.connection.setup.timeout.ms": Long = "10000", Any, Medium;
    /// How long later attempts to connect to another broker may take.
    "socket.connection.setup.timeout.max.ms": Long = "30000", Any, Medium;
    /// A connection without a request for this long is closed; a negative value keeps it.
    "connections.max.idle.ms": Long = "600000", Any, Medium [acted];
    /// How long a failed login waits before its connection is closed.
    "connection.failed.authentication.delay.ms": Int = "100", AtLeast(0), Low;
    /// How long a SASL login is good for; 0 sets no limit.
    "connections.max.reauth.ms": Long = "0", Any, Medium;
    /// Most connections to the broker.
    "max.connections": Int = "2147483647", AtLeast(0), Medium [cluster_wide, acted];
    /// Most connections from one address.
    "max.connections.per.ip": Int = "2147483647", AtLeast(0), Medium [cluster_wide, acted];
    /// Most connections from certain addresses, as host:count.
    "max.connections.per.ip.overrides": String = "", Any, Medium [cluster_wide, acted];
    /// Most new connections per second.
    "max.connection.creation.rate": Int = "2147483647", AtLeast(0), Medium [cluster_wide, acted];
};
