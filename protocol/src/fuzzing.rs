//! What is done with arbitrary bytes to show that none hurt: one function per fuzz target, and what holds whatever they are.
//!
//! Called by libFuzzer (`fuzz/`, by the feature `fuzzing`) and, over the kept corpus and seeded mutations of it, by the tests of
//! this crate. The bounds on memory hold where the program's allocator is [`allocations::Counting`].

pub mod allocations;
mod records;
mod requests;
mod responses;
#[cfg(test)]
mod seeds;
#[path = "../../fuzz/smoke.rs"]
#[cfg(test)]
mod smoke;

pub use records::records;
pub use requests::request;
pub use responses::response;

/// Bytes that decoding may take in memory for each byte of a message. The leanest elements cost the most: a topic of
/// Metadata v9 without a name is two bytes there and 72 here.
pub const DECODED_PER_BYTE: usize = 64;
/// Bytes that any message may take besides.
pub const DECODED_MIN: usize = 64 << 10;

/// Runs `decode` on a message of `size` bytes within the bound.
pub(crate) fn bounded<T>(size: usize, decode: impl FnOnce() -> T) -> T {
    let (decoded, peak) = allocations::peak(decode);
    let bound = DECODED_PER_BYTE * size + DECODED_MIN;
    assert!(peak <= bound, "{size} bytes took {peak} bytes of memory where {bound} is the most");
    decoded
}

#[cfg(test)]
mod tests {
    use super::allocations::Counting;
    use super::smoke::smoke;
    use super::*;

    #[global_allocator]
    static COUNTING: Counting = Counting;

    #[test]
    fn requests_do_no_harm() {
        let seeds = seeds::requests();
        smoke("requests", &seeds, 20_000, request);
    }

    #[test]
    fn responses_do_no_harm() {
        let seeds = seeds::responses();
        smoke("responses", &seeds, 20_000, response);
    }

    #[test]
    fn records_do_no_harm() {
        let seeds = seeds::records();
        smoke("records", &seeds, 6_000, records);
    }
}
