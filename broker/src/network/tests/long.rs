//! Requests of many elements: they are carried out elsewhere, and answered in their turn all the same.

use bytes::Bytes;
use protocol::StrBytes;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{MetadataRequest, TopicName};

use super::rig::{Rig, SETTINGS, header, large, metadata, number};

use super::*;

/// Metadata for so many topics that the frame has some 400 kB.
fn long(correlation_id: i32) -> Bytes {
    let topic = |at: u32| {
        let name = TopicName(StrBytes::from_string(format!("topic-{at:06}")));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let request = MetadataRequest::default().with_topics(Some((0..30_000).map(topic).collect()));
    protocol::request::encode(&header(protocol::ApiKey::Metadata, 9, correlation_id), &request)
        .expect("it fits")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_request_is_answered_in_its_turn() {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        Pending::later(async move {
            tokio::task::yield_now().await;
            number(&request, &[])
        })
    })
    .await;
    let mut client = rig.connect().await;
    client.send(&[&metadata(0), &long(1), &metadata(2), &large(3, 3 << 20), &long(4)[..]].concat()).await;
    for expected in 0..5 {
        assert_eq!(client.number().await, Some(expected));
    }
    let mut spoiled = long(5).to_vec();
    spoiled.truncate(spoiled.len() - 100);
    let length = spoiled.len() as u32 - 4;
    spoiled[..4].copy_from_slice(&length.to_be_bytes());
    client.send(&[&metadata(4)[..], &spoiled].concat()).await;
    assert_eq!((client.number().await, client.number().await), (Some(4), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_left_make_way_for_the_long_requests_of_others() {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        match request.header.correlation_id {
            -1 => Pending::later(std::future::pending()),
            _ => Pending::Ready(number(&request, &[])),
        }
    })
    .await;
    let mut stuck = Vec::new();
    for _ in 0..8 {
        let mut client = rig.connect().await;
        client.send(&long(-1)).await;
        stuck.push(client);
    }
    // A reset, which is seen at once; a client that leaves in order has a little time.
    for client in stuck {
        client.0.set_zero_linger().expect("it is a socket");
    }
    let mut client = rig.connect().await;
    client.send(&long(7)).await;
    assert_eq!(client.number().await, Some(7));
}
