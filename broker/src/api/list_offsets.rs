//! ListOffsets (key 2), versions 0–9: the offset of a time, or of one of the special times.
//!
//! -1 latest, -2 earliest, from v7 -3 the record with the largest time, from v8 -4 earliest local, from v9 -5 latest tiered (none here).
//! A partition named twice is INVALID_REQUEST. v0 answers a list of offsets where segments begin. v4 checks and answers the leader epoch.
//! A new leader whose high watermark is below the start of its epoch answers OFFSET_NOT_AVAILABLE, before v5 LEADER_NOT_AVAILABLE.
//! Differs from Kafka 3.9: a time is looked for beyond segments whose records DeleteRecords has taken or are of format v0, where Kafka
//! answers that there is none; v0 answers a million offsets at most.

mod segments;

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, Millis, Offset};
use protocol::messages::list_offsets_request::ListOffsetsPartition;
use protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use storage::{LogReader, ReadError, TimestampedOffset, UpTo};

use super::context::Context;
use super::error::Refused;
use super::pace::Pace;
use super::repeated::repeated;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::hosted::HostedPartition;
use crate::upkeep;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// Not a replica.
const CONSUMER: i32 = -1;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    if version == 0 {
        return segments::answer(broker, context, request).await;
    }
    let up_to = match (request.replica_id.0, request.isolation_level) {
        (CONSUMER, READ_UNCOMMITTED) => Ok(UpTo::HighWatermark),
        (CONSUMER, READ_COMMITTED) => Ok(UpTo::LastStableOffset),
        (CONSUMER, _) => Err(ErrorCode::UnknownServerError),
        _ => Ok(UpTo::LogEnd),
    };
    let named =
        request.topics.iter().flat_map(|t| t.partitions.iter().map(|p| (&**t.name, p.partition_index)));
    let twice = repeated(named).await;
    let mut pace = Pace::default();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let allowed = broker.authorizer.allows(context, Operation::Describe, &Resource::topic(&topic.name));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let found = if !allowed {
                Err(ErrorCode::TopicAuthorizationFailed)
            } else if twice.contains(&(&**topic.name, partition.partition_index)) {
                Err(ErrorCode::InvalidRequest)
            } else {
                offset(broker, (&topic.name, partition), version, up_to).await
            };
            partitions.push(response(version, partition.partition_index, found));
            pace.step().await;
        }
        pace.step().await;
        let name = topic.name.clone();
        topics.push(ListOffsetsTopicResponse::default().with_name(name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

/// What a partition answers; `None` where no record has such a time.
type Found = Result<Option<TimestampedOffset>, ErrorCode>;

async fn offset(
    broker: &Arc<Broker>,
    (topic, asked): (&str, &ListOffsetsPartition),
    version: i16,
    up_to: Result<UpTo, ErrorCode>,
) -> Found {
    let time = asked.timestamp;
    if time < 0 && special_since(time).is_none_or(|since| version < since) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let up_to = up_to?;
    let hosted = hosted(broker, topic, asked.partition_index)?;
    let epoch = hosted.leadership.check(LeaderEpoch(asked.current_leader_epoch))?;
    let log = hosted.log.clone();
    let lags = up_to != UpTo::LogEnd && is_behind(&log, epoch);
    // A time look-up may read and decompress batches, which is no work for this thread.
    let found = if time == MAX_TIMESTAMP || time >= 0 {
        broker.tasks.blocking(move || by_time(&log, time, up_to)).await
    } else {
        Ok(special(&log, time, up_to, epoch))
    };
    let found = found.map_err(|error| {
        tracing::error!(%error, "an offset cannot be looked up by time");
        upkeep::look_into(broker, &error);
        Refused::from(&error).code
    })?;
    match (lags, time) {
        (true, LATEST) => Err(not_available(version)),
        (true, _) if found.is_none() => Err(not_available(version)),
        _ => Ok(found),
    }
}

fn hosted(broker: &Broker, topic: &str, partition: i32) -> Result<Arc<HostedPartition>, ErrorCode> {
    if broker.metadata.picture().partition(topic, partition).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    Ok(broker.hosted.get(topic, partition)?)
}

/// Whether consumers saw more of the log under the leader before. Source: Partition.fetchOffsetForTimestamp (3.9), KIP-207.
fn is_behind(log: &LogReader, epoch: LeaderEpoch) -> bool {
    log.epoch_start(epoch).is_some_and(|start| start > log.view().high_watermark)
}

fn not_available(version: i16) -> ErrorCode {
    if version >= 5 { ErrorCode::OffsetNotAvailable } else { ErrorCode::LeaderNotAvailable }
}

fn special_since(time: i64) -> Option<i16> {
    match time {
        LATEST | EARLIEST => Some(1),
        MAX_TIMESTAMP => Some(7),
        EARLIEST_LOCAL => Some(8),
        LATEST_TIERED => Some(9),
        _ => None,
    }
}

fn special(log: &LogReader, time: i64, up_to: UpTo, epoch: LeaderEpoch) -> Option<TimestampedOffset> {
    let view = log.view();
    let at = |offset, leader_epoch| Some(TimestampedOffset { offset, timestamp: Millis(-1), leader_epoch });
    match (time, up_to) {
        (EARLIEST | EARLIEST_LOCAL, _) => {
            at(view.start, log.epoch_at(view.start).unwrap_or(LeaderEpoch::NONE))
        }
        (LATEST, UpTo::LogEnd) => at(view.end, epoch),
        (LATEST, UpTo::HighWatermark) => at(view.high_watermark, epoch),
        (LATEST, UpTo::LastStableOffset) => at(view.last_stable_offset, epoch),
        // There is no tiered storage.
        _ => at(Offset::NONE, LeaderEpoch::NONE),
    }
}

fn by_time(log: &LogReader, time: i64, up_to: UpTo) -> Result<Option<TimestampedOffset>, ReadError> {
    if time == MAX_TIMESTAMP {
        return log.offset_of_max_timestamp(up_to);
    }
    log.offset_for_timestamp(Millis(time), up_to)
}

fn response(version: i16, index: i32, found: Found) -> ListOffsetsPartitionResponse {
    let blank = ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_timestamp(-1)
        .with_offset(-1)
        .with_leader_epoch(-1);
    match found {
        Err(error) => blank.with_error_code(error.code()),
        Ok(None) => blank,
        Ok(Some(found)) => {
            let epoch = if version >= 4 { found.leader_epoch } else { LeaderEpoch::NONE };
            blank.with_timestamp(found.timestamp.0).with_offset(found.offset.0).with_leader_epoch(epoch.0)
        }
    }
}
