//! The one place that turns a condition into one of Kafka's error codes; nothing else chooses a number.
//! Called by every file in `api/`.

use config::alter::Refusal;
use config::quota::QuotaRefusal;
use coordinator::assignment::AssignError;
use coordinator::replica::{AppendRefused, AssignmentRefused, ProduceFault};
use coordinator::topics::TopicError;
use protocol::StrBytes;
use protocol::batch::{ProducedError, RecordsReason};
use protocol::error_code::ErrorCode;
use protocol::legacy::{DownError, LegacyError};
use protocol::record::CompressionError;
use storage::{AppendError, DeleteRecordsError, ReadError};
use zookeeper::store;

use super::fetch::old_clients::ConversionError;
use crate::config_changes::ConfigReadError;
use crate::controller::topics::TopicWriteError;
use crate::hosted::{Absent, EpochMismatch};
use crate::moves::MoveRefused;
use crate::quota::QuotaExceeded;
use crate::shard::{AppendFailure, AssignFailure, DeleteFailure, StopFailure};

/// Why a request, or one item of it, was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    /// For the user of the client; `None` where Kafka sends none.
    pub(crate) message: Option<String>,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

/// Code and text as answers carry them: 0 and no text where nothing is wrong.
pub(super) fn told(outcome: Result<(), Refused>) -> (i16, Option<StrBytes>) {
    match outcome {
        Ok(()) => (ErrorCode::None.code(), None),
        Err(Refused { code, message }) => (code.code(), message.map(StrBytes::from_string)),
    }
}

impl From<QuotaExceeded> for Refused {
    fn from(QuotaExceeded: QuotaExceeded) -> Self {
        Self::new(ErrorCode::ThrottlingQuotaExceeded, "The throttling quota has been exceeded.")
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidRequest(text) => Self::new(ErrorCode::InvalidRequest, text),
            Refusal::InvalidConfig(text) => Self::new(ErrorCode::InvalidConfig, text),
            Refusal::Unexpected(text) => {
                tracing::info!(text, "settings were not changed");
                ErrorCode::UnknownServerError.into()
            }
        }
    }
}

impl From<QuotaRefusal> for Refused {
    fn from(refusal: QuotaRefusal) -> Self {
        match refusal {
            QuotaRefusal::InvalidRequest(text) => Self::new(ErrorCode::InvalidRequest, text),
            QuotaRefusal::Unexpected(text) => {
                tracing::info!(text, "quotas could not be told or changed");
                ErrorCode::UnknownServerError.into()
            }
        }
    }
}

impl From<ConfigReadError> for Refused {
    fn from(error: ConfigReadError) -> Self {
        match &error {
            // The client has asked for an empty name.
            ConfigReadError::Store(store) if store.refusal() == Some(store::Refusal::InvalidPath) => {
                tracing::info!(%error, "there can be no such settings");
            }
            ConfigReadError::Store(_) | ConfigReadError::Znode(_) => {
                tracing::error!(%error, "settings cannot be read or written");
            }
        }
        ErrorCode::UnknownServerError.into()
    }
}

impl From<TopicError> for Refused {
    fn from(error: TopicError) -> Self {
        Self::new(topic_error(&error), error.to_string())
    }
}

fn topic_error(error: &TopicError) -> ErrorCode {
    match error {
        TopicError::Name(_) | TopicError::Collides { .. } => ErrorCode::InvalidTopicException,
        TopicError::Exists { .. } | TopicError::MarkedForDeletion { .. } => ErrorCode::TopicAlreadyExists,
        TopicError::CountsAndAssignments => ErrorCode::InvalidRequest,
        TopicError::Assignment(_) => ErrorCode::InvalidReplicaAssignment,
        TopicError::Unknown { .. } => ErrorCode::UnknownTopicOrPartition,
        TopicError::BeingReassigned { .. } => ErrorCode::ReassignmentInProgress,
        TopicError::FewerPartitions { .. } | TopicError::SamePartitions { .. } => {
            ErrorCode::InvalidPartitions
        }
        TopicError::Assign(AssignError::NoPartitions | AssignError::TooManyPartitions { .. }) => {
            ErrorCode::InvalidPartitions
        }
        TopicError::Assign(AssignError::NoReplicas | AssignError::TooFewBrokers { .. }) => {
            ErrorCode::InvalidReplicationFactor
        }
        // Kafka's AdminOperationException has no code.
        TopicError::Assign(AssignError::RacksMissing) => ErrorCode::UnknownServerError,
    }
}

impl From<TopicWriteError> for Refused {
    fn from(error: TopicWriteError) -> Self {
        match error {
            TopicWriteError::Topic(error) => error.into(),
            TopicWriteError::Store(error) => {
                tracing::error!(%error, "a topic could not be read from ZooKeeper, or not be written to it");
                Self::new(ErrorCode::UnknownServerError, error.to_string())
            }
        }
    }
}

