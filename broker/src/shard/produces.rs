//! The produce requests that a shard has not answered yet: what each of their partitions came to, and until when they may wait.
//! Owned by one shard. A request is answered once, when its last partition is decided.

use std::collections::BTreeMap;
use std::time::Duration;

use coordinator::deadlines::{Deadlines, Monotonic};
use coordinator::replica::{ProduceFault, Ticket};
use tokio::sync::oneshot;

use super::command::{AppendFailure, AppendOutcome, Appended};

/// The low bits of a ticket tell the partition's place in its request; the rest tells the request.
const PLACE_BITS: u32 = 24;

#[derive(Debug, Default)]
pub(super) struct Produces {
    open: BTreeMap<u64, Produce>,
    next: u64,
    deadlines: Deadlines<Ticket>,
}

#[derive(Debug)]
struct Produce {
    places: Vec<Place>,
    undecided: usize,
    timeout: Duration,
    reply: oneshot::Sender<Vec<AppendOutcome>>,
}

#[derive(Debug)]
enum Place {
    Undecided,
    /// Written here; whether it is acknowledged is the replica's to say.
    Written(Appended),
    Decided(AppendOutcome),
}

impl Produces {
    /// Takes in a request of `count` partitions. Its tickets are `Produces::ticket(key, 0..count)`.
    pub(super) fn open(
        &mut self,
        count: usize,
        timeout: Duration,
        reply: oneshot::Sender<Vec<AppendOutcome>>,
    ) -> u64 {
        let key = self.next;
        self.next += 1;
        let places = std::iter::repeat_with(|| Place::Undecided).take(count).collect();
        self.open.insert(key, Produce { places, undecided: count, timeout, reply });
        key
    }

    pub(super) fn ticket(key: u64, place: usize) -> Ticket {
        debug_assert!(place < 1 << PLACE_BITS);
        Ticket(key << PLACE_BITS | place as u64)
    }

    pub(super) fn written(&mut self, ticket: Ticket, appended: Appended) {
        if let Some(place) = self.place(ticket) {
            *place = Place::Written(appended);
        }
    }

    pub(super) fn failed(&mut self, ticket: Ticket, failure: AppendFailure) {
        self.decide(ticket, Err(failure));
    }

    /// The replica's word on a partition that was written.
    pub(super) fn answer(&mut self, ticket: Ticket, result: Result<(), ProduceFault>) {
        self.deadlines.clear(&ticket);
        let Some(Place::Written(appended)) = self.place(ticket) else { return };
        let outcome = result.map(|()| *appended).map_err(AppendFailure::NotAcknowledged);
        self.decide(ticket, outcome);
    }

    pub(super) fn park(&mut self, ticket: Ticket, now: Monotonic) {
        if let Some(produce) = self.open.get(&(ticket.0 >> PLACE_BITS)) {
            self.deadlines.set(ticket, now + produce.timeout);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.next()
    }

    /// The tickets whose time is up.
    pub(super) fn expired(&mut self, now: Monotonic) -> Vec<Ticket> {
        self.deadlines.expired(now)
    }

    fn place(&mut self, ticket: Ticket) -> Option<&mut Place> {
        let place = ticket.0 & ((1 << PLACE_BITS) - 1);
        self.open.get_mut(&(ticket.0 >> PLACE_BITS))?.places.get_mut(place as usize)
    }

    fn decide(&mut self, ticket: Ticket, outcome: AppendOutcome) {
        let Some(place) = self.place(ticket) else { return };
        if matches!(place, Place::Decided(_)) {
            return;
        }
        *place = Place::Decided(outcome);
        let key = ticket.0 >> PLACE_BITS;
        let Some(produce) = self.open.get_mut(&key) else { return };
        produce.undecided -= 1;
        if produce.undecided == 0 {
            self.reply(key);
        }
    }

    fn reply(&mut self, key: u64) {
        let Some(produce) = self.open.remove(&key) else { return };
        let outcomes = produce.places.into_iter().filter_map(|place| match place {
            Place::Decided(outcome) => Some(outcome),
            Place::Undecided | Place::Written(_) => None,
        });
        // A client that went away does not wait for its answer.
        let _ = produce.reply.send(outcomes.collect());
    }
}
