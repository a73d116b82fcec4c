//! Listeners that are opened and closed while clients are connected, over real sockets.

use config::listeners::{Endpoint, SecurityProtocol};

use super::rig::{Client, SETTINGS, WINDOW, metadata, number, unlimited};
use super::*;
use crate::network::{Backlog, Complaints, Doors, LongRequests, Network, Seats};

fn doors(tasks: &Tasks) -> Doors {
    Doors::new(Network {
        settings: SETTINGS,
        serve: Arc::new(|_, request| Box::pin(async move { Pending::Ready(number(&request, &[])) })),
        report: Box::new(|_| {}),
        completed: Box::new(|_, _| {}),
        connections: AtomicU32::new(0),
        quotas: Arc::new(Quotas::new(WINDOW, WINDOW)),
        tasks: tasks.clone(),
        seats: Seats::new(unlimited(), WINDOW),
        backlog: Arc::new(Backlog::new(500, None)),
        long_requests: LongRequests::new(),
        complaints: Complaints::new(),
    })
}

fn endpoint(listener: &str, port: u16) -> Endpoint {
    let host = Some("127.0.0.1".to_owned());
    Endpoint { listener: listener.to_owned(), protocol: SecurityProtocol::Plaintext, host, port }
}

async fn connect(doors: &Doors, listener: &str) -> Client {
    let port = doors.port(listener).expect("it is open");
    Client(TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens"))
}

async fn is_served(client: &mut Client) -> bool {
    client.send(&metadata(1)).await;
    client.number().await == Some(1)
}

#[tokio::test]
async fn listeners_come_and_go_with_their_connections() {
    let tasks = Tasks::new();
    let doors = doors(&tasks);
    doors.change(&[endpoint("PLAINTEXT", 0)]).await.expect("a free port");
    let mut stays = connect(&doors, "PLAINTEXT").await;
    assert!(is_served(&mut stays).await);

    doors.change(&[endpoint("PLAINTEXT", 0), endpoint("BROKERS", 0)]).await.expect("a free port");
    let mut goes = connect(&doors, "BROKERS").await;
    assert!(is_served(&mut goes).await);

    // A port that cannot be had does not keep the others from being opened.
    let taken = doors.port("PLAINTEXT").expect("it is open");
    let wanted = [endpoint("PLAINTEXT", 0), endpoint("A", taken), endpoint("B", 0)];
    let error = doors.change(&wanted).await.expect_err("it is taken").to_string();
    assert!(error.starts_with(&format!("listener A cannot be opened on 127.0.0.1:{taken}")), "{error}");
    assert!((doors.port("BROKERS"), doors.port("A")) == (None, None) && doors.port("B").is_some());
    assert_eq!(goes.number().await, None, "its listener is closed");
    assert!(is_served(&mut stays).await);

    // Another address under the same name is another listener.
    let moved = doors.port("B").expect("it is open");
    doors.change(&[endpoint("PLAINTEXT", moved)]).await.expect("B has given it back");
    assert_eq!(doors.port("PLAINTEXT"), Some(moved));
    assert_eq!(stays.number().await, None);
    assert!(is_served(&mut connect(&doors, "PLAINTEXT").await).await);
    assert_eq!(tasks.stop(TaskKind::Listener).await, Ok(()));
}
