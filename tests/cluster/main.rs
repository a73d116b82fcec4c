//! Real processes on loopback.
