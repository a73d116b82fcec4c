//! Writes entries for the tests of this crate.

use std::io::Write;

use crate::batch::Codec;
use crate::legacy::Format;
use crate::record::{Compression, Encoder, HeaderChecksum};

/// What an entry is made of.
#[derive(Debug, Clone)]
pub(crate) struct LegacySample {
    pub(crate) format: Format,
    pub(crate) offset: i64,
    pub(crate) attributes: u8,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

impl LegacySample {
    pub(crate) fn new(format: Format, offset: i64) -> LegacySample {
        let value = Some(format!("value {offset}").into_bytes());
        LegacySample {
            format,
            offset,
            attributes: 0,
            timestamp: 1000 + offset,
            key: Some(b"key".to_vec()),
            value,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut covered = vec![self.format as u8, self.attributes];
        if self.format == Format::V1 {
            covered.extend(self.timestamp.to_be_bytes());
        }
        for part in [&self.key, &self.value] {
            covered.extend(part.as_ref().map_or(-1, |part| part.len() as i32).to_be_bytes());
            covered.extend(part.iter().flatten());
        }
        let mut out = self.offset.to_be_bytes().to_vec();
        out.extend((covered.len() as i32 + 4).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&covered);
        out.extend(crc.sum().to_be_bytes());
        out.extend(covered);
        out
    }
}

/// A wrapper at `offset` around `inner`.
pub(crate) fn wrapper(format: Format, codec: Codec, offset: i64, inner: &[Vec<u8>]) -> LegacySample {
    let checksum = match format {
        Format::V0 => HeaderChecksum::OfFormat0,
        Format::V1 => HeaderChecksum::Right,
    };
    let mut encoder = Encoder::new(Compression::from(codec), Vec::new(), checksum).unwrap();
    encoder.write_all(&inner.concat()).unwrap();
    let value = Some(encoder.finish().unwrap());
    LegacySample { attributes: codec as u8, key: None, value, ..LegacySample::new(format, offset) }
}
