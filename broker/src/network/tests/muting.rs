//! Clients that are held back: answered at once, then neither read from nor served until their time is over, or they leave.
//! Time is stepped by the runtime whenever nothing moves.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, Bytes};
use protocol::messages::{ListOffsetsResponse, MetadataResponse, ProduceResponse};
use protocol::request::RequestHeader;
use protocol::{ApiKey, Decodable, Encodable, HeaderVersion, response};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use zookeeper::znodes::{QuotaEntity, QuotaName};

use super::rig::{Client, Rig, SETTINGS, large, metadata, numbers};
use crate::api::context::{Outcome, Pending};
use crate::tasks::TaskKind;

const SECOND: Duration = Duration::from_secs(1);
/// Bytes of one request; the quota is a tenth of them in a second.
const SIZE: usize = 1 << 20;

fn limit(rig: &Rig, key: &str, value: &str) {
    let settings = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    rig.quotas.changed(&QuotaEntity::Client(QuotaName::Default), &settings);
}

fn encoded<M: Encodable + HeaderVersion + Default>(header: &RequestHeader) -> Bytes {
    response::encode(header.correlation_id, header.api, header.version, &M::default()).expect("it fits")
}

/// Answers each request with an empty answer of its API, but a Produce of a negative number not at all.
async fn rig() -> Rig {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        let header = &request.header;
        Pending::Ready(if header.api == ApiKey::Produce && header.correlation_id < 0 {
            Outcome::Silent
        } else if header.api == ApiKey::Produce {
            Outcome::Answer(encoded::<ProduceResponse>(header).into())
        } else if header.api == ApiKey::ListOffsets {
            Outcome::Throttled(encoded::<ListOffsetsResponse>(header).into(), 3 * SECOND)
        } else {
            Outcome::Answer(encoded::<MetadataResponse>(header).into())
        })
    })
    .await;
    limit(&rig, "producer_byte_rate", &(SIZE / 10).to_string());
    rig
}

impl Client {
    async fn produced(&mut self) -> i32 {
        let mut answer = self.answer().await.expect("it is answered");
        answer.advance(5);
        ProduceResponse::decode(&mut answer, 9).expect("it is whole").throttle_time_ms
    }
}

/// One request a little above ten seconds' worth is over by little, two by ten seconds.
#[tokio::test(start_paused = true)]
async fn the_answer_tells_the_time_and_the_next_request_waits_for_it() {
    let rig = rig().await;
    let mut client = rig.connect().await;
    let begun = Instant::now();
    client.send(&large(1, SIZE)).await;
    let little = client.produced().await;
    assert!((0..1000).contains(&little), "{little}");
    client.send(&large(2, SIZE)).await;
    let ms = client.produced().await;
    assert!((9_000..11_500).contains(&ms), "{ms}");
    assert!(begun.elapsed() < 2 * SECOND, "the answer is not held back");
    client.send(&[&metadata(3)[..], &metadata(4)].concat()).await;
    assert_eq!((client.number().await, client.number().await), (Some(3), Some(4)));
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(ms as u64) && waited < 13 * SECOND, "{waited:?}");
    let mut other = rig.connect().await;
    let begun = Instant::now();
    other.send(&metadata(5)).await;
    assert_eq!(other.number().await, Some(5));
    assert!(begun.elapsed() < SECOND, "another connection waits for its own requests only");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_wants_no_answers_is_held_back_too() {
    let rig = rig().await;
    let mut client = rig.connect().await;
    let begun = Instant::now();
    client.send(&[&large(-1, SIZE)[..], &large(-2, SIZE), &metadata(3)].concat()).await;
    assert_eq!(client.number().await, Some(3));
    assert!(begun.elapsed() > 9 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_greater_time_counts_and_goes_wherever_the_version_has_it() {
    let rig = rig().await;
    let mut client = rig.connect().await;
    let header = |api, version| RequestHeader { api, version, correlation_id: 1, client_id: None };
    let ask = |header: &RequestHeader| {
        protocol::request::encode(header, &protocol::messages::ListOffsetsRequest::default())
            .expect("it fits")
    };
    for (version, told) in [(1, None), (2, Some(3000)), (9, Some(3000))] {
        let begun = Instant::now();
        client.send(&[&ask(&header(ApiKey::ListOffsets, version))[..], &metadata(2)].concat()).await;
        let mut answer = client.answer().await.expect("it is answered");
        answer.advance(if version == 9 { 5 } else { 4 });
        let answer = ListOffsetsResponse::decode(&mut answer, version).expect("it is whole");
        assert_eq!(answer.throttle_time_ms, told.unwrap_or(0));
        assert_eq!(client.number().await, Some(2));
        assert!(begun.elapsed() >= 3 * SECOND && begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_served_to_its_end_at_once() {
    let rig = rig().await;
    let begun = Instant::now();
    let mut client = rig.connect().await;
    client.send(&[&large(1, SIZE)[..], &large(2, SIZE), &numbers(3..6)].concat()).await;
    client.produced().await;
    client.produced().await;
    client.0.shutdown().await.expect("it is open");
    for expected in 3..6 {
        assert_eq!(client.number().await, Some(expected));
    }
    assert_eq!(client.number().await, None);
    assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_gone_at_once() {
    let rig = rig().await;
    let begun = Instant::now();
    let mut gone = rig.connect().await;
    gone.send(&[&large(1, SIZE)[..], &large(2, SIZE)].concat()).await;
    gone.produced().await;
    gone.produced().await;
    drop(gone);
    rig.tasks.stop(TaskKind::Connection).await.expect("nothing keeps a connection");
    assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_those_who_are_held_back() {
    let rig = rig().await;
    let mut client = rig.connect().await;
    client.send(&[&large(1, SIZE)[..], &large(2, SIZE), &large(3, SIZE)].concat()).await;
    client.produced().await;
    client.produced().await;
    let begun = Instant::now();
    rig.tasks.stop(TaskKind::Connection).await.expect("it ends at once");
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}
