//! See `protocol/src/fuzzing/requests.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::fuzzing::allocations::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fuzz_target!(|input: &[u8]| protocol::fuzzing::request(input));
