//! Requests that a broker with the topic `t` has something to say to, in each version that can carry them.

use protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::incremental_alter_configs_request as incremental;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use protocol::messages::*;
use protocol::request::{self, RequestHeader};
use protocol::{ApiKey, RequestMessage, StrBytes};

use super::super::world::{batch, creatable, topic_name};
use super::smoke::Seed;

const TOPIC: i8 = 2;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// The request in each version that has a place for all that it says.
fn versions<Q: RequestMessage>(name: &str, request: &Q) -> Vec<Seed> {
    let api = ApiKey::from_code(Q::KEY).unwrap().api();
    let frame = |version| {
        let header = RequestHeader { api: api.key, version, correlation_id: 7, client_id: Some(text("me")) };
        let frame = request::encode(&header, request).ok()?;
        Some((format!("{}-v{version}{name}", api.name), frame.slice(4..).to_vec()))
    };
    (api.min..=api.max).filter_map(frame).collect()
}

pub(super) fn seeds() -> Vec<Seed> {
    [data(), about(), changes()].concat()
}

fn data() -> Vec<Seed> {
    let records = batch(1_700_000_000_000, &["one", "two"], |_| {});
    let produce =
        |acks| super::super::produce::request(vec![("t", 0, Some(records.clone()))]).with_acks(acks);
    let partition = FetchPartition::default().with_partition_max_bytes(1000);
    let fetch = FetchTopic::default().with_topic(topic_name("t")).with_partitions(vec![partition]);
    let fetch = FetchRequest::default().with_max_bytes(1000).with_max_wait_ms(1).with_topics(vec![fetch]);
    let delete = DeleteRecordsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![DeleteRecordsPartition::default().with_offset(1)]);
    [
        versions("", &produce(-1)),
        versions("-acks-0", &produce(0)),
        versions("", &fetch),
        versions("-session", &fetch.clone().with_session_epoch(0).with_min_bytes(1)),
        versions("", &DeleteRecordsRequest::default().with_topics(vec![delete]).with_timeout_ms(1000)),
        versions("", &InitProducerIdRequest::default().with_transactional_id(None)),
    ]
    .concat()
}

fn about() -> Vec<Seed> {
    let times = [-1, -2, 0].map(|time| ListOffsetsPartition::default().with_timestamp(time));
    let offsets = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(times.to_vec());
    let epochs = OffsetForLeaderTopic::default()
        .with_topic(topic_name("t"))
        .with_partitions(vec![OffsetForLeaderPartition::default()]);
    let named = MetadataRequestTopic::default().with_name(Some(topic_name("t")));
    let configs = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("t"))
        .with_configuration_keys(None);
    let dirs = DescribableLogDirTopic::default().with_topic(topic_name("t")).with_partitions(vec![0, 1]);
    [
        versions("", &ListOffsetsRequest::default().with_topics(vec![offsets])),
        versions("", &OffsetForLeaderEpochRequest::default().with_topics(vec![epochs])),
        versions("", &MetadataRequest::default().with_topics(Some(vec![named]))),
        versions("-all", &MetadataRequest::default().with_topics(None)),
        versions("", &ApiVersionsRequest::default()),
        versions("", &DescribeConfigsRequest::default().with_resources(vec![configs])),
        versions("", &DescribeLogDirsRequest::default().with_topics(Some(vec![dirs]))),
        versions("", &DescribeClusterRequest::default()),
    ]
    .concat()
}

fn changes() -> Vec<Seed> {
    let create = CreateTopicsRequest::default().with_topics(vec![creatable("n")]).with_timeout_ms(1000);
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("n")]).with_timeout_ms(1000);
    let grow =
        CreatePartitionsTopic::default().with_name(topic_name("t")).with_count(3).with_assignments(None);
    let setting = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("1")));
    let alter = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("t"))
        .with_configs(vec![setting]);
    let setting =
        incremental::AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("1")));
    let increment = incremental::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("t"))
        .with_configs(vec![setting]);
    [
        versions("", &create),
        versions("", &delete),
        versions("", &CreatePartitionsRequest::default().with_topics(vec![grow]).with_timeout_ms(1000)),
        versions("", &AlterConfigsRequest::default().with_resources(vec![alter])),
        versions("", &IncrementalAlterConfigsRequest::default().with_resources(vec![increment])),
    ]
    .concat()
}
