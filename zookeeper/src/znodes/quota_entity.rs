//! Whose quotas a znode below `/config` holds: a user, a client id, both together, an address, or the default of each.
//!
//! Owns the way from names to paths and back, in which names are sanitised; pure. Source: Kafka 3.9 `ConfigEntityZNode`,
//! `Sanitizer`, `ZkAdminManager.parseAndSanitizeQuotaEntity`.

use super::{ConfigChange, ZnodeError};
use crate::paths;

const USERS: &str = "users";
const CLIENTS: &str = "clients";
const IPS: &str = "ips";
/// The entity whose quotas hold for whoever has none of his own; no name sanitises to it.
const DEFAULT: &str = "<default>";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaEntity {
    User(QuotaName),
    Client(QuotaName),
    /// The connections of a user with one client id.
    UserClient {
        user: QuotaName,
        client: QuotaName,
    },
    Ip(QuotaName),
}

/// One name of an entity, as clients know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaName {
    Default,
    Named(String),
}

impl QuotaEntity {
    pub fn path(&self) -> String {
        let ConfigChange { entity_type, entity } = self.announcement();
        paths::config(&entity_type, &entity)
    }

    /// What tells all brokers that it changed.
    pub fn announcement(&self) -> ConfigChange {
        let (kind, entity) = match self {
            QuotaEntity::User(user) => (USERS, user.sanitised()),
            QuotaEntity::Client(client) => (CLIENTS, client.sanitised()),
            QuotaEntity::UserClient { user, client } => {
                (USERS, format!("{}/{CLIENTS}/{}", user.sanitised(), client.sanitised()))
            }
            QuotaEntity::Ip(ip) => (IPS, ip.sanitised()),
        };
        ConfigChange { entity_type: kind.to_owned(), entity }
    }

    /// The entity of an announcement, or of a path; none for other kinds and for names that nobody has sanitised.
    pub fn of(change: &ConfigChange) -> Option<QuotaEntity> {
        let name = |sanitised| QuotaName::of(sanitised).ok();
        let parts: Vec<&str> = change.entity.split('/').collect();
        match (change.entity_type.as_str(), &parts[..]) {
            (USERS, [user]) => name(user).map(QuotaEntity::User),
            (USERS, [user, CLIENTS, client]) => {
                Some(QuotaEntity::UserClient { user: name(user)?, client: name(client)? })
            }
            (CLIENTS, [client]) => name(client).map(QuotaEntity::Client),
            (IPS, [ip]) => name(ip).map(QuotaEntity::Ip),
            _ => None,
        }
    }
}

impl QuotaName {
    /// From the name of a znode.
    pub fn of(sanitised: &str) -> Result<QuotaName, ZnodeError> {
        match sanitised {
            DEFAULT => Ok(QuotaName::Default),
            _ => desanitise(sanitised).map(QuotaName::Named).ok_or_else(|| ZnodeError {
                path: sanitised.to_owned(),
                problem: "its name is not URL-encoded".to_owned(),
            }),
        }
    }

    /// The name of its znode.
    pub fn sanitised(&self) -> String {
        match self {
            QuotaName::Default => DEFAULT.to_owned(),
            QuotaName::Named(name) => sanitise(name),
        }
    }
}

/// Java's URL encoding, but that a space and a star are hexadecimal too.
fn sanitise(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Java's URL decoding: a plus is a space, and what is no UTF-8 becomes the replacement character. None after a % that does not
/// stand before two digits.
fn desanitise(name: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(name.len()), name.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => byte,
        });
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> QuotaName {
        QuotaName::Named(name.to_owned())
    }

    fn check(entity: &QuotaEntity, path: &str) {
        assert_eq!(entity.path(), path);
        assert_eq!(QuotaEntity::of(&entity.announcement()).as_ref(), Some(entity));
    }

    #[test]
    fn each_entity_has_its_path() {
        check(&QuotaEntity::User(named("bob")), "/config/users/bob");
        check(&QuotaEntity::User(QuotaName::Default), "/config/users/<default>");
        check(&QuotaEntity::Client(named("a.b-c_D9")), "/config/clients/a.b-c_D9");
        let both = QuotaEntity::UserClient { user: QuotaName::Default, client: named("<default>") };
        check(&both, "/config/users/<default>/clients/%3Cdefault%3E");
        check(&QuotaEntity::Ip(named("1.2.3.4")), "/config/ips/1.2.3.4");
    }

    #[test]
    fn names_are_sanitised_as_by_kafka() {
        let name = "CN=ä b,O=*+~%/";
        check(&QuotaEntity::User(named(name)), "/config/users/CN%3D%C3%A4%20b%2CO%3D%2A%2B%7E%25%2F");
        assert_eq!(QuotaName::of("a+b"), Ok(named("a b")));
        assert_eq!(QuotaName::of("%ff"), Ok(named("\u{fffd}")));
        for wrong in ["%", "a%4", "%zz"] {
            assert!(QuotaName::of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_entities_are_none() {
        for (kind, entity) in [("topics", "t"), ("users", "u/clients"), ("users", "u/ips/c"), ("ips", "a/b")]
        {
            let change = ConfigChange { entity_type: kind.to_owned(), entity: entity.to_owned() };
            assert_eq!(QuotaEntity::of(&change), None, "{kind}/{entity}");
        }
    }
}
