//! The fetch sessions of the broker, which any connection may go on with, and how a request begins and ends with one (KIP-227).
//!
//! A session belongs to one request at a time. A request that carries the next epoch while another still waits with the session
//! interrupts it and takes over; the other one ends with INVALID_FETCH_SESSION_EPOCH. Source: Kafka's FetchManager (3.9).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::error_code::ErrorCode;
use protocol::messages::FetchRequest;
use tokio::sync::OwnedMutexGuard;

use super::cache::{Bounds, Continuation, Rank, SessionId, Shard};
use super::session::{FetchSession, Naming};
use crate::hosted::Watch;

/// As many as Kafka has; a newcomer competes with the sessions of its shard alone.
const SHARDS: usize = 8;
/// Ids that each shard gives.
const IDS: i32 = i32::MAX / SHARDS as i32;
/// Memory for what all sessions remember: a million partitions and more.
const WEIGHT_MAX: usize = 256 << 20;
/// How long the request before may take to notice that it is interrupted. It does at once, unless its client does not read its
/// answers; then the session is given up.
const HANDOVER_MAX: Duration = Duration::from_secs(5);
/// Session epochs with a meaning of their own.
const NEW_SESSION: i32 = 0;
const NO_SESSION: i32 = -1;

#[derive(Debug)]
pub(crate) struct FetchSessions {
    /// Locked for a look-up, never across an await.
    shards: [Mutex<Shard<Shared>>; SHARDS],
    /// The shard that the next new session goes to.
    turn: AtomicUsize,
}

/// A session as its place and the requests with it share it.
#[derive(Debug, Clone)]
struct Shared {
    watch: Arc<Watch>,
    /// An async lock, since whoever has it waits for records: it says whose the session is, and guards no short step.
    session: Arc<tokio::sync::Mutex<FetchSession>>,
}

/// How a request uses sessions.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Everything is asked for, and nothing is remembered.
    Sessionless(FetchSession),
    /// Everything is asked for; remembered if there is a place.
    Wanted(FetchSession, Rank),
    /// Only what changed is asked for and answered.
    Incremental(Resumed),
}

/// A session in the hands of one request.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// None for a session that has become too large to be remembered.
    id: Option<SessionId>,
    epoch: i32,
    session: OwnedMutexGuard<FetchSession>,
}

impl FetchSessions {
    /// `slots` is max.incremental.fetch.session.cache.slots; `seed` makes the ids unpredictable.
    pub(crate) fn new(slots: usize, seed: u64) -> Self {
        let shard = |number: usize| {
            let first = IDS * number as i32;
            // The first shard has no 0, which means no session.
            let (first, ids) = if number == 0 { (1, IDS - 1) } else { (first, IDS) };
            let (slots, weight_max) = (slots / SHARDS, WEIGHT_MAX / SHARDS);
            let bounds = Bounds { slots, weight_max, first, ids: ids.unsigned_abs() };
            Mutex::new(Shard::new(bounds, seed.rotate_left(8 * number as u32)))
        };
        Self { shards: std::array::from_fn(shard), turn: AtomicUsize::new(0) }
    }

    /// The partitions that `request` goes by, brought up to date with what it adds and forgets.
    pub(crate) async fn open(
        &self,
        version: i16,
        request: &FetchRequest,
        rank: Rank,
        now: Instant,
    ) -> Result<Opened, ErrorCode> {
        let naming = Naming::of(version);
        let id = SessionId::new(request.session_id);
        match request.session_epoch {
            NO_SESSION => {
                self.close(id);
                Ok(Opened::Sessionless(FetchSession::of(naming, request)))
            }
            NEW_SESSION => {
                self.close(id);
                Ok(Opened::Wanted(FetchSession::of(naming, request), rank))
            }
            epoch => {
                let id = id.ok_or(ErrorCode::FetchSessionIdNotFound)?;
                self.resume(Continuation { id, epoch, naming }, request, now).await
            }
        }
    }

