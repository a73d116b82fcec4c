//! What one partition has for one fetch: the checks in Kafka's order, then the log.
//! Holds no state between requests. Source: KafkaApis.handleFetchRequest, ReplicaManager.readFromLog (3.9).

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::fetch_response::{AbortedTransaction, CurrentLeader, EpochEndOffset, FetchedPartition};
use protocol::ids::{LeaderEpoch, Offset};
use protocol::messages::FetchRequest;
use protocol::response::Part;
use storage::{Fetched as Records, FirstBatch, LogView, ReadError, UpTo};

use super::cache::Rank;
use super::session::{Fetched, Room, TopicRef, Wanted};
use crate::api::context::Context;
use crate::api::error::Refused;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::hosted::HostedPartition;
use crate::metadata::Picture;
use crate::upkeep;

/// A replica's own copy between log directories asks so: it may see the log's end.
const FUTURE_REPLICA: i32 = -3;
const READ_COMMITTED: i8 = 1;
/// The first version that carries the replica's id in a tagged field (KIP-903).
const REPLICA_STATE_SINCE: i16 = 15;
/// The first version that tells KAFKA_STORAGE_ERROR.
const STORAGE_ERROR_SINCE: i16 = 6;
/// The first version whose answers tell where the leader is (KIP-951).
const LEADER_SINCE: i16 = 16;
/// The first version for which at least one batch is sent whatever the limits (KIP-74).
const ONE_BATCH_SINCE: i16 = 3;
const NOTHING: Offset = Offset(-1);

/// One request's way of reading partitions.
pub(crate) struct Reader<'a> {
    pub(crate) broker: &'a Arc<Broker>,
    pub(crate) lens: Lens,
    context: &'a Context,
    version: i16,
    /// The last answer of the authorizer: neighbours of one topic are asked for once.
    allowed: Option<(TopicRef, bool)>,
}

/// What decides which part of a log a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lens {
    up_to: UpTo,
    who: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A tool that compares replicas too (-2).
    Consumer,
    Replica,
}

impl Lens {
    /// Of the one with this replica id.
    pub(crate) fn of(replica: i32, isolation_level: i8) -> Self {
        let up_to = match (replica, isolation_level) {
            (FUTURE_REPLICA, _) => UpTo::LogEnd,
            (_, READ_COMMITTED) => UpTo::LastStableOffset,
            _ => UpTo::HighWatermark,
        };
        Self { up_to, who: if replica < 0 { Who::Consumer } else { Who::Replica } }
    }
}

impl Default for Lens {
    fn default() -> Self {
        Self { up_to: UpTo::HighWatermark, who: Who::Consumer }
    }
}

/// What one partition says.
#[derive(Debug, Clone)]
pub(crate) struct PartitionRead {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) log_start: Offset,
    /// One piece of a file, until it is converted for an old client.
    pub(crate) records: Vec<Part>,
    /// Of the records as they were read.
    pub(crate) bytes: u32,
    /// The same in Kafka's answer, which cuts batches; client's limits go by it.
    pub(crate) read_bytes: u32,
    /// What a patient client could get, up to the partition's limit.
    pub(crate) available: u32,
    /// Waiting would bring no more: the client is behind by a segment, or ahead of what it may see.
    pub(crate) at_once: bool,
    /// There are records for this client that are not in `records`.
    pub(crate) more: bool,
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
    pub(super) diverging: Option<EpochEndOffset>,
    /// Whom to ask instead.
    pub(crate) leader: Option<CurrentLeader>,
}

impl Default for PartitionRead {
    fn default() -> Self {
        Self::failed(ErrorCode::None)
    }
}

impl PartitionRead {
    fn failed(error: ErrorCode) -> Self {
        Self {
            error,
            high_watermark: NOTHING,
            last_stable_offset: NOTHING,
            log_start: NOTHING,
            records: Vec::new(),
            bytes: 0,
            read_bytes: 0,
            available: 0,
            at_once: false,
            more: false,
            aborted: None,
            diverging: None,
            leader: None,
        }
    }

    /// Refused before the log was asked: these answers of Kafka's list no aborted transactions, the others have no list.
    pub(super) fn refused(error: ErrorCode) -> Self {
        Self { aborted: Some(Vec::new()), ..Self::failed(error) }
    }

    /// The client should hear of it without waiting.
    pub(crate) fn is_urgent(&self) -> bool {
        self.error != ErrorCode::None || self.diverging.is_some() || self.at_once
    }

