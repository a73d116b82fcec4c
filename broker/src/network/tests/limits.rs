//! Limits of connections over real sockets: who has to wait, who is turned away, who has to go. Time is stepped by the runtime.

use super::rig::{Client, PATIENCE, Rig, SETTINGS, large, metadata, number, unlimited};
use super::*;

async fn rig(limits: Limits) -> Rig {
    Rig::limited(SETTINGS, limits, |_, request| async move { Pending::Ready(number(&request, &[])) }).await
}

async fn is_served(client: &mut Client) -> bool {
    client.send(&metadata(1)).await;
    client.number().await == Some(1)
}

/// Not within any time: nothing else moves it on.
async fn waits(client: &mut Client) -> bool {
    client.send(&metadata(1)).await;
    timeout(PATIENCE / 2, client.answer()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_full_broker_lets_the_next_one_wait_until_somebody_leaves_or_the_limit_is_raised() {
    let mut limits = unlimited();
    limits.connections_max = 2;
    let rig = rig(limits.clone()).await;
    let (mut first, mut second) = (rig.connect().await, rig.connect().await);
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    let mut third = rig.connect().await;
    assert!(waits(&mut third).await);
    drop(first);
    assert_eq!(third.number().await, Some(1));
    let mut fourth = rig.connect().await;
    assert!(waits(&mut fourth).await);
    limits.connections_max = 3;
    rig.seats.reconfigure(limits);
    assert_eq!(fourth.number().await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_was_silent_for_longest_goes_when_the_limit_is_lowered_or_a_broker_comes() {
    let rig = rig(unlimited()).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = rig.connect().await;
        assert!(is_served(&mut client).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        clients.push(client);
    }
    assert!(is_served(&mut clients[0]).await);
    let mut limits = unlimited();
    limits.connections_max = 3;
    rig.seats.reconfigure(limits);
    assert_eq!(clients[1].number().await, None, "it was silent for longest");
    let inter_broker = rig.seats.take(&Arc::from("BROKERS"), "10.0.0.1".parse().expect("an address")).await;
    assert!(inter_broker.is_ok());
    assert_eq!(clients[2].number().await, None);
    assert!(is_served(&mut clients[0]).await && is_served(&mut clients[3]).await);
}

#[tokio::test(start_paused = true)]
async fn an_address_with_all_its_connections_is_turned_away_at_once() {
    let mut limits = unlimited();
    limits.per_ip_max = 0;
    limits.per_ip_overrides.insert("127.0.0.1".parse().expect("an address"), 1);
    let rig = rig(limits).await;
    let mut first = rig.connect().await;
    assert!(is_served(&mut first).await);
    let begun = Instant::now();
    assert_eq!(rig.connect().await.number().await, None);
    assert!(begun.elapsed() < Duration::from_millis(100));
    drop(first);
    let mut next = rig.connect().await;
    // The end of the first is seen in its own time.
    while next.0.write_all(&metadata(1)).await.is_err() || next.number().await.is_none() {
        next = rig.connect().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_connects_too_often_is_turned_away_after_a_while() {
    let rig = rig(unlimited()).await;
    rig.seats.set_ip_rate(None, Some(1));
    let mut served = 0;
    let mut clients = Vec::new();
    for _ in 0..11 {
        clients.push(rig.connect().await);
    }
    let begun = Instant::now();
    for client in &mut clients {
        served +=
            usize::from(client.0.write_all(&metadata(1)).await.is_ok() && client.number().await.is_some());
    }
    assert_eq!(served, 10, "as many as a full window has");
    assert!(begun.elapsed() >= Duration::from_millis(900), "the other was kept waiting for its end");
}

#[tokio::test(start_paused = true)]
async fn a_listener_accepts_no_faster_than_its_rate() {
    let mut limits = unlimited();
    limits.listeners.get_mut("PLAINTEXT").expect("it is there").creation_rate_max = 1;
    let rig = rig(limits).await;
    let begun = Instant::now();
    for _ in 0..15 {
        let mut client = rig.connect().await;
        assert!(is_served(&mut client).await);
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(7), "{took:?}");
}

/// The large request of each client is taken on only when those before it are answered; what is short of it can be had.
#[tokio::test(start_paused = true)]
async fn requests_wait_in_their_sockets_while_all_memory_for_requests_is_in_use() {
    let (taken, mut seen) = mpsc::channel(8);
    let finish = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&finish);
    let serve = move |_, request| {
        let (taken, gate) = (taken.clone(), Arc::clone(&gate));
        async move {
            taken.send(()).await.expect("the test listens");
            Pending::later(async move {
                gate.acquire().await.expect("it is never closed").forget();
                number(&request, &[])
            })
        }
    };
    let seats = Seats::new(unlimited(), config::broker::QuotaWindow { samples: 11, sample_seconds: 1 });
    let rig = Rig::with(SETTINGS, seats, Backlog::new(500, Some(100_000)), serve).await;
    let mut clients = Vec::new();
    for at in 0..4 {
        let mut client = rig.connect().await;
        if at < 3 {
            client.send(&large(at, 40_000)).await;
        } else {
            client.send(&metadata(at)).await;
        }
        clients.push(client);
    }
    for _ in 0..2 {
        seen.recv().await.expect("there is memory for two");
    }
    assert!(timeout(PATIENCE / 2, seen.recv()).await.is_err(), "and for no more");
    finish.add_permits(1);
    seen.recv().await.expect("the next is taken on when one is answered");
    finish.add_permits(3);
    for (client, number) in clients.iter_mut().zip(0..) {
        assert_eq!(client.number().await, Some(number));
    }
}
