//! Who may do what, and how passwords are kept.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Class that decides who may do what.
    "authorizer.class.name": String = "", Any, Low
        refused "no authorizer is served yet, so every client could do everything; leave it out";
    /// Class that gives a client its name.
    "principal.builder.class": Class =
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", Any, Medium [per_broker]
        refused "Java classes cannot be loaded, so clients would get other names than it gives them; leave it out";
    /// Class that sets the quotas of clients.
    "client.quota.callback.class": Class = null, Any, Low
        refused "Java classes cannot be loaded, so quotas would be other than it sets; leave it out";
    /// Java security providers to load.
    "security.providers": String = null, Any, Low;
    /// Key that signs delegation tokens; the same on every broker.
    "delegation.token.secret.key": Password = null, Any, Medium;
    /// Old name of delegation.token.secret.key.
    "delegation.token.master.key": Password = null, Any, Medium;
    /// How long a delegation token is good before it is renewed.
    "delegation.token.expiry.time.ms": Long = "86400000", AtLeast(1), Medium;
    /// How long a delegation token can be renewed at all.
    "delegation.token.max.lifetime.ms": Long = "604800000", AtLeast(1), Medium;
    /// How often old delegation tokens are looked for.
    "delegation.token.expiry.check.interval.ms": Long = "3600000", AtLeast(1), Low;
    /// Secret that passwords in ZooKeeper are encrypted with.
    "password.encoder.secret": Password = null, Any, Medium;
    /// The secret before, while it is being changed.
    "password.encoder.old.secret": Password = null, Any, Medium;
    /// Cipher that passwords in ZooKeeper are encrypted with.
    "password.encoder.cipher.algorithm": String = "AES/CBC/PKCS5Padding", Any, Low;
    /// How the cipher's key is made from the secret.
    "password.encoder.keyfactory.algorithm": String = null, Any, Low;
    /// Bits of the cipher's key.
    "password.encoder.key.length": Int = "128", AtLeast(8), Low;
    /// Rounds that make the cipher's key from the secret.
    "password.encoder.iterations": Int = "4096", AtLeast(1024), Low;
};
