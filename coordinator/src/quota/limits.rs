//! Which limit counts for a client: the first of eight places that has one. Allocates nothing in a look-up.
//! Source: ClientQuotaManager.DefaultQuotaCallback (3.9), KIP-55.

use std::collections::BTreeMap;

use super::Client;

/// What a limit can be set for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    User(Name),
    Client(Name),
    UserClient { user: Name, client: Name },
}

/// A user's or client's name, not encoded for a znode, or all that have no limit of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Default,
    Named(String),
}

/// Who shares a limit's meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// One user's connections with one client id.
    UserClient,
    /// All connections of a user.
    User,
    /// All connections with a client id, whoever they are of.
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    pub(super) scope: Scope,
    pub(super) per_second: f64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    users: BTreeMap<String, UserLimits>,
    default_user: UserLimits,
    clients: ClientLimits,
}

#[derive(Debug, Clone, Default)]
struct UserLimits {
    own: Option<f64>,
    clients: ClientLimits,
}

#[derive(Debug, Clone, Default)]
struct ClientLimits {
    named: BTreeMap<String, f64>,
    default: Option<f64>,
}

impl Limits {
    pub(super) fn set(&mut self, entity: &Entity, per_second: Option<f64>) {
        match entity {
            Entity::Client(client) => self.clients.set(client, per_second),
            Entity::User(user) => self.user(user).own = per_second,
            Entity::UserClient { user, client } => self.user(user).clients.set(client, per_second),
        }
        self.users.retain(|_, limits| !limits.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.default_user.is_empty() && self.clients.is_empty()
    }

    pub(super) fn find(&self, client: Client<'_>) -> Option<Limit> {
        let own = self.users.get(client.user).and_then(|limits| limits.find(client.id));
        own.or_else(|| self.default_user.find(client.id)).or_else(|| {
            self.clients.find(client.id).map(|per_second| Limit { scope: Scope::Client, per_second })
        })
    }

    fn user(&mut self, name: &Name) -> &mut UserLimits {
        match name {
            Name::Default => &mut self.default_user,
            Name::Named(name) => self.users.entry(name.clone()).or_default(),
        }
    }
}

impl UserLimits {
    fn is_empty(&self) -> bool {
        self.own.is_none() && self.clients.is_empty()
    }

    fn find(&self, client: &str) -> Option<Limit> {
        let pair = self.clients.find(client).map(|per_second| Limit { scope: Scope::UserClient, per_second });
        pair.or_else(|| self.own.map(|per_second| Limit { scope: Scope::User, per_second }))
    }
}

impl ClientLimits {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.default.is_none()
    }

    fn set(&mut self, client: &Name, per_second: Option<f64>) {
        match (client, per_second) {
            (Name::Default, _) => self.default = per_second,
            (Name::Named(name), Some(per_second)) => drop(self.named.insert(name.clone(), per_second)),
            (Name::Named(name), None) => drop(self.named.remove(name)),
        }
    }

    /// A client without an id has the limits of its user alone.
    fn find(&self, client: &str) -> Option<f64> {
        if client.is_empty() {
            return None;
        }
        self.named.get(client).copied().or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Name {
        Name::Named(name.to_owned())
    }

    fn found(limits: &Limits, user: &str, id: &str) -> Option<(Scope, f64)> {
        limits.find(Client { user, id }).map(|limit| (limit.scope, limit.per_second))
    }

    /// The eight places, the most particular first.
    fn places() -> [(Entity, Scope); 8] {
        let pair = |user, client| Entity::UserClient { user, client };
        [
            (pair(named("u"), named("c")), Scope::UserClient),
            (pair(named("u"), Name::Default), Scope::UserClient),
            (Entity::User(named("u")), Scope::User),
            (pair(Name::Default, named("c")), Scope::UserClient),
            (pair(Name::Default, Name::Default), Scope::UserClient),
            (Entity::User(Name::Default), Scope::User),
            (Entity::Client(named("c")), Scope::Client),
            (Entity::Client(Name::Default), Scope::Client),
        ]
    }

    #[test]
    fn the_first_place_with_a_limit_counts() {
        let mut limits = Limits::default();
        for (number, (entity, scope)) in places().into_iter().enumerate().rev() {
            limits.set(&entity, Some(number as f64));
            assert_eq!(found(&limits, "u", "c"), Some((scope, number as f64)), "{entity:?}");
        }
        assert_eq!(found(&limits, "u", "other"), Some((Scope::UserClient, 1.0)));
        assert_eq!(found(&limits, "other", "c"), Some((Scope::UserClient, 3.0)));
        assert_eq!(found(&limits, "other", "other"), Some((Scope::UserClient, 4.0)));
        for (number, (entity, _)) in places().into_iter().enumerate() {
            assert_eq!(found(&limits, "u", "c").map(|limit| limit.1), Some(number as f64));
            limits.set(&entity, None);
        }
        assert_eq!(found(&limits, "u", "c"), None);
        assert!(limits.is_empty());
    }

    #[test]
    fn a_client_without_an_id_has_the_limits_of_its_user_alone() {
        let mut limits = Limits::default();
        for (entity, scope) in places() {
            limits.set(&entity, (scope != Scope::User).then_some(5.0));
        }
        assert_eq!(found(&limits, "u", ""), None);
        limits.set(&Entity::User(Name::Default), Some(6.0));
        assert_eq!(found(&limits, "u", ""), Some((Scope::User, 6.0)));
        limits.set(&Entity::User(named("u")), Some(7.0));
        assert_eq!(found(&limits, "u", ""), Some((Scope::User, 7.0)));
    }

    #[test]
    fn others_are_not_limited() {
        let mut limits = Limits::default();
        limits.set(&Entity::Client(named("c")), Some(1.0));
        limits.set(&Entity::User(named("u")), Some(2.0));
        assert_eq!(found(&limits, "other", "other"), None);
        assert_eq!(found(&limits, "other", "c"), Some((Scope::Client, 1.0)));
        assert_eq!(found(&limits, "u", "other"), Some((Scope::User, 2.0)));
    }
}
