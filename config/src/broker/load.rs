//! From the values of all settings to the typed configuration, one function per part of it.

use std::path::PathBuf;

use crate::broker::reader::Reader;
use crate::broker::requirements;
use crate::broker::{
    BrokerConfig, Cleaner, ControlledShutdown, Log, Network, QuotaWindow, Replication, Topics, ZooKeeper,
};
use crate::error::ConfigErrors;
use crate::layers::ConfigMap;
use crate::listeners;
use crate::topic::TopicDefaults;
use crate::version::ProtocolVersion;

mod addresses;
mod connections;
mod topic_defaults;

pub(crate) use topic_defaults::values as topic_values;

/// Reads, checks and types a flat map of settings.
pub(crate) fn load(given: &ConfigMap) -> Result<BrokerConfig, ConfigErrors> {
    let mut reader = Reader::new(given);
    requirements::check(&mut reader);
    let config = BrokerConfig {
        broker_id: reader.integer("broker.id").and_then(|id| i32::try_from(id).ok()).filter(|id| *id >= 0),
        reserved_broker_id_max: reader
            .int_at_least("reserved.broker.max.id", 0)
            .try_into()
            .unwrap_or(i32::MAX),
        rack: reader.text("broker.rack").map(str::to_owned),
        inter_broker_protocol: requirements::version(&reader).unwrap_or(ProtocolVersion::latest_served()),
        zookeeper: zookeeper(&mut reader),
        network: network(&mut reader),
        log: log(&mut reader),
        topics: topics(&mut reader),
        replication: replication(&mut reader),
        controlled_shutdown: controlled_shutdown(&mut reader),
        topic_defaults: topic_defaults(&mut reader),
    };
    match reader.errors.is_empty() {
        true => Ok(config),
        false => Err(ConfigErrors(reader.errors)),
    }
}

fn zookeeper(reader: &mut Reader<'_>) -> ZooKeeper {
    let (servers, chroot) = addresses::zookeeper(reader);
    let session_timeout_ms = reader.int_at_least("zookeeper.session.timeout.ms", 1);
    let connection = "zookeeper.connection.timeout.ms";
    let connection_timeout_ms = match reader.integer(connection) {
        Some(_) => reader.int_at_least(connection, 1),
        None => session_timeout_ms,
    };
    let in_flight_requests_max = reader.int_at_least("zookeeper.max.in.flight.requests", 1);
    ZooKeeper { servers, chroot, session_timeout_ms, connection_timeout_ms, in_flight_requests_max }
}

fn network(reader: &mut Reader<'_>) -> Network {
    let addresses = addresses::listeners(reader);
    let connections = connections::limits(reader, &addresses.listeners);
    Network {
        listeners: addresses.listeners,
        advertised_listeners: addresses.advertised,
        inter_broker_listener: addresses.inter_broker,
        socket_send_buffer_bytes: buffer(reader, "socket.send.buffer.bytes"),
        socket_receive_buffer_bytes: buffer(reader, "socket.receive.buffer.bytes"),
        socket_request_bytes_max: reader.int_at_least("socket.request.max.bytes", 1),
        socket_listen_backlog: reader.int_at_least("socket.listen.backlog.size", 1),
        connections_idle_ms_max: reader.integer("connections.max.idle.ms").and_then(|ms| ms.try_into().ok()),
        queued_requests_max: reader.int_at_least("queued.max.requests", 1),
        queued_request_bytes_max: positive(reader, "queued.max.request.bytes"),
        connections,
        quota_window: QuotaWindow {
            samples: reader.int_at_least("quota.window.num", 1),
            sample_seconds: reader.int_at_least("quota.window.size.seconds", 1),
        },
        controller_quota_window: QuotaWindow {
            samples: reader.int_at_least("controller.quota.window.num", 1),
            sample_seconds: reader.int_at_least("controller.quota.window.size.seconds", 1),
        },
        slow_request_ms: reader.integer("ottla.slow.request.ms").and_then(|ms| ms.try_into().ok()),
        fetch_bytes_max: reader.int_at_least("fetch.max.bytes", 1024),
        fetch_session_slots_max: reader.int_at_least("max.incremental.fetch.session.cache.slots", 0),
    }
}

fn positive(reader: &Reader<'_>, name: &str) -> Option<u64> {
    reader.integer(name).and_then(|number| number.try_into().ok()).filter(|number| *number > 0)
}

/// -1 leaves the size to the system.
fn buffer(reader: &mut Reader<'_>, name: &str) -> Option<u32> {
    let bytes = reader.integer(name).filter(|bytes| *bytes != -1)?;
    if bytes < 1 {
        reader.refuse(name, "Value must be at least 1, or -1 for the size that the system chooses");
    }
    u32::try_from(bytes).ok()
}

