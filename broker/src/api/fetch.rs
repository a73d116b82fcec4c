//! Fetch (key 1), versions 0–17: whole batches from an offset on, sent from the file by the connection's writer.
//!
//! Waits up to max_wait_ms for min_bytes; what is wrong with a log is answered at once. From v3 on at least one batch is sent whatever
//! the limits (KIP-74). v0–v3 get old formats (KIP-283); v7 has sessions (KIP-227), v12 diverging epochs (KIP-595), v13 topic ids, v16
//! the address of a new leader (KIP-951).
//! Differs from Kafka 3.9: an answer is not cut inside of a batch, and of converted records holds a few MiB; what is damaged is not
//! converted but refused; followers are refused as replicas that are not assigned; session ids that no shard gives are unknown ones,
//! and the topic id of zeros is one that may be in a session; what sessions remember is bounded in bytes (docs/decisions/0018).

mod cache;
pub(crate) mod old_clients;
pub(crate) mod read;
pub(crate) mod session;
pub(crate) mod sessions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::error_code::ErrorCode;
use protocol::fetch_response::{FetchResponse, FetchedTopic, NodeEndpoint};
use protocol::ids::TopicId;
use protocol::messages::fetch_request::FetchTopic;
use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::messages::{self, FetchRequest};
use protocol::request::RequestHeader;
use protocol::{StrBytes, response};
use tokio::time::Instant;

use super::context::{Context, Outcome, patience};
use crate::broker::Broker;
use crate::metadata::Address;
use crate::quota::FetchCost;
use read::Reader;
use session::{FetchSession, Naming, Selection, TopicRef};
use sessions::Opened;

/// Of an answer, what does not depend on partitions, and what each of them adds to it beside its records.
const RESPONSE_BYTES: u64 = 20;
const PARTITION_BYTES: u64 = 46;

pub(crate) async fn answer(
    broker: Arc<Broker>,
    context: Context,
    header: RequestHeader,
    request: FetchRequest,
) -> Outcome {
    let mut terms = Terms::of(&broker, &context, &request);
    let mut reader = Reader::of(&broker, &context, header.version, &request);
    let (sessions, rank, now) = (&broker.fetch_sessions, reader.rank(), std::time::Instant::now());
    let mut opened = match sessions.open(header.version, &request, rank, now).await {
        Ok(opened) => opened,
        Err(error) => {
            let throttle = broker.quotas.charge_fetch(&context, || terms.cost(0));
            return encode(&header, failed(error, 0)).throttled(whole_ms(throttle));
        }
    };
    opened.session().look_through(reader.lens);
    let mut selection = collect(&mut opened, &mut terms, &mut reader).await;
    if let Some(id) = opened.superseded() {
        return encode(&header, failed(ErrorCode::InvalidFetchSessionEpoch, id));
    }
    let session = opened.session();
    if !terms.knows_isolation && selection.refused < session.len() {
        return failed_whole(&header, request);
    }
    let throttle = broker.quotas.charge_fetch(&context, || terms.cost(size(session, &selection)));
    if !throttle.is_zero() {
        let session_id = opened.resumed();
        return encode(&header, failed(ErrorCode::None, session_id)).throttled(whole_ms(throttle));
    }
    session.answered(&selection);
    old_clients::adapt(&broker, session, &mut selection, (header.version, header.correlation_id)).await;
    let node_endpoints = node_endpoints(&reader, &selection);
    let topics = topics(session, selection);
    let session_id = sessions.keep(opened, std::time::Instant::now());
    encode(
        &header,
        FetchResponse { throttle_time_ms: 0, error: ErrorCode::None, session_id, topics, node_endpoints },
    )
}

/// How long to wait and how much to send.
struct Terms {
    begun: Instant,
    /// Time that nothing was done about it.
    waited: Duration,
    deadline: Instant,
    min_bytes: i32,
    max_bytes: i32,
    /// A request with a level that nobody knows fails where it comes to reading.
    knows_isolation: bool,
}

impl Terms {
    fn of(broker: &Broker, context: &Context, request: &FetchRequest) -> Self {
        let most = i32::try_from(broker.config.network.fetch_bytes_max).unwrap_or(i32::MAX);
        let quota = broker.quotas.fetch_bytes_max(context).unwrap_or(i32::MAX);
        let max_bytes = request.max_bytes.min(most).min(quota);
        let begun = Instant::now();
        Self {
            begun,
            waited: Duration::ZERO,
            deadline: begun + patience(request.max_wait_ms),
            min_bytes: request.min_bytes.min(max_bytes),
            max_bytes,
            knows_isolation: (0..=1).contains(&request.isolation_level),
        }
    }

    /// What an answer of so many bytes costs now.
    fn cost(&self, bytes: u64) -> FetchCost {
        FetchCost { bytes, busy: self.begun.elapsed().saturating_sub(self.waited) }
    }

