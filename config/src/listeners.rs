//! The addresses a broker listens on and those it tells its clients: `listeners`, `advertised.listeners`
//! and the protocol map, with the rules of Kafka's `EndPoint` and `CoreUtils.listenerListToEndPoints`.
//! It resolves no name and opens no port.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

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

/// What is allowed instead, in Kafka's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    #[error("Unable to parse {0} to a broker endpoint")]
    Malformed(String),
    #[error("No security protocol defined for listener {0}")]
    NoProtocol(String),
    #[error("Each listener must have a different name")]
    SameName,
    #[error("Each listener must have a different port, but for one IPv4 and one IPv6 address")]
    SamePort,
    #[error("expected NAME:PROTOCOL, not {0}")]
    MalformedPair(String),
    #[error("Invalid security protocol `{0}` defined in listener.security.protocol.map")]
    UnknownProtocol(String),
}

/// `listener.security.protocol.map`, names in upper case.
pub(crate) type ProtocolMap = BTreeMap<String, SecurityProtocol>;

/// Reads `INTERNAL:PLAINTEXT,EXTERNAL:SSL`.
pub(crate) fn parse_protocol_map(text: &str) -> Result<ProtocolMap, ListenerError> {
    items(text).map(parse_pair).collect()
}

/// Reads the addresses to listen on: names and ports must differ.
pub(crate) fn parse_listeners(text: &str, map: &ProtocolMap) -> Result<Vec<Endpoint>, ListenerError> {
    let endpoints = parse_advertised(text, map)?;
    match share_a_port(&endpoints) {
        true => Err(ListenerError::SamePort),
        false => Ok(endpoints),
    }
}

/// Reads the addresses to tell others: names must differ.
pub(crate) fn parse_advertised(text: &str, map: &ProtocolMap) -> Result<Vec<Endpoint>, ListenerError> {
    let endpoints: Vec<Endpoint> =
        items(text).map(|item| parse_endpoint(item, map)).collect::<Result<_, _>>()?;
    let same_name = |(at, endpoint): (usize, &Endpoint)| {
        endpoints[..at].iter().any(|other| other.listener == endpoint.listener)
    };
    match endpoints.iter().enumerate().any(same_name) {
        true => Err(ListenerError::SameName),
        false => Ok(endpoints),
    }
}

/// The parts of a list, without the blanks around commas.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn parse_pair(item: &str) -> Result<(String, SecurityProtocol), ListenerError> {
    let (name, protocol) =
        item.rsplit_once(':').ok_or_else(|| ListenerError::MalformedPair(item.to_owned()))?;
    let unknown = || ListenerError::UnknownProtocol(protocol.trim().to_owned());
    let protocol = SecurityProtocol::parse(protocol.trim()).ok_or_else(unknown)?;
    Ok((name.trim().to_uppercase(), protocol))
}

fn parse_endpoint(item: &str, map: &ProtocolMap) -> Result<Endpoint, ListenerError> {
    let malformed = || ListenerError::Malformed(item.to_owned());
    let (name, address) = item.rsplit_once("://").ok_or_else(malformed)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-%._:".contains(&b);
    if name.is_empty() || !host.bytes().all(known) {
        return Err(malformed());
    }
    let listener = name.to_uppercase();
    let protocol = *map.get(&listener).ok_or_else(|| ListenerError::NoProtocol(listener.clone()))?;
    let host = (!host.is_empty()).then(|| host.to_owned());
    Ok(Endpoint { listener, protocol, host, port: port.parse().map_err(|_| malformed())? })
}

/// Two listeners may have one port only when one has an IPv4 address and the other an IPv6 address.
fn share_a_port(endpoints: &[Endpoint]) -> bool {
    let family = |endpoint: &Endpoint| {
        let address: Option<IpAddr> = endpoint.host.as_ref()?.parse().ok();
        address.map(|address| address.is_ipv4())
    };
    let clash = |a: &Endpoint, b: &Endpoint| {
        a.port == b.port
            && a.port != 0
            && (family(a).is_none() || family(b).is_none() || family(a) == family(b))
    };
    endpoints.iter().enumerate().any(|(at, a)| endpoints[at + 1..].iter().any(|b| clash(a, b)))
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
    const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];

    /// Kafka's name, as in the protocol map and in a broker's znode.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    fn parse(name: &str) -> Option<SecurityProtocol> {
        SecurityProtocol::ALL.into_iter().find(|protocol| protocol.name() == name.to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "PLAINTEXT:PLAINTEXT, internal:plaintext ,OUT:SSL";

    fn check(text: &str, expected: Result<&str, &str>) {
        let map = parse_protocol_map(MAP).unwrap();
        let found = parse_listeners(text, &map);
        let found = found.map(|all| all.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(","));
        assert_eq!(found.map_err(|e| e.to_string()).as_deref().map_err(|e| e.as_str()), expected, "{text}");
    }

    #[test]
    fn reads_listeners() {
        check("PLAINTEXT://:9093", Ok("PLAINTEXT://:9093"));
        check(
            "plaintext://localhost:9092 , Internal://[::1]:9093",
            Ok("PLAINTEXT://localhost:9092,INTERNAL://[::1]:9093"),
        );
        check(
            "PLAINTEXT://127.0.0.1:9092,INTERNAL://[::1]:9092",
            Ok("PLAINTEXT://127.0.0.1:9092,INTERNAL://[::1]:9092"),
        );
        check("PLAINTEXT://:0,INTERNAL://:0", Ok("PLAINTEXT://:0,INTERNAL://:0"));
        check("", Ok(""));
    }

    #[test]
    fn says_what_is_wrong_with_listeners() {
        check("garbage", Err("Unable to parse garbage to a broker endpoint"));
        check("PLAINTEXT://h", Err("Unable to parse PLAINTEXT://h to a broker endpoint"));
        check("PLAINTEXT://:70000", Err("Unable to parse PLAINTEXT://:70000 to a broker endpoint"));
        check("PLAINTEXT://a b:1", Err("Unable to parse PLAINTEXT://a b:1 to a broker endpoint"));
        check("FOO://:1", Err("No security protocol defined for listener FOO"));
        check("PLAINTEXT://:1,PLAINTEXT://:2", Err("Each listener must have a different name"));
        let same_port =
            Err("Each listener must have a different port, but for one IPv4 and one IPv6 address");
        check("PLAINTEXT://:1,INTERNAL://:1", same_port);
        check("PLAINTEXT://127.0.0.1:1,INTERNAL://:1", same_port);
    }

    #[test]
    fn says_what_is_wrong_with_the_map() {
        let message = |text| parse_protocol_map(text).unwrap_err().to_string();
        assert_eq!(message("A"), "expected NAME:PROTOCOL, not A");
        let unknown = "Invalid security protocol `TLS` defined in listener.security.protocol.map";
        assert_eq!(message("A:TLS"), unknown);
    }
}
