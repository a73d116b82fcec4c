//! `/brokers/ids/N`: a broker that is alive, and how to reach it.
//!
//! Owns the layout: writes version 5, reads 1 and up. The top-level host and port are for clients that know only PLAINTEXT.
//! Source: Kafka 3.9 `BrokerIdZNode`.

use bytes::Bytes;
use protocol::Millis;
use serde_json::Value;

use super::ZnodeError;
use super::json::{Fields, Object, list, quoted};
use super::key_order::scala_immutable;

/// What a broker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// The advertised listeners in the order of the configuration.
    pub endpoints: Vec<Endpoint>,
    pub rack: Option<String>,
    /// -1 where JMX is off.
    pub jmx_port: i32,
    /// When it was written; nobody reads it.
    pub timestamp: Millis,
}

/// An address under the name of its listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: String,
    pub host: String,
    pub port: u16,
    /// `PLAINTEXT`, `SSL`, …
    pub security_protocol: String,
}

impl BrokerRegistration {
    /// Version 5.
    pub fn encode(&self) -> Bytes {
        let plaintext = self.endpoints.iter().find(|endpoint| endpoint.security_protocol == "PLAINTEXT");
        let mut object = Object::new()
            .raw("features", "{}")
            .raw("listener_security_protocol_map", self.protocol_map())
            .raw("endpoints", list(self.endpoints.iter().map(|endpoint| quoted(&endpoint.connection()))));
        if let Some(rack) = &self.rack {
            object = object.string("rack", rack);
        }
        object
            .raw("jmx_port", self.jmx_port)
            .raw("port", plaintext.map_or(-1, |endpoint| i32::from(endpoint.port)))
            .raw("host", plaintext.map_or("null".to_owned(), |endpoint| quoted(&endpoint.host)))
            .raw("version", 5)
            .string("timestamp", &self.timestamp.to_string())
            .into_bytes()
    }

    fn protocol_map(&self) -> String {
        let endpoints = scala_immutable(self.endpoints.iter().collect(), |endpoint| &endpoint.listener);
        let fill = |object: Object, endpoint: &Endpoint| {
            object.string(&endpoint.listener, &endpoint.security_protocol)
        };
        endpoints.into_iter().fold(Object::new(), fill).finish()
    }

    /// Any version from 1 on; version 1 has one plaintext address. A listener without an entry in the map is named after its
    /// security protocol.
    pub fn decode(path: &str, data: &[u8]) -> Result<BrokerRegistration, ZnodeError> {
        let fields = Fields::parse(path, data)?;
        let endpoints = match fields.int("version")? {
            version if version < 1 => {
                return Err(fields.error(format!("version {version} is none of a registration")));
            }
            1 => vec![Endpoint {
                listener: "PLAINTEXT".to_owned(),
                host: fields.string("host")?.to_owned(),
                port: port(&fields, fields.int("port")?)?,
                security_protocol: "PLAINTEXT".to_owned(),
            }],
            _ => fields
                .strings("endpoints")?
                .into_iter()
                .map(|text| endpoint(&fields, text))
                .collect::<Result<_, _>>()?,
        };
        let timestamp = fields.get("timestamp").and_then(Value::as_str).and_then(|text| text.parse().ok());
        Ok(BrokerRegistration {
            endpoints,
            rack: fields.get("rack").and_then(Value::as_str).map(str::to_owned),
            // Kafka's readers insist on it.
            jmx_port: fields.int("jmx_port")?,
            timestamp: timestamp.map_or(Millis::NONE, Millis),
        })
    }
}

impl Endpoint {
    /// `NAME://host:port`, an IPv6 address in brackets.
    pub fn connection(&self) -> String {
        match self.host.contains(':') {
            true => format!("{}://[{}]:{}", self.listener, self.host, self.port),
            false => format!("{}://{}:{}", self.listener, self.host, self.port),
        }
    }
}

fn endpoint(fields: &Fields<'_>, text: &str) -> Result<Endpoint, ZnodeError> {
    let wrong = || fields.error(format!("the endpoint {text} is not NAME://host:port"));
    let (listener, address) = text.split_once("://").ok_or_else(wrong)?;
    let (host, digits) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let protocol = fields.object("listener_security_protocol_map")?.and_then(|map| map.get(listener));
    Ok(Endpoint {
        listener: listener.to_owned(),
        host: host.to_owned(),
        port: port(fields, digits.parse().map_err(|_| wrong())?)?,
        // Without the map, which came with version 4, listeners are named after their protocols.
        security_protocol: protocol.and_then(Value::as_str).unwrap_or(listener).to_owned(),
    })
}

