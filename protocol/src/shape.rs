//! What a message may look like, field by field: every count and length is checked against the bytes that are left
//! before kafka-protocol, which reserves what a count announces, sees the message.
//!
//! Tables of the requests we serve and the responses our client reads; one walker, which allocates nothing. Called
//! before every decode. Source: the message schemas of Kafka 3.9, KIP-482 for compact lengths and tagged fields.

use std::fmt;

use crate::api::ApiKey;

mod alter_client_quotas;
mod alter_configs;
mod alter_replica_log_dirs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod fetch;
mod field;
mod incremental_alter_configs;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod update_features;
mod walk;

pub(crate) use field::{Field, Kind, Shape};
pub(crate) use walk::{position_of, skip_tags, walk};

/// Structs and strings that all arrays of one message may hold together. Each costs up to a hundred bytes once
/// decoded; a cluster of Kafka's largest supported size needs half as many in one message.
pub const ELEMENTS_MAX: usize = 1 << 19;

/// Tagged fields that nobody knows end up in a map per struct, whose nodes of some 400 bytes are at least this full.
const TAGS_PER_NODE: usize = 5;
/// Bytes of a message that pay for one such node: what unknown tags take is then 26 bytes for each byte of the message.
const TAG_NODE_SPAN: usize = 16;
/// Nodes that any message may have.
const TAG_NODES_MIN: usize = 128;

/// Where and why a message does not have the shape of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} (byte {position} of the body) {fault}")]
pub struct ShapeError {
    /// The field's name in Kafka's schema, in snake case.
    pub field: &'static str,
    /// Bytes from the start of the body, where the field begins or where its length has been read.
    pub position: usize,
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The message ends inside the field.
    CutShort,
    /// A length or count is larger than the rest of the message can hold.
    Announced { count: u64, left: usize },
    /// Negative, but not the -1 that means null.
    Negative(i32),
    /// Null where this version has no null.
    Null,
    /// A number of variable length that does not end where it must.
    Varint,
    /// More than [`ELEMENTS_MAX`] structs and strings, or more unknown tagged fields than bytes that could excuse them.
    TooManyElements,
    /// A tagged field that does not fill the size it states.
    TagSize { stated: usize, used: usize },
    /// Text that is not UTF-8.
    NotUtf8,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::CutShort => f.write_str("is cut short"),
            Fault::Announced { count, left } => write!(f, "announces {count} where {left} bytes are left"),
            Fault::Negative(length) => write!(f, "has length {length}"),
            Fault::Null => f.write_str("is null"),
            Fault::Varint => f.write_str("has a number that does not end"),
            Fault::TooManyElements => f.write_str("makes more elements than a message may have"),
            Fault::TagSize { stated, used } => write!(f, "states {stated} bytes and has {used}"),
            Fault::NotUtf8 => f.write_str("is not UTF-8"),
        }
    }
}

/// The shape of a request's body.
pub(crate) const fn request(api: ApiKey) -> &'static Shape {
    match api {
        ApiKey::Produce => &produce::REQUEST,
        ApiKey::Fetch => &fetch::REQUEST,
        ApiKey::ListOffsets => &list_offsets::REQUEST,
        ApiKey::Metadata => &metadata::REQUEST,
        ApiKey::ApiVersions => &api_versions::REQUEST,
        ApiKey::CreateTopics => &create_topics::REQUEST,
        ApiKey::DeleteTopics => &delete_topics::REQUEST,
        ApiKey::DeleteRecords => &delete_records::REQUEST,
        ApiKey::InitProducerId => &init_producer_id::REQUEST,
        ApiKey::OffsetForLeaderEpoch => &offset_for_leader_epoch::REQUEST,
        ApiKey::DescribeConfigs => &describe_configs::REQUEST,
        ApiKey::AlterConfigs => &alter_configs::REQUEST,
        ApiKey::AlterReplicaLogDirs => &alter_replica_log_dirs::REQUEST,
        ApiKey::DescribeLogDirs => &describe_log_dirs::REQUEST,
        ApiKey::CreatePartitions => &create_partitions::REQUEST,
        ApiKey::IncrementalAlterConfigs => &incremental_alter_configs::REQUEST,
        ApiKey::DescribeClientQuotas => &describe_client_quotas::REQUEST,
        ApiKey::AlterClientQuotas => &alter_client_quotas::REQUEST,
        ApiKey::UpdateFeatures => &update_features::REQUEST,
        ApiKey::DescribeCluster => &describe_cluster::REQUEST,
        ApiKey::DescribeProducers => &describe_producers::REQUEST,
    }
}

