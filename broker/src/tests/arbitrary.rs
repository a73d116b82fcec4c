//! Whatever frame comes, the broker answers in time with something that a client of that version can read, and goes on.
//!
//! The fuzz target `handling` and its smoke run. A broker serves some hundred frames, so that they meet what earlier ones left,
//! and is then stopped cleanly, with nothing of it still in use.

use std::cell::RefCell;

use bytes::{Buf, Bytes};
use protocol::ApiKey;
use protocol::messages::{self, ResponseKind};
use protocol::request::{Request, RequestBody};
use protocol::response::Response;
use tokio::runtime::{Builder, Runtime};

use super::world::{World, bytes};
use crate::api::context::{Outcome, Pending};
use crate::api::handle;

/// Frames that one broker is given.
const SERVED_MAX: usize = 300;
/// Partitions that one frame may ask for: each is a directory with files, for us as for Kafka.
const PARTITIONS_MAX: i64 = 20;
/// Milliseconds that a fetch may wait. The clock is stepped, but what a broker does by the clock is done in between.
const WAIT_MAX_MS: i32 = 100;

struct Stage {
    runtime: Runtime,
    world: World,
    served: usize,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// Serves one frame, without its length prefix.
#[cfg_attr(test, expect(unreachable_pub, reason = "libFuzzer calls it from another crate"))]
pub fn handling(frame: &[u8]) {
    let Ok(mut request) = Request::decode(Bytes::copy_from_slice(frame)) else { return };
    if !bearable(&mut request) {
        return;
    }
    STAGE.with_borrow_mut(|stage| {
        let mut present = stage.take().unwrap_or_else(Stage::new);
        present.serve(request);
        if present.served < SERVED_MAX {
            *stage = Some(present);
        } else {
            present.runtime.block_on(present.world.stop());
        }
    });
}

/// Whether a request asks for no more work than a test can wait for.
fn bearable(request: &mut Request) -> bool {
    if let RequestBody::Fetch(fetch) = &mut request.body {
        fetch.max_wait_ms = fetch.max_wait_ms.min(WAIT_MAX_MS);
    }
    let partitions: i64 = if let RequestBody::CreateTopics(create) = &request.body {
        create.topics.iter().map(|topic| i64::from(topic.num_partitions.max(1))).sum()
    } else if let RequestBody::CreatePartitions(create) = &request.body {
        create.topics.iter().map(|topic| i64::from(topic.count)).sum()
    } else {
        0
    };
    partitions <= PARTITIONS_MAX
}

impl Stage {
    fn new() -> Stage {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime starts");
        let world = runtime.block_on(async {
            let world = World::start(&["auto.create.topics.enable=true", "num.partitions=1"]).await;
            world.topic("t", 2, &[]).await;
            world
        });
        Stage { runtime, world, served: 0 }
    }

    fn serve(&mut self, request: Request) {
        self.served += 1;
        let (api, version, correlation_id) =
            (request.header.api, request.header.version, request.header.correlation_id);
        let world = &self.world;
        let outcome = self.runtime.block_on(async {
            let context = world.context.of(&request.header);
            let answered = async {
                match handle(&world.broker, context, request).await {
                    Pending::Ready(outcome) => outcome,
                    Pending::Later(outcome) => outcome.await,
                }
            };
            tokio::time::timeout(super::world::PATIENCE, answered).await.expect("answered in time")
        });
        world.asked.take();
        match outcome {
            Outcome::Answer(response) | Outcome::Throttled(response, _) => {
                read(api, version, correlation_id, response);
            }
            Outcome::Silent => {}
            Outcome::Close(reason) => {
                assert!(!reason.contains("cannot be encoded"), "{api} v{version}: {reason}")
            }
        }
    }
}

/// Reads an answer as a client does.
fn read(api: ApiKey, version: i16, correlation_id: i32, response: Response) {
    let mut answer = bytes(response);
    assert_eq!(answer.get_i32() as usize, answer.len(), "{api} v{version}");
    assert_eq!(answer.get_i32(), correlation_id, "{api} v{version}");
    let key = messages::ApiKey::try_from(api.code()).expect("Kafka has this API");
    if key.response_header_version(version) >= 1 {
        assert_eq!(answer.get_u8(), 0, "{api} v{version}");
    }
    let read = ResponseKind::decode(key, &mut answer, version);
    assert!(read.is_ok() && answer.is_empty(), "{api} v{version}: {read:?}, {} bytes are left", answer.len());
}

#[cfg(test)]
mod seeds;

#[path = "../../../fuzz/smoke.rs"]
#[cfg(test)]
mod smoke;

#[cfg(test)]
mod tests {
    use super::smoke::smoke;
    use super::*;

    #[test]
    fn every_frame_is_answered() {
        let seeds = seeds::seeds();
        smoke("handling", &seeds, 3_000, handling);
        // Every API and version, though of things that this broker does not have.
        smoke("requests", &[], 2_000, handling);
    }
}
