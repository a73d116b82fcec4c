//! Real sockets over loopback: order, bounds, bad input, time. What is asked hardly matters; most requests are Metadata with a
//! number as correlation id.

mod doors;
mod files;
mod limits;
mod long;
mod muting;
mod rig;

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::*;
use crate::api::context::Outcome;
use crate::tasks::TaskKind;
use rig::{Client, PATIENCE, Rig, SETTINGS, frame, large, metadata, number, numbers};

#[tokio::test]
async fn answers_leave_in_the_order_of_the_requests_whichever_is_done_first() {
    let (taken, mut done) = mpsc::channel(64);
    let rig = Rig::start(SETTINGS, move |_, request| {
        let taken = taken.clone();
        async move {
            let (finish, finished) = oneshot::channel::<()>();
            taken.send(finish).await.expect("the test listens");
            Pending::later(async move {
                finished.await.expect("the test finishes it");
                number(&request, &[])
            })
        }
    })
    .await;
    let mut client = rig.connect().await;
    client.send(&numbers(0..20)).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(done.recv().await.expect("all are taken on, though none is answered"));
    }
    while let Some(finish) = waiting.pop() {
        finish.send(()).expect("it waits");
    }
    for expected in 0..20 {
        assert_eq!(client.number().await, Some(expected));
    }
}

#[tokio::test]
async fn a_request_waits_for_the_first_stage_of_the_one_before_but_answers_do_not() {
    let room = Arc::new(Semaphore::new(1));
    let (taken, gate) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&room));
    let seen = Arc::clone(&taken);
    let rig = Rig::start(SETTINGS, move |_, request| {
        seen.fetch_add(1, Ordering::Relaxed);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("it is never closed").forget();
            Pending::Ready(number(&request, &[]))
        }
    })
    .await;
    let mut client = rig.connect().await;
    client.send(&numbers(0..3)).await;
    assert_eq!(client.number().await, Some(0), "though the second request is held up");
    assert_eq!(taken.load(Ordering::Relaxed), 2, "the third is not looked at");
    room.add_permits(2);
    assert_eq!((client.number().await, client.number().await), (Some(1), Some(2)));
}

/// Time is stepped by the runtime whenever nothing moves, so the deadlines below say "no more comes".
#[tokio::test(start_paused = true)]
async fn what_is_unanswered_is_bounded_in_number_and_bytes() {
    for (size, count, most) in [(1, 80, 64), (1 << 20, 12, 6)] {
        let (taken, mut seen) = mpsc::channel(100);
        let rig = Rig::start(SETTINGS, move |_, _| {
            let taken = taken.clone();
            async move {
                taken.send(()).await.expect("the test listens");
                Pending::later(std::future::pending())
            }
        })
        .await;
        let mut client = rig.connect().await;
        let requests: Vec<u8> =
            (0..count).flat_map(|i| if size > 1 { large(i, size) } else { metadata(i) }).collect();
        let sending = timeout(PATIENCE, client.0.write_all(&requests)).await;
        assert_eq!(sending.is_err(), size > 1, "large requests must back up into the socket");
        let mut accepted = 0;
        while let Ok(Some(())) = timeout(PATIENCE, seen.recv()).await {
            accepted += 1;
        }
        assert!(
            accepted <= most && accepted >= most - 1,
            "{accepted} requests of {size} bytes were taken on"
        );
    }
}

#[tokio::test]
async fn who_does_not_read_holds_up_nobody_else() {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        let size = if request.header.correlation_id == -1 { 16 << 20 } else { 10 };
        Pending::Ready(number(&request, &vec![0; size]))
    })
    .await;
    let mut slow: Vec<Client> = Vec::new();
    for _ in 0..10 {
        let mut client = rig.connect().await;
        client.send(&numbers(-1..3)).await;
        slow.push(client);
    }
    let mut client = rig.connect().await;
    for round in 0..500 {
        client.send(&metadata(round)).await;
        assert_eq!(client.number().await, Some(round));
    }
    let answer = slow.pop().expect("there are ten").answer().await.expect("it is still being sent");
    assert_eq!(answer.len(), 4 + (16 << 20));
}

