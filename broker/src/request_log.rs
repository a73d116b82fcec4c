//! The request log: at DEBUG a line for each request that is over, with the message that asked, the one that answered, sizes, and where its time
//! went. At WARN, if `ottla.slow.request.ms` is set, a line without the messages for each that took longer.
//!
//! Called by connections. While both are off a request costs the check of a level and of a number. Source: RequestConvertToJson,
//! RequestChannel.updateRequestMetrics (3.9), which has no log of slow requests, and no sizes in its lines.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use protocol::ApiKey;
use protocol::json::{self, RequestJson, quoted};
use protocol::response::Response;
use tracing::{Level, debug, enabled, warn};

use crate::api::context::Context;
use crate::network::{Completed, Origin, Passage, Stages};

/// Kafka's name of the logger.
const LOGGER: &str = "kafka.request.logger";
/// What Kafka knows of clients that did not say (ClientInformation).
const UNKNOWN: &str = "unknown";
/// The only protocol that is served.
const SECURITY_PROTOCOL: &str = "PLAINTEXT";

/// The messages of a request that is to be logged; the frame stays in memory for it.
#[derive(Debug)]
pub(crate) struct Messages {
    frame: Bytes,
    response: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLog {
    /// How long a request may take; none where nobody asks.
    pub(crate) slow: Option<Duration>,
}

impl Messages {
    /// Keeps a frame where requests are logged.
    pub(crate) fn kept(frame: &Bytes) -> Option<Box<Messages>> {
        enabled!(target: LOGGER, Level::DEBUG)
            .then(|| Box::new(Messages { frame: frame.clone(), response: None }))
    }

