//! Where a broker listens: `host:port`, and lists of them as `--bootstrap-server` takes.
//!
//! Never resolves a name; the connection does. An IPv6 host stands in brackets.

use std::fmt;
use std::str::FromStr;

use crate::error::ClientError;

/// A host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Without brackets, also for IPv6.
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads `host1:port1,host2:port2`; blanks around an element are ignored, and so are empty elements.
    pub fn list(given: &str) -> Result<Vec<Address>, ClientError> {
        let addresses: Vec<Address> = given
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        match addresses.is_empty() {
            true => Err(ClientError::BadAddress { given: given.to_owned() }),
            false => Ok(addresses),
        }
    }
}

impl FromStr for Address {
    type Err = ClientError;

    /// A security protocol in front (`PLAINTEXT://host:port`) is skipped, as Kafka's clients do.
    fn from_str(given: &str) -> Result<Address, ClientError> {
        let bad = || ClientError::BadAddress { given: given.to_owned() };
        let bare = given.split_once("://").map_or(given, |(_, rest)| rest);
        let (host, port) = bare.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(bad)?,
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        let port = port.parse().map_err(|_| bad())?;
        match host.is_empty() {
            true => Err(bad()),
            false => Ok(Address { host: host.to_owned(), port }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_prints_them_back() {
        let list = Address::list(" a:1, PLAINTEXT://b.example:9092,[::1]:3,").unwrap();
        let printed: Vec<String> = list.iter().map(Address::to_string).collect();
        assert_eq!(printed, ["a:1", "b.example:9092", "[::1]:3"]);
    }

    #[test]
    fn refuses_what_is_not_host_and_port() {
        for given in ["", ",", "a", "a:", ":9092", "a:70000", "::1:9092", "[::1:9092", "a:x"] {
            let error = Address::list(given).unwrap_err().to_string();
            assert!(error.contains("host:port"), "{given}: {error}");
        }
    }
}
