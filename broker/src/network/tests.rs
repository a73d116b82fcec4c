//! Real sockets over loopback against a listener whose requests are answered by the test: order, bounds, bad input,
//! files, time. What is asked hardly matters; most requests are Metadata with a number as correlation id.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use protocol::batch::Codec;
use protocol::messages::{MetadataRequest, ProduceRequest};
use protocol::record::{BatchBuilder, NewRecord};
use protocol::request::RequestHeader;
use protocol::response::{FileSlice, Part, Response};
use protocol::{ApiKey, Millis, Offset, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::*;
use crate::api::context::Outcome;
use crate::tasks::TaskKind;

const PATIENCE: Duration = Duration::from_secs(20);

const SETTINGS: Settings = Settings {
    send_buffer_bytes: Some(102_400),
    receive_buffer_bytes: Some(102_400),
    backlog: 50,
    request_bytes_max: 4 << 20,
    idle_max: Some(Duration::from_secs(600)),
};

struct Rig {
    tasks: Tasks,
    address: std::net::SocketAddr,
    reports: Arc<Mutex<Vec<Unsendable>>>,
}

impl Rig {
    async fn start<F>(
        settings: Settings,
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
        let network = Network {
            settings,
            serve: Arc::new(move |context, request| Box::pin(serve(context, request))),
            report: Box::new(move |unsendable| told.lock().expect("nobody panics").push(unsendable)),
            tasks: tasks.clone(),
            complaints: Complaints::new(),
        };
        tasks.spawn(TaskKind::Listener, "PLAINTEXT", listener.run(Arc::new(network)));
        Rig { tasks, address, reports }
    }

    /// Answers each request with its own correlation id.
    async fn echo() -> Rig {
        Rig::start(SETTINGS, |_, request| async move { Pending::Ready(number(&request, &[])) }).await
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.expect("the listener is open"))
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the broker reads");
    }

    /// The next answer without its length prefix; none where the connection was closed.
    async fn answer(&mut self) -> Option<Bytes> {
        let read = async {
            let size = self.0.read_u32().await.ok()?;
            let mut answer = vec![0; size as usize];
            self.0.read_exact(&mut answer).await.ok()?;
            Some(Bytes::from(answer))
        };
        timeout(PATIENCE, read).await.expect("answered in time")
    }

    async fn number(&mut self) -> Option<i32> {
        self.answer().await.map(|answer| i32::from_be_bytes(answer[..4].try_into().expect("four bytes")))
    }
}

/// An answer of the request's correlation id and `rest`.
fn number(request: &Request, rest: &[u8]) -> Outcome {
    let mut head = BytesMut::new();
    head.put_u32(4 + rest.len() as u32);
    head.put_i32(request.header.correlation_id);
    head.put_slice(rest);
    Outcome::Answer(Response::from(head.freeze()))
}

fn header(api: ApiKey, version: i16, correlation_id: i32) -> RequestHeader {
    RequestHeader { api, version, correlation_id, client_id: Some(StrBytes::from_static_str("tests")) }
}

fn metadata(number: i32) -> Bytes {
    protocol::request::encode(&header(ApiKey::Metadata, 12, number), &MetadataRequest::default())
        .expect("it fits")
}

