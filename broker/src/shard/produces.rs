//! The produce requests that a shard has not answered yet: what each of their partitions came to, and until when they may wait.
//! Owned by one shard. A request is answered once, when its last partition is decided.

use std::collections::BTreeMap;
use std::time::Duration;

use coordinator::deadlines::{Deadlines, Monotonic};
use coordinator::replica::{ProduceFault, Ticket};
use protocol::ids::TopicPartition;
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
struct Place {
    partition: TopicPartition,
    state: State,
}

#[derive(Debug)]
enum State {
    Undecided,
    /// Written here; whether it is acknowledged is the replica's to say.
    Written(Appended),
    Decided(AppendOutcome),
}

impl Produces {
    /// Takes in a request. Its tickets are `Produces::ticket(key, place)`, one for each of `partitions`.
    pub(super) fn open(
        &mut self,
        partitions: impl Iterator<Item = TopicPartition>,
        timeout: Duration,
        reply: oneshot::Sender<Vec<AppendOutcome>>,
    ) -> u64 {
        let key = self.next;
        self.next += 1;
        let places: Vec<_> =
            partitions.map(|partition| Place { partition, state: State::Undecided }).collect();
        self.open.insert(key, Produce { undecided: places.len(), places, timeout, reply });
        key
    }

    pub(super) fn ticket(key: u64, place: usize) -> Ticket {
        debug_assert!(place < 1 << PLACE_BITS);
        Ticket(key << PLACE_BITS | place as u64)
    }

    pub(super) fn written(&mut self, ticket: Ticket, appended: Appended) {
        if let Some(place) = self.place(ticket) {
            place.state = State::Written(appended);
        }
    }

    pub(super) fn failed(&mut self, ticket: Ticket, failure: AppendFailure) {
        self.decide(ticket, Err(failure));
    }

    /// The replica's word on a partition that was written.
    pub(super) fn answer(&mut self, ticket: Ticket, result: Result<(), ProduceFault>) {
        self.deadlines.clear(&ticket);
        let Some(Place { state: State::Written(appended), .. }) = self.place(ticket) else { return };
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

    /// The tickets whose time is up, with their partitions.
    pub(super) fn expired(&mut self, now: Monotonic) -> Vec<(TopicPartition, Ticket)> {
        let tickets = self.deadlines.expired(now);
        tickets.into_iter().filter_map(|t| Some((self.place(t)?.partition.clone(), t))).collect()
    }

    /// The partition cannot answer any more: whoever waits for it hears so.
    pub(super) fn fail_all(&mut self, partition: &TopicPartition) {
        let mut lost = Vec::new();
        for (key, produce) in &self.open {
            let places = produce.places.iter().enumerate().filter(|(_, place)| place.partition == *partition);
            lost.extend(places.map(|(place, _)| Self::ticket(*key, place)));
        }
        for ticket in lost {
            self.failed(ticket, AppendFailure::Offline);
        }
    }

    fn place(&mut self, ticket: Ticket) -> Option<&mut Place> {
        let place = ticket.0 & ((1 << PLACE_BITS) - 1);
        self.open.get_mut(&(ticket.0 >> PLACE_BITS))?.places.get_mut(place as usize)
    }

    fn decide(&mut self, ticket: Ticket, outcome: AppendOutcome) {
        let Some(place) = self.place(ticket) else { return };
        if matches!(place.state, State::Decided(_)) {
            return;
        }
        place.state = State::Decided(outcome);
        let key = ticket.0 >> PLACE_BITS;
        let Some(produce) = self.open.get_mut(&key) else { return };
        produce.undecided -= 1;
        if produce.undecided == 0 {
            self.reply(key);
        }
    }

    fn reply(&mut self, key: u64) {
        let Some(produce) = self.open.remove(&key) else { return };
        let outcomes = produce.places.into_iter().filter_map(|place| match place.state {
            State::Decided(outcome) => Some(outcome),
            State::Undecided | State::Written(_) => None,
        });
        // A client that went away does not wait for its answer.
        let _ = produce.reply.send(outcomes.collect());
    }
}
