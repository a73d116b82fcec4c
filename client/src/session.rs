//! A client of a cluster: finds a broker that answers, knows the controller, asks again while the cluster changes.
//!
//! Owns one connection per broker it has talked to. Never asks two brokers at once, and gives up when
//! `call_timeout` has passed since the call began. Called by the tools; `admin` adds the calls themselves.
//! Source: KafkaAdminClient's node providers and retry rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::protocol::Request;
use protocol::messages::{MetadataRequest, MetadataResponse};
use protocol::{ApiKey, BrokerId};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::address::Address;
use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::error::{ClientError, Refusal};

/// How a client names itself and how long it waits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`: for connecting, and for each answer.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: for a call with all its repetitions.
    pub call_timeout: Duration,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Settings {
        Settings {
            client_id: "ottla".to_owned(),
            request_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
        }
    }
}

/// A cluster's client. Nothing is connected before the first call.
#[derive(Debug)]
pub struct Client {
    pub(crate) settings: Settings,
    bootstrap: Vec<Address>,
    connections: BTreeMap<Address, Connection>,
    cluster: Cluster,
    /// Addresses whose failure has been logged since they last worked.
    failing: BTreeSet<Address>,
}

/// Which broker a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Any,
    Controller,
    Broker(BrokerId),
}

impl Client {
    /// `bootstrap` are the addresses to begin with, tried in their order.
    pub fn new(bootstrap: Vec<Address>, settings: Settings) -> Client {
        let (connections, failing) = (BTreeMap::new(), BTreeSet::new());
        Client { settings, bootstrap, connections, cluster: Cluster::default(), failing }
    }

