//! The znodes of Kafka and the session that reads and writes them.
