//! Gzip as several members, which every gunzip reads as one file, so that threads can compress the
//! parts of one stream.

use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::io::{self, BufReader, Read};

/// Deflate level.
const LEVEL: u32 = 5;
/// Bytes asked of a compressed stream at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// What begins a member: magic, deflate, no flags, no time, no particular level, an unknown system. As Go
/// writes it.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Room that is made for output at once, beyond what is likely to be needed.
const SPARE_BYTES: usize = 4 * 1024;

/// Compresses parts; keeps its scratch memory. One a thread.
#[derive(Debug)]
pub struct Compressor {
    deflate: Compress,
}

impl Compressor {
    /// The level that gives what mongodump's level 6 gives (its files are up to 5 % smaller), twice as fast.
    pub fn new() -> Self {
        Self { deflate: Compress::new(Compression::new(LEVEL), false) }
    }

    /// Appends one whole gzip member with `input` to `out`. The same input gives the same bytes.
    pub fn member(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut crc = Crc::new();
        crc.update(input);
        out.extend_from_slice(&HEADER);
        self.deflate(input, out).map_err(|source| Error::Io { action: "compress", source })?;
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        Ok(())
    }

    fn deflate(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.deflate.reset();
        out.reserve(input.len() / 4 + SPARE_BYTES);
        loop {
            let taken = usize::try_from(self.deflate.total_in()).unwrap_or(usize::MAX);
            let rest = input.get(taken..).unwrap_or_default();
            match self.deflate.compress_vec(rest, out, FlushCompress::Finish)? {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError => out.reserve(rest.len() / 4 + SPARE_BYTES),
            }
        }
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

/// Decompresses all members of a stream. A stream that ends within a member is an error, not an end;
/// so is anything behind the last member that is no member, and a stream without any member.
/// It has a buffer of its own; `input` needs none.
pub fn reader<R: Read + Send + 'static>(input: R) -> Box<dyn Read + Send> {
    Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, input)))
}

/// Whether these first bytes are a gzip member's.
pub fn is_gzip(first: &[u8]) -> bool {
    first.starts_with(&[0x1f, 0x8b])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn members(parts: &[&[u8]]) -> Vec<u8> {
        let (mut compressor, mut out) = (Compressor::new(), Vec::new());
        for part in parts {
            compressor.member(part, &mut out).unwrap();
        }
        out
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(Cursor::new(bytes.to_vec())).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn members_are_read_as_one_file() {
        let noise: Vec<u8> =
            (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let bytes = members(&[b"one", b"", &noise, &vec![0; 100_000]]);
        assert!(is_gzip(&bytes));
        assert_eq!(read(&bytes).unwrap(), [&b"one"[..], &noise, &vec![0; 100_000]].concat());
    }

    #[test]
    fn an_end_within_a_member_is_an_error() {
        let first = members(&[b"some text"]).len();
        let bytes = members(&[b"some text", b"more text"]);
        for len in 0..bytes.len() {
            assert_eq!(read(&bytes[..len]).is_ok(), len == first, "cut at {len}");
        }
    }

    #[test]
    fn what_is_no_member_behind_the_last_one_is_an_error() {
        for rest in [&b"x"[..], &[0; 512], b"something longer than a header"] {
            assert!(read(&[&members(&[b"text"])[..], rest].concat()).is_err());
        }
    }

    #[test]
    fn a_damaged_member_is_an_error() {
        let bytes = members(&[b"some text"]);
        for at in 10..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
    }
}
