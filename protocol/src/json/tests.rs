//! Lines of a real broker's request log, and every message of the tables.

use std::fs::File;
use std::sync::Arc;

use bytes::BytesMut;
use kafka_protocol::messages::{
    CreateTopicsRequest, IncrementalAlterConfigsRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::*;
use crate::api::API_TABLE;
use crate::random::Random;
use crate::request::encode;
use crate::response::FileSlice;

fn header(api: ApiKey, version: i16) -> RequestHeader {
    RequestHeader { api, version, correlation_id: 5, client_id: Some(StrBytes::from_static_str("rdkafka")) }
}

fn json(frame: Bytes) -> RequestJson {
    RequestJson::of(&frame.slice(4..)).unwrap()
}

/// What the broker's log has of a Metadata and a Produce of librdkafka.
#[test]
fn requests_read_as_in_kafkas_log() {
    let topic = kafka_protocol::messages::metadata_request::MetadataRequestTopic::default()
        .with_name(Some(kafka_protocol::messages::TopicName("t1".into())));
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    let metadata = json(encode(&header(ApiKey::Metadata, 4), &request).unwrap());
    assert_eq!(
        metadata.header,
        r#"{"requestApiKey":3,"requestApiVersion":4,"correlationId":5,"clientId":"rdkafka","requestApiKeyName":"METADATA"}"#
    );
    assert_eq!(metadata.body, r#"{"topics":[{"name":"t1"}],"allowAutoTopicCreation":true}"#);

    let mut body = BytesMut::new();
    body.extend_from_slice(b"\xff\xff\xff\xff\0\0\x75\x30\0\0\0\x01\0\x02t1\0\0\0\x01\0\0\0\0\0\0\0\x4a");
    body.extend_from_slice(&[7; 74]);
    let request = ProduceRequest::decode(&mut body.freeze(), 7).unwrap();
    let produce = json(encode(&header(ApiKey::Produce, 7), &request).unwrap());
    assert_eq!(
        produce.body,
        r#"{"transactionalId":null,"acks":-1,"timeoutMs":30000,"topicData":[{"name":"t1","partitionData":[{"index":0,"recordsSizeInBytes":74}]}]}"#
    );
    let old = json(encode(&header(ApiKey::CreateTopics, 1), &CreateTopicsRequest::default()).unwrap());
    assert!(
        old.header.ends_with(r#""requestApiKeyName":"CREATE_TOPICS","requestApiVersionDeprecated":true}"#)
    );
}

#[test]
fn records_in_files_count_and_are_not_read() {
    let mut fetched = Response::from(Bytes::new());
    // Throttle time, error, session: Fetch v7, one topic with one partition.
    fetched.head = Bytes::from(
        [
            &[0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0; 4],
            &[0; 2],
            &[0; 4],
            &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1],
            &[0; 4],
            &[0; 2],
            &[0, 0, 0, 0, 0, 0, 0, 9],
            &[0, 0, 0, 0, 0, 0, 0, 9],
            &[0; 8],
            &[0xff; 4],
            &[0, 0, 0, 74],
        ]
        .concat(),
    );
    let file = Arc::new(File::open("/dev/null").unwrap());
    fetched.body = vec![
        Part::File(FileSlice { file, position: 0, length: 70 }),
        Part::Bytes(Bytes::from_static(b"four")),
    ];
    assert_eq!(
        response(ApiKey::Fetch, 7, &fetched).unwrap(),
        r#"{"throttleTimeMs":0,"errorCode":0,"sessionId":0,"responses":[{"topic":"t","partitions":[{"partitionIndex":0,"errorCode":0,"highWatermark":9,"lastStableOffset":9,"logStartOffset":0,"abortedTransactions":null,"recordsSizeInBytes":74}]}]}"#
    );
}

#[test]
fn settings_that_a_request_sets_are_hidden() {
    let config = kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig::default()
        .with_name("ssl.key.password".into())
        .with_value(Some("secret".into()));
    let resource =
        kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource::default()
            .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    for version in 0..=1 {
        let body = json(encode(&header(ApiKey::IncrementalAlterConfigs, version), &request).unwrap()).body;
        assert!(
            body.contains(r#""name":"ssl.key.password","configOperation":0,"value":"[hidden]""#),
            "{body}"
        );
    }
}

/// Whatever the tables allow has balanced braces, and reads to its end.
#[test]
fn every_message_of_the_tables_can_be_told() {
    for api in API_TABLE {
        for version in api.min..=api.max {
            let mut random = Random::new(7000 * api.key.code() as u64 + version as u64);
            for _ in 0..5 {
                let mut writer_of = |shape: &shape::Shape| {
                    let body = random.message(shape, version);
                    let mut writer = Writer::new(version, shape.flexible_since, BytesLeft::of(&body));
                    writer.group(shape.fields).unwrap();
                    assert!(writer.left.take::<1>().is_none(), "{} v{version}", api.name);
                    let count = |brace| writer.out.matches(brace).count();
                    assert!(count('{') >= 1 && writer.out.ends_with('}'));
                };
                writer_of(shape::request(api.key));
                writer_of(shape::response(api.key));
            }
        }
    }
}
