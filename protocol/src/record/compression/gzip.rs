//! Gzip members one after the other. What follows the last one and is none is ignored, as Java's GZIPInputStream does.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

/// Magic number, and the only method there is.
const MEMBER: &[u8] = &[0x1f, 0x8b, 8];

pub(crate) struct GzipReader<'a> {
    /// None behind the last member.
    member: Option<GzDecoder<&'a [u8]>>,
}

impl<'a> GzipReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> GzipReader<'a> {
        GzipReader { member: Some(GzDecoder::new(bytes)) }
    }
}

impl Read for GzipReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let size = member.read(out)?;
            if size > 0 || out.is_empty() {
                return Ok(size);
            }
            let rest = *member.get_ref();
            self.member = rest.starts_with(MEMBER).then(|| GzDecoder::new(rest));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut out = String::new();
        GzipReader::new(bytes).read_to_string(&mut out)?;
        Ok(out)
    }

    #[test]
    fn members_are_read_as_one_and_the_rest_is_ignored() {
        let two = [member("kaf"), member(""), member("ka")].concat();
        assert_eq!(read(&two).unwrap(), "kafka");
        assert_eq!(read(&[&two[..], b"garbage"].concat()).unwrap(), "kafka");
        for cut in [1, two.len() - 1] {
            assert!(read(&two[..cut]).is_err());
        }
    }
}
