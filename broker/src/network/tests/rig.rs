//! A listener whose requests are answered by the test, and its clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use config::broker::{ListenerLimits, QuotaWindow};
use protocol::messages::{MetadataRequest, ProduceRequest};
use protocol::request::{Request, RequestHeader};
use protocol::response::Response;
use protocol::{ApiKey, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::context::{Context, Outcome, Pending};
use crate::network::{
    Backlog, Complaints, Limits, Listener, LongRequests, Network, Seats, Settings, Stages, Unsendable,
};
use crate::quota::Quotas;
use crate::tasks::{TaskKind, Tasks};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const SETTINGS: Settings = Settings {
    send_buffer_bytes: Some(102_400),
    receive_buffer_bytes: Some(102_400),
    backlog: 50,
    request_bytes_max: 4 << 20,
    idle_max: Some(Duration::from_secs(600)),
    slow_request: None,
};

pub(super) const WINDOW: QuotaWindow = QuotaWindow { samples: 11, sample_seconds: 1 };

pub(super) struct Rig {
    pub(super) tasks: Tasks,
    pub(super) seats: Arc<Seats>,
    pub(super) address: SocketAddr,
    pub(super) reports: Arc<Mutex<Vec<Unsendable>>>,
    /// Requests that are over: correlation id, stages, size of the answer.
    pub(super) over: Arc<Mutex<Vec<(i32, Stages, usize)>>>,
    pub(super) quotas: Arc<Quotas>,
}

impl Rig {
    pub(super) async fn start<F>(
        settings: Settings,
        serve: impl Fn(Context, Request) -> F + Send + Sync + 'static,
    ) -> Rig
    where
        F: Future<Output = Pending> + Send + 'static,
    {
        Rig::limited(settings, unlimited(), serve).await
    }

    /// With one listener, PLAINTEXT, which may be one of several as far as the limits go.
    pub(super) async fn limited<F>(
        settings: Settings,
        limits: Limits,
        serve: impl Fn(Context, Request) -> F + Send + Sync + 'static,
    ) -> Rig
    where
        F: Future<Output = Pending> + Send + 'static,
    {
        let seats = Seats::new(limits, QuotaWindow { samples: 11, sample_seconds: 1 });
        Rig::with(settings, seats, Backlog::new(500, None), serve).await
    }

    pub(super) async fn with<F>(
        settings: Settings,
        seats: Arc<Seats>,
        backlog: Backlog,
        serve: impl Fn(Context, Request) -> F + Send + Sync + 'static,
    ) -> Rig
    where
        F: Future<Output = Pending> + Send + 'static,
    {
        let tasks = Tasks::new();
        let listener =
            Listener::bind("PLAINTEXT", Some("127.0.0.1"), 0, &settings).await.expect("a free port");
        let address = listener.address;
        let reports = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&reports);
        let over = Arc::new(Mutex::new(Vec::new()));
        let quotas = Arc::new(Quotas::new(WINDOW, WINDOW));
        let heard = Arc::clone(&over);
        let network = Network {
            settings,
            serve: Arc::new(move |context, request| Box::pin(serve(context, request))),
            report: Box::new(move |unsendable| told.lock().expect("nobody panics").push(unsendable)),
            completed: Box::new(move |_, done| {
                let line = (done.passage.correlation_id, done.stages, done.response_bytes);
                heard.lock().expect("nobody panics").push(line);
            }),
            connections: AtomicU32::new(0),
            quotas: Arc::clone(&quotas),
            tasks: tasks.clone(),
            seats: Arc::clone(&seats),
            backlog: Arc::new(backlog),
            long_requests: LongRequests::new(),
            complaints: Complaints::new(),
        };
        let stopping = tasks.stopping(TaskKind::Listener);
        tasks.spawn(TaskKind::Listener, "PLAINTEXT", listener.run(Arc::new(network), stopping));
        Rig { tasks, seats, address, reports, over, quotas }
    }

    /// Answers each request with its own correlation id.
    pub(super) async fn echo() -> Rig {
        Rig::start(SETTINGS, |_, request| async move { Pending::Ready(number(&request, &[])) }).await
    }

    pub(super) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.expect("the listener is open"))
    }
}

/// No limits, but fields to set some in.
pub(super) fn unlimited() -> Limits {
    let none = i32::MAX as u32;
    let own = ListenerLimits { connections_max: none, creation_rate_max: none };
    Limits {
        connections_max: none,
        creation_rate_max: none,
        per_ip_max: none,
        per_ip_overrides: BTreeMap::new(),
        listeners: [("PLAINTEXT".to_owned(), own), ("BROKERS".to_owned(), own)].into(),
        inter_broker_listener: "BROKERS".to_owned(),
    }
}

pub(super) struct Client(pub(super) TcpStream);

impl Client {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the broker reads");
    }

    /// The next answer without its length prefix; none where the connection was closed.
    pub(super) async fn answer(&mut self) -> Option<Bytes> {
        let read = async {
            let size = self.0.read_u32().await.ok()?;
            let mut answer = vec![0; size as usize];
            self.0.read_exact(&mut answer).await.ok()?;
            Some(Bytes::from(answer))
        };
        timeout(PATIENCE, read).await.expect("answered in time")
    }

    pub(super) async fn number(&mut self) -> Option<i32> {
        self.answer().await.map(|answer| i32::from_be_bytes(answer[..4].try_into().expect("four bytes")))
    }
}

/// An answer of the request's correlation id and `rest`.
pub(super) fn number(request: &Request, rest: &[u8]) -> Outcome {
    let mut head = BytesMut::new();
    head.put_u32(4 + rest.len() as u32);
    head.put_i32(request.header.correlation_id);
    head.put_slice(rest);
    Outcome::Answer(Response::from(head.freeze()))
}

pub(super) fn header(api: ApiKey, version: i16, correlation_id: i32) -> RequestHeader {
    RequestHeader { api, version, correlation_id, client_id: Some(StrBytes::from_static_str("tests")) }
}

pub(super) fn metadata(number: i32) -> Bytes {
    protocol::request::encode(&header(ApiKey::Metadata, 12, number), &MetadataRequest::default())
        .expect("it fits")
}

/// A frame of `size` bytes or a little more.
pub(super) fn large(number: i32, size: usize) -> Bytes {
    let id = StrBytes::from_string("x".repeat(30_000));
    let mut request = ProduceRequest::default();
    for _ in 0..=size / 30_000 {
        let topic = protocol::messages::produce_request::TopicProduceData::default();
        request.topic_data.push(topic.with_name(protocol::messages::TopicName(id.clone())));
    }
    protocol::request::encode(&header(ApiKey::Produce, 9, number), &request).expect("it fits")
}

pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

pub(super) fn numbers(range: std::ops::Range<i32>) -> Vec<u8> {
    range.flat_map(metadata).collect()
}
