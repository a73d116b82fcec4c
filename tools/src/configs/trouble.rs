//! How the tool tells of what went wrong: wrong words in a sentence of their own, anything else after the command line and with the
//! class of Java's exception, for which scripts look.

use std::io;

use client::{Client, ClientError, Refusal};
use protocol::ErrorCode;

use crate::failure::Failure;
use crate::java_errors;
use crate::options::OptionError;

#[derive(Debug)]
pub(super) enum Trouble {
    /// IllegalArgumentException, InvalidConfigurationException and OptionException: the sentence alone.
    Told(Failure),
    /// The first line of any other exception.
    Thrown(String),
}

impl Trouble {
    /// A sentence alone.
    pub(super) fn told<T>(sentence: impl Into<String>) -> Result<T, Trouble> {
        Err(Trouble::Told(Failure::Sentence(sentence.into())))
    }

    pub(super) fn thrown(class: &str, message: &str) -> Trouble {
        Trouble::Thrown(format!("{class}: {message}"))
    }

    /// What a request comes to, by the class of what it met with.
    pub(super) fn execution(class: &str, message: &str) -> Trouble {
        let cause = format!("org.apache.kafka.common.errors.{class}: {message}");
        Trouble::thrown("java.util.concurrent.ExecutionException", &cause)
    }

    /// What a request comes to that this tool does not make: a broker that does not serve it would have refused it.
    pub(super) async fn not_asked(cluster: &mut Client, key: i16, api: &str) -> Trouble {
        match cluster.serves(key).await {
            Ok(false) => {
                Trouble::execution("UnsupportedVersionException", &format!("The node does not support {api}"))
            }
            Ok(true) => Trouble::Thrown(format!("this version of the tool does not send {api}")),
            Err(error) => error.into(),
        }
    }

    pub(super) fn into_failure(self, args: &[String]) -> Failure {
        match self {
            Trouble::Told(failure) => failure,
            Trouble::Thrown(thrown) => {
                let line = args.join(" ");
                Failure::Sentence(format!(
                    "Error while executing config command with args '{line}'\n{thrown}"
                ))
            }
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Told(failure)
    }
}

impl From<OptionError> for Trouble {
    fn from(error: OptionError) -> Trouble {
        Trouble::Told(error.into())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Told(error.into())
    }
}

impl From<Refusal> for Trouble {
    fn from(mut refusal: Refusal) -> Trouble {
        // Brokers say nothing of a topic that does not exist, and so does Kafka's tool.
        if refusal.code == ErrorCode::UnknownTopicOrPartition {
            refusal.message.get_or_insert_default();
        }
        Trouble::thrown("java.util.concurrent.ExecutionException", &java_errors::text(&refusal))
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        match error {
            ClientError::Refused { refusal, .. } => refusal.into(),
            ClientError::UnknownBroker { .. } => {
                Trouble::Thrown("java.util.concurrent.TimeoutException".to_owned())
            }
            error @ (ClientError::BadAddress { .. }
            | ClientError::Unresolved { .. }
            | ClientError::Unreachable { .. }
            | ClientError::TimedOut { .. }
            | ClientError::Lost { .. }
            | ClientError::Unsupported { .. }
            | ClientError::Malformed { .. }
            | ClientError::Unencodable { .. }
            | ClientError::NoBroker { .. }) => Trouble::Thrown(error.to_string()),
        }
    }
}
