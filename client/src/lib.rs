//! A small Kafka client: connections, metadata, admin requests.
