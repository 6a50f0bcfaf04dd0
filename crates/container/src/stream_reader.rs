//! Reading an archive from a pipe: record after record, never back.

use std::io::Read;
use std::sync::Arc;

use crate::cipher::{EPOCH_SALT_LEN, EpochKey};
use crate::frame::{RECORD_HEADER_LEN, RecordHeader, RecordKind, check_record_crc};
use crate::header::{HEADER_LEN, Header};
use crate::keys::Keys;
use crate::opener::{OpenScratch, Opener, StoredRecord};
use crate::read::{expect_end, read_exact_at_most};
use crate::tail::{Tail, check_tail};
use crate::trailer::TRAILER_LEN;
use crate::{Error, Limits, Part, Record, Verifier, Warning};

/// Reads records in order. What it has handed out is authentic once opened, but not the whole archive until it has
/// handed out `None`.
pub struct StreamReader<R> {
    input: R,
    header: Header,
    keys: Keys,
    limits: Limits,
    state: State,
    offset: u64,
    next_seq: u64,
    key: Option<Arc<EpochKey>>,
    last_epoch_offset: u64,
    spare: Vec<u8>,
    warnings: Vec<Warning>,
    scratch: OpenScratch,
    verifier: Verifier,
}

/// How far the reader has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Records,
    /// END was handed out; it lies at this offset and has this body length.
    Ended {
        end_offset: u64,
        end_body_len: u32,
    },
    Finished,
}

impl<R: Read> StreamReader<R> {
    /// Goes on behind [`Header::read`].
    ///
    /// # Errors
    /// `Misuse` when the keys belong to another archive.
    pub fn new(input: R, header: Header, keys: &Keys) -> Result<Self, Error> {
        Self::with_limits(input, header, keys, Limits::default())
    }

    /// [`new`](Self::new) with limits of the caller's.
    pub fn with_limits(input: R, header: Header, keys: &Keys, limits: Limits) -> Result<Self, Error> {
        if keys.archive_id != header.archive_id() {
            return Err(Error::misuse("the keys belong to another archive"));
        }
        let verifier = Verifier::new(header.archive_id());
        Ok(Self {
            input,
            header,
            keys: keys.clone(),
            limits,
            state: State::Records,
            offset: HEADER_LEN as u64,
            next_seq: 0,
            key: None,
            last_epoch_offset: 0,
            spare: Vec::new(),
            warnings: Vec::new(),
            scratch: OpenScratch::new(),
            verifier,
        })
    }

    /// The header that the archive begins with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What opens the records that this reader hands out.
    pub fn opener(&self) -> Opener {
        Opener::new(self.header.codec(), self.limits.clone())
    }

    /// What is wrong with the archive, but did not keep it from being read.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Gives a buffer for the next stored body; its content does not matter.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    /// The next record, framed and checked by its CRCs and its number. EPOCH records are authenticated here.
    /// `None` only when END was read, the second header and the trailer hold, and the input ends.
    ///
    /// # Errors
    /// `Truncated`, `Damaged`, `Reordered`, `NotAuthentic`, `TrailingData`, `LimitExceeded`, `UnsupportedVersion`, `Io`.
    pub fn next_stored(&mut self) -> Result<Option<StoredRecord>, Error> {
        match self.state {
            State::Records => self.read_record().map(Some),
            State::Ended { end_offset, end_body_len } => {
                self.read_tail(end_offset, end_body_len)?;
                self.state = State::Finished;
                Ok(None)
            }
            State::Finished => Ok(None),
        }
    }

