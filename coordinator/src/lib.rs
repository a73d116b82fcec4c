//! Every decision of the cluster as pure state machines: no I/O, no clock, no randomness.
