//! Kafka's command line tools, one module each.
