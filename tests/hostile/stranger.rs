//! The kinds of strangers in the pack: what each sends, and whether it stays.
//! How: bytes by hand; what looks random is the same each time.
use tests::wire::{FETCH, LIST_OFFSETS, METADATA, framed, header, noise};

/// What a stranger does when it has sent its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Goes at once, without a look at what the broker says.
    Leave,
    /// Waits for the broker's end of the connection.
    AwaitEnd,
    /// Stays, and reads nothing.
    Stay,
    /// Stays, and sends its request byte by byte.
    Drip,
}

#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) bytes: Vec<u8>,
    pub(crate) after: After,
}

/// The strangers number `number` and so on; `topic` is one with records.
pub(crate) fn stranger(number: usize, topic: &str) -> Stranger {
    let (bytes, after) = match number % 16 {
        0 => (noise(number as u64 + 1), After::AwaitEnd),
        1 => (framed(&noise(number as u64 + 1)), After::AwaitEnd),
        2 => ([&i32::MAX.to_be_bytes()[..], &noise(number as u64 + 1)].concat(), After::AwaitEnd),
        3 => ((-(number as i32)).to_be_bytes().to_vec(), After::AwaitEnd),
        // As long as socket.request.max.bytes allows, with next to nothing of it.
        4 => ([&104_857_600_i32.to_be_bytes()[..], &noise(number as u64 + 1)].concat(), After::Stay),
        5 => (half(&metadata(&names(10))), After::Leave),
        6 => (half(&metadata(&names(10))), After::Stay),
        7 => (metadata(&names(3)), After::Drip),
        8 => (metadata(&i32::MAX.to_be_bytes()), After::AwaitEnd),
        9 => (fetches(topic), After::Stay),
        10 | 11 => (Vec::new(), After::Leave),
        12 => (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), After::AwaitEnd),
        13 => (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), After::AwaitEnd),
        14 => (metadata(&names(1_000)), After::Leave),
        _ => (metadata(&names(500)).repeat(4), After::Stay),
    };
    Stranger { bytes, after }
}

/// Metadata version 4 for topics that there are not, and that are not to be made.
fn metadata(names: &[u8]) -> Vec<u8> {
    framed(&[&header(METADATA, 4, 1), names, &[0]].concat())
}

/// A list of so many names of topics.
pub(crate) fn names(count: usize) -> Vec<u8> {
    let name = |number: usize| [&[0, 7], format!("n{number:06}").as_bytes()].concat();
    let names = (0..count).flat_map(name);
    i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes().into_iter().chain(names).collect()
}

/// Metadata for very many topics.
pub(crate) fn long_metadata(count: usize) -> Vec<u8> {
    metadata(&names(count))
}

/// ListOffsets version 1 that asks for one partition very often.
pub(crate) fn long_list_offsets(topic: &str, count: usize) -> Vec<u8> {
    let mut body = header(LIST_OFFSETS, 1, 1);
    body.extend((-1_i32).to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend((count as i32).to_be_bytes());
    for _ in 0..count {
        body.extend(0_i32.to_be_bytes());
        body.extend((-1_i64).to_be_bytes());
    }
    framed(&body)
}

/// Ten fetches of 50 MB each, from the first record on.
fn fetches(topic: &str) -> Vec<u8> {
    let most = 50_000_000_i32.to_be_bytes();
    let mut body = header(FETCH, 4, 1);
    body.extend((-1_i32).to_be_bytes());
    body.extend(500_i32.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(most);
    body.push(0);
    body.extend(1_i32.to_be_bytes());
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(0_i32.to_be_bytes());
    body.extend(0_i64.to_be_bytes());
    body.extend(most);
    framed(&body).repeat(10)
}

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}
