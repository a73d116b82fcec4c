//! See `broker/src/tests/arbitrary.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| broker::tests::arbitrary::handling(input));
