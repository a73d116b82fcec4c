//! Events and actions as lines of a trace: short, complete in what matters, the same on every run.

use coordinator::controller::cluster::{PartitionState, Recovery, TopicAssignment};
use coordinator::controller::{Action, Answer, ControlRequest, Event, WriteFault};
use protocol::messages::{LeaderAndIsrRequest, StopReplicaRequest, UpdateMetadataRequest};
use protocol::{BrokerId, messages};

pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Elected { epoch } => format!("elected, epoch {epoch}"),
        Event::Deposed => "deposed".to_owned(),
        Event::BrokerListChanged => "watch: brokers".to_owned(),
        Event::BrokerChanged(id) => format!("watch: broker {id}"),
        Event::TopicListChanged => "watch: topics".to_owned(),
        Event::TopicChanged(topic) => format!("watch: topic {topic}"),
        Event::DeletionListChanged => "watch: marks for deletion".to_owned(),
        Event::DiskNoticesChanged => "watch: notices of disks".to_owned(),
        Event::UncleanElectionsAllowed(Some(topic)) => format!("unclean elections allowed: {topic}"),
        Event::UncleanElectionsAllowed(None) => "unclean elections allowed: all".to_owned(),
        Event::WatchesLost => "watches lost".to_owned(),
        Event::BrokersRead(brokers) => format!(
            "brokers: {}",
            words(brokers.iter().map(|(id, read)| match read {
                Ok(broker) => format!("{id}@{}", broker.epoch),
                Err(fault) => format!("{id} ({fault})"),
            }))
        ),
        Event::TopicListRead(names) => format!("topics: {}", words(names)),
        Event::TopicsRead(topics) => lines(topics.iter().map(|(name, read)| match read {
            Ok(found) => {
                format!("topic {name}: {}, version {}", assignment(&found.assignment), found.version)
            }
            Err(fault) => format!("topic {name}: {fault}"),
        })),
        Event::PartitionStatesRead(states) => lines(states.iter().map(|(name, read)| match read {
            Ok(found) => {
                format!("state of {name}: {}, version {}", state(&found.state), found.partition_epoch)
            }
            Err(fault) => format!("state of {name}: {fault}"),
        })),
        Event::DeletionListRead(names) => format!("marked for deletion: {}", words(names)),
        Event::UncleanElectionRead(answers) => lines(answers.iter().map(|(name, read)| match read {
            Ok(allowed) => format!("unclean election of {name}: {allowed}"),
            Err(fault) => format!("unclean election of {name}: {fault}"),
        })),
        Event::DiskNoticesRead(notices) => format!(
            "notices of disks: {}",
            words(notices.iter().map(|(_, read)| match read {
                Ok(broker) => format!("of broker {broker}"),
                Err(fault) => fault.to_string(),
            }))
        ),
        Event::DiskNoticesRemoved(outcome) => format!("notices of disks removed: {}", done(outcome)),
        Event::FeatureEnsured(outcome) => format!("feature: {}", done(outcome)),
        Event::NotificationsCleared(outcome) => format!("notifications cleared: {}", done(outcome)),
        Event::TopicsWritten(outcomes) => format!("topics written: {}", each(outcomes)),
        Event::PartitionsCreated(outcomes) => format!("partitions created: {}", each(outcomes)),
        Event::PartitionStatesWritten(outcomes) => format!("states written: {}", each(outcomes)),
        Event::TopicRemoved(name, outcome) => format!("topic {name} removed: {}", done(outcome)),
        Event::DeletionMarksRemoved(outcome) => format!("marks removed: {}", done(outcome)),
        Event::Answered { broker, answer, .. } => format!("{broker} answers {}", self::answer(answer)),
    }
}

pub(super) fn action(action: &Action) -> String {
    match action {
        Action::EnsureFeature => "make sure of /feature".to_owned(),
        Action::ClearNotifications => "clear old notifications".to_owned(),
        Action::ReadBrokers => "read the brokers".to_owned(),
        Action::ReadTopicList => "read the list of topics".to_owned(),
        Action::ReadTopics(names) => format!("read topics {}", words(names)),
        Action::ReadPartitionStates(names) => format!("read the states of {}", words(names)),
        Action::ReadDeletionList => "read the marks for deletion".to_owned(),
        Action::ReadUncleanElection(names) => {
            format!("read whether elections may be unclean of {}", words(names))
        }
        Action::ReadDiskNotices => "read the notices of disks".to_owned(),
        Action::RemoveDiskNotices(names) => format!("remove the notices of disks ({})", names.len()),
        Action::WriteTopics(writes) => lines(writes.iter().map(|write| {
            format!(
                "write topic {} at version {}: {}",
                write.topic,
                write.expected,
                assignment(&write.assignment)
            )
        })),
        Action::CreatePartitions(created) => {
            lines(created.iter().map(|(name, first)| format!("create {name}: {}", state(first))))
        }
        Action::WritePartitionStates(writes) => lines(writes.iter().map(|write| {
            format!("write {} at version {}: {}", write.partition, write.expected, state(&write.state))
        })),
        Action::RemoveTopic(name) => format!("remove the znodes of topic {name}"),
        Action::RemoveDeletionMarks(names) => format!("remove the marks of {}", words(names)),
        Action::OpenChannel(broker) => format!("open a channel to {}@{}", broker.id, broker.epoch),
        Action::CloseChannel(broker) => format!("close the channel to {broker}"),
        Action::Send { broker, broker_epoch, request } => {
            format!("to {broker}@{broker_epoch}: {}", sent(request))
        }
    }
}

