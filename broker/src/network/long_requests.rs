//! Requests whose frames are so long that decoding, carrying out, encoding or dropping them may take milliseconds at one stretch, while
//! the thread that does so could be polling the sockets of others: they have a thread of their own, and few at a time.
//!
//! Called by `connection.rs`, which knows their order. What they mean is not looked at but for the API.

use std::sync::Arc;

use bytes::Bytes;
use protocol::ApiKey;
use protocol::request::Request;
use tokio::sync::Semaphore;

use super::{Admission, Network};
use crate::api::context::{Context, Outcome, Pending};

/// From so many bytes on a request is long: thirty thousand elements may be in it, and no client in good faith sends that many.
const LONG: usize = 128 << 10;
/// The same of Produce and Fetch: a batch of any size takes no longer than one element, and few clients send more at once.
const LONG_WITH_RECORDS: usize = 2 << 20;
/// At a time, of all connections together: what their answers need may be a multiple of what they are.
const AT_ONCE: usize = 4;

/// How a frame is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    AtOnce,
    /// Decoded on a thread of its own; the rest gives way to others by itself.
    DecodedAside,
    /// Carried out there from end to end, when it is the oldest request of its connection.
    Aside,
}

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct LongRequests(Semaphore);

impl LongRequests {
    pub(crate) fn new() -> LongRequests {
        LongRequests(Semaphore::new(AT_ONCE))
    }
}

pub(super) fn conduct(frame: &[u8]) -> Conduct {
    let api = frame.first_chunk().map(|key| i16::from_be_bytes(*key));
    let with_records = [ApiKey::Produce, ApiKey::Fetch].into_iter().any(|key| Some(key as i16) == api);
    match frame.len() {
        0..LONG => Conduct::AtOnce,
        LONG..LONG_WITH_RECORDS if with_records => Conduct::AtOnce,
        _ if with_records => Conduct::DecodedAside,
        _ => Conduct::Aside,
    }
}

/// The first stage of a request that is decoded aside.
pub(super) fn decode(network: &Arc<Network>, context: Context, frame: Bytes) -> Admission {
    let network = Arc::clone(network);
    Box::pin(async move {
        match network.tasks.blocking(move || Request::decode(frame)).await {
            Ok(request) => (network.serve)(context, request).await,
            Err(error) => Pending::Ready(Outcome::Close(error.to_string())),
        }
    })
}

/// The outcome of a request that is carried out aside, to be waited for when those before it are answered.
pub(super) fn carry_out(network: &Arc<Network>, context: Context, frame: Bytes) -> Pending {
    let network = Arc::clone(network);
    Pending::later(async move {
        let serving = Arc::clone(&network);
        let work = async move {
            let pending = match Request::decode(frame) {
                Ok(request) => (serving.serve)(context, request).await,
                Err(error) => return Outcome::Close(error.to_string()),
            };
            match pending {
                Pending::Ready(outcome) => outcome,
                Pending::Later(outcome) => outcome.await,
            }
        };
        // It is never closed, so this cannot fail.
        let _turn = network.long_requests.0.acquire().await;
        network.tasks.aside(work).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_depends_on_what_it_may_hold() {
        let frame =
            |key: ApiKey, length: usize| [&(key as i16).to_be_bytes()[..], &vec![0; length - 2]].concat();
        for (key, length, expected) in [
            (ApiKey::Metadata, LONG - 1, Conduct::AtOnce),
            (ApiKey::Metadata, LONG, Conduct::Aside),
            (ApiKey::Produce, LONG, Conduct::AtOnce),
            (ApiKey::Produce, LONG_WITH_RECORDS, Conduct::DecodedAside),
            (ApiKey::Fetch, LONG_WITH_RECORDS - 1, Conduct::AtOnce),
        ] {
            assert_eq!(conduct(&frame(key, length)), expected, "{key:?} of {length} bytes");
        }
        assert_eq!(conduct(&[]), Conduct::AtOnce);
    }
}
