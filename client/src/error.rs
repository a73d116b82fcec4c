//! What can go wrong with a call, and what a broker refused.
//!
//! `ClientError` is the call as a whole; `Refusal` is a broker's answer about one topic, partition or resource.

use std::io;
use std::time::Duration;

use protocol::{ApiKey, ErrorCode};

use crate::address::Address;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{given}` is no list of host:port addresses, like host1:9092,host2:9092")]
    BadAddress { given: String },
    #[error("there is no address for the host of {address}: {source}")]
    Unresolved { address: Address, source: io::Error },
    #[error("cannot connect to {address}: {source}")]
    Unreachable { address: Address, source: io::Error },
    #[error("{address} did not answer {api} within {} ms", .after.as_millis())]
    TimedOut { address: Address, api: ApiKey, after: Duration },
    #[error("lost the connection to {address} during {api}: {source}")]
    Lost { address: Address, api: ApiKey, source: io::Error },
    #[error(
        "{address} serves no version of {api} that this client speaks ({}..={})",
        .ours.0, .ours.1
    )]
    Unsupported { address: Address, api: ApiKey, ours: (i16, i16) },
    #[error("{address} answered {api} v{version} with bytes that make no sense: {reason}")]
    Malformed { address: Address, api: ApiKey, version: i16, reason: String },
    #[error("{api} v{version} cannot carry this request: {reason}")]
    Unencodable { api: ApiKey, version: i16, reason: String },
    #[error("no broker of {tried} answered within {} ms: {last}", .after.as_millis())]
    NoBroker { tried: String, after: Duration, last: Box<ClientError> },
    #[error("broker {id} is not in the cluster's metadata")]
    UnknownBroker { id: i32 },
    #[error("{address} refused {api}: {refusal}")]
    Refused { address: Address, api: ApiKey, refusal: Refusal },
}

impl ClientError {
    /// Whether another broker, another connection or a later time may give an answer.
    pub fn is_passing(&self) -> bool {
        match self {
            ClientError::Unreachable { .. }
            | ClientError::Lost { .. }
            | ClientError::UnknownBroker { .. } => true,
            ClientError::Refused { refusal, .. } => refusal.is_passing(),
            ClientError::BadAddress { .. }
            | ClientError::Unresolved { .. }
            | ClientError::TimedOut { .. }
            | ClientError::Unsupported { .. }
            | ClientError::Malformed { .. }
            | ClientError::Unencodable { .. }
            | ClientError::NoBroker { .. } => false,
        }
    }

    /// Whether it says nothing about the request: another broker can be asked in the same attempt.
    pub(crate) fn is_of_one_broker(&self) -> bool {
        match self {
            ClientError::Unresolved { .. }
            | ClientError::Unreachable { .. }
            | ClientError::TimedOut { .. }
            | ClientError::Lost { .. } => true,
            ClientError::BadAddress { .. }
            | ClientError::Unsupported { .. }
            | ClientError::Malformed { .. }
            | ClientError::Unencodable { .. }
            | ClientError::NoBroker { .. }
            | ClientError::UnknownBroker { .. }
            | ClientError::Refused { .. } => false,
        }
    }
}

/// A broker's refusal, in its own words where it gave some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .message.as_deref().unwrap_or_else(|| .code.message()))]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: Option<String>,
}

impl Refusal {
    /// `None` when `code` says that nothing is wrong. An unknown number is an unknown server error.
    pub fn from_wire(code: i16, message: Option<&str>) -> Option<Refusal> {
        let code = ErrorCode::from_code(code);
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        (code != ErrorCode::None).then_some(Refusal { code, message })
    }

    /// The same as a result.
    pub fn check(code: i16, message: Option<&str>) -> Result<(), Refusal> {
        Refusal::from_wire(code, message).map_or(Ok(()), Err)
    }

    /// Whether asking again, perhaps elsewhere, may succeed: the cluster was changing.
    pub fn is_passing(&self) -> bool {
        use ErrorCode::{
            CoordinatorLoadInProgress, LeaderNotAvailable, NetworkException, NotController,
            NotLeaderOrFollower, OffsetNotAvailable,
        };
        let passing = [
            NotController,
            NotLeaderOrFollower,
            LeaderNotAvailable,
            NetworkException,
            CoordinatorLoadInProgress,
            OffsetNotAvailable,
        ];
        passing.contains(&self.code)
    }
}
