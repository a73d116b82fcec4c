//! The fetch sessions of one connection, and the rules by which a request finds, makes or closes one (KIP-227).
//! Owned by the connection, used by `api/fetch.rs` one request at a time. Source: Kafka's FetchManager (3.9).

use std::collections::HashMap;
use std::time::Instant;

use protocol::error_code::ErrorCode;
use protocol::messages::FetchRequest;

use super::session::{FetchSession, Naming};
use super::slots::{SessionId, SessionSlots};

/// Session epochs with a meaning of their own.
const NEW_SESSION: i32 = 0;
const NO_SESSION: i32 = -1;

#[derive(Debug, Default)]
pub(crate) struct FetchSessions(HashMap<SessionId, FetchSession>);

/// How a request uses sessions.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Everything is asked for, and nothing is remembered.
    Sessionless(FetchSession),
    /// Everything is asked for; remembered if there is a place.
    Wanted(FetchSession),
    /// Only what changed is asked for and answered.
    Incremental(FetchSession),
}

impl FetchSessions {
    /// Takes out the session that `request` goes by, brought up to date with what it adds and forgets.
    pub(crate) fn open(
        &mut self,
        version: i16,
        request: FetchRequest,
        now: Instant,
    ) -> Result<Opened, ErrorCode> {
        let naming = Naming::of(version);
        let id = SessionId::new(request.session_id);
        match request.session_epoch {
            NO_SESSION => {
                id.map(|id| self.0.remove(&id));
                Ok(Opened::Sessionless(fresh(naming, request)))
            }
            NEW_SESSION => {
                id.map(|id| self.0.remove(&id));
                Ok(Opened::Wanted(fresh(naming, request)))
            }
            epoch => self.resume((id, epoch), naming, request, now).map(Opened::Incremental),
        }
    }

    /// Keeps `session` for the next request, unless nothing is left in it or there is no place; its id, or 0.
    pub(crate) fn keep(&mut self, opened: Opened, slots: &SessionSlots, now: Instant) -> i32 {
        let session = match opened {
            Opened::Sessionless(_) => return 0,
            Opened::Wanted(session) | Opened::Incremental(session) if session.len() == 0 => return 0,
            Opened::Wanted(mut session) => {
                session.slot = slots.admit(session.len(), now);
                session
            }
            Opened::Incremental(mut session) => {
                session.next_epoch = session.next_epoch.checked_add(1).unwrap_or(1);
                session
            }
        };
        let Some(id) = session.slot.as_ref().map(|slot| slot.id) else { return 0 };
        self.0.insert(id, session);
        id.get()
    }

    /// Keeps a session whose client is held back and gets nothing: it goes on with the next epoch. A new one is not made.
    pub(crate) fn keep_throttled(&mut self, opened: Opened) -> i32 {
        let Opened::Incremental(mut session) = opened else { return 0 };
        session.next_epoch = session.next_epoch.checked_add(1).unwrap_or(1);
        let Some(id) = session.slot.as_ref().map(|slot| slot.id) else { return 0 };
        self.0.insert(id, session);
        id.get()
    }

    fn resume(
        &mut self,
        (id, epoch): (Option<SessionId>, i32),
        naming: Naming,
        request: FetchRequest,
        now: Instant,
    ) -> Result<FetchSession, ErrorCode> {
        let session = id.and_then(|id| self.0.get_mut(&id)).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.naming != naming {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        if session.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        let size = session.len();
        let admitted = session.slot.as_ref().is_some_and(|slot| slot.touch(size, now));
        // The place was given to another connection's session meanwhile, or this one is taken out to be used.
        let session = id.and_then(|id| self.0.remove(&id)).filter(|_| admitted);
        let mut session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        session.apply(request);
        Ok(session)
    }
}

impl Opened {
    pub(crate) fn session(&mut self) -> &mut FetchSession {
        match self {
            Opened::Sessionless(session) | Opened::Wanted(session) | Opened::Incremental(session) => session,
        }
    }
}

fn fresh(naming: Naming, request: FetchRequest) -> FetchSession {
    let mut session = FetchSession::new(naming);
    session.apply(request);
    session
}

#[cfg(test)]
mod tests {
    use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

    use super::*;

    fn request(id: i32, epoch: i32) -> FetchRequest {
        let topic = FetchTopic::default().with_partitions(vec![FetchPartition::default()]);
        FetchRequest::default().with_session_id(id).with_session_epoch(epoch).with_topics(vec![topic])
    }

    fn check(version: i16, id: i32, epoch: i32, expected: ErrorCode) {
        let (mut sessions, slots, now) = (FetchSessions::default(), SessionSlots::new(1, 7), Instant::now());
        let opened = sessions.open(12, request(0, 0), now).expect("a new session needs nothing");
        let made = sessions.keep(opened, &slots, now);
        assert_ne!(made, 0);
        let id = if id == 1 { made } else { id };
        assert_eq!(sessions.open(version, request(id, epoch), now).err(), Some(expected));
    }

    #[test]
    fn a_wrong_id_epoch_or_kind_of_name_is_told_apart() {
        check(12, 99, 1, ErrorCode::FetchSessionIdNotFound);
        check(12, 0, 1, ErrorCode::FetchSessionIdNotFound);
        check(12, 1, 2, ErrorCode::InvalidFetchSessionEpoch);
        check(13, 1, 1, ErrorCode::FetchSessionTopicIdError);
    }

    #[test]
    fn the_epoch_counts_up_and_wraps_to_one() {
        let (mut sessions, slots, now) = (FetchSessions::default(), SessionSlots::new(1, 7), Instant::now());
        let opened = sessions.open(12, request(0, 0), now).expect("a new session needs nothing");
        let id = sessions.keep(opened, &slots, now);
        for epoch in [1, 2] {
            let opened = sessions.open(12, request(id, epoch), now).expect("it is the next epoch");
            assert_eq!(sessions.keep(opened, &slots, now), id);
        }
        let mut opened = sessions.open(12, request(id, 3), now).expect("it is the next epoch");
        opened.session().next_epoch = i32::MAX;
        sessions.keep(opened, &slots, now);
        assert!(sessions.open(12, request(id, 1), now).is_ok());
    }

    #[test]
    fn a_session_without_partitions_is_closed() {
        let (mut sessions, slots, now) = (FetchSessions::default(), SessionSlots::new(1, 7), Instant::now());
        let opened = sessions.open(12, request(0, 0), now).expect("a new session needs nothing");
        let id = sessions.keep(opened, &slots, now);
        let forgotten = ForgottenTopic::default().with_partitions(vec![0]);
        let empty = request(id, 1).with_topics(vec![]).with_forgotten_topics_data(vec![forgotten]);
        let opened = sessions.open(12, empty, now).expect("it is the next epoch");
        assert_eq!(sessions.keep(opened, &slots, now), 0);
        assert_eq!(sessions.open(12, request(id, 2), now).err(), Some(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn without_a_place_there_is_no_session() {
        let (mut sessions, slots, now) = (FetchSessions::default(), SessionSlots::new(0, 7), Instant::now());
        let opened = sessions.open(12, request(0, 0), now).expect("a new session needs nothing");
        assert_eq!(sessions.keep(opened, &slots, now), 0);
    }
}
