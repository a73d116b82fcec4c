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

    /// Repeats a request while what stands in its way may pass.
    async fn call<R: Request>(
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
