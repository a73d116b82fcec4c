//! Suites that drive the whole, their harness, and the one command that runs every check.