#[tokio::test]
async fn who_cannot_be_understood_gets_what_it_asked_before_and_is_cut_off() {
    let mut elements = metadata(7)[4..].to_vec();
    elements.truncate(16);
    let unreasonable = [
        frame(b""),
        frame(b"abc"),
        frame(&[0xff; 40]),
        frame(&metadata(7)[4..12]),
        frame(&[&elements[..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat()),
        frame(b"\x03\xe7\0\0\0\0\0\x07\xff\xff"),
        frame(b"\0\x03\0\x63\0\0\0\x07\xff\xff\0"),
        frame(b"\0\x03\0\x01\0\0\0\x07\xff\xff\x7f\xff\xff\xff"),
        (-1i32).to_be_bytes().to_vec(),
        i32::MAX.to_be_bytes().to_vec(),
        (SETTINGS.request_bytes_max as i32 + 1).to_be_bytes().to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    let rig = Rig::echo().await;
    for bytes in unreasonable {
        let mut client = rig.connect().await;
        client.send(&[&numbers(0..2), &bytes[..]].concat()).await;
        assert_eq!((client.number().await, client.number().await), (Some(0), Some(1)), "{bytes:?}");
        assert_eq!(client.number().await, None, "{bytes:?}");
    }
    let mut client = rig.connect().await;
    client.send(&metadata(5)).await;
    assert_eq!(client.number().await, Some(5), "others are served on");
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let rig = Rig::echo().await;
    for body in [b"\0\x12\0\x05\0\0\0\x07\0\x02me\0".as_slice(), b"\0\x12\xff\xff\0\0\0\x07\0\x02me"] {
        let mut client = rig.connect().await;
        client.send(&[frame(body), metadata(8).to_vec()].concat()).await;
        let answer = client.answer().await.expect("it is answered");
        assert_eq!(answer[..], *b"\0\0\0\x07\0\x23\0\0\0\x01\0\x12\0\0\0\x04");
        assert_eq!(client.number().await, Some(8), "and the connection stays");
    }
}

#[tokio::test]
async fn half_a_connection_is_answered_to_its_end() {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        Pending::later(async move {
            tokio::task::yield_now().await;
            number(&request, &[])
        })
    })
    .await;
    for tail in [0, 1, 3, 20] {
        let mut client = rig.connect().await;
        client.send(&[&numbers(0..30), &metadata(30)[..tail]].concat()).await;
        client.0.shutdown().await.expect("it is open");
        for expected in 0..30 {
            assert_eq!(client.number().await, Some(expected));
        }
        assert_eq!(client.number().await, None);
    }
}

/// Time is stepped by the runtime whenever nothing moves.
#[tokio::test(start_paused = true)]
async fn a_client_that_left_is_not_waited_for() {
    let rig = Rig::start(SETTINGS, |_, _| async { Pending::later(std::future::pending()) }).await;
    let mut client = rig.connect().await;
    client.send(&metadata(1)).await;
    client.0.shutdown().await.expect("it is open");
    assert_eq!(client.number().await, None, "the broker closes as well");
}

#[tokio::test]
async fn requests_may_arrive_byte_by_byte() {
    let rig = Rig::echo().await;
    let mut client = rig.connect().await;
    for byte in numbers(0..3) {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    for expected in 0..3 {
        assert_eq!(client.number().await, Some(expected));
    }
}

#[tokio::test]
async fn silence_is_not_an_answer_and_a_refusal_ends_the_connection() {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        Pending::Ready(match request.header.correlation_id {
            1 => Outcome::Silent,
            3 => Outcome::Close("no".to_owned()),
            _ => number(&request, &[]),
        })
    })
    .await;
    let mut client = rig.connect().await;
    client.send(&numbers(0..5)).await;
    assert_eq!((client.number().await, client.number().await), (Some(0), Some(2)));
    assert_eq!(client.number().await, None);
}

/// Time is stepped by the runtime whenever nothing moves.
#[tokio::test(start_paused = true)]
async fn each_request_is_reported_with_its_stages_once_it_is_over() {
    const WORK: Duration = Duration::from_millis(50);
    let rig = Rig::start(SETTINGS, |_, request| async move {
        Pending::later(async move {
            tokio::time::sleep(WORK).await;
            match request.header.correlation_id {
                1 => Outcome::Silent,
                _ => number(&request, b"more"),
            }
        })
    })
    .await;
    let mut client = rig.connect().await;
    client.send(&numbers(0..3)).await;
    assert_eq!((client.number().await, client.number().await), (Some(0), Some(2)));
    client.0.shutdown().await.expect("it is open");
    assert_eq!(client.number().await, None);
    let over = rig.over.lock().expect("nobody panics").clone();
    let facts: Vec<_> = over.iter().map(|(number, _, bytes)| (*number, *bytes)).collect();
    assert_eq!(facts, [(0, 12), (1, 0), (2, 12)]);
    for (number, stages, _) in over {
        let queue = WORK * number as u32;
        assert!(stages.request_queue >= queue && stages.request_queue < queue + WORK, "{stages:?}");
        assert!(stages.remote >= WORK && stages.remote < 2 * WORK, "{stages:?}");
        assert_eq!(stages.local, Duration::ZERO, "time stands still while something is done");
    }
}

#[tokio::test]
async fn a_panic_closes_only_its_own_connection() {
    let rig = Rig::start(SETTINGS, |_, request| async move {
        match request.header.correlation_id {
            1 => panic!("in the first stage"),
            2 => Pending::later(async { panic!("in the second") }),
            _ => Pending::Ready(number(&request, &[])),
        }
    })
    .await;
    let mut bystander = rig.connect().await;
    for poison in [1, 2] {
        let mut client = rig.connect().await;
        client.send(&metadata(poison)).await;
        assert_eq!(client.number().await, None);
    }
    bystander.send(&metadata(9)).await;
    assert_eq!(bystander.number().await, Some(9));
    assert!(timeout(Duration::from_millis(1), rig.tasks.failed()).await.is_err(), "the broker goes on");
}

