//! One connection to one broker: requests out, answers in, in the order they were asked.
//!
//! Owns the socket, the agreed versions and the correlation ids. Several requests may be under way; each waits for
//! its answer through its ticket. After any error but a refusal the connection is spent: the caller opens another.
//! Called by `session`, and by tests that want one broker and no other. Source: KIP-35, NetworkClient.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::protocol::{Message, Request};
use protocol::frame::Frames;
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::request::RequestHeader;
use protocol::{ApiKey, ErrorCode, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::address::Address;
use crate::error::{ClientError, Refusal};

/// No answer to an admin request is larger; a longer announcement is not Kafka.
const ANSWER_SIZE_MAX: usize = 100 << 20;

/// The answer that a request sent on a connection will have.
#[derive(Debug)]
#[must_use = "an answer that nobody takes stays in the connection"]
pub struct Ticket<R> {
    correlation_id: i32,
    version: i16,
    request: PhantomData<fn(R)>,
}

/// A connection whose versions are agreed.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    stream: TcpStream,
    client_id: StrBytes,
    request_timeout: Duration,
    versions: BTreeMap<i16, (i16, i16)>,
    next_correlation_id: i32,
    /// Correlation ids of requests without an answer yet, oldest first.
    asked: VecDeque<i32>,
    /// Answers that came while a later one was waited for.
    arrived: BTreeMap<i32, Bytes>,
    frames: Frames,
}

impl Connection {
    /// Connects and agrees on versions, each within `request_timeout`.
    pub async fn open(
        address: &Address,
        client_id: &str,
        request_timeout: Duration,
    ) -> Result<Connection, ClientError> {
        let unreachable = |source| ClientError::Unreachable { address: address.clone(), source };
        let unresolved = |source| ClientError::Unresolved { address: address.clone(), source };
        let resolved = lookup_host((address.host.as_str(), address.port)).await.map_err(unresolved)?;
        let resolved: Vec<SocketAddr> = resolved.collect();
        let stream = match timeout(request_timeout, TcpStream::connect(&resolved[..])).await {
            Ok(connected) => connected.map_err(unreachable)?,
            Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
        };
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut connection = Connection {
            address: address.clone(),
            stream,
            client_id: StrBytes::from_string(client_id.to_owned()),
            request_timeout,
            versions: BTreeMap::new(),
            next_correlation_id: 0,
            asked: VecDeque::new(),
            arrived: BTreeMap::new(),
            frames: Frames::new(ANSWER_SIZE_MAX),
        };
        connection.agree_on_versions().await?;
        Ok(connection)
    }

