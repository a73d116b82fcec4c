//! Fetch (key 1), versions 0–17: whole batches from an offset on, sent from the file by the connection's writer.
//!
//! Waits up to max_wait_ms for min_bytes; an error is answered at once. From v3 on at least one batch is sent whatever the limits
//! (KIP-74). v0–v3 get old formats (KIP-283); v7 has sessions (KIP-227), v12 diverging epochs (KIP-595), v13 topic ids, v16 the
//! address of a new leader (KIP-951).
//! Differs from Kafka 3.9: a session lives on its connection (another connection gets FETCH_SESSION_ID_NOT_FOUND and fetches in full);
//! followers are refused as replicas that are not assigned; before v3 an answer is not cut inside of a batch; an answer holds a
//! few MiB of converted records, and is no longer than they are; what is damaged is not converted but refused.

pub(crate) mod old_clients;
pub(crate) mod read;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod slots;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::fetch_response::{FetchResponse, FetchedTopic, NodeEndpoint};
use protocol::ids::TopicId;
use protocol::messages::FetchRequest;
use protocol::request::RequestHeader;
use tokio::time::Instant;

use super::context::{Context, Outcome, patience};
use crate::broker::Broker;
use crate::metadata::Address;
use crate::quota::FetchCost;
use read::Reader;
use session::{FetchSession, Selection, TopicRef};

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
    let opened = context.sessions().open(header.version, request, std::time::Instant::now());
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let throttle = broker.quotas.charge_fetch(&context, terms.cost(0));
            return encode(&header, failed(error)).throttled(whole_ms(throttle));
        }
    };
    let session = opened.session();
    let mut selection = collect(session, &mut terms, &mut reader).await;
    let throttle = broker.quotas.charge_fetch(&context, terms.cost(size(session, &selection)));
    if !throttle.is_zero() {
        let session_id = context.sessions().keep_throttled(opened);
        return encode(&header, FetchResponse { session_id, ..failed(ErrorCode::None) })
            .throttled(whole_ms(throttle));
    }
    session.answered(&selection);
    old_clients::adapt(&broker, session, &mut selection, (header.version, header.correlation_id)).await;
    let node_endpoints = node_endpoints(&reader, &selection);
    let topics = topics(session, selection);
    let session_id = context.sessions().keep(opened, &broker.fetch_slots, std::time::Instant::now());
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
    min_bytes: u32,
    max_bytes: u32,
}

impl Terms {
    fn of(broker: &Broker, context: &Context, request: &FetchRequest) -> Self {
        let positive = |bytes: i32| u32::try_from(bytes).unwrap_or(0);
        let quota = broker.quotas.fetch_bytes_max(context).unwrap_or(u32::MAX);
        let max_bytes = positive(request.max_bytes).min(broker.config.network.fetch_bytes_max).min(quota);
        let begun = Instant::now();
        Self {
            begun,
            waited: Duration::ZERO,
            deadline: begun + patience(request.max_wait_ms),
            min_bytes: positive(request.min_bytes).min(max_bytes),
            max_bytes,
        }
    }

    /// What an answer of so many bytes costs now.
    fn cost(&self, bytes: u64) -> FetchCost {
        FetchCost { bytes, busy: self.begun.elapsed().saturating_sub(self.waited) }
    }

    fn satisfied_by(&self, selection: &Selection) -> bool {
        selection.urgent || selection.bytes >= self.min_bytes || Instant::now() >= self.deadline
    }
}

/// Reads until there is enough, or the time is up.
async fn collect(session: &mut FetchSession, terms: &mut Terms, reader: &mut Reader<'_>) -> Selection {
    loop {
        let picture = reader.broker.metadata.picture();
        let selection = session.select(terms.max_bytes, |fetched, room| reader.read(&picture, fetched, room));
        if session.len() == 0 || terms.satisfied_by(&selection) {
            return selection;
        }
        drop(selection);
        // What moved between the read and the registration is seen by the next look.
        if session.watch_all() {
            continue;
        }
        let since = Instant::now();
        let _ = tokio::time::timeout_at(terms.deadline, session.watch.moved()).await;
        terms.waited += since.elapsed();
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

fn failed(error: ErrorCode) -> FetchResponse {
    FetchResponse {
        throttle_time_ms: 0,
        error,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    }
}

fn encode(header: &RequestHeader, response: FetchResponse) -> Outcome {
    response.encode(header.correlation_id, header.version).into()
}