/// A frame of `size` bytes or a little more.
fn large(number: i32, size: usize) -> Bytes {
    let id = StrBytes::from_string("x".repeat(30_000));
    let mut request = ProduceRequest::default();
    for _ in 0..=size / 30_000 {
        let topic = protocol::messages::produce_request::TopicProduceData::default();
        request.topic_data.push(topic.with_name(protocol::messages::TopicName(id.clone())));
    }
    protocol::request::encode(&header(ApiKey::Produce, 9, number), &request).expect("it fits")
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

fn numbers(range: std::ops::Range<i32>) -> Vec<u8> {
    range.flat_map(metadata).collect()
}

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

/// Bytes of each batch in a test's file.
const BATCH: usize = 512;

/// A file of `size` bytes, batch after batch, unlinked already.
fn file(size: usize) -> (Arc<File>, Vec<u8>) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("ottla-network-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let mut file = File::options().create_new(true).read(true).write(true).open(&path).expect("a new file");
    std::fs::remove_file(&path).expect("it was just made");
    let mut bytes: Vec<u8> = (0..size.div_ceil(BATCH) as i64).flat_map(batch).collect();
    bytes.truncate(size);
    file.write_all(&bytes).expect("there is room");
    (Arc::new(file), bytes)
}

fn batch(offset: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    let value: Vec<u8> = (0..442).map(|i| (((offset + 1) * 2_654_435_761 * i) >> 13) as u8).collect();
    builder.push(&NewRecord { timestamp: Millis(0), key: None, value: Some(&value), headers: &[] });
    builder.header.base_offset = Offset(offset);
    let batch = builder.build().expect("it is small");
    assert_eq!(batch.len(), BATCH);
    batch
}

fn slice(file: &Arc<File>, position: usize, length: usize) -> Part {
    Part::File(FileSlice { file: Arc::clone(file), position: position as u64, length: length as u32 })
}

/// A rig that answers each request with the next of `responses`.
async fn responding(responses: Vec<Response>) -> Rig {
    let responses = Mutex::new(responses.into_iter());
    Rig::start(SETTINGS, move |_, _| {
        let next = responses.lock().expect("no test panics with it").next().expect("as many as requests");
        async move { Pending::Ready(Outcome::Answer(next)) }
    })
    .await
}

#[tokio::test]
async fn answers_of_many_parts_arrive_byte_for_byte() {
    let (file, bytes) = file(5 << 20);
    let sizes = [0, 1, 2, 61, 4095, 4096, 4097, 16 << 10, 65_537, 1 << 20, (1 << 20) + 1, 3 << 20];
    let mut responses = Vec::new();
    let mut expected = Vec::new();
    for (i, size) in sizes.into_iter().enumerate() {
        let other = sizes[(i * 5 + 3) % sizes.len()];
        let last = (bytes.len() - size) / BATCH * BATCH;
        let parts = vec![
            slice(&file, i * 1024, size),
            Part::Bytes(Bytes::from(vec![i as u8; other / 7])),
            Part::Bytes(Bytes::from_static(b"between")),
            slice(&file, 4096 * i, other),
            slice(&file, last, size),
        ];
        let mut body = [&bytes[i * 1024..][..size], &vec![i as u8; other / 7], b"between"].concat();
        body.extend_from_slice(&bytes[4096 * i..][..other]);
        body.extend_from_slice(&bytes[last..][..size]);
        let head = Bytes::from((body.len() as u32).to_be_bytes().to_vec());
        responses.push(Response { head, body: parts });
        expected.push(body);
    }
    let rig = responding(responses).await;
    let mut client = rig.connect().await;
    client.send(&numbers(0..sizes.len() as i32)).await;
    for body in expected {
        let answer = client.answer().await.expect("every request is answered");
        assert!(answer == body, "{} bytes differ", body.len());
    }
}

/// Takes a file out of the page cache.
fn chill(file: &File) {
    file.sync_all().expect("it can be written back");
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).expect("it is a file");
}

#[tokio::test]
async fn what_is_not_in_the_page_cache_arrives_as_well() {
    // The slice ends within a batch.
    let (file, bytes) = file((3 << 20) - 100);
    chill(&file);
    let head = Bytes::from((bytes.len() as u32).to_be_bytes().to_vec());
    let rig = responding(vec![Response { head, body: vec![slice(&file, 0, bytes.len())] }]).await;
    let mut client = rig.connect().await;
    client.send(&metadata(0)).await;
    assert!(client.answer().await.expect("it is answered") == bytes);
}

#[tokio::test]
async fn a_batch_that_the_disk_gives_back_changed_is_never_sent() {
    for at in [30, BATCH * 7 + 100, (1 << 20) + 5 * BATCH + 62, (3 << 20) - 1] {
        let (file, bytes) = file(3 << 20);
        file.write_all_at(&[!bytes[at]], at as u64).expect("it can be written");
        chill(&file);
        let head = Bytes::from((bytes.len() as u32).to_be_bytes().to_vec());
        let rig = responding(vec![Response { head, body: vec![slice(&file, 0, bytes.len())] }]).await;
        let mut client = rig.connect().await;
        client.send(&metadata(0)).await;
        let mut received = Vec::new();
        let end = timeout(PATIENCE, client.0.read_to_end(&mut received)).await.expect("it ends");
        assert!(end.is_err() || received.len() - 4 <= at / BATCH * BATCH, "byte {at}: {}", received.len());
        let reports = rig.reports.lock().expect("nobody panics");
        let begin = (at / BATCH * BATCH) as u64;
        assert!(
            matches!(&reports[..], [Unsendable::Damaged { position, .. }] if *position == begin),
            "{reports:?}"
        );
    }
}

#[tokio::test]
async fn a_log_cut_short_while_it_is_sent_ends_the_connection() {
    let (file, bytes) = file(1000);
    let head = Bytes::from(2000u32.to_be_bytes().to_vec());
    let rig = responding(vec![Response { head, body: vec![slice(&file, 0, 2000)] }]).await;
    let mut client = rig.connect().await;
    client.send(&metadata(0)).await;
    let mut received = Vec::new();
    let end = timeout(PATIENCE, client.0.read_to_end(&mut received)).await.expect("it ends");
    assert!(end.is_err() || received[4..] == bytes[..], "what is there is sent, and then the end");
    let mut past = [0];
    assert_eq!(file.read_at(&mut past, 1000).expect("it can be read"), 0);
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
