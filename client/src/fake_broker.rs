//! A broker for tests: a thread that answers what it is told to, over a real socket.
//!
//! Serves one connection after the other. ApiVersions is answered with the table of served APIs unless the test
//! answers it itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use kafka_protocol::protocol::{Encodable, HeaderVersion};
use protocol::messages::ApiVersionsResponse;
use protocol::messages::api_versions_response::ApiVersion;
use protocol::request::{Request, RequestHeader};
use protocol::{API_TABLE, ApiKey};

use crate::address::Address;

/// What a broker does with a request.
pub(crate) enum Reaction {
    /// Writes these bytes.
    Write(Bytes),
    /// What every broker answers: only to ApiVersions.
    Usual,
    Close,
}

/// Starts a broker and says where it listens.
pub(crate) fn start(react: impl Fn(&Request) -> Reaction + Send + Sync + 'static) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let react = Arc::new(react);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let react = react.clone();
            thread::spawn(move || serve(stream, react.as_ref()));
        }
    });
    Address { host: "127.0.0.1".to_owned(), port }
}

/// An answer to a request.
pub(crate) fn answer<M: Encodable + HeaderVersion>(header: &RequestHeader, message: &M) -> Reaction {
    let encoded = protocol::response::encode(header.correlation_id, header.api, header.version, message);
    Reaction::Write(encoded.unwrap())
}

/// The answer to ApiVersions that lists these APIs.
pub(crate) fn serving(apis: impl Fn(ApiKey) -> bool) -> ApiVersionsResponse {
    let listed = API_TABLE.iter().filter(|api| apis(api.key)).map(|api| {
        ApiVersion::default().with_api_key(api.key.code()).with_min_version(api.min).with_max_version(api.max)
    });
    ApiVersionsResponse::default().with_api_keys(listed.collect())
}

fn serve(mut stream: TcpStream, react: &(impl Fn(&Request) -> Reaction + ?Sized)) {
    let mut size = [0; 4];
    while stream.read_exact(&mut size).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        let request = Request::decode(frame.into()).unwrap();
        let mut reaction = react(&request);
        if let Reaction::Usual = reaction {
            reaction = answer(&request.header, &serving(|_| true));
        }
        match reaction {
            Reaction::Write(bytes) if stream.write_all(&bytes).is_ok() => {}
            Reaction::Write(_) | Reaction::Usual | Reaction::Close => return,
        }
    }
}