/// The shape of a response's body.
pub(crate) const fn response(api: ApiKey) -> &'static Shape {
    match api {
        ApiKey::Produce => &produce::RESPONSE,
        ApiKey::Fetch => &fetch::RESPONSE,
        ApiKey::ListOffsets => &list_offsets::RESPONSE,
        ApiKey::Metadata => &metadata::RESPONSE,
        ApiKey::ApiVersions => &api_versions::RESPONSE,
        ApiKey::CreateTopics => &create_topics::RESPONSE,
        ApiKey::DeleteTopics => &delete_topics::RESPONSE,
        ApiKey::DeleteRecords => &delete_records::RESPONSE,
        ApiKey::InitProducerId => &init_producer_id::RESPONSE,
        ApiKey::OffsetForLeaderEpoch => &offset_for_leader_epoch::RESPONSE,
        ApiKey::DescribeConfigs => &describe_configs::RESPONSE,
        ApiKey::AlterConfigs => &alter_configs::RESPONSE,
        ApiKey::AlterReplicaLogDirs => &alter_replica_log_dirs::RESPONSE,
        ApiKey::DescribeLogDirs => &describe_log_dirs::RESPONSE,
        ApiKey::CreatePartitions => &create_partitions::RESPONSE,
        ApiKey::IncrementalAlterConfigs => &incremental_alter_configs::RESPONSE,
        ApiKey::DescribeClientQuotas => &describe_client_quotas::RESPONSE,
        ApiKey::AlterClientQuotas => &alter_client_quotas::RESPONSE,
        ApiKey::UpdateFeatures => &update_features::RESPONSE,
        ApiKey::DescribeCluster => &describe_cluster::RESPONSE,
        ApiKey::DescribeProducers => &describe_producers::RESPONSE,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::*;
    use kafka_protocol::protocol::{Decodable, Encodable, Message};

    use super::*;
    use crate::api::{API_TABLE, ApiKey};
    use crate::fuzzing::bounded;
    use crate::random::{Random, Swelling, lean};

    const ROUNDS: usize = 20;

    /// Random messages of the table's shape decode with kafka-protocol, encode to the same bytes, and walk to
    /// exactly their end; cut anywhere, they are refused.
    fn check<M: Decodable + Encodable + Message + std::fmt::Debug>(shape: &Shape, version: i16, seed: u64) {
        let mut random = Random::new(seed);
        for _ in 0..ROUNDS {
            let body = random.message(shape, version);
            assert_eq!(walk(shape, version, &body), Ok(body.len()));
            let message = M::decode(&mut Bytes::from(body.clone()), version).unwrap();
            let mut again = Vec::new();
            message.encode(&mut again, version).unwrap();
            assert_eq!(again, body, "{message:?}");
            for cut in 0..body.len() {
                assert!(walk(shape, version, &body[..cut]).is_err(), "cut at {cut}: {body:?}");
            }
        }
    }

    /// Damaged messages are refused, or decode without harm from the bytes that were walked.
    fn damage<M: Decodable + Encodable>(shape: &Shape, version: i16, seed: u64) {
        let mut random = Random::new(seed);
        for _ in 0..ROUNDS {
            let mut body = random.message(shape, version);
            for _ in 0..=random.below(3) {
                if let Some(at) = body.len().checked_sub(1).map(|last| random.below(last + 1)) {
                    body[at] = [0, 1, 0x7f, 0x80, 0xff, random.next() as u8][random.below(6)];
                }
            }
            let Ok(size) = walk(shape, version, &body) else { continue };
            let mut rest = Bytes::from(body.clone());
            if M::decode(&mut rest, version).is_ok() {
                assert_eq!(body.len() - rest.len(), size, "{body:?}");
            }
        }
    }

    /// A message of which any one length or count is the largest there is, is refused; kafka-protocol would
    /// reserve tens of gigabytes for it.
    fn lies(shape: &Shape, version: i16, seed: u64) {
        for number in 0.. {
            let Some(body) = Random::new(seed).lie(shape, version, number) else { break };
            let error = walk(shape, version, &body).unwrap_err();
            assert!(matches!(error.fault, Fault::Announced { .. }), "{error}: {body:?}");
        }
    }

    /// Messages that are nothing but elements, with unknown tagged fields and without, take bounded memory.
    fn swells<M: Decodable>(shape: &Shape, version: i16) {
        for tags in [0, 1, 5, 6, 60] {
            for array in 0.. {
                let Some(body) = lean(shape, version, Swelling { array, elements: 5000, tags }) else {
                    break;
                };
                let size = body.len();
                let mut body = Bytes::from(body);
                let walked = bounded(size, || {
                    walk(shape, version, &body)?;
                    assert!(M::decode(&mut body, version).is_ok());
                    Ok::<(), ShapeError>(())
                });
                assert!(walked.is_ok() || tags > 0, "{walked:?}");
            }
        }
    }

    macro_rules! each_api {
        ($($test:ident: $request:ty, $response:ty, $key:ident;)*) => {
            $(
                #[test]
                fn $test() {
                    let api = ApiKey::$key.api();
                    for version in api.min..=api.max {
                        let seed = 1000 * u64::from(api.key.code() as u16) + version as u64;
                        println!("{} v{version}, seed {seed}", api.name);
                        check::<$request>(request(api.key), version, seed);
                        check::<$response>(response(api.key), version, seed);
                        lies(request(api.key), version, seed);
                        lies(response(api.key), version, seed);
                        swells::<$request>(request(api.key), version);
                        swells::<$response>(response(api.key), version);
                        damage::<$request>(request(api.key), version, seed);
                        damage::<$response>(response(api.key), version, seed);
                    }
                }
            )*

            #[test]
            fn every_api_is_tested() {
                let tested = [$(ApiKey::$key,)*];
                assert!(API_TABLE.iter().map(|api| api.key).eq(tested));
            }
        };
    }

    each_api! {
        produce: ProduceRequest, ProduceResponse, Produce;
        fetch: FetchRequest, FetchResponse, Fetch;
        list_offsets: ListOffsetsRequest, ListOffsetsResponse, ListOffsets;
        metadata: MetadataRequest, MetadataResponse, Metadata;
        api_versions: ApiVersionsRequest, ApiVersionsResponse, ApiVersions;
        create_topics: CreateTopicsRequest, CreateTopicsResponse, CreateTopics;
        delete_topics: DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopics;
        delete_records: DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecords;
        init_producer_id: InitProducerIdRequest, InitProducerIdResponse, InitProducerId;
        offset_for_leader_epoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
            OffsetForLeaderEpoch;
        describe_configs: DescribeConfigsRequest, DescribeConfigsResponse, DescribeConfigs;
        alter_configs: AlterConfigsRequest, AlterConfigsResponse, AlterConfigs;
        alter_replica_log_dirs: AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, AlterReplicaLogDirs;
        describe_log_dirs: DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirs;
        create_partitions: CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitions;
        incremental_alter_configs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
            IncrementalAlterConfigs;
        describe_client_quotas: DescribeClientQuotasRequest, DescribeClientQuotasResponse,
            DescribeClientQuotas;
        alter_client_quotas: AlterClientQuotasRequest, AlterClientQuotasResponse, AlterClientQuotas;
        update_features: UpdateFeaturesRequest, UpdateFeaturesResponse, UpdateFeatures;
        describe_cluster: DescribeClusterRequest, DescribeClusterResponse, DescribeCluster;
        describe_producers: DescribeProducersRequest, DescribeProducersResponse, DescribeProducers;
    }

    fn refused(api: ApiKey, version: i16, body: &[u8], field: &str, fault: Fault) {
        let error = walk(request(api), version, body).unwrap_err();
        assert_eq!((error.field, error.fault), (field, fault), "{error}");
    }

    #[test]
    fn a_count_is_held_against_the_bytes_left() {
        let announced = |count, left| Fault::Announced { count, left };
        // Metadata v1 with 2^29 topics; flexible v9 with 2^32 - 2.
        refused(ApiKey::Metadata, 1, &[0x20, 0, 0, 0, 0, 0], "topics", announced(1 << 29, 2));
        let most = (1 << 32) - 2;
        refused(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0], "topics", announced(most, 1));
        // A topic of v9 takes two bytes at least, so four topics do not fit into seven.
        refused(ApiKey::Metadata, 9, &[5, 1, 0, 1, 0, 1, 0, 1], "topics", announced(4, 7));
        // Numbers are skipped in one step, which must not reach beyond the end either.
        let partitions = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 9];
        let body = [&[0; 29][..], &[0, 0, 0, 1, 0, 0], &partitions].concat();
        refused(ApiKey::Fetch, 7, &body, "partitions", announced(0x7fff_ffff, 4));
    }

    #[test]
    fn lengths_below_minus_one_and_misplaced_nulls_are_refused() {
        refused(ApiKey::Metadata, 1, &[0xff, 0xff, 0xff, 0xfe], "topics", Fault::Negative(-2));
        refused(ApiKey::Metadata, 0, &[0xff, 0xff, 0xff, 0xff], "topics", Fault::Null);
        refused(ApiKey::Metadata, 1, &[0, 0, 0, 1, 0xff, 0xff], "name", Fault::Null);
        refused(ApiKey::CreateTopics, 0, &[0xff, 0xff, 0xff, 0xff], "topics", Fault::Null);
        // Elements of an array of strings are never null.
        let keys = [0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
        refused(ApiKey::DescribeConfigs, 0, &keys, "configuration_keys", Fault::Null);
    }

    #[test]
    fn a_number_of_variable_length_ends() {
        refused(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0xff, 1], "topics", Fault::Varint);
        refused(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x1f, 1], "topics", Fault::Varint);
        refused(ApiKey::Metadata, 9, &[0xff, 0xff], "topics", Fault::CutShort);
    }

    #[test]
    fn a_tagged_field_fills_its_size() {
        // DescribeCluster v0: one flag, then tags. Fetch v12 has cluster_id at tag 0.
        let tags = |tail: &[u8]| [&[0][..], tail].concat();
        let body = tags(&[1, 9, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let fault = Fault::Announced { count: u32::MAX.into(), left: 0 };
        refused(ApiKey::DescribeCluster, 0, &body, "tagged_fields", fault);
        let fault = Fault::Announced { count: 127, left: 2 };
        refused(ApiKey::DescribeCluster, 0, &tags(&[127, 0, 0]), "tagged_fields", fault);

        let fetch = |tail: &[u8]| [&[0; 25][..], &[1, 1, 1], tail].concat();
        assert_eq!(walk(request(ApiKey::Fetch), 12, &fetch(&[1, 0, 3, 3, b'i', b'd'])), Ok(34));
        let fault = Fault::TagSize { stated: 4, used: 3 };
        refused(ApiKey::Fetch, 12, &fetch(&[1, 0, 4, 3, b'i', b'd', 0]), "cluster_id", fault);
        let fault = Fault::TagSize { stated: 1, used: 3 };
        refused(ApiKey::Fetch, 12, &fetch(&[1, 0, 1, 3, b'i', b'd']), "cluster_id", fault);
    }

    #[test]
    fn the_elements_of_a_message_are_limited() {
        let topics = |count: usize| [&(count as i32).to_be_bytes()[..], &vec![0; 2 * count]].concat();
        let shape = request(ApiKey::Metadata);
        assert!(walk(shape, 1, &topics(ELEMENTS_MAX)).is_ok());
        refused(ApiKey::Metadata, 1, &topics(ELEMENTS_MAX + 1), "topics", Fault::TooManyElements);
    }

    #[test]
    fn an_error_names_field_and_place() {
        let error = walk(request(ApiKey::Metadata), 1, &[0x20, 0, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "topics (byte 4 of the body) announces 536870912 where 2 bytes are left"
        );
    }
}
