//! `zookeeper.connect`: `host:port,host:port/chroot`.
//!
//! Owns its syntax; resolves and connects nothing. Read once at start by `session`; the message names what is wrong with it.
//! Source: ZooKeeper 3.8 `ConnectStringParser.java`.

use std::fmt;

use thiserror::Error;

const DEFAULT_PORT: u16 = 2181;

/// Which servers there are, and below which node Kafka's tree begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectString {
    /// At least one.
    pub servers: Vec<Server>,
    /// Starts with a slash and does not end with one; `None` for the root.
    pub chroot: Option<String>,
}

/// One server of the ensemble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
}

/// Why a text is no `zookeeper.connect`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is no list of ZooKeeper servers (host:port,host:port/chroot): {problem}")]
pub struct ConnectStringError {
    text: String,
    problem: &'static str,
}

impl ConnectString {
    /// Reads the setting; a server without port has 2181.
    pub fn parse(text: &str) -> Result<ConnectString, ConnectStringError> {
        let failed = |problem| ConnectStringError { text: text.to_owned(), problem };
        let (servers, chroot) = match text.find('/') {
            Some(slash) => (&text[..slash], &text[slash..]),
            None => (text, ""),
        };
        let chroot = match chroot {
            "" | "/" => None,
            path => Some(valid_path(path).map_err(failed)?),
        };
        let servers: Vec<_> = servers
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty())
            .map(Server::parse)
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        if servers.is_empty() {
            return Err(failed("it names no server"));
        }
        Ok(ConnectString { servers, chroot })
    }

    /// The same servers without the chroot.
    pub fn at_root(&self) -> ConnectString {
        ConnectString { servers: self.servers.clone(), chroot: None }
    }
}

impl Server {
    fn parse(text: &str) -> Result<Server, &'static str> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
                (host, rest.strip_prefix(':'))
            }
            None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err("a host is missing");
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err("a port is not a number from 1 to 65535"),
                Ok(port) => port,
            },
        };
        Ok(Server { host: host.to_owned(), port })
    }
}

fn valid_path(path: &str) -> Result<String, &'static str> {
    if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("the chroot has an empty or relative part");
    }
    Ok(path.to_owned())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.servers.iter().enumerate() {
            write!(f, "{}{server}", if at == 0 { "" } else { "," })?;
        }
        f.write_str(self.chroot.as_deref().unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, printed: &str) {
        assert_eq!(ConnectString::parse(text).unwrap().to_string(), printed, "{text}");
    }

    #[test]
    fn hosts_ports_and_chroot() {
        check("localhost", "localhost:2181");
        check("a:1,b:2 , c", "a:1,b:2,c:2181");
        check("a:1,b:2/kafka/deep", "a:1,b:2/kafka/deep");
        check("a:1/", "a:1");
        check("[::1]:5,[::1]", "[::1]:5,[::1]:2181");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, problem) in [
            ("", "no server"),
            ("/kafka", "no server"),
            ("a:0", "port"),
            ("a:x", "port"),
            (":2181", "host"),
            ("[::1:5", "bracket"),
            ("a:1/x//y", "chroot"),
            ("a:1/x/", "chroot"),
        ] {
            let error = ConnectString::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(text), "{error}");
        }
    }
}
