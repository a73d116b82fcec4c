//! The records of `__consumer_offsets`: committed offsets and the metadata of classic groups.
//!
//! A value that is missing (a tombstone) removes what its key names. Every version that Kafka 3.9 reads is read, and
//! each can be written byte for byte. Source: GroupMetadataManager; OffsetCommit*.json, GroupMetadata*.json.

use protocol::bytes::Bytes;
use protocol::{LeaderEpoch, Millis, Offset};

use crate::record_bytes::{Form, Reader, RecordError, Writer};

/// The version in which committed offsets are written.
pub const OFFSET_COMMIT_VERSION: i16 = 3;
/// The version in which group metadata is written.
pub const GROUP_METADATA_VERSION: i16 = 3;

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    OffsetCommit {
        group: String,
        topic: String,
        partition: i32,
    },
    Group(String),
    /// A kind of record that a broker in ZooKeeper mode skips, such as those of KIP-848.
    Other(i16),
}

const OLD_OFFSET_COMMIT_KEY: i16 = 0;
const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;

impl Key {
    /// Reads a key of `__consumer_offsets`.
    pub fn decode(bytes: &[u8]) -> Result<Key, RecordError> {
        let mut reader = Reader::new(bytes);
        Ok(match reader.i16("key version")? {
            OLD_OFFSET_COMMIT_KEY | OFFSET_COMMIT_KEY => Key::OffsetCommit {
                group: reader.text("group")?,
                topic: reader.text("topic")?,
                partition: reader.i32("partition")?,
            },
            GROUP_KEY => Key::Group(reader.text("group")?),
            other => Key::Other(other),
        })
    }

    /// The bytes of a key; of one that is not ours there is only the number.
    pub fn encode(&self) -> Vec<u8> {
        let begin = |version| Writer::new(version, Form::Fixed);
        let mut writer;
        match self {
            Key::OffsetCommit { group, topic, partition } => {
                writer = begin(OFFSET_COMMIT_KEY);
                writer.text(group);
                writer.text(topic);
                writer.i32(*partition);
            }
            Key::Group(group) => {
                writer = begin(GROUP_KEY);
                writer.text(group);
            }
            Key::Other(version) => writer = begin(*version),
        }
        writer.finish()
    }
}

/// How far a group has read a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    pub offset: Offset,
    /// Of the last record read, −1 if not told; since version 3.
    pub leader_epoch: LeaderEpoch,
    /// What the client wanted to be kept with it.
    pub metadata: String,
    pub committed_at: Millis,
    /// When it is to be forgotten, −1 if by the broker's rules; in version 1 alone.
    pub expires_at: Millis,
}

const OFFSET_COMMIT_HIGHEST: i16 = 4;
const FLEXIBLE: i16 = 4;

impl OffsetCommit {
    /// Reads the value of an offset's key; an error where it is cut short or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<OffsetCommit, RecordError> {
        let mut reader = Reader::new(bytes);
        let version = known(reader.i16("value version")?, OFFSET_COMMIT_HIGHEST, "an offset commit")?;
        reader.form = Form::of(version, FLEXIBLE);
        Ok(OffsetCommit {
            offset: Offset(reader.i64("offset")?),
            leader_epoch: LeaderEpoch(if version >= 3 { reader.i32("leader epoch")? } else { -1 }),
            metadata: reader.text("metadata")?,
            committed_at: Millis(reader.i64("commit timestamp")?),
            expires_at: Millis(if version == 1 { reader.i64("expire timestamp")? } else { -1 }),
        })
    }

    /// The bytes of `version`, 0 to 4; what it has no field for is left out.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::new(version, Form::of(version, FLEXIBLE));
        writer.i64(self.offset.0);
        if version >= 3 {
            writer.i32(self.leader_epoch.0);
        }
        writer.text(&self.metadata);
        writer.i64(self.committed_at.0);
        if version == 1 {
            writer.i64(self.expires_at.0);
        }
        writer.tags();
        writer.finish()
    }
}

/// A classic group between two rebalances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `consumer`, `connect`, or empty for a group that only keeps offsets.
    pub protocol_type: String,
    pub generation: i32,
    /// None while the group has no members.
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// Since when the group is as it is, −1 if not told; since version 2.
    pub state_since: Millis,
    pub members: Vec<Member>,
}

/// A member of a group, with the one protocol that the group chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    /// Of a static member; since version 3.
    pub instance_id: Option<String>,
    pub client_id: String,
    /// As Java prints an address: with a slash before it.
    pub client_host: String,
    /// Version 0 has none: the session's time-out is meant.
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

const GROUP_METADATA_HIGHEST: i16 = 4;