    /// The next record, opened and checked against all before it.
    ///
    /// # Errors
    /// Those of [`next_stored`](Self::next_stored), [`Opener::open`] and [`Verifier::accept`].
    pub fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let Some(stored) = self.next_stored()? else { return Ok(None) };
        let record = self.opener().open(stored, &mut self.scratch)?;
        let buffer = self.scratch.take_stored();
        self.recycle(buffer);
        self.verifier.accept(&record)?;
        Ok(Some(record))
    }

    /// Gives a buffer for the raw bytes of the next chunk of [`next_record`](Self::next_record).
    pub fn recycle_raw(&mut self, buffer: Vec<u8>) {
        self.scratch.recycle(buffer);
    }

    fn read_record(&mut self) -> Result<StoredRecord, Error> {
        let offset = self.offset;
        let (header, header_bytes) = self.read_record_header()?;
        let mut body = std::mem::take(&mut self.spare);
        body.clear();
        let body_offset = offset + RECORD_HEADER_LEN as u64;
        // The length is within limits; a u32 fits a usize on every platform with 32-bit pointers or wider.
        let len = header.body_len as usize + 4;
        read_exact_at_most(&mut self.input, len, &mut body, body_offset, Part::RecordBody)?;
        check_record_crc(&header_bytes, &mut body, offset)?;
        let key = self.key_for(&header, &header_bytes, &body)?;
        self.offset += header.record_len();
        self.next_seq += 1;
        if header.kind == RecordKind::End {
            self.state = State::Ended { end_offset: offset, end_body_len: header.body_len };
        }
        Ok(StoredRecord { header, header_bytes, offset, body, key, promised: None })
    }

    fn read_record_header(&mut self) -> Result<(RecordHeader, [u8; RECORD_HEADER_LEN]), Error> {
        let mut bytes = Vec::with_capacity(RECORD_HEADER_LEN);
        read_exact_at_most(&mut self.input, RECORD_HEADER_LEN, &mut bytes, self.offset, Part::RecordHeader)?;
        let mut header_bytes = [0; RECORD_HEADER_LEN];
        header_bytes.copy_from_slice(&bytes);
        let id = self.header.archive_id();
        let header = RecordHeader::decode(&header_bytes, id, &self.limits, self.offset)?;
        let (expected, found) = (self.next_seq, header.seq);
        if expected != found {
            return Err(Error::Reordered { expected, found, offset: self.offset });
        }
        Ok((header, header_bytes))
    }

    /// The key of the record's epoch; an EPOCH record brings a new one and is authenticated with it.
    fn key_for(
        &mut self,
        header: &RecordHeader,
        header_bytes: &[u8; RECORD_HEADER_LEN],
        body: &[u8],
    ) -> Result<Arc<EpochKey>, Error> {
        let epoch_error = |why| Error::damaged(Part::Epoch, self.offset, why);
        if header.kind != RecordKind::Epoch {
            return match &self.key {
                Some(key) if key.epoch() == header.epoch => Ok(Arc::clone(key)),
                Some(_) => Err(epoch_error("a record bears another epoch than the one in force")),
                None => Err(epoch_error("the archive does not begin with an EPOCH record")),
            };
        }
        let expected = self.key.as_ref().map_or(Some(0), |key| key.epoch().checked_add(1));
        if expected != Some(header.epoch) {
            return Err(epoch_error("epochs do not follow one another"));
        }
        let salt =
            body.first_chunk::<EPOCH_SALT_LEN>().ok_or_else(|| epoch_error("its length is not 48 bytes"))?;
        let key = Arc::new(EpochKey::derive(&self.keys, header.epoch, salt)?);
        key.epoch_tag(header, header_bytes, body, self.offset)?;
        self.last_epoch_offset = self.offset;
        self.key = Some(Arc::clone(&key));
        Ok(key)
    }

    fn read_tail(&mut self, end_offset: u64, end_body_len: u32) -> Result<(), Error> {
        let mut second = Vec::with_capacity(HEADER_LEN);
        read_exact_at_most(&mut self.input, HEADER_LEN, &mut second, self.offset, Part::SecondHeader)?;
        let trailer_offset = self.offset + HEADER_LEN as u64;
        let mut trailer = Vec::with_capacity(TRAILER_LEN);
        read_exact_at_most(&mut self.input, TRAILER_LEN, &mut trailer, trailer_offset, Part::Trailer)?;
        let tail = Tail {
            offset: self.offset,
            end_offset,
            end_body_len,
            epoch_offset: self.last_epoch_offset,
            second: &second,
            trailer: &trailer,
        };
        self.warnings.extend(check_tail(&tail, &self.header, &self.keys, &self.limits)?);
        self.offset = trailer_offset + TRAILER_LEN as u64;
        expect_end(&mut self.input, self.offset)
    }
}

impl<R> std::fmt::Debug for StreamReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamReader")
            .field("header", &self.header)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