fn port(fields: &Fields<'_>, port: i32) -> Result<u16, ZnodeError> {
    u16::try_from(port).map_err(|_| fields.error(format!("{port} is no port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(listener: &str, port: u16, protocol: &str) -> Endpoint {
        Endpoint {
            listener: listener.into(),
            host: "127.0.0.1".into(),
            port,
            security_protocol: protocol.into(),
        }
    }

    /// What a 3.9.1 broker wrote is what we write, and reads back as the same.
    fn check(registration: BrokerRegistration, live: &str) {
        assert_eq!(registration.encode(), live);
        assert_eq!(BrokerRegistration::decode("/brokers/ids/1", live.as_bytes()), Ok(registration));
    }

    #[test]
    fn one_listener_and_a_rack() {
        check(
            BrokerRegistration {
                endpoints: vec![endpoint("PLAINTEXT", 13001, "PLAINTEXT")],
                rack: Some("r1".into()),
                jmx_port: -1,
                timestamp: Millis(1795247164145),
            },
            r#"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:13001"],"rack":"r1","jmx_port":-1,"port":13001,"host":"127.0.0.1","version":5,"timestamp":"1795247164145"}"#,
        );
    }

    #[test]
    fn several_listeners() {
        check(
            BrokerRegistration {
                endpoints: vec![
                    endpoint("INTERNAL", 13004, "PLAINTEXT"),
                    endpoint("CLIENT", 13014, "SASL_PLAINTEXT"),
                ],
                rack: None,
                jmx_port: -1,
                timestamp: Millis(1795248534667),
            },
            r#"{"features":{},"listener_security_protocol_map":{"INTERNAL":"PLAINTEXT","CLIENT":"SASL_PLAINTEXT"},"endpoints":["INTERNAL://127.0.0.1:13004","CLIENT://127.0.0.1:13014"],"jmx_port":-1,"port":13004,"host":"127.0.0.1","version":5,"timestamp":"1795248534667"}"#,
        );
    }

    #[test]
    fn more_than_four_listeners_are_in_scalas_order() {
        let names =
            [("A", 21301), ("B", 21302), ("C", 21303), ("D", 21304), ("E", 21305), ("PLAINTEXT", 21306)];
        check(
            BrokerRegistration {
                endpoints: names.map(|(name, port)| endpoint(name, port, "PLAINTEXT")).into(),
                rack: Some("r1".into()),
                jmx_port: -1,
                timestamp: Millis(1795267622455),
            },
            r#"{"features":{},"listener_security_protocol_map":{"E":"PLAINTEXT","A":"PLAINTEXT","B":"PLAINTEXT","C":"PLAINTEXT","PLAINTEXT":"PLAINTEXT","D":"PLAINTEXT"},"endpoints":["A://127.0.0.1:21301","B://127.0.0.1:21302","C://127.0.0.1:21303","D://127.0.0.1:21304","E://127.0.0.1:21305","PLAINTEXT://127.0.0.1:21306"],"rack":"r1","jmx_port":-1,"port":21301,"host":"127.0.0.1","version":5,"timestamp":"1795267622455"}"#,
        );
    }

    #[test]
    fn without_plaintext_the_old_keys_name_nobody() {
        let registration = BrokerRegistration {
            endpoints: vec![endpoint("SSL", 9093, "SSL")],
            rack: None,
            jmx_port: 9999,
            timestamp: Millis(1),
        };
        let text = String::from_utf8(registration.encode().into()).unwrap();
        assert!(text.contains(r#""jmx_port":9999,"port":-1,"host":null,"#), "{text}");
    }

    #[test]
    fn old_versions_are_read() {
        let v1 = br#"{"version":1,"host":"h","port":9092,"jmx_port":-1,"timestamp":"2233345666"}"#;
        let registration = BrokerRegistration::decode("/brokers/ids/1", v1).unwrap();
        assert_eq!(registration.endpoints[0].connection(), "PLAINTEXT://h:9092");
        let v2 = br#"{"version":2,"host":"h","port":9092,"jmx_port":-1,"endpoints":["SSL://[::1]:9093"], "extra":[]}"#;
        let endpoint = BrokerRegistration::decode("/brokers/ids/1", v2).unwrap().endpoints.remove(0);
        assert_eq!((endpoint.security_protocol.as_str(), endpoint.host.as_str()), ("SSL", "::1"));
    }

    #[test]
    fn garbage_is_named() {
        for (data, problem) in [
            ("", "empty"),
            ("x", "no JSON"),
            ("[]", "no JSON object"),
            (r#"{"version":0}"#, "version 0"),
            (r#"{"version":5,"endpoints":"x","jmx_port":-1}"#, "endpoints should be a list of strings"),
            (r#"{"version":5,"endpoints":["x"],"jmx_port":-1}"#, "NAME://host:port"),
            (r#"{"version":5,"endpoints":["A://h:70000"],"jmx_port":-1}"#, "70000 is no port"),
            (r#"{"version":5,"endpoints":[]}"#, "jmx_port is missing"),
        ] {
            let error =
                BrokerRegistration::decode("/brokers/ids/9", data.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("/brokers/ids/9"), "{error}");
        }
    }
}
