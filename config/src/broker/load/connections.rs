//! How many connections a broker and each of its listeners take. Source: `ConnectionQuotas`, `SocketServerConfigs` (3.9).

use crate::broker::reader::Reader;
use crate::broker::{ConnectionLimits, ListenerLimits, table};
use crate::define::Value;
use crate::listeners::{Endpoint, items};

const MAX: &str = "max.connections";
const RATE: &str = "max.connection.creation.rate";
const OVERRIDES: &str = "max.connections.per.ip.overrides";

pub(super) fn limits(reader: &mut Reader<'_>, listeners: &[Endpoint]) -> ConnectionLimits {
    let of_listener = |reader: &mut Reader<'_>, endpoint: &Endpoint| ListenerLimits {
        connections_max: own(reader, &endpoint.listener, MAX),
        creation_rate_max: own(reader, &endpoint.listener, RATE),
    };
    ConnectionLimits {
        connections_max: reader.int_at_least(MAX, 0),
        creation_rate_max: reader.int_at_least(RATE, 0),
        per_ip_max: reader.int_at_least("max.connections.per.ip", 0),
        per_ip_overrides: overrides(reader),
        listeners: listeners
            .iter()
            .map(|endpoint| (endpoint.listener.clone(), of_listener(reader, endpoint)))
            .collect(),
    }
}

/// A listener's own value of a setting, or else the broker's, as `valuesWithPrefixOverride` has it.
fn own(reader: &mut Reader<'_>, listener: &str, name: &str) -> u32 {
    let key = format!("listener.name.{}.{name}", listener.to_lowercase());
    let (Some(text), Some(setting)) = (reader.given().get(&key), table::setting(name)) else {
        return reader.int_at_least(name, 0);
    };
    match setting.parse(text) {
        Ok(Value::Integer(number)) => u32::try_from(number).unwrap_or_default(),
        Ok(_) => 0,
        Err(error) => {
            reader.refuse(&key, &error.allowed);
            0
        }
    }
}

/// `host:count` pairs. An address of IPv6 has colons of its own, so the last one counts.
fn overrides(reader: &mut Reader<'_>) -> Vec<(String, u32)> {
    let pair = |item: &str| {
        let (host, count) = item.rsplit_once(':')?;
        let (host, count) = (host.trim(), count.trim().parse().ok()?);
        (!host.is_empty()).then(|| (host.to_owned(), count))
    };
    let text = reader.text(OVERRIDES).unwrap_or_default();
    let pairs: Option<Vec<_>> = items(text).map(pair).collect();
    pairs.unwrap_or_else(|| {
        reader.refuse(OVERRIDES, "host:count pairs, separated by commas");
        Vec::new()
    })
}