    /// No log was asked: a request waits for its other partitions, if it has any.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(
            self.error,
            ErrorCode::UnknownTopicId
                | ErrorCode::TopicAuthorizationFailed
                | ErrorCode::UnknownTopicOrPartition
        )
    }

    pub(crate) fn into_response(self, partition: i32) -> FetchedPartition {
        FetchedPartition {
            error: self.error,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset,
            log_start_offset: self.log_start,
            diverging_epoch: self.diverging,
            current_leader: self.leader,
            aborted_transactions: self.aborted,
            records: self.records,
            ..FetchedPartition::failed(partition, self.error)
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn of(
        broker: &'a Arc<Broker>,
        context: &'a Context,
        version: i16,
        request: &FetchRequest,
    ) -> Self {
        let replica = if version >= REPLICA_STATE_SINCE {
            request.replica_state.replica_id
        } else {
            request.replica_id
        };
        Self { broker, lens: Lens::of(replica.0, request.isolation_level), context, version, allowed: None }
    }

    /// How the client's session ranks.
    pub(crate) fn rank(&self) -> Rank {
        match self.lens.who {
            Who::Consumer => Rank::Consumer,
            Who::Replica => Rank::Follower,
        }
    }

    pub(crate) fn listener(&self) -> &str {
        &self.context.listener
    }

    pub(crate) fn read(&mut self, picture: &Picture, fetched: &mut Fetched, room: Room) -> PartitionRead {
        match self.find(picture, fetched) {
            Ok((hosted, epoch)) => self.read_log(&hosted, epoch, fetched, room),
            Err(
                error @ (ErrorCode::UnknownTopicId
                | ErrorCode::TopicAuthorizationFailed
                | ErrorCode::UnknownTopicOrPartition),
            ) => PartitionRead::refused(error),
            Err(error) => {
                PartitionRead { leader: self.leader(picture, fetched, error), ..PartitionRead::failed(error) }
            }
        }
    }

    /// The partition's log here, if the client may read it and believes in the right epoch.
    fn find(
        &mut self,
        picture: &Picture,
        fetched: &mut Fetched,
    ) -> Result<(Arc<HostedPartition>, LeaderEpoch), ErrorCode> {
        let index = fetched.wanted.partition;
        // A replica needs no right to the topic, and learns nothing of topics without its own.
        if self.lens.who == Who::Replica && !self.allows(&fetched.topic, "") {
            return Err(ErrorCode::TopicAuthorizationFailed);
        }
        if let (None, TopicRef::Id(id)) = (&fetched.name, &fetched.topic) {
            fetched.name = picture.topic_name(*id).cloned();
        }
        let name = fetched.name.as_deref().ok_or(ErrorCode::UnknownTopicId)?;
        if !self.allows(&fetched.topic, name) {
            return Err(ErrorCode::TopicAuthorizationFailed);
        }
        if picture.partition(name, index).is_none() {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let hosted = match &fetched.hosted {
            Some(hosted) => Arc::clone(hosted),
            None => self.broker.hosted.get(name, index).map_err(|absent| self.told(absent.into()))?,
        };
        if let TopicRef::Id(id) = &fetched.topic
            && !hosted.topic_id.is_nil()
            && hosted.topic_id != *id
        {
            return Err(ErrorCode::InconsistentTopicId);
        }
        // Fetch takes every negative number for none (FetchRequest.optionalEpoch).
        let believed = fetched.wanted.leader_epoch.max(LeaderEpoch::NONE);
        let epoch = hosted.leadership.check(believed)?;
        if self.lens.who == Who::Replica {
            let named = believed != LeaderEpoch::NONE;
            return Err(if named { ErrorCode::UnknownLeaderEpoch } else { ErrorCode::NotLeaderOrFollower });
        }
        fetched.hosted = Some(Arc::clone(&hosted));
        Ok((hosted, epoch))
    }

    /// Old clients do not know that a storage error passes with new metadata.
    fn told(&self, error: ErrorCode) -> ErrorCode {
        if error == ErrorCode::KafkaStorageError && self.version < STORAGE_ERROR_SINCE {
            return ErrorCode::NotLeaderOrFollower;
        }
        error
    }

    fn allows(&mut self, topic: &TopicRef, name: &str) -> bool {
        let known =
            self.allowed.as_ref().filter(|(known, _)| self.lens.who == Who::Replica || known == topic);
        if let Some((_, allowed)) = known {
            return *allowed;
        }
        let (operation, resource) = match self.lens.who {
            Who::Consumer => (Operation::Read, Resource::topic(name)),
            Who::Replica => (Operation::ClusterAction, Resource::cluster()),
        };
        let allowed = self.broker.authorizer.allows(self.context, operation, &resource);
        self.allowed = Some((topic.clone(), allowed));
        allowed
    }

    fn read_log(
        &self,
        hosted: &HostedPartition,
        epoch: LeaderEpoch,
        fetched: &Fetched,
        room: Room,
    ) -> PartitionRead {
        let wanted = fetched.wanted;
        match parting(hosted, wanted) {
            Ok(None) => {}
            Ok(Some(diverging)) => {
                return PartitionRead { diverging: Some(diverging), ..standing(hosted.log.view()) };
            }
            Err(error) => return PartitionRead::failed(error),
        }
        let most = wanted.max_bytes.min(room.bytes);
        let is_whole = room.empty && self.version >= ONE_BATCH_SINCE;
        let first = if is_whole { FirstBatch::Whole } else { FirstBatch::IfItFits };
        match hosted.log.read(wanted.offset, u32::try_from(most).unwrap_or(0), self.lens.up_to, first) {
            // Kafka refuses a negative size where it comes to reading a segment.
            Ok(records) if most < 0 && wanted.offset < records.view.limit(self.lens.up_to) => {
                PartitionRead::failed(ErrorCode::UnknownServerError)
            }
            Ok(records) => self.found(hosted, wanted, records),
            Err(error) => {
                tracing::debug!(%error, %epoch, "fetch");
                self.unread(&error)
            }
        }
    }

    fn found(&self, hosted: &HostedPartition, wanted: Wanted, records: Records) -> PartitionRead {
        let Records { view, records, place, ahead, .. } = records;
        let (from, limit) = (wanted.offset, view.limit(self.lens.up_to));
        let aborted = match (self.lens.up_to, place) {
            (UpTo::LastStableOffset, Some(place)) => match hosted.log.aborted_at(from, place) {
                Ok(aborted) => Some(aborted.iter().map(aborted_transaction).collect()),
                Err(error) => return self.unread(&error),
            },
            (UpTo::LastStableOffset, None) => Some(Vec::new()),
            (UpTo::HighWatermark | UpTo::LogEnd, _) => None,
        };
        let bytes = records.as_ref().map_or(0, |slice| slice.length);
        let read_bytes =
            records.as_ref().zip(place).map_or(0, |(slice, place)| place.bytes_from(slice.position));
        PartitionRead {
            bytes,
            read_bytes: u32::try_from(read_bytes).unwrap_or(u32::MAX).max(bytes),
            available: u32::try_from(ahead.bytes)
                .unwrap_or(u32::MAX)
                .min(u32::try_from(wanted.max_bytes).unwrap_or(0)),
            at_once: ahead.is_older || from > limit,
            more: from < limit,
            records: records.map(Part::File).into_iter().collect(),
            aborted,
            ..standing(view)
        }
    }

    fn unread(&self, error: &ReadError) -> PartitionRead {
        if !matches!(error, ReadError::OutOfRange { .. }) {
            tracing::error!(%error, "records cannot be read");
            upkeep::look_into(self.broker, error);
        }
        PartitionRead::failed(self.told(Refused::from(error).code))
    }

    /// Who leads a partition that this broker does not (any more).
    fn leader(&self, picture: &Picture, fetched: &Fetched, error: ErrorCode) -> Option<CurrentLeader> {
        let is_told = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
        if self.version < LEADER_SINCE || !is_told {
            return None;
        }
        let partition = picture.partition(fetched.name.as_deref()?, fetched.wanted.partition)?;
        Some(CurrentLeader { leader: partition.leader, epoch: partition.leader_epoch })
    }
}

fn standing(view: LogView) -> PartitionRead {
    PartitionRead {
        high_watermark: view.high_watermark,
        last_stable_offset: view.last_stable_offset,
        log_start: view.start,
        ..PartitionRead::default()
    }
}

fn aborted_transaction(aborted: &storage::AbortedTransaction) -> AbortedTransaction {
    AbortedTransaction { producer_id: aborted.producer_id, first_offset: aborted.first_offset }
}

/// Where the client's log parts from ours, if the epoch it fetched last ended earlier here (KIP-595); OFFSET_OUT_OF_RANGE if that
/// cannot be told.
fn parting(hosted: &HostedPartition, wanted: Wanted) -> Result<Option<EpochEndOffset>, ErrorCode> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let last_fetched = LeaderEpoch(wanted.last_fetched_epoch);
    let end = hosted.log.epoch_end(last_fetched).ok_or(ErrorCode::OffsetOutOfRange)?;
    if wanted.offset < hosted.log.view().start {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let parted = end.epoch < last_fetched || end.end < wanted.offset;
    Ok(parted.then_some(EpochEndOffset { epoch: end.epoch, end_offset: end.end }))
}
