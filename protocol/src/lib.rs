//! Kafka's wire format: frames, requests, responses, record batches; no I/O.