    /// Asks whichever broker answers first.
    pub async fn call_any<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.call(Target::Any, request, |_| None).await
    }

    /// Asks the controller; `refused` finds in an answer what makes it void, such as NOT_CONTROLLER.
    pub async fn call_controller<R: Request>(
        &mut self,
        request: &R,
        refused: impl Fn(&R::Response) -> Option<Refusal>,
    ) -> Result<R::Response, ClientError> {
        self.call(Target::Controller, request, refused).await
    }

    /// Asks one broker.
    pub async fn call_broker<R: Request>(
        &mut self,
        broker: BrokerId,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        self.call(Target::Broker(broker), request, |_| None).await
    }

    /// Repeats a request while what stands in its way may pass; `refused` finds in an answer what makes it void.
    pub(crate) async fn call<R: Request>(
        &mut self,
        target: Target,
        request: &R,
        refused: impl Fn(&R::Response) -> Option<Refusal>,
    ) -> Result<R::Response, ClientError> {
        let deadline = Instant::now() + self.settings.call_timeout;
        loop {
            let error = match self.attempt(target, request).await {
                Ok((answer, address)) => match refused(&answer) {
                    None => return Ok(answer),
                    Some(refusal) => refusal_of::<R>(address, refusal)?,
                },
                Err(error) => error,
            };
            if !error.is_passing() {
                return Err(error);
            }
            if Instant::now() + self.settings.retry_backoff >= deadline {
                return Err(self.exhausted(target, error));
            }
            self.cluster = Cluster::default();
            sleep(self.settings.retry_backoff).await;
        }
    }

    async fn attempt<R: Request>(
        &mut self,
        target: Target,
        request: &R,
    ) -> Result<(R::Response, Address), ClientError> {
        let address = match target {
            Target::Any => return self.ask_any(request).await,
            Target::Controller => self.controller_address().await?,
            Target::Broker(id) => self.broker_address(id).await?,
        };
        self.ask(&address, request).await.map(|answer| (answer, address))
    }

    async fn controller_address(&mut self) -> Result<Address, ClientError> {
        if self.cluster.controller.is_none() {
            self.refresh().await?;
        }
        let id = self.cluster.controller.ok_or(ClientError::UnknownBroker { id: BrokerId::NONE.0 })?;
        self.broker_address(id).await
    }

    async fn broker_address(&mut self, id: BrokerId) -> Result<Address, ClientError> {
        if self.address_of(id).is_none() {
            self.refresh().await?;
        }
        self.address_of(id).ok_or(ClientError::UnknownBroker { id: id.0 })
    }

    fn address_of(&self, id: BrokerId) -> Option<Address> {
        self.cluster.brokers.iter().find(|broker| broker.id == id).map(|broker| broker.address.clone())
    }

    async fn refresh(&mut self) -> Result<(), ClientError> {
        let nothing =
            MetadataRequest::default().with_topics(Some(Vec::new())).with_allow_auto_topic_creation(false);
        let (answer, _) = self.ask_any(&nothing).await?;
        self.learn(&answer);
        Ok(())
    }

    /// Remembers who is in the cluster.
    pub(crate) fn learn(&mut self, answer: &MetadataResponse) {
        self.cluster = Cluster::from_metadata(answer);
    }

    /// Open connections first, then the brokers heard of, then those given at the start.
    async fn ask_any<R: Request>(&mut self, request: &R) -> Result<(R::Response, Address), ClientError> {
        let mut candidates: Vec<Address> = self.connections.keys().cloned().collect();
        candidates.extend(self.cluster.brokers.iter().map(|broker| broker.address.clone()));
        candidates.extend(self.bootstrap.iter().cloned());
        let mut tried = BTreeSet::new();
        let mut last = ClientError::BadAddress { given: String::new() };
        for address in candidates {
            if !tried.insert(address.clone()) {
                continue;
            }
            match self.ask(&address, request).await {
                Ok(answer) => return Ok((answer, address)),
                Err(error) if error.is_of_one_broker() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn ask<R: Request>(&mut self, address: &Address, request: &R) -> Result<R::Response, ClientError> {
        let asked = match self.connections.remove(address) {
            Some(connection) => ask_over(connection, request).await,
            None => self.connect_and_ask(address, request).await,
        };
        match asked {
            Ok((answer, connection)) => {
                self.failing.remove(address);
                self.connections.insert(address.clone(), connection);
                Ok(answer)
            }
            Err(error) => {
                if self.failing.insert(address.clone()) {
                    warn!("{error}");
                }
                Err(error)
            }
        }
    }

    async fn connect_and_ask<R: Request>(
        &self,
        address: &Address,
        request: &R,
    ) -> Result<(R::Response, Connection), ClientError> {
        let Settings { client_id, request_timeout, .. } = &self.settings;
        let connection = Connection::open(address, client_id, *request_timeout).await?;
        ask_over(connection, request).await
    }

    fn exhausted(&self, target: Target, last: ClientError) -> ClientError {
        if target != Target::Any {
            return last;
        }
        let tried: Vec<String> = self.bootstrap.iter().map(Address::to_string).collect();
        ClientError::NoBroker {
            tried: tried.join(","),
            after: self.settings.call_timeout,
            last: Box::new(last),
        }
    }
}

/// The connection comes back only with an answer: after an error it is spent.
async fn ask_over<R: Request>(
    mut connection: Connection,
    request: &R,
) -> Result<(R::Response, Connection), ClientError> {
    let answer = connection.call(request).await?;
    Ok((answer, connection))
}

/// A refusal that may pass, or the error that ends the call.
fn refusal_of<R: Request>(address: Address, refusal: Refusal) -> Result<ClientError, ClientError> {
    let api = ApiKey::from_code(R::KEY).unwrap_or(ApiKey::Metadata);
    let error = ClientError::Refused { address, api, refusal };
    if error.is_passing() { Ok(error) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, OnceLock};

    use protocol::messages::create_topics_response::CreatableTopicResult;
    use protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
    use protocol::messages::{
        self, CreateTopicsRequest, CreateTopicsResponse, DescribeClusterResponse, TopicName,
    };
    use protocol::request::RequestBody;
    use protocol::{ErrorCode, StrBytes};

    use super::*;
    use crate::admin::{NewTopic, Placement};
    use crate::fake_broker::{Reaction, answer, start};

    fn settings() -> Settings {
        Settings { retry_backoff: Duration::from_millis(1), ..Settings::default() }
    }

    /// Broker 1, 2, … at these addresses.
    fn metadata(addresses: &[Address], controller: i32) -> MetadataResponse {
        let brokers = addresses.iter().zip(1..).map(|(address, id)| {
            MetadataResponseBroker::default()
                .with_node_id(messages::BrokerId(id))
                .with_host(StrBytes::from_string(address.host.clone()))
                .with_port(address.port.into())
        });
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_controller_id(messages::BrokerId(controller))
    }

    fn created(request: &CreateTopicsRequest, code: ErrorCode) -> CreateTopicsResponse {
        let results = request.topics.iter().map(|topic| {
            CreatableTopicResult::default().with_name(topic.name.clone()).with_error_code(code.code())
        });
        CreateTopicsResponse::default().with_topics(results.collect())
    }

    /// Broker 1 is the controller until it is asked; then it says that it is not, and broker 2 is.
    #[tokio::test]
    async fn follows_the_controller() {
        let addresses: Arc<OnceLock<Vec<Address>>> = Arc::default();
        let moved = Arc::new(AtomicUsize::new(0));
        let broker = |code: ErrorCode| {
            let (addresses, moved) = (addresses.clone(), moved.clone());
            start(move |request| {
                if let RequestBody::CreateTopics(topics) = &request.body {
                    moved.fetch_add(1, Ordering::Relaxed);
                    return answer(&request.header, &created(topics, code));
                }
                if request.header.api != ApiKey::Metadata {
                    return Reaction::Usual;
                }
                let controller = if moved.load(Ordering::Relaxed) == 0 { 1 } else { 2 };
                answer(&request.header, &metadata(addresses.get().unwrap(), controller))
            })
        };
        let brokers = vec![broker(ErrorCode::NotController), broker(ErrorCode::None)];
        addresses.set(brokers.clone()).unwrap();
        let mut client = Client::new(brokers, settings());
        let placement = Placement::Counts { partitions: None, replication_factor: None };
        let topic = NewTopic { name: "t".to_owned(), placement, configs: BTreeMap::new() };
        assert_eq!(client.create_topics(&[topic]).await.unwrap(), [Ok(())]);
        assert_eq!(moved.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn says_whom_it_could_not_reach() {
        // The port was free a moment ago, and nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = Address { host: "127.0.0.1".to_owned(), port };
        let settings = Settings { call_timeout: Duration::ZERO, ..settings() };
        let error = Client::new(vec![address.clone()], settings).describe_cluster().await.unwrap_err();
        let expected = format!("no broker of {address} answered within 0 ms: cannot connect to {address}: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }

    #[tokio::test]
    async fn a_lost_connection_is_opened_again() {
        let asked = AtomicUsize::new(0);
        let address = start(move |request| {
            if request.header.api != ApiKey::DescribeCluster {
                return Reaction::Usual;
            }
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Reaction::Close,
                _ => answer(&request.header, &DescribeClusterResponse::default()),
            }
        });
        let mut client = Client::new(vec![address], settings());
        client.describe_cluster().await.unwrap();
    }

    /// As after its start, before the controller has told it of anybody.
    #[tokio::test]
    async fn a_broker_without_the_picture_is_asked_again() {
        let asked = AtomicUsize::new(0);
        let address = start(move |request| {
            if request.header.api != ApiKey::Metadata {
                return Reaction::Usual;
            }
            let known = [Address { host: "localhost".to_owned(), port: 1 }];
            let known = &known[..asked.fetch_add(1, Ordering::Relaxed).min(1)];
            let topics =
                known.iter().map(|_| MetadataResponseTopic::default().with_name(Some(TopicName("t".into()))));
            answer(&request.header, &metadata(known, 1).with_topics(topics.collect()))
        });
        let topics = Client::new(vec![address], settings()).list_topics().await.unwrap();
        assert_eq!(topics.len(), 1);
    }
}
