//! Answers that are files: byte for byte, from memory and from the disk, and what a disk may do to them.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::batch::Codec;
use protocol::record::{BatchBuilder, NewRecord};
use protocol::response::{FileSlice, Part, Response};
use protocol::{Millis, Offset};
use rustix::fs::Advice;
use storage::rot::pages_in_memory;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::rig::{PATIENCE, Rig, SETTINGS, metadata, numbers};
use crate::api::context::{Outcome, Pending};
use crate::network::Unsendable;

/// A disk that others write gigabytes to takes its time for three megabytes.
const DISK_PATIENCE: Duration = PATIENCE.saturating_mul(6);
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

/// Takes a file out of the page cache, all of it: the system keeps pages that it is busy with for a moment.
fn chill(file: &File) {
    let begun = Instant::now();
    loop {
        file.sync_all().expect("it can be written back");
        rustix::fs::fadvise(file, 0, None, Advice::DontNeed).expect("it is a file");
        // Where the system does not count, it has to be believed.
        let warm = pages_in_memory(file, 0..u64::MAX).unwrap_or(0);
        if warm == 0 {
            return;
        }
        assert!(begun.elapsed() < DISK_PATIENCE, "the system keeps {warm} pages of the file in memory");
        std::thread::yield_now();
    }
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
        let end = timeout(DISK_PATIENCE, client.0.read_to_end(&mut received)).await;
        let end = end.unwrap_or_else(|_| panic!("byte {at}: no end after {} bytes", received.len()));
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
