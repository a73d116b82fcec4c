//! Whatever bytes a broker answers with, each call of the client ends with a result or an error, soon. Not a fuzz target, since
//! sockets are slow: its bytes are those of `responses`, and mutations of them.

#[path = "../../fuzz/smoke.rs"]
mod smoke;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::{BrokerId as WireId, MetadataResponse, TopicName};
use protocol::request::{Request, RequestBody};
use protocol::{ApiKey, BrokerId, Offset, StrBytes, TopicPartition};
use tokio::runtime::Runtime;

use crate::fake_broker::{Reaction, answer, start};
use crate::{
    Address, Client, ConfigChange, NewPartitions, NewTopic, OffsetQuery, Placement, Resource, Settings,
};

/// The calls by the API that they end with.
const CALLS: [ApiKey; 10] = [
    ApiKey::Metadata,
    ApiKey::DescribeCluster,
    ApiKey::DescribeConfigs,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::ListOffsets,
    ApiKey::DeleteRecords,
    ApiKey::CreateTopics,
    ApiKey::CreatePartitions,
    ApiKey::DeleteTopics,
];

/// What the broker says next, and to which API.
type Said = Arc<Mutex<(Option<ApiKey>, Bytes)>>;

/// A broker that speaks sense of the cluster, which is itself alone, and else says what it is told to.
fn broker(said: Said) -> Address {
    let own_port = Arc::new(Mutex::new(0));
    let port = Arc::clone(&own_port);
    let address = start(move |request| {
        let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (&request.body, request.header.api) {
            (_, api) if said.0 == Some(api) => Reaction::Write(framed(request, &said.1)),
            (RequestBody::Metadata(_), _) => answer(&request.header, &cluster(*port.lock().unwrap())),
            _ => Reaction::Usual,
        }
    });
    *own_port.lock().unwrap() = address.port;
    address
}

/// The bytes behind length and correlation id.
fn framed(request: &Request, rest: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(4 + rest.len() as i32);
    frame.put_i32(request.header.correlation_id);
    frame.put_slice(rest);
    frame.freeze()
}

fn cluster(port: u16) -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(WireId(1))
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(port.into());
    let partition = MetadataResponsePartition::default()
        .with_leader_id(WireId(1))
        .with_replica_nodes(vec![WireId(1)])
        .with_isr_nodes(vec![WireId(1)]);
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_partitions(vec![partition]);
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_controller_id(WireId(1))
        .with_topics(vec![topic])
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only what is in CALLS comes here")]
async fn call(client: &mut Client, api: ApiKey) {
    let (topic, partition) = ("t".to_owned(), TopicPartition { topic: "t".into(), partition: 0 });
    let resource = Resource::Topic(topic.clone());
    let placement = Placement::Counts { partitions: Some(1), replication_factor: Some(1) };
    let is_answered = match api {
        ApiKey::Metadata => client.list_topics().await.is_ok(),
        ApiKey::DescribeCluster => client.describe_cluster().await.is_ok(),
        ApiKey::DescribeConfigs => client.describe_configs(&[resource]).await.is_ok(),
        ApiKey::IncrementalAlterConfigs => {
            let change = ConfigChange::Delete { name: "retention.ms".to_owned() };
            client.alter_configs(&[(resource, vec![change])]).await.is_ok()
        }
        ApiKey::DescribeLogDirs => client.describe_log_dirs(BrokerId(1)).await.is_ok(),
        ApiKey::ListOffsets => client.list_offsets(&[(partition, OffsetQuery::Latest)]).await.is_ok(),
        ApiKey::DeleteRecords => client.delete_records(&[(partition, Offset(1))]).await.is_ok(),
        ApiKey::CreateTopics => {
            let topic = NewTopic { name: topic, placement, configs: Default::default() };
            client.create_topics(&[topic]).await.is_ok()
        }
        ApiKey::CreatePartitions => {
            client.create_partitions(&[NewPartitions { topic, total: 2, assigned: None }]).await.is_ok()
        }
        other => {
            assert_eq!(other, ApiKey::DeleteTopics);
            client.delete_topics(&[topic]).await.is_ok()
        }
    };
    std::hint::black_box(is_answered);
}

#[test]
fn every_call_ends() {
    let said = Said::default();
    let address = broker(Arc::clone(&said));
    let runtime = Runtime::new().unwrap();
    let settings = Settings {
        call_timeout: Duration::from_millis(5),
        retry_backoff: Duration::ZERO,
        ..Settings::default()
    };
    smoke::smoke("responses", &[], 1_000, |input| {
        let [code, _, _, _, _, _, rest @ ..] = input else { return };
        let Some(api) = ApiKey::from_code(i16::from(*code)).filter(|api| CALLS.contains(api)) else { return };
        *said.lock().unwrap() = (Some(api), Bytes::copy_from_slice(rest));
        let mut client = Client::new(vec![address.clone()], settings.clone());
        let calling = async { tokio::time::timeout(Duration::from_secs(60), call(&mut client, api)).await };
        assert!(runtime.block_on(calling).is_ok(), "{api} does not end");
    });
}