    /// What it was opened to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one request and waits for its answer.
    pub async fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        let ticket = self.send(request).await?;
        self.receive(ticket).await
    }

    /// Sends a request in the newest version both sides speak, without waiting for the answer.
    pub async fn send<R: Request>(&mut self, request: &R) -> Result<Ticket<R>, ClientError> {
        let version = self.version_of::<R>()?;
        self.send_version(request, version).await
    }

    /// Waits for the answer to a request sent earlier, in whatever order tickets are handed back.
    pub async fn receive<R: Request>(&mut self, ticket: Ticket<R>) -> Result<R::Response, ClientError> {
        let api = api_of::<R>(ticket.version)?;
        let frame = self.frame_of(&ticket, api).await?;
        self.decode::<R>(frame, api, ticket.version)
    }

    /// The newest version of a request that both sides speak.
    pub fn version_of<R: Request>(&self) -> Result<i16, ClientError> {
        let api = api_of::<R>(R::VERSIONS.max)?;
        let ours = (R::VERSIONS.min.max(api.api().min), R::VERSIONS.max.min(api.api().max));
        let agreed = self.versions.get(&R::KEY).map(|theirs| (ours.0.max(theirs.0), ours.1.min(theirs.1)));
        match agreed {
            Some((min, max)) if min <= max => Ok(max),
            Some(_) | None => Err(ClientError::Unsupported { address: self.address.clone(), api, ours }),
        }
    }

    /// A broker that does not know our newest ApiVersions answers in version 0 which it does know (KIP-511).
    async fn agree_on_versions(&mut self) -> Result<(), ClientError> {
        let request = versions_wanted();
        let newest = ApiVersionsRequest::VERSIONS.max.min(ApiKey::ApiVersions.api().max);
        let mut answer = self.ask_for_versions(&request, newest).await?;
        if ErrorCode::from_code(answer.error_code) == ErrorCode::UnsupportedVersion {
            answer = self.ask_for_versions(&request, 0).await?;
        }
        if let Some(refusal) = Refusal::from_wire(answer.error_code, None) {
            return Err(ClientError::Refused {
                address: self.address.clone(),
                api: ApiKey::ApiVersions,
                refusal,
            });
        }
        self.versions =
            answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        Ok(())
    }

    async fn ask_for_versions(
        &mut self,
        request: &ApiVersionsRequest,
        version: i16,
    ) -> Result<ApiVersionsResponse, ClientError> {
        let api = ApiKey::ApiVersions;
        let ticket = self.send_version(request, version).await?;
        let frame = self.frame_of(&ticket, api).await?;
        let code = frame.get(4..6).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
        let version = match code.map(ErrorCode::from_code) {
            Some(ErrorCode::UnsupportedVersion) => 0,
            Some(_) | None => version,
        };
        self.decode::<ApiVersionsRequest>(frame, api, version)
    }

    async fn send_version<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<Ticket<R>, ClientError> {
        let api = api_of::<R>(version)?;
        let correlation_id = self.next_correlation_id;
        let header = RequestHeader { api, version, correlation_id, client_id: Some(self.client_id.clone()) };
        let frame = protocol::request::encode(&header, request)
            .map_err(|error| ClientError::Unencodable { api, version, reason: error.to_string() })?;
        let writing = self.stream.write_all(&frame);
        within(self.request_timeout, writing, &self.address, api).await?;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1) & i32::MAX;
        self.asked.push_back(correlation_id);
        Ok(Ticket { correlation_id, version, request: PhantomData })
    }

    /// The answer to a request; those that come before it are kept for their tickets.
    async fn frame_of<R>(&mut self, ticket: &Ticket<R>, api: ApiKey) -> Result<Bytes, ClientError> {
        loop {
            if let Some(frame) = self.arrived.remove(&ticket.correlation_id) {
                return Ok(frame);
            }
            let frame = self.next_frame(api, ticket.version).await?;
            // A frame without room for a correlation id answers nothing.
            let given = frame.first_chunk::<4>().map_or(-1, |bytes| i32::from_be_bytes(*bytes));
            let due = self.asked.pop_front().unwrap_or(ticket.correlation_id);
            if given != due {
                let reason = format!("correlation id {given} where {due} was due");
                return Err(self.malformed(api, ticket.version, reason));
            }
            self.arrived.insert(given, frame);
        }
    }

    async fn next_frame(&mut self, api: ApiKey, version: i16) -> Result<Bytes, ClientError> {
        loop {
            match self.frames.split() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(self.malformed(api, version, error.to_string())),
            }
            let mut spare = self.frames.spare();
            let reading = self.stream.read_buf(&mut spare);
            if within(self.request_timeout, reading, &self.address, api).await? == 0 {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(ClientError::Lost { address: self.address.clone(), api, source });
            }
        }
    }

    fn decode<R: Request>(
        &self,
        frame: Bytes,
        api: ApiKey,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        match protocol::response::decode(api, version, frame) {
            Ok((_, answer)) => Ok(answer),
            Err(error) => Err(self.malformed(api, version, error.to_string())),
        }
    }

    fn malformed(&self, api: ApiKey, version: i16, reason: String) -> ClientError {
        ClientError::Malformed { address: self.address.clone(), api, version, reason }
    }
}

/// What asks a broker for its versions, and tells it who we are.
pub(crate) fn versions_wanted() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("ottla"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
}

/// Requests outside the table of served APIs have no shape to check answers against.
fn api_of<R: Request>(version: i16) -> Result<ApiKey, ClientError> {
    ApiKey::from_code(R::KEY).ok_or_else(|| ClientError::Unencodable {
        api: ApiKey::ApiVersions,
        version,
        reason: format!("request kind {} is not one this client knows", R::KEY),
    })
}

