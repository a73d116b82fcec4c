//! TLS.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// TLS version that is proposed.
    "ssl.protocol": String = "TLSv1.3", Any, Medium [per_broker];
    /// TLS versions that are allowed.
    "ssl.enabled.protocols": List = "TLSv1.2,TLSv1.3", Any, Medium [per_broker];
    /// Cipher suites that are allowed; empty allows all.
    "ssl.cipher.suites": List = "", Any, Medium [per_broker];
    /// Whether clients must show a certificate: required, requested or none.
    "ssl.client.auth": String = "none", OneOf(&["required", "requested", "none"]), Medium [per_broker];
    /// Whether a server's certificate must name its host.
    "ssl.endpoint.identification.algorithm": String = "https", Any, Low [per_broker];
    /// File with the certificate and key of the broker.
    "ssl.keystore.location": String = null, Any, Medium [per_broker];
    /// Password of the key store.
    "ssl.keystore.password": Password = null, Any, Medium [per_broker];
    /// Format of the key store: JKS, PKCS12 or PEM.
    "ssl.keystore.type": String = "JKS", Any, Medium [per_broker];
    /// The private key itself, as PEM.
    "ssl.keystore.key": Password = null, Any, Medium [per_broker];
    /// The certificates themselves, as PEM.
    "ssl.keystore.certificate.chain": Password = null, Any, Medium [per_broker];
    /// Password of the private key.
    "ssl.key.password": Password = null, Any, Medium [per_broker];
    /// File with the authorities that are trusted.
    "ssl.truststore.location": String = null, Any, Medium [per_broker];
    /// Password of the trust store.
    "ssl.truststore.password": Password = null, Any, Medium [per_broker];
    /// Format of the trust store: JKS, PKCS12 or PEM.
    "ssl.truststore.type": String = "JKS", Any, Medium [per_broker];
    /// The trusted certificates themselves, as PEM.
    "ssl.truststore.certificates": Password = null, Any, Medium [per_broker];
    /// Rules that make short names of certificate subjects.
    "ssl.principal.mapping.rules": String = "DEFAULT", Any, Low;
    /// Lets a certificate be replaced by one with another subject while running.
    "ssl.allow.dn.changes": Boolean = "false", Any, Low;
    /// Lets a certificate be replaced by one with other alternative names while running.
    "ssl.allow.san.changes": Boolean = "false", Any, Low;
    /// Class that makes TLS engines.
    "ssl.engine.factory.class": Class = null, Any, Low [per_broker];
    /// Java security provider for TLS.
    "ssl.provider": String = null, Any, Medium [per_broker];
    /// Java algorithm that chooses keys.
    "ssl.keymanager.algorithm": String = "SunX509", Any, Medium [per_broker];
    /// Java algorithm that checks certificates.
    "ssl.trustmanager.algorithm": String = "PKIX", Any, Medium [per_broker];
    /// Java source of random numbers for TLS.
    "ssl.secure.random.implementation": String = null, Any, Low [per_broker];
};
