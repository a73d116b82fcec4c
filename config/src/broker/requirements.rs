//! What settings must be true together, beyond each one's own range (`KafkaConfig.validateValues`, 3.9, its
//! part for ZooKeeper), and the settings that must not be set because neglecting them would change who may
//! do what or what is kept. The listeners' own rules are in `listeners`.

use crate::broker::names;
use crate::broker::reader::Reader;
use crate::define::{Served, Setting};
use crate::version::ProtocolVersion;

pub(super) fn check(reader: &mut Reader<'_>) {
    refused(reader);
    protocol_version(reader);
    identity(reader);
    times(reader);
    cleaner(reader);
    replication(reader);
    connections(reader);
}

fn refused(reader: &mut Reader<'_>) {
    for (name, text) in reader.given() {
        let behind = names::setting_behind(name);
        let refusal = behind.and_then(|setting| refusal(setting, text));
        if let Some(reason) = refusal {
            reader.refuse(name, reason);
        }
    }
}

fn refusal(setting: &Setting, text: &str) -> Option<&'static str> {
    let Served::Refused(reason) = setting.served else { return None };
    let value = setting.parse(text).ok()?;
    (Some(value) != setting.default_value()).then_some(reason)
}

fn protocol_version(reader: &mut Reader<'_>) {
    let name = "inter.broker.protocol.version";
    let (oldest, latest) = (ProtocolVersion::oldest_served(), ProtocolVersion::latest_served());
    let served = version(reader).is_none_or(|version| (oldest..=latest).contains(&version));
    if !served {
        reader.refuse(name, "versions 2.8 to 3.9 are served");
    }
}

pub(super) fn version(reader: &Reader<'_>) -> Option<ProtocolVersion> {
    reader.text("inter.broker.protocol.version").and_then(ProtocolVersion::parse)
}

fn identity(reader: &mut Reader<'_>) {
    let id = reader.integer("broker.id").unwrap_or(-1);
    let node = reader.integer("node.id").unwrap_or(-1);
    if id != node {
        reader.refuse("node.id", "must be the same as broker.id, or be left out");
    }
    let reserved = reader.integer("reserved.broker.max.id").unwrap_or_default();
    if reader.flag("broker.id.generation.enable") {
        let allowed = "must be greater than or equal to -1 and not greater than reserved.broker.max.id";
        reader.require((-1..=reserved).contains(&id), "broker.id", allowed);
    } else {
        reader.require(id >= 0, "broker.id", "must be greater than or equal to 0");
    }
    let controllers = reader.text("controller.listener.names").unwrap_or_default().is_empty();
    reader.require(controllers, "controller.listener.names", "must be empty when not running in KRaft mode");
}

fn times(reader: &mut Reader<'_>) {
    let positive = |n: Option<i64>| n.is_none_or(|n| n >= 1);
    let roll = positive(reader.integer("log.roll.ms"));
    reader.require(roll, "log.roll.ms", "must be greater than or equal to 1");
    let jitter = reader.integer("log.roll.jitter.ms").is_none_or(|n| n >= 0);
    reader.require(jitter, "log.roll.jitter.ms", "must be greater than or equal to 0");
    let in_force = |name: &&str| reader.integer(name).is_some();
    let retention =
        names::replaced("log.retention.ms").into_iter().find(in_force).unwrap_or("log.retention.ms");
    let kept = reader.integer(retention) != Some(0);
    reader.require(kept, retention, "must be unlimited (-1) or, greater than or equal to 1");
}

fn cleaner(reader: &mut Reader<'_>) {
    let name = "log.cleaner.dedupe.buffer.size";
    let threads = reader.integer("log.cleaner.threads").unwrap_or(1);
    reader.require(threads >= 1, "log.cleaner.threads", "must be at least 1");
    let enough = reader.integer(name).unwrap_or_default() / threads.max(1) > 1024 * 1024;
    reader.require(enough, name, "must be at least 1MB per cleaner thread.");
}

fn replication(reader: &mut Reader<'_>) {
    let wait = reader.integer("replica.fetch.wait.max.ms").unwrap_or_default();
    let socket = reader.integer("replica.socket.timeout.ms").unwrap_or_default();
    let allowed =
        "should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts";
    reader.require(wait <= socket, "replica.socket.timeout.ms", allowed);
    let lag = reader.integer("replica.lag.time.max.ms").unwrap_or_default();
    let allowed =
        "should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR";
    reader.require(wait <= lag, "replica.fetch.wait.max.ms", allowed);
}

fn connections(reader: &mut Reader<'_>) {
    let queued = reader.integer("queued.max.request.bytes").unwrap_or(-1);
    let request = reader.integer("socket.request.max.bytes").unwrap_or_default();
    let allowed = "must be larger or equal to socket.request.max.bytes";
    reader.require(queued <= 0 || queued >= request, "queued.max.request.bytes", allowed);
    let overrides = reader.text("max.connections.per.ip.overrides").unwrap_or_default();
    let none = reader.integer("max.connections.per.ip") == Some(0) && overrides.is_empty();
    let allowed = "can be set to zero only if max.connections.per.ip.overrides property is set.";
    reader.require(!none, "max.connections.per.ip", allowed);
    let idle = reader.integer("connections.max.idle.ms").unwrap_or_default();
    let delay = reader.integer("connection.failed.authentication.delay.ms").unwrap_or_default();
    let allowed =
        "should always be less than connections.max.idle.ms, so that answers to failed logins get out";
    reader.require(idle < 0 || delay < idle, "connection.failed.authentication.delay.ms", allowed);
}
