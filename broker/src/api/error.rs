//! The one place that turns a condition into one of Kafka's error codes; nothing else chooses a number.
//! Called by every file in `api/`.

use protocol::error_code::ErrorCode;

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