fn sent(request: &ControlRequest) -> String {
    match request {
        ControlRequest::LeaderAndIsr(request) => leader_and_isr(request),
        ControlRequest::UpdateMetadata(request) => update_metadata(request),
        ControlRequest::StopReplica(request) => stop_replica(request),
    }
}

fn leader_and_isr(request: &LeaderAndIsrRequest) -> String {
    let states = request.topic_states.iter().flat_map(|topic| {
        assert!(!topic.topic_id.is_nil(), "a topic without an id");
        topic.partition_states.iter().map(|state| {
            let new = if state.is_new { "new, " } else { "" };
            format!(
                "{}-{} ({new}leader {}, epoch {}, isr {}, version {}, replicas {})",
                topic.topic_name.0.as_str(),
                state.partition_index,
                state.leader.0,
                state.leader_epoch,
                numbers(&state.isr),
                state.partition_epoch,
                numbers(&state.replicas)
            )
        })
    });
    let leaders = words(request.live_leaders.iter().map(|leader| leader.broker_id.0));
    format!(
        "LeaderAndIsr, controller epoch {}, live leaders {leaders}: {}",
        request.controller_epoch,
        words(states)
    )
}

fn update_metadata(request: &UpdateMetadataRequest) -> String {
    let states = request.topic_states.iter().flat_map(|topic| {
        topic.partition_states.iter().map(|state| {
            let offline = match state.offline_replicas.is_empty() {
                true => String::new(),
                false => format!(", offline {}", numbers(&state.offline_replicas)),
            };
            format!(
                "{}-{} (leader {}, epoch {}, isr {}{offline})",
                topic.topic_name.0.as_str(),
                state.partition_index,
                state.leader.0,
                state.leader_epoch,
                numbers(&state.isr)
            )
        })
    });
    let brokers = words(request.live_brokers.iter().map(|broker| broker.id.0));
    format!("UpdateMetadata, brokers {brokers}: {}", words(states))
}

fn stop_replica(request: &StopReplicaRequest) -> String {
    let states = request.topic_states.iter().flat_map(|topic| {
        topic.partition_states.iter().map(|state| {
            let what = if state.delete_partition { "delete" } else { "keep" };
            format!(
                "{}-{} ({what}, epoch {})",
                topic.topic_name.0.as_str(),
                state.partition_index,
                state.leader_epoch
            )
        })
    });
    format!("StopReplica: {}", words(states))
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::LeaderAndIsr(response) => {
            let codes =
                response.topics.iter().flat_map(|topic| topic.partition_errors.iter().map(|p| p.error_code));
            format!("LeaderAndIsr: {}", words(codes))
        }
        Answer::UpdateMetadata(response) => format!("UpdateMetadata: {}", response.error_code),
        Answer::StopReplica { response, .. } => {
            format!(
                "StopReplica: {}",
                words(response.partition_errors.iter().map(|partition| partition.error_code))
            )
        }
    }
}

fn assignment(topic: &TopicAssignment) -> String {
    let id = if topic.id.is_some() { "with an id" } else { "without an id" };
    let partitions =
        topic.partitions.iter().map(|(index, found)| format!("{index}:{}", list(&found.replicas)));
    format!("{id}, {}", words(partitions))
}

fn state(state: &PartitionState) -> String {
    let recovering = if state.recovery == Recovery::Recovering { ", recovering" } else { "" };
    format!(
        "leader {}, epoch {}, isr {}, controller epoch {}{recovering}",
        state.leader.unwrap_or(BrokerId(-1)),
        state.leader_epoch,
        list(&state.isr),
        state.controller_epoch
    )
}

fn each<N: std::fmt::Display, V: std::fmt::Display>(outcomes: &[(N, Result<V, WriteFault>)]) -> String {
    words(outcomes.iter().map(|(name, outcome)| match outcome {
        Ok(version) => format!("{name} (version {version})"),
        Err(fault) => format!("{name} ({fault})"),
    }))
}

fn done(outcome: &Result<(), WriteFault>) -> String {
    outcome.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned())
}

fn list(ids: &[BrokerId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn numbers(ids: &[messages::BrokerId]) -> String {
    ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",")
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

/// One line each, indented under the first.
fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("\n    ")
}