    fn satisfied_by(&self, selection: &Selection) -> bool {
        let enough = u64::try_from(self.min_bytes).unwrap_or(0);
        selection.urgent
            || selection.bytes.max(selection.available) >= enough
            || !self.knows_isolation
            || Instant::now() >= self.deadline
    }
}

/// Reads until there is enough, or the time is up.
async fn collect(opened: &mut Opened, terms: &mut Terms, reader: &mut Reader<'_>) -> Selection {
    let mut refused_before = None;
    loop {
        let session = opened.session();
        let picture = reader.broker.metadata.picture();
        let selection = session.select(terms.max_bytes, |fetched, room| reader.read(&picture, fetched, room));
        // Those that are refused from the start are not waited for; that one goes away is news.
        let refused = *refused_before.get_or_insert(selection.refused);
        let is_alone = selection.refused == session.len();
        if is_alone || selection.refused > refused || terms.satisfied_by(&selection) {
            return selection;
        }
        drop(selection);
        // What moved between the read and the registration is seen by the next look.
        if session.watch_all() {
            continue;
        }
        let since = Instant::now();
        let moved = tokio::time::timeout_at(terms.deadline, session.watch.moved()).await;
        terms.waited += since.elapsed();
        if moved.is_ok() && opened.superseded().is_some() {
            return Selection::default();
        }
    }
}

/// What an answer takes on the wire, to within a few bytes per partition, and before what old clients get is converted.
fn size(session: &FetchSession, selection: &Selection) -> u64 {
    let (mut size, mut last) = (RESPONSE_BYTES, None);
    for (key, read) in &selection.reads {
        let Some(fetched) = session.get(*key) else { continue };
        if last != Some(&fetched.topic) {
            last = Some(&fetched.topic);
            size += match &fetched.topic {
                TopicRef::Name(name) => name.len() as u64,
                TopicRef::Id(id) => id.as_bytes().len() as u64,
            };
        }
        size += PARTITION_BYTES + u64::from(read.bytes);
    }
    size
}

fn whole_ms(throttle: Duration) -> i32 {
    i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX)
}

/// The reads as the response lists them: neighbours of one topic together.
fn topics(session: &FetchSession, selection: Selection) -> Vec<FetchedTopic> {
    let mut topics: Vec<FetchedTopic> = Vec::new();
    for (key, read) in selection.reads {
        let Some(fetched) = session.get(key) else { continue };
        let (name, id) = match &fetched.topic {
            TopicRef::Name(name) => (&**name, TopicId::nil()),
            TopicRef::Id(id) => ("", *id),
        };
        let partition = read.into_response(fetched.wanted.partition);
        match topics.last_mut().filter(|topic| &*topic.name == name && topic.id == id) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(FetchedTopic {
                name: StrBytes::from_string(name.to_owned()),
                id,
                partitions: vec![partition],
            }),
        }
    }
    topics
}

/// Where the leaders that partitions name can be reached.
fn node_endpoints(reader: &Reader<'_>, selection: &Selection) -> Vec<NodeEndpoint> {
    let leaders: BTreeSet<_> =
        selection.reads.iter().filter_map(|(_, read)| Some(read.leader?.leader)).collect();
    if leaders.is_empty() {
        return Vec::new();
    }
    let picture = reader.broker.metadata.picture();
    let listed = leaders.into_iter().filter_map(|node| {
        let Address { broker, host, port, rack } = picture.address(node, reader.listener())?;
        Some(NodeEndpoint { node: broker, host, port, rack })
    });
    listed.collect()
}

fn failed(error: ErrorCode, session_id: i32) -> FetchResponse {
    FetchResponse { throttle_time_ms: 0, error, session_id, topics: Vec::new(), node_endpoints: Vec::new() }
}

/// UNKNOWN_SERVER_ERROR for everything that was asked; before v13 for each partition too (FetchRequest.getErrorResponse).
fn failed_whole(header: &RequestHeader, request: FetchRequest) -> Outcome {
    let code = ErrorCode::UnknownServerError.code();
    let failed_topic = |topic: FetchTopic| {
        let partitions = topic.partitions.iter().map(|partition| {
            PartitionData::default()
                .with_partition_index(partition.partition)
                .with_error_code(code)
                .with_high_watermark(-1)
                .with_aborted_transactions(Some(Vec::new()))
                .with_records(None)
        });
        FetchableTopicResponse::default().with_topic(topic.topic).with_partitions(partitions.collect())
    };
    let topics = match Naming::of(header.version) {
        Naming::Names => request.topics.into_iter().map(failed_topic).collect(),
        Naming::Ids => Vec::new(),
    };
    let message = messages::FetchResponse::default()
        .with_error_code(code)
        .with_session_id(request.session_id)
        .with_responses(topics);
    response::encode(header.correlation_id, header.api, header.version, &message).into()
}

fn encode(header: &RequestHeader, response: FetchResponse) -> Outcome {
    response.encode(header.correlation_id, header.version).into()
}
