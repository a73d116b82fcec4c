//! What was used, by those who share a limit. Bounded: who uses nothing for an hour is forgotten, and so are those who used nothing for the
//! longest when there are too many. Two generations do both without a look at each: whoever is asked for moves into the young one.
//! Source of the hour: ClientQuotaManager.InactiveSensorExpirationTimeSeconds (3.9), where the number is not bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Client;
use super::limits::Scope;
use crate::deadlines::Monotonic;

/// A generation is young for so long, and old for as long.
const GENERATION: Duration = Duration::from_secs(3600);
/// Or until it has so many meters: some ten MiB for both, a client's names being short.
const GENERATION_MAX: usize = 16_384;

/// The names of those who share a meter; an empty one stands for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket<'a> {
    user: &'a str,
    client: &'a str,
}

#[derive(Debug, Clone)]
pub(super) struct Meters<M> {
    young: Generation<M>,
    old: Generation<M>,
    turned: Monotonic,
}

#[derive(Debug, Clone)]
struct Generation<M> {
    /// Where the meter is, by user, then by client, so that a look-up needs no key of its own.
    places: BTreeMap<String, BTreeMap<String, usize>>,
    meters: Vec<M>,
}

impl<'a> Bucket<'a> {
    pub(super) fn of(client: Client<'a>, scope: Scope) -> Bucket<'a> {
        match scope {
            Scope::UserClient => Bucket { user: client.user, client: client.id },
            Scope::User => Bucket { user: client.user, client: "" },
            Scope::Client => Bucket { user: "", client: client.id },
        }
    }
}

impl<M: Default> Meters<M> {
    pub(super) fn of(&mut self, bucket: Bucket<'_>, now: Monotonic) -> &mut M {
        if now.since(self.turned) >= GENERATION || self.young.meters.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        let place = match self.young.place(bucket) {
            Some(place) => place,
            None => {
                let known = self.old.place(bucket).map(|place| std::mem::take(&mut self.old.meters[place]));
                self.young.add(bucket, known.unwrap_or_default())
            }
        };
        &mut self.young.meters[place]
    }
}

impl<M> Generation<M> {
    fn place(&self, bucket: Bucket<'_>) -> Option<usize> {
        self.places.get(bucket.user)?.get(bucket.client).copied()
    }

    fn add(&mut self, bucket: Bucket<'_>, meter: M) -> usize {
        let place = self.meters.len();
        self.meters.push(meter);
        self.places.entry(bucket.user.to_owned()).or_default().insert(bucket.client.to_owned(), place);
        place
    }
}

impl<M> Default for Meters<M> {
    fn default() -> Meters<M> {
        Meters { young: Generation::default(), old: Generation::default(), turned: Monotonic::default() }
    }
}

impl<M> Default for Generation<M> {
    fn default() -> Generation<M> {
        Generation { places: BTreeMap::new(), meters: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    fn bucket(client: &str) -> Bucket<'_> {
        Bucket { user: "u", client }
    }

    #[test]
    fn who_is_idle_for_an_hour_is_forgotten_and_who_is_not_stays() {
        let mut meters: Meters<u32> = Meters::default();
        (*meters.of(bucket("idle"), at(0)), *meters.of(bucket("busy"), at(0))) = (1, 2);
        for minute in (0..600).step_by(50) {
            assert_eq!(*meters.of(bucket("busy"), at(minute * MINUTE)), 2);
        }
        assert_eq!(*meters.of(bucket("idle"), at(600 * MINUTE)), 0);
        *meters.of(bucket("late"), at(600 * MINUTE)) = 3;
        assert_eq!(
            *meters.of(bucket("late"), at(659 * MINUTE)),
            3,
            "a generation turned, an hour did not pass"
        );
    }

    #[test]
    fn any_number_of_client_ids_does_not_fill_the_memory_or_push_the_busy_out() {
        let mut meters: Meters<u32> = Meters::default();
        *meters.of(bucket("busy"), at(0)) = 7;
        for number in 0..100_000 {
            *meters.of(bucket(&number.to_string()), at(1)) = 1;
            if number % 1000 == 0 {
                assert_eq!(*meters.of(bucket("busy"), at(1)), 7);
            }
        }
        let kept = |generation: &Generation<u32>| {
            assert_eq!(generation.places["u"].len(), generation.meters.len());
            generation.meters.len()
        };
        assert!(kept(&meters.young) + kept(&meters.old) <= 2 * GENERATION_MAX);
        assert_eq!(*meters.of(bucket("99999"), at(2)), 1);
    }

    #[test]
    fn buckets_are_shared_by_scope() {
        let client = Client { user: "u", id: "c" };
        let shown = |scope| {
            let Bucket { user, client } = Bucket::of(client, scope);
            (user, client)
        };
        assert_eq!(shown(Scope::UserClient), ("u", "c"));
        assert_eq!(shown(Scope::User), ("u", ""));
        assert_eq!(shown(Scope::Client), ("", "c"));
    }
}
