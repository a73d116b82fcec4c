//! Where the broker listens, what it tells others, and where ZooKeeper is.

use crate::broker::reader::Reader;
use crate::error::Rule;
use crate::listeners::{self, Endpoint, ListenerError, SecurityProtocol};

/// The listeners of a broker and the one that other brokers use.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) listeners: Vec<Endpoint>,
    pub(super) advertised: Vec<Endpoint>,
    pub(super) inter_broker: String,
}

pub(super) fn listeners(reader: &mut Reader<'_>) -> Addresses {
    let map_name = "listener.security.protocol.map";
    let map = listeners::parse_protocol_map(reader.text(map_name).unwrap_or_default());
    let Some(map) = accept(reader, (map_name, Rule::Plain), map) else { return Addresses::default() };
    let listening = listeners::parse_listeners(reader.text("listeners").unwrap_or_default(), &map);
    let Some(listening) = accept(reader, ("listeners", Rule::Listeners), listening) else {
        return Addresses::default();
    };
    let advertised = match reader.text("advertised.listeners") {
        None => Ok(listening.clone()),
        Some(text) => listeners::parse_advertised(text, &map),
    };
    let Some(advertised) = accept(reader, ("advertised.listeners", Rule::Listeners), advertised) else {
        return Addresses::default();
    };
    let inter_broker = inter_broker(reader);
    let addresses = Addresses { listeners: listening, advertised, inter_broker };
    check(reader, &addresses);
    addresses
}

fn accept<T>(
    reader: &mut Reader<'_>,
    (name, rule): (&str, Rule),
    parsed: Result<T, ListenerError>,
) -> Option<T> {
    parsed.map_err(|error| reader.fail(rule, name, &error.to_string())).ok()
}

/// The listener of that name, or else the one that is named after the protocol between brokers.
fn inter_broker(reader: &mut Reader<'_>) -> String {
    let protocol = "security.inter.broker.protocol";
    match reader.text("inter.broker.listener.name").map(str::to_uppercase) {
        Some(name) => {
            if reader.is_given(protocol) {
                reader.refuse(protocol, "only one of inter.broker.listener.name and this should be set");
            }
            name
        }
        None => reader.text(protocol).unwrap_or_default().to_owned(),
    }
}

fn check(reader: &mut Reader<'_>, addresses: &Addresses) {
    let named = |endpoints: &[Endpoint], name: &str| endpoints.iter().any(|e| e.listener == name);
    if addresses.listeners.is_empty() {
        reader.fail(Rule::Sentence, "listeners", "There must be at least one broker advertised listener.");
    }
    if !named(&addresses.advertised, &addresses.inter_broker) {
        let names: Vec<&str> = addresses.advertised.iter().map(|e| e.listener.as_str()).collect();
        let allowed = format!(
            "must be a listener name defined in advertised.listeners. The valid options based on currently \
             configured listeners are {}",
            names.join(",")
        );
        reader.require_failed("inter.broker.listener.name", &allowed);
    }
    let listening = addresses.advertised.iter().all(|e| named(&addresses.listeners, &e.listener));
    let allowed = "listener names must be equal to or a subset of the ones defined in listeners";
    reader.require(listening, "advertised.listeners", allowed);
    if addresses.advertised.iter().any(|endpoint| endpoint.host.as_deref() == Some("0.0.0.0")) {
        let allowed = match reader.is_given("advertised.listeners") {
            true => "cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
            false => "must be set to an address that clients can reach, where listeners has 0.0.0.0",
        };
        reader.require_failed("advertised.listeners", allowed);
    }
    secured(reader, &addresses.listeners);
}

fn secured(reader: &mut Reader<'_>, endpoints: &[Endpoint]) {
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.protocol != SecurityProtocol::Plaintext) {
        let (listener, protocol) = (&endpoint.listener, endpoint.protocol.name());
        let allowed = format!("only PLAINTEXT is served yet, and listener {listener} speaks {protocol}");
        reader.refuse("listeners", &allowed);
    }
}

/// The servers with their ports, and the chroot (ZooKeeper's `ConnectStringParser`).
pub(super) fn zookeeper(reader: &mut Reader<'_>) -> (Vec<String>, String) {
    let name = "zookeeper.connect";
    let text = reader.text(name).unwrap_or_default();
    let (hosts, chroot) = text.split_at(text.find('/').unwrap_or(text.len()));
    let chroot = if chroot == "/" { "" } else { chroot };
    let servers: Option<Vec<String>> = listeners::items(hosts).map(server).collect();
    let servers = servers.unwrap_or_default();
    let chroot = chroot.to_owned();
    if servers.is_empty() {
        reader.refuse(name, "host:port of each ZooKeeper server, separated by commas; it has no default");
    }
    if !chroot.is_empty() && !path(&chroot) {
        reader
            .refuse(name, "a chroot is an absolute path without empty parts and without a slash at its end");
    }
    (servers, chroot)
}

fn server(item: &str) -> Option<String> {
    let bare_ipv6 = item.ends_with(']') || (item.matches(':').count() > 1 && !item.starts_with('['));
    match item.rsplit_once(':') {
        Some((host, port)) if !bare_ipv6 => {
            let valid = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0);
            valid.then(|| item.to_owned())
        }
        _ if item.starts_with('[') || !bare_ipv6 => Some(format!("{item}:2181")),
        _ => Some(format!("[{item}]:2181")),
    }
}

fn path(chroot: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    chroot.split('/').skip(1).all(part)
}
