//! Logging in by SASL.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// SASL mechanisms that clients may use.
    "sasl.enabled.mechanisms": List = "GSSAPI", Any, Medium [per_broker];
    /// SASL mechanism between brokers.
    "sasl.mechanism.inter.broker.protocol": String = "GSSAPI", Any, Medium [per_broker];
    /// SASL mechanism towards KRaft controllers.
    "sasl.mechanism.controller.protocol": String = "GSSAPI", Any, High;
    /// Login of a listener and mechanism, in the syntax of JAAS.
    "sasl.jaas.config": Password = null, Any, Medium [per_broker];
    /// Class that checks the credentials of clients.
    "sasl.server.callback.handler.class": Class = null, Any, Medium;
    /// Largest message during a login.
    "sasl.server.max.receive.size": Int = "524288", Any, Medium;
    /// Class that supplies the broker's own credentials.
    "sasl.client.callback.handler.class": Class = null, Any, Medium;
    /// Class that logs the broker in.
    "sasl.login.class": Class = null, Any, Medium;
    /// Class that supplies credentials to the login.
    "sasl.login.callback.handler.class": Class = null, Any, Medium;
    /// How long connecting to the identity provider may take.
    "sasl.login.connect.timeout.ms": Int = null, Any, Low;
    /// How long the identity provider may take to answer.
    "sasl.login.read.timeout.ms": Int = null, Any, Low;
    /// First wait before a failed login is tried again.
    "sasl.login.retry.backoff.ms": Long = "100", Any, Low;
    /// Longest wait before a failed login is tried again.
    "sasl.login.retry.backoff.max.ms": Long = "10000", Any, Low;
    /// Share of a credential's life after which it is renewed.
    "sasl.login.refresh.window.factor": Double = "0.8", Any, Medium [per_broker];
    /// Random part of that share.
    "sasl.login.refresh.window.jitter": Double = "0.05", Any, Medium [per_broker];
    /// Shortest time between two renewals.
    "sasl.login.refresh.min.period.seconds": Short = "60", Any, Medium [per_broker];
    /// Time before its end at which a credential should be new.
    "sasl.login.refresh.buffer.seconds": Short = "300", Any, Medium [per_broker];
    /// Kerberos name that brokers run under.
    "sasl.kerberos.service.name": String = null, Any, Medium [per_broker];
    /// Path of the kinit command.
    "sasl.kerberos.kinit.cmd": String = "/usr/bin/kinit", Any, Medium [per_broker];
    /// Shortest time between two Kerberos logins.
    "sasl.kerberos.min.time.before.relogin": Long = "60000", Any, Medium [per_broker];
    /// Share of a ticket's life after which it is renewed.
    "sasl.kerberos.ticket.renew.window.factor": Double = "0.8", Any, Medium [per_broker];
    /// Random part of that share.
    "sasl.kerberos.ticket.renew.jitter": Double = "0.05", Any, Medium [per_broker];
    /// Rules that make short names of Kerberos principals.
    "sasl.kerberos.principal.to.local.rules": List = "DEFAULT", Any, Medium [per_broker];
    /// Where the identity provider hands out tokens.
    "sasl.oauthbearer.token.endpoint.url": String = null, Any, Medium;
    /// Where the identity provider's public keys are.
    "sasl.oauthbearer.jwks.endpoint.url": String = null, Any, Medium;
    /// How often those keys are read again.
    "sasl.oauthbearer.jwks.endpoint.refresh.ms": Long = "3600000", Any, Low;
    /// First wait before reading them is tried again.
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms": Long = "100", Any, Low;
    /// Longest wait before reading them is tried again.
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms": Long = "10000", Any, Low;
    /// Audiences that a token may be made out to.
    "sasl.oauthbearer.expected.audience": List = null, Any, Low;
    /// Issuer that a token must come from.
    "sasl.oauthbearer.expected.issuer": String = null, Any, Low;
    /// How far the identity provider's clock may differ.
    "sasl.oauthbearer.clock.skew.seconds": Int = "30", Any, Low;
    /// Claim of a token that holds its scope.
    "sasl.oauthbearer.scope.claim.name": String = "scope", Any, Low;
    /// Claim of a token that holds its subject.
    "sasl.oauthbearer.sub.claim.name": String = "sub", Any, Low;
};
