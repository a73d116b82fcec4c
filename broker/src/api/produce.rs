//! Produce (key 0), versions 0–11: the records for each partition, checked here, appended by the partition's shard. acks 0 is not answered, and
//! an error then closes the connection; acks 1 is answered when it is in the log, acks -1 when the replicas in sync have it. A partition's failure
//! never affects another. Versions 0–2 may carry formats v0 and v1, stored as v2; v8 has record errors, v10 the new leader (KIP-951). Differs from
//! Kafka 3.9: no transactional batches yet; every error has a text; what a batch unpacks to and the records named one by one are bounded; a record
//! whose length and parts disagree is refused in compressed batches too; a partition named twice gets both batches, there the last alone.

mod desk;
mod report;

use std::sync::Arc;
use std::time::Duration;

use coordinator::replica::Acks;
use protocol::batch::Produced;
use protocol::ids::TopicPartition;
use protocol::messages::produce_request::PartitionProduceData;
use protocol::messages::{ProduceRequest, TopicName};
use protocol::request::RequestHeader;
use tokio::sync::oneshot;

use super::context::{Context, Outcome, Pending, patience};
use crate::broker::Broker;
use crate::shard::{Append, AppendOutcome, Command};
use desk::{Desk, Rejected};
use report::Report;

/// Checks the request and hands its batches to their shards; the answer is put together when all have replied.
pub(crate) async fn submit(
    broker: &Arc<Broker>,
    context: Context,
    header: RequestHeader,
    request: ProduceRequest,
) -> Pending {
    let picture = broker.metadata.picture();
    let desk =
        Desk { broker, context: &context, picture: &picture, version: header.version, acks: request.acks };
    let timeout = patience(request.timeout_ms);
    let may_commit = desk.may_write_transactions(&request);
    let mut sorted = Sorted::default();
    for topic in request.topic_data {
        sorted.begin_topic(topic.name.clone());
        let allowed = may_commit.and_then(|()| desk.may_write(&topic.name));
        for data in topic.partition_data {
            let PartitionProduceData { index, records, .. } = data;
            let checked = match allowed {
                Ok(()) => desk.check((&topic.name, index), records.as_ref()).await,
                Err(code) => Err(Rejected::from(code)),
            };
            sorted.add(broker, index, checked);
        }
    }
    let acks = if request.acks == -1 { Acks::All } else { Acks::Leader };
    let replies = match sorted.send(broker, acks, timeout).await {
        Ok(replies) => replies,
        Err(reason) => return Pending::Ready(Outcome::Close(reason)),
    };
    let (broker, listener, silent) = (Arc::clone(broker), Arc::clone(&context.listener), request.acks == 0);
    Pending::later(async move {
        let outcomes = replies.gather().await;
        let report = Report::new(&broker, header.version, listener);
        let named = sorted.topics.into_iter().filter(|topic| !topic.partitions.is_empty());
        let topics: Vec<_> = named.map(|topic| report.topic(topic, &outcomes)).collect();
        if silent { report.silence(&topics) } else { report.answer(&header, topics) }
    })
}

/// A request's partitions, sorted by shard, each with the place where its outcome will be found.
#[derive(Debug, Default)]
struct Sorted {
    topics: Vec<TopicSlots>,
    by_shard: Vec<(usize, Vec<(TopicPartition, Produced)>)>,
}

#[derive(Debug)]
struct TopicSlots {
    name: TopicName,
    partitions: Vec<(i32, Slot)>,
}

#[derive(Debug)]
enum Slot {
    Rejected(Rejected),
    /// There was nothing to append.
    Empty,
    /// The reply and the place in it.
    Sent(usize, usize),
}

impl Sorted {
    fn begin_topic(&mut self, name: TopicName) {
        self.topics.push(TopicSlots { name, partitions: Vec::new() });
    }

    fn add(
        &mut self,
        broker: &Broker,
        index: i32,
        checked: Result<Option<(TopicPartition, Produced)>, Rejected>,
    ) {
        let slot = match checked {
            Err(rejected) => Slot::Rejected(rejected),
            Ok(None) => Slot::Empty,
            Ok(Some((partition, produced))) => {
                let shard = broker.shards.index_of(&partition);
                let reply = self.by_shard.iter().position(|(s, _)| *s == shard).unwrap_or_else(|| {
                    self.by_shard.push((shard, Vec::new()));
                    self.by_shard.len() - 1
                });
                self.by_shard[reply].1.push((partition, produced));
                Slot::Sent(reply, self.by_shard[reply].1.len() - 1)
            }
        };
        if let Some(topic) = self.topics.last_mut() {
            topic.partitions.push((index, slot));
        }
    }

    /// Waits where a shard's mailbox is full, which holds back the connection.
    async fn send(&mut self, broker: &Broker, acks: Acks, timeout: Duration) -> Result<Replies, String> {
        let mut replies = Replies(Vec::with_capacity(self.by_shard.len()));
        for (shard, batches) in self.by_shard.drain(..) {
            let (reply, received) = oneshot::channel();
            let command = Command::Append(Append { batches, acks, timeout, reply });
            broker.shards.send_to(shard, command).await.map_err(|stopping| stopping.to_string())?;
            replies.0.push(received);
        }
        Ok(replies)
    }
}

/// One receiver per shard that got a part of the request.
struct Replies(Vec<oneshot::Receiver<Vec<AppendOutcome>>>);

impl Replies {
    async fn gather(self) -> Vec<Vec<AppendOutcome>> {
        let mut outcomes = Vec::with_capacity(self.0.len());
        for reply in self.0 {
            // A shard that is gone has left the request undecided, which the slots report.
            outcomes.push(reply.await.unwrap_or_default());
        }
        outcomes
    }
}
