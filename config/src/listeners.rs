//! The addresses a broker listens on and those it tells its clients: `listeners`, `advertised.listeners`
//! and the protocol map, with the rules of Kafka's `EndPoint` and `CoreUtils.listenerListToEndPoints`.
//! It resolves no name and opens no port.

use std::fmt;

/// One address of a broker under a listener name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Upper case, as Kafka normalises it.
    pub listener: String,
    pub protocol: SecurityProtocol,
    /// None stands for every interface (listening) or for this machine's own name (advertised).
    pub host: Option<String>,
    /// 0 lets the system choose one.
    pub port: u16,
}

/// How a connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.listener, self.port),
            false => write!(f, "{}://{host}:{}", self.listener, self.port),
        }
    }
}

impl SecurityProtocol {
    /// Kafka's name, as in the protocol map and in a broker's znode.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }
}