async fn within<T>(
    limit: Duration,
    doing: impl Future<Output = io::Result<T>>,
    address: &Address,
    api: ApiKey,
) -> Result<T, ClientError> {
    match timeout(limit, doing).await {
        Ok(done) => done.map_err(|source| ClientError::Lost { address: address.clone(), api, source }),
        Err(_) => Err(ClientError::TimedOut { address: address.clone(), api, after: limit }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::BufMut;
    use protocol::messages::{DescribeClusterRequest, DescribeClusterResponse, MetadataRequest};
    use protocol::response;

    use super::*;
    use crate::fake_broker::{Reaction, answer, serving, start};

    const TIMEOUT: Duration = Duration::from_secs(10);

    async fn open(address: &Address) -> Connection {
        Connection::open(address, "test", TIMEOUT).await.unwrap()
    }

    fn named(cluster: &str) -> DescribeClusterResponse {
        DescribeClusterResponse::default().with_cluster_id(StrBytes::from_string(cluster.to_owned()))
    }

    #[tokio::test]
    async fn answers_reach_their_tickets_in_any_order() {
        // The first two requests are answered together, in order, when the second has come.
        let waiting = Mutex::new(None);
        let address = start(move |request| {
            let header = &request.header;
            if header.api == ApiKey::ApiVersions {
                return Reaction::Usual;
            }
            let encode = |name: &str| {
                response::encode(header.correlation_id, header.api, header.version, &named(name)).unwrap()
            };
            let first = waiting.lock().unwrap().take();
            match first {
                Some(first) => Reaction::Write([first, encode("second")].concat().into()),
                None => {
                    *waiting.lock().unwrap() = Some(encode("first"));
                    Reaction::Write(Bytes::new())
                }
            }
        });
        let mut connection = open(&address).await;
        let first = connection.send(&DescribeClusterRequest::default()).await.unwrap();
        let second = connection.send(&DescribeClusterRequest::default()).await.unwrap();
        assert_eq!(&*connection.receive(second).await.unwrap().cluster_id, "second");
        assert_eq!(&*connection.receive(first).await.unwrap().cluster_id, "first");
    }

    #[tokio::test]
    async fn an_older_broker_is_asked_again_in_its_version() {
        let address = start(|request| match (request.header.api, request.header.version) {
            (ApiKey::ApiVersions, 0) => Reaction::Usual,
            (ApiKey::ApiVersions, _) => {
                let code = ErrorCode::UnsupportedVersion.code();
                let header = RequestHeader { version: 0, ..request.header.clone() };
                answer(&header, &ApiVersionsResponse::default().with_error_code(code))
            }
            _ => answer(&request.header, &named("old")),
        });
        let mut connection = open(&address).await;
        assert_eq!(&*connection.call(&DescribeClusterRequest::default()).await.unwrap().cluster_id, "old");
    }

    #[tokio::test]
    async fn what_a_broker_does_not_serve_is_not_sent() {
        let address =
            start(|request| answer(&request.header, &serving(|api| api != ApiKey::DescribeCluster)));
        let error = open(&address).await.call(&DescribeClusterRequest::default()).await.unwrap_err();
        let expected =
            format!("{address} serves no version of DescribeCluster that this client speaks (0..=1)");
        assert_eq!(error.to_string(), expected);
    }

    #[tokio::test]
    async fn an_answer_that_lies_about_its_counts_is_refused() {
        let address = start(|request| {
            if request.header.api == ApiKey::ApiVersions {
                return Reaction::Usual;
            }
            let mut frame = Vec::new();
            frame.put_i32(17);
            frame.put_i32(request.header.correlation_id);
            frame.put_slice(&[0; 5]);
            // Announces two thousand million brokers in eight bytes.
            frame.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0]);
            Reaction::Write(frame.into())
        });
        let error = open(&address).await.call(&MetadataRequest::default()).await.unwrap_err();
        assert!(matches!(error, ClientError::Malformed { api: ApiKey::Metadata, .. }), "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[tokio::test]
    async fn silence_ends_with_the_request_timeout() {
        let address = start(|_| Reaction::Write(Bytes::new()));
        let error = Connection::open(&address, "test", Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{address} did not answer ApiVersions within 20 ms"));
    }

    #[tokio::test]
    async fn a_foreign_answer_is_no_answer() {
        let address = start(|request| {
            let header = RequestHeader { correlation_id: 77, ..request.header.clone() };
            answer(&header, &serving(|_| true))
        });
        let error = Connection::open(&address, "test", TIMEOUT).await.unwrap_err();
        assert!(error.to_string().contains("correlation id 77 where 0 was due"), "{error}");
    }
}
