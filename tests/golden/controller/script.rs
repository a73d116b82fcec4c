//! The commands of a scenario. Lines that start with `#` tell the story; after each command the world runs until
//! nothing is left to do, unless `pause after N events` said otherwise for the next one.

use std::collections::BTreeMap;

use coordinator::controller::Event;
use coordinator::controller::cluster::{PartitionState, Recovery, TopicAssignment};
use protocol::{BrokerId, ControllerEpoch, LeaderEpoch, TopicId, TopicPartition};

use super::world::{Fault, World, assignment, garbage};

/// More than any scenario needs: a controller that goes round in circles is stopped here.
const STEPS_MAX: usize = 1000;

pub(super) fn play(script: &str) -> String {
    let enabled = !script.contains("topic deletion is disabled");
    let mut world = World::new(enabled, 1);
    let mut steps = STEPS_MAX;
    let mut told = Vec::new();
    for line in script.lines() {
        told.push(line.to_owned());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["pause", "after", count, _] = words[..] {
            steps = number(count) as usize;
            continue;
        }
        command(&mut world, &words);
        let finished = world.run(steps);
        assert!(finished || steps < STEPS_MAX, "no end after {line:?}");
        steps = STEPS_MAX;
        told.append(&mut world.trace);
    }
    told.join("\n") + "\n"
}

fn command(world: &mut World, words: &[&str]) {
    match *words {
        ["broker", id, "registers"] => world.register(number(id), None),
        ["broker", id, "dies"] => world.die(number(id)),
        ["broker", id, "bounces"] => world.register(number(id), None),
        ["broker", id, "registers", "garbage"] => {
            let path = format!("/brokers/ids/{id}");
            world.brokers.insert(BrokerId(number(id)), Err(garbage(&path)));
        }
        ["broker", id, "is", "silent"] => machine(world, id).silent = true,
        ["broker", id, "loses", "its", "disk"] => machine(world, id).disk_failed = true,
        ["broker", id, "mends", "its", "disk"] => machine(world, id).disk_failed = false,
        ["broker", id, "gives", "notice", "of", "its", "disk"] => world.notice(Ok(BrokerId(number(id)))),
        ["a", "notice", "is", "garbage"] => {
            world.notice(Err(garbage("/log_dir_event_notification/log_dir_event_0")));
        }
        ["topic", "deletion", "is", "disabled"] | ["go", "on"] => {}
        ["elected"] => world.elect(),
        ["deposed"] => world.depose(),
        ["the", "connection", "is", "back"] => world.queue.push_back(Event::WatchesLost),
        ["topic", name, "is", "made", "without", "id", ref partitions @ ..]
        | ["topic", name, "is", "edited", "without", "id", ref partitions @ ..] => {
            world.set_topic(name, Ok(TopicAssignment { id: None, ..topic(name, partitions) }));
        }
        ["topic", name, "is", "made", ref partitions @ ..] => {
            world.set_topic(name, Ok(topic(name, partitions)))
        }
        ["topic", name, "is", "edited", ref partitions @ ..] => {
            let kept = world.topics[name].0.as_ref().ok().and_then(|found| found.id);
            world.set_topic(name, Ok(TopicAssignment { id: kept, ..topic(name, partitions) }));
        }
        ["topic", name, "is", "garbage"] => {
            world.set_topic(name, Err(garbage(&format!("/brokers/topics/{name}"))))
        }
        ["topic", name, "vanishes"] => world.remove_topic(name),
        ["topic", name, "is", "marked"] => world.mark(name),
        ["topic", name, "allows", "unclean", "elections"] => {
            world.unclean.insert(name.into());
        }
        ["topic", name, "now", "allows", "unclean", "elections"] => {
            world.unclean.insert(name.into());
            world.queue.push_back(Event::UncleanElectionsAllowed(Some(name.into())));
        }
        ["all", "topics", "now", "allow", "unclean", "elections"] => {
            world.unclean.extend(world.topics.keys().cloned());
            world.queue.push_back(Event::UncleanElectionsAllowed(None));
        }
        ["state", name, "is", "garbage"] => {
            let path = format!("/brokers/topics/{}/state", name.replace('-', "/partitions/"));
            world.set_state(partition(name), Err(garbage(&path)));
        }
        ["state", name, "is", leader, epoch, isr] => {
            world.set_state(partition(name), Ok(state(leader, epoch, isr)))
        }
        ["the", "next", "write", "is", "stale"] => world.fault = Some(Fault::Stale),
        ["the", "next", "write", "is", "refused"] => world.fault = Some(Fault::Refused),
        ["the", "next", "reply", "is", "lost"] => world.fault = Some(Fault::LostReply),
        ["the", "next", "request", "is", "lost"] => world.fault = Some(Fault::LostRequest),
        _ => panic!("no such command: {words:?}"),
    }
}

fn machine<'a>(world: &'a mut World, id: &str) -> &'a mut super::world::Machine {
    world.machines.get_mut(&BrokerId(number(id))).expect("a live broker")
}

/// `0:1,2 1:2,1`: partitions with their replicas.
fn topic(name: &str, partitions: &[&str]) -> TopicAssignment {
    let id = name.bytes().fold(1, |sum: u128, byte| sum * 256 + u128::from(byte));
    let parse = |text: &&str| {
        let (index, replicas) = text.split_once(':').expect("partition:replicas");
        (number(index), assignment(&numbers(replicas)))
    };
    let partitions: BTreeMap<_, _> = partitions.iter().map(parse).collect();
    TopicAssignment { id: Some(TopicId::from_u128(id)), partitions }
}

fn state(leader: &str, epoch: &str, isr: &str) -> PartitionState {
    PartitionState {
        leader: Some(BrokerId(number(leader))).filter(|id| id.0 >= 0),
        leader_epoch: LeaderEpoch(number(epoch)),
        isr: numbers(isr).into_iter().map(BrokerId).collect(),
        recovery: Recovery::Recovered,
        controller_epoch: ControllerEpoch(0),
    }
}

fn partition(name: &str) -> TopicPartition {
    let (topic, index) = name.rsplit_once('-').expect("topic-partition");
    TopicPartition::new(topic, number(index))
}

fn numbers(text: &str) -> Vec<i32> {
    text.split(',').filter(|word| !word.is_empty()).map(number).collect()
}

fn number(text: &str) -> i32 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
