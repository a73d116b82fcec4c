//! What the mutations begin with: a random message for each API and version, and records in each format and codec.

use super::smoke::Seed;
use crate::api::API_TABLE;
use crate::batch::{Codec, HEADER_SIZE};
use crate::ids::Millis;
use crate::legacy::Format;
use crate::random::{LegacySample, Random, wrapper};
use crate::record::{BatchBuilder, NewRecord};
use crate::shape::{self, Shape};

/// A message for each API and version, by a name for it.
fn messages(
    shape: impl Fn(crate::ApiKey) -> &'static Shape,
    head: impl Fn(crate::ApiKey, i16) -> Vec<u8>,
) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for api in API_TABLE {
        for version in api.min..=api.max {
            let mut random = Random::new(100 + version as u64);
            let mut message = head(api.key, version);
            message.extend(random.message(shape(api.key), version));
            seeds.push((format!("{}-v{version}", api.name), message));
        }
    }
    seeds
}

/// Frames without their length prefix.
pub(super) fn requests() -> Vec<Seed> {
    messages(shape::request, |api, version| {
        let mut head = [api.code().to_be_bytes(), version.to_be_bytes()].concat();
        head.extend([0, 0, 0, 7, 0, 2, b'm', b'e']);
        head.extend(api.is_flexible(version).then_some(0));
        head
    })
}

/// API, version, and a frame without its length prefix.
pub(super) fn responses() -> Vec<Seed> {
    messages(shape::response, |api, version| {
        let mut head = vec![api.code() as u8, version as u8, 0, 0, 0, 7];
        let has_tags = api.is_flexible(version) && api != crate::ApiKey::ApiVersions;
        head.extend(has_tags.then_some(0));
        head
    })
}

/// Two bytes of choices, then records as they are, or with the first choice's highest bit their content.
pub(super) fn records() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for codec in Codec::ALL {
        seeds.push((format!("batch-{codec}"), [&[9, 0][..], &batch(codec)].concat()));
        let content = &batch(Codec::None)[HEADER_SIZE..];
        let kind = (codec as u8) << 2 | 2;
        seeds.push((format!("batch-of-{codec}"), [&[9, 0x80, kind, 0, 3][..], content].concat()));
        let target = codec as u8 + 1;
        seeds.push((format!("batch-to-{codec}"), [&[9, 0x80 | target, 2, 0, 3][..], content].concat()));
    }
    for format in [Format::V0, Format::V1] {
        let messages: Vec<_> = (0..3).map(|offset| LegacySample::new(format, offset).bytes()).collect();
        seeds.push((format!("messages-{format:?}"), [&[1, 0][..], &messages.concat()].concat()));
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            let set = wrapper(format, codec, 2, &messages).bytes();
            seeds.push((format!("messages-{format:?}-{codec}"), [&[2, 0][..], &set].concat()));
            let head = [2, 0x80, (codec as u8) << 2 | format as u8, 0, 0];
            seeds.push((format!("messages-{format:?}-of-{codec}"), [&head[..], &messages.concat()].concat()));
        }
    }
    seeds
}

fn batch(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    let headers: &[(&str, Option<&[u8]>)] = &[("h", Some(b"1")), ("n", None)];
    for (key, value, headers) in [
        (Some(&b"key"[..]), Some(&b"a value, a value, a value"[..]), headers),
        (None, Some(b""), &[]),
        (Some(b"k"), None, &[]),
    ] {
        builder.push(&NewRecord { timestamp: Millis(1_700_000_000_000), key, value, headers });
    }
    builder.build().unwrap().to_vec()
}