fn log(reader: &mut Reader<'_>) -> Log {
    Log {
        dirs: log_dirs(reader),
        recovery_threads_per_dir: reader.int_at_least("num.recovery.threads.per.data.dir", 1),
        retention_check_interval_ms: reader.at_least("log.retention.check.interval.ms", 1),
        flush_scheduler_interval_ms: reader.at_least("log.flush.scheduler.interval.ms", 1),
        flush_offset_checkpoint_interval_ms: reader.at_least("log.flush.offset.checkpoint.interval.ms", 0),
        flush_start_offset_checkpoint_interval_ms: reader
            .at_least("log.flush.start.offset.checkpoint.interval.ms", 0),
        initial_task_delay_ms: reader.at_least("log.initial.task.delay.ms", 0),
        producer_id_expiration_ms: reader.at_least("producer.id.expiration.ms", 1),
        producer_id_expiration_check_interval_ms: reader
            .at_least("producer.id.expiration.check.interval.ms", 1),
        reserve_bytes: reader.at_least("ottla.log.dir.reserve.bytes", 0),
        salvage_bytes_max: reader.integer("ottla.salvage.max.bytes").and_then(|bytes| bytes.try_into().ok()),
        cleaner: cleaner(reader),
    }
}

fn log_dirs(reader: &mut Reader<'_>) -> Vec<PathBuf> {
    let name = if reader.text("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
    let dirs: Vec<PathBuf> =
        listeners::items(reader.text(name).unwrap_or_default()).map(PathBuf::from).collect();
    if dirs.is_empty() {
        reader.refuse(name, "At least one log directory must be defined via log.dirs or log.dir.");
    }
    let repeated = dirs.iter().enumerate().any(|(at, dir)| dirs[..at].contains(dir));
    if repeated {
        reader.refuse(name, "each directory may be named once");
    }
    dirs
}

fn cleaner(reader: &mut Reader<'_>) -> Cleaner {
    Cleaner {
        enable: reader.flag("log.cleaner.enable"),
        threads: reader.int_at_least("log.cleaner.threads", 0),
        backoff_ms: reader.at_least("log.cleaner.backoff.ms", 0),
        dedupe_buffer_bytes: reader.at_least("log.cleaner.dedupe.buffer.size", 0),
        io_buffer_bytes: reader.int_at_least("log.cleaner.io.buffer.size", 0),
        io_buffer_load_factor: reader.double("log.cleaner.io.buffer.load.factor"),
        io_bytes_per_second_max: reader.double("log.cleaner.io.max.bytes.per.second"),
    }
}

fn topics(reader: &mut Reader<'_>) -> Topics {
    let factor = reader.int_at_least("default.replication.factor", 1);
    if factor > i16::MAX as u32 {
        reader.refuse("default.replication.factor", "Value must be no more than 32767");
    }
    Topics {
        partitions: reader.int_at_least("num.partitions", 1),
        replication_factor: factor.try_into().unwrap_or(i16::MAX),
        auto_create: reader.flag("auto.create.topics.enable"),
        delete: reader.flag("delete.topic.enable"),
    }
}

fn replication(reader: &mut Reader<'_>) -> Replication {
    Replication {
        lag_time_ms_max: reader.at_least("replica.lag.time.max.ms", 1),
        high_watermark_checkpoint_interval_ms: reader
            .at_least("replica.high.watermark.checkpoint.interval.ms", 1),
        fetchers: reader.int_at_least("num.replica.fetchers", 1),
        fetch_bytes_min: reader.int_at_least("replica.fetch.min.bytes", 0),
        fetch_bytes_max: reader.int_at_least("replica.fetch.max.bytes", 0),
        fetch_response_bytes_max: reader.int_at_least("replica.fetch.response.max.bytes", 0),
        fetch_wait_ms_max: reader.int_at_least("replica.fetch.wait.max.ms", 0),
        fetch_backoff_ms: reader.int_at_least("replica.fetch.backoff.ms", 0),
        socket_timeout_ms: reader.int_at_least("replica.socket.timeout.ms", 1),
        socket_receive_buffer_bytes: buffer(reader, "replica.socket.receive.buffer.bytes"),
        controller_socket_timeout_ms: reader.int_at_least("controller.socket.timeout.ms", 1),
        request_timeout_ms: reader.int_at_least("request.timeout.ms", 1),
        alter_log_dirs_threads: reader
            .integer("num.replica.alter.log.dirs.threads")
            .and_then(|threads| threads.try_into().ok()),
    }
}

fn controlled_shutdown(reader: &mut Reader<'_>) -> ControlledShutdown {
    ControlledShutdown {
        enable: reader.flag("controlled.shutdown.enable"),
        retries_max: reader.int_at_least("controlled.shutdown.max.retries", 0),
        retry_backoff_ms: reader.at_least("controlled.shutdown.retry.backoff.ms", 0),
    }
}

/// What a topic cannot use is the fault of the broker's setting behind it, unless that one is wrong already.
fn topic_defaults(reader: &mut Reader<'_>) -> TopicDefaults {
    let (defaults, errors) = TopicDefaults::new(topic_defaults::values(reader));
    for error in errors {
        let names = topic_defaults::broker_names(&error.key);
        let known = reader.errors.iter().any(|other| names.contains(&other.key.as_str()));
        let behind = names.iter().copied().find(|name| reader.integer(name).is_some());
        if let (false, Some(name)) = (known, behind.or(names.first().copied())) {
            reader.refuse(name, &error.allowed);
        }
    }
    defaults
}