    pub(crate) fn answered(&mut self, passage: (ApiKey, i16), response: &Response) {
        self.response = json::response(passage.0, passage.1, response);
    }
}

impl RequestLog {
    pub(crate) fn completed(&self, context: &Context, completed: &Completed<'_>) {
        let Completed { passage, stages, .. } = completed;
        if let Some(messages) = &passage.messages {
            let request = RequestJson::of(&messages.frame);
            debug!(target: LOGGER, "Completed request:{}", line(context, completed, request.as_ref()));
        }
        if self.slow.is_some_and(|limit| effort(passage.api, stages) > limit) {
            warn!(target: LOGGER, "Slow request:{}", line(context, completed, None));
        }
    }
}

/// What a client waited for. That a fetch waits for records is what it asked for.
fn effort(api: ApiKey, stages: &Stages) -> Duration {
    if api == ApiKey::Fetch { stages.total() - stages.remote } else { stages.total() }
}

fn line(context: &Context, completed: &Completed<'_>, request: Option<&RequestJson>) -> String {
    let Completed { passage, stages, response_bytes, origin } = completed;
    let Passage { api, version, correlation_id, request_bytes, throttle, .. } = passage;
    let mut out = String::from(r#"{"isForwarded":false,"requestHeader":"#);
    match request {
        Some(request) => out.push_str(&request.header),
        None => out.push_str(&json::header(*api, *version, *correlation_id, passage.client_id.as_deref())),
    }
    let response = passage.messages.as_ref().and_then(|messages| messages.response.as_deref());
    let body = request.map_or(r#""""#, |request| &request.body);
    let _ = write!(
        out,
        r#","request":{body},"response":{},"connection":"{origin}""#,
        response.unwrap_or(r#""""#)
    );
    times(&mut out, stages, *throttle);
    let _ = write!(out, r#","securityProtocol":"{SECURITY_PROTOCOL}","principal":"#);
    quoted(&mut out, &context.principal.to_string());
    out.push_str(r#","listener":"#);
    quoted(&mut out, &context.listener);
    client_information(&mut out, origin);
    let _ = write!(out, r#","requestSizeInBytes":{request_bytes},"responseSizeInBytes":{response_bytes}}}"#);
    out
}

fn times(out: &mut String, stages: &Stages, throttle: Duration) {
    let Stages { request_queue, local, remote, response_queue, send } = *stages;
    let _ = write!(
        out,
        r#","totalTimeMs":{:?},"requestQueueTimeMs":{:?},"localTimeMs":{:?},"remoteTimeMs":{:?},"throttleTimeMs":{},"responseQueueTimeMs":{:?},"sendTimeMs":{:?}"#,
        ms(stages.total()),
        ms(request_queue),
        ms(local),
        ms(remote),
        throttle.as_millis(),
        ms(response_queue),
        ms(send)
    );
}

fn client_information(out: &mut String, origin: &Origin) {
    let (name, version) = match &origin.software {
        Some(software) => (&*software.name, &*software.version),
        None => (UNKNOWN, UNKNOWN),
    };
    out.push_str(r#","clientInformation":{"softwareName":"#);
    quoted(out, name);
    out.push_str(r#","softwareVersion":"#);
    quoted(out, version);
    out.push('}');
}

/// Whole microseconds.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
    use protocol::request::{RequestHeader, encode};
    use tokio::time::Instant;

    use super::*;
    use crate::network::Software;

    /// As a real broker's log has it, but for the sizes, which are ours.
    #[test]
    fn a_line_is_kafkas() {
        let client_id = Some("rdkafka".into());
        let header = RequestHeader { api: ApiKey::ListOffsets, version: 2, correlation_id: 4, client_id };
        let frame = encode(&header, &ListOffsetsRequest::default()).expect("it fits").slice(4..);
        let mut messages = Messages { frame: frame.clone(), response: None };
        let answer = protocol::response::encode(4, header.api, 2, &ListOffsetsResponse::default());
        messages.answered((header.api, 2), &answer.expect("it fits").into());
        let mut passage = Passage::new(&header, frame.len(), Instant::now());
        passage.throttle = Duration::from_millis(7);
        let software = Software { name: "librdkafka".to_owned(), version: "2.0.2".to_owned() };
        let origin = Origin {
            local: Some(([127, 0, 0, 1], 21000).into()),
            peer: ([127, 0, 0, 1], 40462).into(),
            number: 1,
            software: Some(Box::new(software)),
        };
        let us = Duration::from_micros;
        let stages = Stages {
            request_queue: us(1716),
            local: us(50_855),
            remote: us(0),
            response_queue: us(178),
            send: us(362),
        };
        let request = RequestJson::of(&frame);
        passage.messages = Some(Box::new(messages));
        let completed = Completed { origin: &origin, passage: &passage, stages, response_bytes: 20 };
        let context = Context::new(Arc::from("PLAINTEXT"), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(
            line(&context, &completed, request.as_ref()),
            concat!(
                r#"{"isForwarded":false,"requestHeader":{"requestApiKey":2,"requestApiVersion":2,"correlationId":4,"clientId":"rdkafka","#,
                r#""requestApiKeyName":"LIST_OFFSETS"},"request":{"replicaId":0,"isolationLevel":0,"topics":[]},"#,
                r#""response":{"throttleTimeMs":0,"topics":[]},"connection":"127.0.0.1:21000-127.0.0.1:40462-1","totalTimeMs":53.111,"#,
                r#""requestQueueTimeMs":1.716,"localTimeMs":50.855,"remoteTimeMs":0.0,"throttleTimeMs":7,"responseQueueTimeMs":0.178,"#,
                r#""sendTimeMs":0.362,"securityProtocol":"PLAINTEXT","principal":"User:ANONYMOUS","listener":"PLAINTEXT","#,
                r#""clientInformation":{"softwareName":"librdkafka","softwareVersion":"2.0.2"},"requestSizeInBytes":26,"responseSizeInBytes":20}"#,
            )
        );
        passage.messages = None;
        passage.remember_client(&header);
        let completed = Completed { origin: &origin, passage: &passage, stages, response_bytes: 20 };
        let slow = line(&context, &completed, None);
        assert!(
            slow.contains(r#""clientId":"rdkafka""#) && slow.contains(r#""request":"","response":"""#),
            "{slow}"
        );
    }

    #[test]
    fn a_fetch_is_not_slow_because_no_records_come() {
        let stages = Stages { remote: Duration::from_secs(30), ..Stages::default() };
        assert_eq!(effort(ApiKey::Fetch, &stages), Duration::ZERO);
        assert_eq!(effort(ApiKey::Produce, &stages), Duration::from_secs(30));
    }
}