#[tokio::test]
async fn a_request_knows_who_asks_and_where() {
    let (contexts, mut seen) = mpsc::channel(1);
    let rig = Rig::start(SETTINGS, move |context, request| {
        let contexts = contexts.clone();
        async move {
            contexts.send(context).await.expect("the test listens");
            Pending::Ready(number(&request, &[]))
        }
    })
    .await;
    let mut client = rig.connect().await;
    client.send(&metadata(1)).await;
    let context = seen.recv().await.expect("one request was sent");
    assert_eq!(context.principal.to_string(), "User:ANONYMOUS");
    assert_eq!((&*context.listener, context.client_id.as_deref()), ("PLAINTEXT", Some("tests")));
    assert!(context.client_host.is_loopback());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    for idle in [Duration::from_millis(300), Duration::from_secs(600)] {
        let settings = Settings { idle_max: Some(idle), ..SETTINGS };
        let rig =
            Rig::start(settings, |_, request| async move { Pending::Ready(number(&request, &[])) }).await;
        let mut client = rig.connect().await;
        let mut last = Instant::now();
        for round in 0..5 {
            last = Instant::now();
            client.send(&metadata(round)).await;
            assert_eq!(client.0.read_u64().await.expect("it is answered"), 4 << 32 | round as u64);
            tokio::time::sleep(idle * 9 / 10).await;
        }
        assert_eq!(client.0.read(&mut [0]).await.expect("an orderly end"), 0);
        let waited = last.elapsed();
        assert!(waited >= idle && waited < idle + idle / 10, "closed after {waited:?} of {idle:?}");
    }
}

#[tokio::test]
async fn stopping_finishes_what_was_asked_and_takes_on_nothing_more() {
    let finish = Arc::new(Semaphore::new(0));
    let (gate, (taken, mut seen)) = (Arc::clone(&finish), mpsc::channel(1));
    let rig = Rig::start(SETTINGS, move |_, request| {
        let (gate, taken) = (Arc::clone(&gate), taken.clone());
        async move {
            taken.send(()).await.expect("the test listens");
            Pending::later(async move {
                gate.acquire().await.expect("it is never closed").forget();
                number(&request, &[])
            })
        }
    })
    .await;
    let (mut asking, mut idle) = (rig.connect().await, rig.connect().await);
    idle.send(&metadata(1)).await;
    asking.send(&metadata(7)).await;
    seen.recv().await;
    seen.recv().await;
    rig.tasks.stop(TaskKind::Listener).await.expect("it ends at once");
    assert!(TcpStream::connect(rig.address).await.is_err(), "the port is closed");
    finish.add_permits(1);
    assert_eq!(idle.number().await, Some(1));
    finish.add_permits(1);
    rig.tasks.stop(TaskKind::Connection).await.expect("they end once all is answered");
    assert_eq!(asking.number().await, Some(7));
    assert_eq!((asking.number().await, idle.number().await), (None, None));
}

#[tokio::test]
async fn a_port_in_use_is_refused_by_name() {
    let rig = Rig::echo().await;
    let port = rig.address.port();
    for host in [Some("127.0.0.1"), Some("localhost"), None] {
        let error = Listener::bind("EXTERNAL", host, port, &SETTINGS).await.expect_err("it is in use");
        assert_eq!(error.cause.kind(), std::io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with("listener EXTERNAL cannot be opened on "), "{error}");
    }
    let everywhere = Listener::bind("ANY", None, 0, &SETTINGS).await.expect("a free port");
    assert!(everywhere.address.ip().is_unspecified());
    assert!(TcpStream::connect(("127.0.0.1", everywhere.address.port())).await.is_ok());
}

/// Runs itself again in a process that may open few files, which is where the test proper is.
#[test]
fn a_process_out_of_descriptors_serves_on_and_accepts_again_later() {
    const INNER: &str = "OTTLA_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(INNER).is_none() {
        let binary = std::env::current_exe().expect("we are running it");
        let name = "network::tests::a_process_out_of_descriptors_serves_on_and_accepts_again_later";
        let limited = "ulimit -n 40 && exec \"$0\" --exact \"$1\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", limited]).arg(binary).arg(name).env(INNER, "1");
        let output = shell.output().expect("there is a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run_out_of_descriptors());
}

async fn run_out_of_descriptors() {
    let rig = Rig::echo().await;
    let mut served = rig.connect().await;
    served.send(&metadata(1)).await;
    assert_eq!(served.number().await, Some(1));
    // Descriptors that only the broker's accept is short of: the clients connect first, as the backlog allows.
    let mut waiting = Vec::new();
    while let Ok(socket) = std::net::TcpStream::connect(rig.address) {
        waiting.push(socket);
    }
    let mut hoard: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    served.send(&metadata(2)).await;
    assert_eq!(served.number().await, Some(2), "who is in is served");
    let late = waiting.pop().expect("some have connected");
    drop((hoard, waiting));
    late.set_nonblocking(true).expect("it is a socket");
    let mut late = Client(TcpStream::from_std(late).expect("the runtime is here"));
    late.send(&metadata(3)).await;
    assert_eq!(late.number().await, Some(3), "who had to wait is served later");
}
