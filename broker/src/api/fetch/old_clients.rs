//! What clients of old versions of Fetch get: records in a format that they read, or an error for the partition.
//!
//! Fetch v0 and v1 read format 0, v2 and v3 format 1; v4 and later get whatever is stored, before v10 unless the topic's
//! own codec is zstd. Called once per answer, after all has been read. Source: KafkaApis.maybeConvertFetchedData (3.9).

mod conversion;

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{Offset, TopicPartition};
use protocol::legacy::Format;
use protocol::response::{FileSlice, Part};
use storage::rot::path_of;

pub(crate) use conversion::ConversionError;
use conversion::{Converted, convert};

use super::read::PartitionRead;
use super::session::{FetchSession, Fetched, Selection, TopicRef};
use crate::api::error::Refused;
use crate::broker::Broker;
use crate::hosted::HostedPartition;
use crate::topic_settings::FetchRules;
use crate::upkeep::JobQueue;

/// The first version that knows zstd (KIP-110).
const ZSTD_SINCE: i16 = 10;
/// Bytes of converted records that one answer holds, give or take the last batch: what a connection costs in memory while it
/// sends them. What else was asked for comes with the next answer.
const CONVERTED_BYTES_MAX: usize = 4 << 20;

/// The records of one partition, to be converted.
struct Job {
    /// Which of the answer's reads they are.
    index: usize,
    name: TopicPartition,
    slice: FileSlice,
    from: Offset,
}

/// Makes the answer one that a client of this version can read. `turn` differs from answer to answer, so that each partition
/// is the first to be converted now and then.
pub(super) async fn adapt(
    broker: &Arc<Broker>,
    session: &FetchSession,
    selection: &mut Selection,
    (version, turn): (i16, i32),
) {
    if version >= ZSTD_SINCE {
        return;
    }
    let format = format_of(version);
    let mut jobs = Vec::new();
    for (index, (key, read)) in selection.reads.iter_mut().enumerate() {
        let Some(fetched) = session.get(*key) else { continue };
        let Some(hosted) = hosted(broker, fetched) else { continue };
        if let Some(error) = refusal(hosted.fetch_rules(), version, format) {
            *read = PartitionRead::refused(error);
        } else if format.is_some()
            && let Some(Part::File(slice)) = read.records.pop()
        {
            let (name, from) = (hosted.name.clone(), fetched.wanted.offset);
            jobs.push(Job { index, name, slice, from });
        }
    }
    let Some(format) = format.filter(|_| !jobs.is_empty()) else { return };
    let first = usize::try_from(turn).unwrap_or(0) % jobs.len();
    jobs.rotate_left(first);
    let queue = broker.jobs.clone();
    for (index, outcome) in broker.tasks.blocking(move || convert_all(jobs, format, &queue)).await {
        let read = &mut selection.reads[index].1;
        match outcome {
            Ok(parts) => read.records = parts,
            Err(error) => *read = PartitionRead::refused(error),
        }
    }
}

/// The format that clients of a version read, if it is not the newest.
fn format_of(version: i16) -> Option<Format> {
    match version {
        0 | 1 => Some(Format::V0),
        2 | 3 => Some(Format::V1),
        _ => None,
    }
}

/// Kafka looks at the topic's settings alone, whatever is stored, and even where the read failed.
fn refusal(rules: FetchRules, version: i16, format: Option<Format>) -> Option<ErrorCode> {
    if rules.is_zstd && version < ZSTD_SINCE {
        return Some(ErrorCode::UnsupportedCompressionType);
    }
    (format.is_some() && !rules.may_convert).then_some(ErrorCode::UnsupportedVersion)
}

/// The log is known here even to a client that may not read it.
fn hosted(broker: &Broker, fetched: &Fetched) -> Option<Arc<HostedPartition>> {
    let TopicRef::Name(name) = &fetched.topic else { return None };
    broker.hosted.get(name, fetched.wanted.partition).ok()
}

/// Converts one partition after the other until the answer is full. Blocks. Whoever looks after the disks hears of a log
/// that cannot be read.
fn convert_all(
    jobs: Vec<Job>,
    format: Format,
    queue: &JobQueue,
) -> Vec<(usize, Result<Vec<Part>, ErrorCode>)> {
    let mut room = CONVERTED_BYTES_MAX;
    let mut all = Vec::with_capacity(jobs.len());
    for Job { index, name, slice, from } in jobs {
        if room == 0 {
            all.push((index, Ok(Vec::new())));
            continue;
        }
        let (file, position) = (Arc::clone(&slice.file), slice.position);
        let outcome = match convert(slice, (format, from), room) {
            Ok(Converted { parts, bytes }) => {
                room = room.saturating_sub(bytes);
                Ok(parts)
            }
            Err(error) => {
                let code = told(&error, &name, from);
                if let Some(path) = path_of(&file) {
                    error.unsendable(path, position).into_iter().for_each(|it| queue.push(it.into()));
                }
                Err(code)
            }
        };
        all.push((index, outcome));
    }
    all
}

fn told(error: &ConversionError, name: &TopicPartition, from: Offset) -> ErrorCode {
    let code = Refused::from(error).code;
    if code != ErrorCode::UnsupportedCompressionType {
        tracing::error!(partition = %name, %from, %error, "records cannot be converted for an old client");
    }
    code
}
