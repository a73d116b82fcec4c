//! Versions of the protocol between brokers (Kafka's `MetadataVersion`), of which this broker speaks 2.8
//! to 3.9. A mixed cluster names one in `inter.broker.protocol.version`.

/// A version by its place in Kafka's list; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion(usize);
