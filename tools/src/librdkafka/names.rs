//! The table of Java's client properties: what each is called in librdkafka.
//!
//! Order and wording carry no meaning. Source: ProducerConfig and ConsumerConfig of 3.9, librdkafka's
//! CONFIGURATION.md.

use std::fmt;

/// Which client a property is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Producer,
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Producer => "producer",
            Role::Consumer => "consumer",
        })
    }
}

/// What a Java property is in librdkafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counterpart {
    Same,
    Named(&'static str),
    /// Bytes there, kilobytes here.
    Kilobytes(&'static str),
    /// -1 there is 0 here: the system decides.
    SystemDefault(&'static str),
    /// Only PLAINTEXT is spoken.
    Plaintext,
    /// The tool acts on it itself.
    Ours,
    /// It speaks of Java, and leaving it out changes nothing.
    Meaningless,
}

use Counterpart::{Kilobytes, Meaningless, Named, Ours, Plaintext, Same, SystemDefault};

const BOTH: &[(&str, Counterpart)] = &[
    ("bootstrap.servers", Same),
    ("client.dns.lookup", Same),
    ("client.id", Same),
    ("client.rack", Same),
    ("connections.max.idle.ms", Same),
    ("metadata.max.age.ms", Named("topic.metadata.refresh.interval.ms")),
    ("receive.buffer.bytes", SystemDefault("socket.receive.buffer.bytes")),
    ("reconnect.backoff.max.ms", Same),
    ("reconnect.backoff.ms", Same),
    ("retry.backoff.max.ms", Same),
    ("retry.backoff.ms", Same),
    ("security.protocol", Plaintext),
    ("send.buffer.bytes", SystemDefault("socket.send.buffer.bytes")),
    ("socket.connection.setup.timeout.ms", Same),
    ("metrics.num.samples", Meaningless),
    ("metrics.recording.level", Meaningless),
    ("metrics.sample.window.ms", Meaningless),
    ("enable.metrics.push", Meaningless),
    ("auto.include.jmx.reporter", Meaningless),
];

const PRODUCER: &[(&str, Counterpart)] = &[
    ("acks", Same),
    ("batch.size", Same),
    ("buffer.memory", Kilobytes("queue.buffering.max.kbytes")),
    ("compression.gzip.level", Named("compression.level")),
    ("compression.lz4.level", Named("compression.level")),
    ("compression.type", Same),
    ("compression.zstd.level", Named("compression.level")),
    ("delivery.timeout.ms", Same),
    ("enable.idempotence", Same),
    ("linger.ms", Same),
    ("max.block.ms", Ours),
    ("max.in.flight.requests.per.connection", Same),
    ("max.request.size", Named("message.max.bytes")),
    ("request.timeout.ms", Same),
    ("retries", Same),
    ("key.serializer", Meaningless),
    ("value.serializer", Meaningless),
];

const CONSUMER: &[(&str, Counterpart)] = &[
    ("allow.auto.create.topics", Same),
    ("auto.offset.reset", Same),
    ("check.crcs", Same),
    ("fetch.max.bytes", Same),
    ("fetch.max.wait.ms", Named("fetch.wait.max.ms")),
    ("fetch.min.bytes", Same),
    ("isolation.level", Same),
    ("max.partition.fetch.bytes", Same),
    ("request.timeout.ms", Named("socket.timeout.ms")),
    ("auto.commit.interval.ms", Meaningless),
    ("default.api.timeout.ms", Meaningless),
    ("enable.auto.commit", Meaningless),
    ("heartbeat.interval.ms", Meaningless),
    ("max.poll.interval.ms", Meaningless),
    ("max.poll.records", Meaningless),
    ("session.timeout.ms", Meaningless),
    ("key.deserializer", Meaningless),
    ("value.deserializer", Meaningless),
];

/// What a property is here; `None` for those nothing is known of.
pub(super) fn counterpart(java: &str, role: Role) -> Option<Counterpart> {
    let own = match role {
        Role::Producer => PRODUCER,
        Role::Consumer => CONSUMER,
    };
    BOTH.iter().chain(own).find(|(name, _)| *name == java).map(|(_, counterpart)| *counterpart)
}

#[cfg(test)]
mod tests {
    use rdkafka::config::ClientConfig;
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    use super::*;

    /// A value that any property of the table takes.
    fn sample(name: &str) -> &'static str {
        match name {
            "bootstrap.servers" => "127.0.0.1:1",
            "client.dns.lookup" => "use_all_dns_ips",
            "acks" => "all",
            "compression.type" => "zstd",
            "auto.offset.reset" => "earliest",
            "isolation.level" => "read_committed",
            "allow.auto.create.topics" | "check.crcs" | "enable.idempotence" => "true",
            "fetch.max.bytes" => "2000000",
            "reconnect.backoff.ms"
            | "retry.backoff.ms"
            | "compression.level"
            | "max.in.flight.requests.per.connection" => "5",
            _ => "65536",
        }
    }

    fn knows(table: &[(&str, Counterpart)], create: impl Fn(&ClientConfig) -> Result<(), String>) {
        for (java, counterpart) in table {
            let here = match counterpart {
                Same => java,
                Named(here) | Kilobytes(here) | SystemDefault(here) => here,
                Plaintext | Ours | Meaningless => continue,
            };
            let mut config = ClientConfig::new();
            create(config.set(*here, sample(here))).unwrap_or_else(|error| panic!("{java}: {error}"));
        }
    }

    #[test]
    fn the_library_knows_every_name_of_the_table() {
        let producer = |config: &ClientConfig| {
            config.create::<BaseProducer>().map(drop).map_err(|error| error.to_string())
        };
        let consumer = |config: &ClientConfig| {
            config.create::<BaseConsumer>().map(drop).map_err(|error| error.to_string())
        };
        knows(BOTH, producer);
        knows(PRODUCER, producer);
        knows(CONSUMER, consumer);
    }
}
