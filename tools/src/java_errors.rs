//! A broker's refusal as a Java tool prints it: the class of the exception, then what it says.
//!
//! Scripts look for the class. The sentences of the refusals that land on standard output are Kafka's; every other one is
//! the broker's or our own. Source: org.apache.kafka.common.protocol.Errors (3.9).

use client::Refusal;
use protocol::ErrorCode;

/// Classes that are not named after their code.
const IRREGULAR: &[(ErrorCode, &str)] = &[
    (ErrorCode::UnknownServerError, "UnknownServerException"),
    (ErrorCode::CorruptMessage, "CorruptRecordException"),
    (ErrorCode::RequestTimedOut, "TimeoutException"),
    (ErrorCode::MessageTooLarge, "RecordTooLargeException"),
    (ErrorCode::StaleControllerEpoch, "ControllerMovedException"),
    (ErrorCode::OffsetMetadataTooLarge, "OffsetMetadataTooLarge"),
    (ErrorCode::RecordListTooLarge, "RecordBatchTooLargeException"),
    (ErrorCode::TopicAuthorizationFailed, "TopicAuthorizationException"),
    (ErrorCode::GroupAuthorizationFailed, "GroupAuthorizationException"),
    (ErrorCode::ClusterAuthorizationFailed, "ClusterAuthorizationException"),
    (ErrorCode::TopicAlreadyExists, "TopicExistsException"),
    (ErrorCode::InvalidConfig, "InvalidConfigurationException"),
    (ErrorCode::OutOfOrderSequenceNumber, "OutOfOrderSequenceException"),
    (ErrorCode::DuplicateSequenceNumber, "DuplicateSequenceException"),
    (ErrorCode::InvalidProducerIdMapping, "InvalidPidMappingException"),
    (ErrorCode::InvalidTransactionTimeout, "InvalidTxnTimeoutException"),
    (ErrorCode::TransactionalIdAuthorizationFailed, "TransactionalIdAuthorizationException"),
    (ErrorCode::KafkaStorageError, "KafkaStorageException"),
    (ErrorCode::SaslAuthenticationFailed, "SaslAuthenticationException"),
    (ErrorCode::DelegationTokenAuthDisabled, "DelegationTokenDisabledException"),
    (ErrorCode::DelegationTokenRequestNotAllowed, "UnsupportedByAuthenticationException"),
    (ErrorCode::DelegationTokenAuthorizationFailed, "DelegationTokenAuthorizationException"),
    (ErrorCode::NonEmptyGroup, "GroupNotEmptyException"),
    (ErrorCode::PrincipalDeserializationFailure, "PrincipalDeserializationException"),
    (ErrorCode::FetchSessionTopicIdError, "FetchSessionTopicIdException"),
];

/// What Kafka's tools print on standard output after the class.
const SAID: &[(ErrorCode, &str)] = &[
    (
        ErrorCode::OffsetOutOfRange,
        "The requested offset is not within the range of offsets maintained by the server.",
    ),
    (ErrorCode::PolicyViolation, "Request parameters do not satisfy the configured policy."),
    (ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition."),
    (ErrorCode::InvalidTopicException, "The request attempted to perform an operation on an invalid topic."),
    (ErrorCode::TopicAuthorizationFailed, "Topic authorization failed."),
    (ErrorCode::RequestTimedOut, "The request timed out."),
];

/// The class with its package.
pub(crate) fn class(code: ErrorCode) -> String {
    let irregular = IRREGULAR.iter().find(|(known, _)| *known == code).map(|(_, class)| (*class).to_owned());
    format!("org.apache.kafka.common.errors.{}", irregular.unwrap_or_else(|| regular(code)))
}

/// Class and sentence, as `ExecutionException.getMessage` has them.
pub(crate) fn text(refusal: &Refusal) -> String {
    let said = SAID.iter().find(|(known, _)| *known == refusal.code).map(|(_, said)| (*said).to_owned());
    let said = refusal.message.clone().or(said).unwrap_or_else(|| refusal.code.message().to_owned());
    format!("{}: {said}", class(refusal.code))
}

/// UNKNOWN_TOPIC_OR_PARTITION to UnknownTopicOrPartitionException.
fn regular(code: ErrorCode) -> String {
    let mut name = String::new();
    for word in code.to_string().split('_') {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(first);
        name.push_str(&rest.to_lowercase());
    }
    if !name.ends_with("Exception") {
        name.push_str("Exception");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_as_in_java() {
        let check = |code, expected: &str| {
            assert_eq!(class(code), format!("org.apache.kafka.common.errors.{expected}"));
        };
        check(ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException");
        check(ErrorCode::InvalidTopicException, "InvalidTopicException");
        check(ErrorCode::KafkaStorageError, "KafkaStorageException");
        check(ErrorCode::RequestTimedOut, "TimeoutException");
    }

    #[test]
    fn a_brokers_own_words_go_first() {
        let refusal = Refusal { code: ErrorCode::PolicyViolation, message: Some("no".to_owned()) };
        assert_eq!(text(&refusal), "org.apache.kafka.common.errors.PolicyViolationException: no");
        let silent = Refusal { message: None, ..refusal };
        assert!(
            text(&silent).ends_with(
                "PolicyViolationException: Request parameters do not satisfy the configured policy."
            )
        );
    }
}
