//! A small generator seeded from outside (SplitMix64, two of them), so that a recorded run repeats exactly.
//! Good for ids and for spreading load; never for secrets.

use protocol::ids::TopicId;

use crate::topics::topic_id;

#[derive(Debug)]
pub(crate) struct Random {
    high: u64,
    low: u64,
}

impl Random {
    pub(crate) fn seeded(seed: u128) -> Random {
        Random { high: (seed >> 64) as u64, low: seed as u64 }
    }

    pub(crate) fn topic_id(&mut self) -> TopicId {
        loop {
            let random = u128::from(step(&mut self.high)) << 64 | u128::from(step(&mut self.low));
            if let Some(id) = topic_id(random) {
                return id;
            }
        }
    }
}

fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_version_4_and_differ() {
        let mut random = Random::seeded(7);
        let ids: BTreeSet<TopicId> = (0..1000).map(|_| random.topic_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.get_version_num(), 4, "{id}");
            assert_eq!(id.as_bytes()[8] >> 6, 0b10, "{id}");
            assert_ne!(id.as_bytes()[0] >> 2, 62, "in base64 it begins with a dash: {id}");
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        assert_eq!(Random::seeded(42).topic_id(), Random::seeded(42).topic_id());
        assert_ne!(Random::seeded(42).topic_id(), Random::seeded(43).topic_id());
    }
}