    /// The id that an answer carries. A session that was wanted is kept for the next request if there is a place.
    pub(crate) fn keep(&self, opened: Opened, now: Instant) -> i32 {
        let id = match opened {
            Opened::Sessionless(_) => None,
            Opened::Incremental(resumed) => resumed.id,
            Opened::Wanted(session, rank) => {
                let (naming, extent) = (session.naming, session.extent());
                let shared = Shared {
                    watch: Arc::clone(&session.watch),
                    session: Arc::new(tokio::sync::Mutex::new(session)),
                };
                let shard = self.turn.fetch_add(1, Ordering::Relaxed) % SHARDS;
                locked(&self.shards[shard]).admit(shared, (rank, naming), extent, now)
            }
        };
        id.map_or(0, SessionId::get)
    }

    async fn resume(
        &self,
        asked: Continuation,
        request: &FetchRequest,
        now: Instant,
    ) -> Result<Opened, ErrorCode> {
        let Shared { watch, session } = self.take_up(asked, now)?;
        watch.claim(asked.epoch);
        let mut session = match Arc::clone(&session).try_lock_owned() {
            Ok(session) => session,
            Err(_) => {
                watch.interrupt();
                match tokio::time::timeout(HANDOVER_MAX, session.lock_owned()).await {
                    Ok(session) => session,
                    Err(_) => {
                        self.close(Some(asked.id));
                        return Err(ErrorCode::FetchSessionIdNotFound);
                    }
                }
            }
        };
        let before = session.extent();
        session.apply(request);
        let after = session.extent();
        if after.partitions == 0 {
            self.close(Some(asked.id));
            return Ok(Opened::Sessionless(FetchSession::of(asked.naming, request)));
        }
        let is_kept =
            after == before || self.shard(asked.id).is_none_or(|mut shard| shard.resize(asked.id, after));
        let id = is_kept.then_some(asked.id);
        Ok(Opened::Incremental(Resumed { id, epoch: asked.epoch, session }))
    }

    fn take_up(&self, asked: Continuation, now: Instant) -> Result<Shared, ErrorCode> {
        self.shard(asked.id).ok_or(ErrorCode::FetchSessionIdNotFound)?.resume(asked, now)
    }

    fn close(&self, id: Option<SessionId>) {
        if let Some((id, mut shard)) = id.and_then(|id| Some((id, self.shard(id)?))) {
            shard.remove(id);
        }
    }

    /// None for a number that no shard gives.
    fn shard(&self, id: SessionId) -> Option<MutexGuard<'_, Shard<Shared>>> {
        let number = usize::try_from(id.get() / IDS).ok()?;
        self.shards.get(number).map(locked)
    }
}

/// A panic elsewhere cannot leave a shard half written.
fn locked(shard: &Mutex<Shard<Shared>>) -> MutexGuard<'_, Shard<Shared>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Opened {
    pub(crate) fn session(&mut self) -> &mut FetchSession {
        match self {
            Opened::Sessionless(session) | Opened::Wanted(session, _) => session,
            Opened::Incremental(resumed) => &mut resumed.session,
        }
    }

    /// The id of the session that it goes on with, or 0: what a client hears which is held back. A new session is not made for it.
    pub(crate) fn resumed(&self) -> i32 {
        match self {
            Opened::Incremental(resumed) => resumed.id.map_or(0, SessionId::get),
            Opened::Sessionless(_) | Opened::Wanted(..) => 0,
        }
    }

    /// The id of a session with which another request goes on already, for the answer that says so.
    pub(crate) fn superseded(&self) -> Option<i32> {
        match self {
            Opened::Incremental(Resumed { id, epoch, session }) if !session.watch.is_claimed_by(*epoch) => {
                Some(id.map_or(0, SessionId::get))
            }
            Opened::Sessionless(_) | Opened::Wanted(..) | Opened::Incremental(_) => None,
        }
    }
}