impl From<MoveRefused> for ErrorCode {
    fn from(refused: MoveRefused) -> Self {
        match refused {
            MoveRefused::NameTooLong => ErrorCode::InvalidTopicException,
            MoveRefused::NotHere => ErrorCode::ReplicaNotAvailable,
            MoveRefused::Offline => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<Absent> for ErrorCode {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::NotLed => ErrorCode::NotLeaderOrFollower,
            Absent::Offline => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<EpochMismatch> for ErrorCode {
    fn from(mismatch: EpochMismatch) -> Self {
        match mismatch {
            EpochMismatch::NotLeader => ErrorCode::NotLeaderOrFollower,
            EpochMismatch::Fenced => ErrorCode::FencedLeaderEpoch,
            EpochMismatch::Unknown => ErrorCode::UnknownLeaderEpoch,
        }
    }
}

impl From<&ReadError> for Refused {
    fn from(error: &ReadError) -> Self {
        let code = match error {
            ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            // Not CORRUPT_MESSAGE, on which a Java consumer gives up: the replica goes offline, and another may lead.
            ReadError::Corrupt { .. } | ReadError::Disk { .. } => ErrorCode::KafkaStorageError,
        };
        Self::new(code, error.to_string())
    }
}

impl From<&ConversionError> for Refused {
    fn from(error: &ConversionError) -> Self {
        let code = match error {
            // Clients that have records converted do not know KAFKA_STORAGE_ERROR; this makes them ask again.
            ConversionError::Io(_) => ErrorCode::NotLeaderOrFollower,
            ConversionError::Down(DownError::Zstd) => ErrorCode::UnsupportedCompressionType,
            ConversionError::Down(_) | ConversionError::Size(_) => ErrorCode::CorruptMessage,
        };
        Self::new(code, error.to_string())
    }
}

fn produced_error(error: &ProducedError) -> ErrorCode {
    match error {
        ProducedError::NoBatch
        | ProducedError::SeveralBatches
        | ProducedError::OldFormat(_)
        | ProducedError::BaseOffset(_)
        | ProducedError::Count { .. }
        | ProducedError::Control
        | ProducedError::Sequence { .. }
        | ProducedError::Record(_) => ErrorCode::InvalidRecord,
        ProducedError::Corrupt(_) => ErrorCode::CorruptMessage,
        ProducedError::ZstdTooEarly(_) => ErrorCode::UnsupportedCompressionType,
        ProducedError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        ProducedError::UnknownCodec(_) | ProducedError::NegativeTimestamp(_) | ProducedError::Gaps => {
            ErrorCode::UnknownServerError
        }
        ProducedError::Compression(error) => compression_error(error),
        ProducedError::Records(refused) => match refused.reason {
            RecordsReason::Record => ErrorCode::InvalidRecord,
            RecordsReason::Timestamp => ErrorCode::InvalidTimestamp,
        },
        ProducedError::Message(error) => message_error(error),
    }
}

/// Kafka has no code for a payload that its codec cannot read.
fn compression_error(error: &CompressionError) -> ErrorCode {
    match error {
        CompressionError::Damaged { .. } => ErrorCode::UnknownServerError,
        CompressionError::TooLarge { .. } => ErrorCode::MessageTooLarge,
    }
}

fn message_error(error: &LegacyError) -> ErrorCode {
    match error {
        LegacyError::Truncated { .. } | LegacyError::Length(_) | LegacyError::Checksum { .. } => {
            ErrorCode::CorruptMessage
        }
        LegacyError::Parts => ErrorCode::UnknownServerError,
        LegacyError::Format(_)
        | LegacyError::Codec(_)
        | LegacyError::NoValue
        | LegacyError::Empty
        | LegacyError::Nested
        | LegacyError::MixedFormats { .. }
        | LegacyError::WrapperOffset { .. } => ErrorCode::InvalidRecord,
        LegacyError::Compression(error) => compression_error(error),
    }
}

impl From<&ProducedError> for Refused {
    fn from(error: &ProducedError) -> Self {
        Self::new(produced_error(error), error.to_string())
    }
}

impl From<&AppendFailure> for Refused {
    fn from(failure: &AppendFailure) -> Self {
        let code = match failure {
            AppendFailure::Refused(AppendRefused::NotLeader)
            | AppendFailure::NotAcknowledged(ProduceFault::NotLeader) => ErrorCode::NotLeaderOrFollower,
            AppendFailure::Refused(AppendRefused::NotEnoughReplicas { .. }) => ErrorCode::NotEnoughReplicas,
            AppendFailure::NotAcknowledged(ProduceFault::NotEnoughReplicasAfterAppend { .. }) => {
                ErrorCode::NotEnoughReplicasAfterAppend
            }
            AppendFailure::NotAcknowledged(ProduceFault::TimedOut) => ErrorCode::RequestTimedOut,
            AppendFailure::Log(error) => append_error(error),
            AppendFailure::Offline | AppendFailure::Full => ErrorCode::KafkaStorageError,
        };
        Self::new(code, failure.to_string())
    }
}

fn append_error(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::OutOfOffsets { .. } => ErrorCode::UnknownServerError,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
        AppendError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Disk { .. } | AppendError::Offline { .. } => ErrorCode::KafkaStorageError,
    }
}

impl From<&AssignFailure> for ErrorCode {
    fn from(failure: &AssignFailure) -> Self {
        match failure {
            AssignFailure::Refused(
                AssignmentRefused::StaleLeaderEpoch { .. } | AssignmentRefused::SameLeaderEpoch { .. },
            ) => ErrorCode::StaleControllerEpoch,
            AssignFailure::Refused(AssignmentRefused::NotAReplica) => ErrorCode::UnknownTopicOrPartition,
            AssignFailure::TopicId { .. } => ErrorCode::InconsistentTopicId,
            AssignFailure::Offline => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<&StopFailure> for ErrorCode {
    fn from(failure: &StopFailure) -> Self {
        match failure {
            StopFailure::FencedLeaderEpoch { .. } => ErrorCode::FencedLeaderEpoch,
            StopFailure::Offline => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<&DeleteFailure> for ErrorCode {
    fn from(failure: &DeleteFailure) -> Self {
        match failure {
            DeleteFailure::NotLeader => ErrorCode::NotLeaderOrFollower,
            DeleteFailure::Log(DeleteRecordsError::Policy { .. }) => ErrorCode::PolicyViolation,
            DeleteFailure::Log(DeleteRecordsError::OutOfRange { .. }) => ErrorCode::OffsetOutOfRange,
            DeleteFailure::Offline => ErrorCode::KafkaStorageError,
        }
    }
}
