//! Random histories of the small world: brokers and topics come and go, writes fail, controllers are deposed midway.
//! Afterwards a healthy controller must have made everything as it should be, and every live broker must know it.
//! The world itself checks each write: fenced, leader epochs one by one, no leader from outside the ISR.

use std::collections::BTreeSet;

use coordinator::controller::Event;
use coordinator::controller::cluster::TopicAssignment;
use protocol::{BrokerId, ControllerEpoch, TopicId, TopicPartition};

use super::world::{Fault, World, assignment, garbage};

const SEEDS: u64 = 400;
const COMMANDS: usize = 60;
const TOPICS: [&str; 4] = ["a", "b", "c", "d"];

#[test]
fn random_histories_end_well() {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| history(seed));
        assert!(outcome.is_ok(), "the history of seed {seed} went wrong, see above");
    }
}

fn history(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World::new(true, u128::from(seed));
    world.register(1, None);
    world.elect();
    for _ in 0..COMMANDS {
        disturb(&mut world, &mut random);
        let steps = if random.below(3) == 0 { random.below(6) } else { 200 };
        world.run(steps);
        world.trace.truncate(5000);
    }
    heal(&mut world);
    check(&world);
}

fn disturb(world: &mut World, random: &mut Random) {
    let broker = random.below(4) as i32 + 1;
    let topic = TOPICS[random.below(TOPICS.len())];
    match random.below(20) {
        0..=2 => world.register(broker, None),
        3 | 4 => world.die(broker),
        5..=7 => make_or_grow(world, topic, random),
        8 | 9 if world.topics.contains_key(topic) => world.mark(topic),
        10 => world.mark("ghost"),
        11 if !world.topics.contains_key(topic) => world.set_topic(topic, Err(garbage(topic))),
        12 => world.depose(),
        13 | 14 => world.elect(),
        15 => world.queue.push_back(Event::WatchesLost),
        16 => silence(world, broker, random),
        17 if world.topics.contains_key(topic) && random.below(4) == 0 => {
            world.remove_topic(topic);
            // Who deletes znodes by hand and makes them again before the controller has looked has lost.
            world.run(200);
        }
        18 => {
            world.unclean.insert(topic.into());
        }
        _ => world.fault = Some([Fault::Stale, Fault::LostReply, Fault::LostRequest][random.below(3)]),
    }
}

fn make_or_grow(world: &mut World, topic: &str, random: &mut Random) {
    let kept = world.topics.get(topic).and_then(|(content, _)| content.clone().ok());
    let id = kept.as_ref().and_then(|kept| kept.id);
    let mut partitions = kept.map(|kept| kept.partitions).unwrap_or_default();
    for index in partitions.len() as i32..=partitions.len() as i32 + random.below(2) as i32 {
        let first = random.below(4) as i32;
        let replicas: Vec<i32> = (0..=random.below(3) as i32).map(|nth| (first + nth) % 4 + 1).collect();
        partitions.insert(index, assignment(&replicas));
    }
    let fresh = (random.below(2) == 0).then(|| TopicId::from_u128(u128::from(random.next())));
    world.set_topic(topic, Ok(TopicAssignment { id: id.or(fresh), partitions }));
}

fn silence(world: &mut World, broker: i32, random: &mut Random) {
    if let Some(machine) = world.machines.get_mut(&BrokerId(broker)) {
        machine.silent = random.below(2) == 0;
        machine.disk_failed = random.below(2) == 0;
    }
    if random.below(2) == 0 {
        world.notice(Ok(BrokerId(broker)));
    }
}

/// Every broker is there and well, and nothing happens to the controller any more; if there is none, one is elected.
fn heal(world: &mut World) {
    (1..=4).for_each(|broker| world.register(broker, None));
    if world.controller.epoch() != Some(ControllerEpoch(world.epoch)) {
        world.elect();
    }
    assert!(world.run(5000), "no end:\n{}", world.trace[world.trace.len() - 60..].join("\n"));
}

fn check(world: &World) {
    assert_eq!(world.marks, BTreeSet::new(), "marks are left");
    assert!(world.notices.is_empty(), "notices are left: {:?}", world.notices);
    for (name, (content, _)) in &world.topics {
        let Ok(topic) = content else { continue };
        assert!(topic.id.is_some(), "{name} has no id");
        for (index, found) in &topic.partitions {
            let partition = TopicPartition::new(name.clone(), *index);
            let (state, _) =
                world.states.get(&partition).unwrap_or_else(|| panic!("{partition} was not made"));
            let state = state.as_ref().expect("no state is garbage here");
            let leader = state.leader.unwrap_or_else(|| panic!("{partition} has no leader"));
            assert!(
                state.isr.contains(&leader) && found.replicas.contains(&leader),
                "{partition}: {state:?}"
            );
            for (id, machine) in &world.machines {
                let told = machine.metadata.get(&partition);
                assert_eq!(told, Some(&(leader.0, state.leader_epoch.0)), "what {id} knows of {partition}");
                if found.replicas.contains(id) {
                    let epoch = machine.replicas.get(&partition);
                    assert_eq!(epoch, Some(&state.leader_epoch.0), "what {id} keeps of {partition}");
                }
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
