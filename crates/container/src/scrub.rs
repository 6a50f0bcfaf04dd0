//! Checking an archive without its key: checksums and framing of the stored bytes. Finds decay, not forgery.

use std::io::Read;

use crate::frame::{RECORD_HEADER_LEN, RecordHeader, RecordKind, check_record_crc};
use crate::header::{HEADER_LEN, Header};
use crate::read::{expect_end, read_exact_at_most};
use crate::trailer::{TRAILER_LEN, Trailer};
use crate::{ArchiveId, Error, Limits, Part, Warning};

/// What a scrub has seen: every checksum held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubReport {
    /// The archive's id.
    pub archive_id: ArchiveId,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Records, END included.
    pub records: u64,
    /// Chunks among them.
    pub chunks: u64,
    /// Bytes of the whole archive.
    pub bytes: u64,
    /// Flaws that a reader can live with.
    pub warnings: Vec<Warning>,
}

/// Reads an archive to its end and checks all that can be checked without a secret.
///
/// # Errors
/// `NotAnArchive`, `UnsupportedVersion`, `Damaged`, `Truncated`, `TrailingData`, `Reordered`, `LimitExceeded`, `Io`:
/// the first flaw ends the scrub.
pub fn scrub(mut input: impl Read) -> Result<ScrubReport, Error> {
    let limits = Limits::default();
    let header = Header::read(&mut input, &limits)?;
    let mut scrub =
        Scrub { input, limits, header, offset: HEADER_LEN as u64, seq: 0, chunks: 0, epoch_offset: 0 };
    let (end_offset, end_body_len) = scrub.records()?;
    let warnings = scrub.tail(end_offset, end_body_len)?;
    expect_end(&mut scrub.input, scrub.offset)?;
    Ok(ScrubReport {
        archive_id: scrub.header.archive_id(),
        encrypted: scrub.header.is_encrypted(),
        records: scrub.seq,
        chunks: scrub.chunks,
        bytes: scrub.offset,
        warnings,
    })
}

struct Scrub<R> {
    input: R,
    limits: Limits,
    header: Header,
    offset: u64,
    seq: u64,
    chunks: u64,
    epoch_offset: u64,
}

impl<R: Read> Scrub<R> {
    /// Walks to END; gives its offset and body length.
    fn records(&mut self) -> Result<(u64, u32), Error> {
        let mut body = Vec::new();
        let mut epochs = 0u32;
        loop {
            let offset = self.offset;
            let header = self.record(&mut body)?;
            match header.kind {
                RecordKind::Epoch => {
                    self.epoch_offset = offset;
                    epochs += 1;
                }
                RecordKind::Data | RecordKind::Oplog => self.chunks += 1,
                _ => {}
            }
            if u32::from(header.epoch) + 1 != epochs {
                return Err(Error::damaged(Part::Epoch, offset, "epochs do not follow one another"));
            }
            if header.kind == RecordKind::End {
                return Ok((offset, header.body_len));
            }
        }
    }

    fn record(&mut self, body: &mut Vec<u8>) -> Result<RecordHeader, Error> {
        body.clear();
        read_exact_at_most(&mut self.input, RECORD_HEADER_LEN, body, self.offset, Part::RecordHeader)?;
        let mut bytes = [0; RECORD_HEADER_LEN];
        bytes.copy_from_slice(body);
        let header = RecordHeader::decode(&bytes, self.header.archive_id(), &self.limits, self.offset)?;
        if header.seq != self.seq {
            return Err(Error::Reordered { expected: self.seq, found: header.seq, offset: self.offset });
        }
        body.clear();
        let body_offset = self.offset + RECORD_HEADER_LEN as u64;
        let len = header.body_len as usize + 4;
        read_exact_at_most(&mut self.input, len, body, body_offset, Part::RecordBody)?;
        check_record_crc(&bytes, body, self.offset)?;
        self.offset += header.record_len();
        self.seq += 1;
        Ok(header)
    }

    fn tail(&mut self, end_offset: u64, end_body_len: u32) -> Result<Vec<Warning>, Error> {
        let mut second = Vec::with_capacity(HEADER_LEN);
        read_exact_at_most(&mut self.input, HEADER_LEN, &mut second, self.offset, Part::SecondHeader)?;
        let mut warnings = Vec::new();
        if second != self.header.as_bytes() {
            // Without the key, one header of a rotation is as good as the other, but never the preamble.
            let damaged = |why| Error::damaged(Part::SecondHeader, self.offset, why);
            let second = Header::parse(second, self.offset, &self.limits)
                .map_err(|_| damaged("its checksums do not hold"))?;
            if second.preamble() != self.header.preamble() || !self.header.is_encrypted() {
                return Err(damaged("it belongs to another archive than the first"));
            }
            if second.slot_bytes() == self.header.slot_bytes() {
                return Err(damaged("its MAC is not the same as the first's"));
            }
            warnings.push(Warning::RotationUnfinished);
        }
        self.offset += HEADER_LEN as u64;
        self.trailer(end_offset, end_body_len)?;
        Ok(warnings)
    }

    fn trailer(&mut self, end_offset: u64, end_body_len: u32) -> Result<(), Error> {
        let mut trailer = Vec::with_capacity(TRAILER_LEN);
        read_exact_at_most(&mut self.input, TRAILER_LEN, &mut trailer, self.offset, Part::Trailer)?;
        let truth = Trailer {
            end_offset,
            epoch_offset: self.epoch_offset,
            end_body_len,
            archive_id: self.header.archive_id(),
        };
        if truth.encode()[..] != trailer[..] {
            return Err(Error::damaged(
                Part::Trailer,
                self.offset,
                "it does not state where the last record lies",
            ));
        }
        self.offset += TRAILER_LEN as u64;
        Ok(())
    }
}