impl GroupMetadata {
    /// Reads the value of a group's key; an error where it is cut short or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<GroupMetadata, RecordError> {
        let mut reader = Reader::new(bytes);
        let version = known(reader.i16("value version")?, GROUP_METADATA_HIGHEST, "group metadata")?;
        reader.form = Form::of(version, FLEXIBLE);
        Ok(GroupMetadata {
            protocol_type: reader.text("protocol type")?,
            generation: reader.i32("generation")?,
            protocol: reader.nullable_text("protocol")?,
            leader: reader.nullable_text("leader")?,
            state_since: Millis(if version >= 2 { reader.i64("state timestamp")? } else { -1 }),
            members: reader.array("members", |reader| Member::decode(reader, version))?,
        })
    }

    /// The bytes of `version`, 0 to 4; what it has no field for is left out.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::new(version, Form::of(version, FLEXIBLE));
        writer.text(&self.protocol_type);
        writer.i32(self.generation);
        writer.nullable_text(self.protocol.as_deref());
        writer.nullable_text(self.leader.as_deref());
        if version >= 2 {
            writer.i64(self.state_since.0);
        }
        writer.array(&self.members, |writer, member| member.encode(writer, version));
        writer.tags();
        writer.finish()
    }
}

impl Member {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Member, RecordError> {
        let id = reader.text("member id")?;
        let instance_id = if version >= 3 { reader.nullable_text("instance id")? } else { None };
        let client_id = reader.text("client id")?;
        let client_host = reader.text("client host")?;
        let rebalance_timeout_ms = if version >= 1 { Some(reader.i32("rebalance timeout")?) } else { None };
        let session_timeout_ms = reader.i32("session timeout")?;
        let member = Member {
            id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription: reader.bytes("subscription")?,
            assignment: reader.bytes("assignment")?,
        };
        reader.tags()?;
        Ok(member)
    }

    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.text(&self.id);
        if version >= 3 {
            writer.nullable_text(self.instance_id.as_deref());
        }
        writer.text(&self.client_id);
        writer.text(&self.client_host);
        if version >= 1 {
            writer.i32(self.rebalance_timeout_ms);
        }
        writer.i32(self.session_timeout_ms);
        writer.bytes(&self.subscription);
        writer.bytes(&self.assignment);
        writer.tags();
    }
}

fn known(version: i16, highest: i16, what: &'static str) -> Result<i16, RecordError> {
    let is_known = (0..=highest).contains(&version);
    if is_known { Ok(version) } else { Err(RecordError::Version { what, version }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_kafkas_bytes() {
        let commit = Key::OffsetCommit { group: "g".to_owned(), topic: "t".to_owned(), partition: 3 };
        assert_eq!(commit.encode(), b"\0\x01\0\x01g\0\x01t\0\0\0\x03");
        assert_eq!(Key::decode(&commit.encode()), Ok(commit.clone()));
        assert_eq!(Key::decode(b"\0\0\0\x01g\0\x01t\0\0\0\x03"), Ok(commit));
        let group = Key::Group("g".to_owned());
        assert_eq!(group.encode(), b"\0\x02\0\x01g");
        assert_eq!(Key::decode(&group.encode()), Ok(group));
        assert_eq!(Key::decode(b"\0\x05whatever"), Ok(Key::Other(5)));
        assert_eq!(Key::decode(b"\0"), Err(RecordError::CutShort("key version")));
    }

    #[test]
    fn a_commit_survives_every_version_as_far_as_it_has_the_fields() {
        for version in 0..=4 {
            let commit = OffsetCommit {
                offset: Offset(42),
                leader_epoch: LeaderEpoch(if version >= 3 { 7 } else { -1 }),
                metadata: "größe".to_owned(),
                committed_at: Millis(1_795_247_580_677),
                expires_at: Millis(if version == 1 { 99 } else { -1 }),
            };
            let bytes = commit.encode(version);
            assert_eq!(OffsetCommit::decode(&bytes), Ok(commit), "version {version}");
            for end in 0..bytes.len() - usize::from(version == 4) {
                assert!(OffsetCommit::decode(&bytes[..end]).is_err(), "version {version} cut at {end}");
            }
        }
        let unknown = RecordError::Version { what: "an offset commit", version: 5 };
        assert_eq!(OffsetCommit::decode(&[0, 5]), Err(unknown));
    }

    fn group(version: i16) -> GroupMetadata {
        let member = Member {
            id: "m-1".to_owned(),
            instance_id: (version >= 3).then(|| "static".to_owned()),
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: if version >= 1 { 300_000 } else { 45_000 },
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(&[1, 2, 3]),
            assignment: Bytes::new(),
        };
        GroupMetadata {
            protocol_type: "consumer".to_owned(),
            generation: 3,
            protocol: Some("range".to_owned()),
            leader: None,
            state_since: Millis(if version >= 2 { 77 } else { -1 }),
            members: vec![member.clone(), member],
        }
    }

    #[test]
    fn a_group_survives_every_version_as_far_as_it_has_the_fields() {
        for version in 0..=4 {
            let group = group(version);
            let bytes = group.encode(version);
            assert_eq!(GroupMetadata::decode(&bytes), Ok(group), "version {version}");
            for end in 0..bytes.len() - usize::from(version == 4) {
                assert!(GroupMetadata::decode(&bytes[..end]).is_err(), "version {version} cut at {end}");
            }
        }
        assert!(matches!(GroupMetadata::decode(&[0xff, 0xff]), Err(RecordError::Version { .. })));
    }
}
