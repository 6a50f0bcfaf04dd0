//! Opening records: authenticate, decrypt in place, decompress; a pure function, for many workers at once.

use std::sync::Arc;

use crate::cipher::EpochKey;
use crate::codec::CodecKind;
use crate::compress::Decompressor;
use crate::frame::{RECORD_HEADER_LEN, RecordHeader, RecordKind};
use crate::index::IndexEntry;
use crate::record::{ChunkPrefix, RecordMeta, Retract, StreamTotals};
use crate::{Chunk, ChunkKind, End, Error, Limits, Part, Record};

/// A record as it lies in the archive: its framing and checksums have been checked, its content has not.
pub struct StoredRecord {
    pub(crate) header: RecordHeader,
    pub(crate) header_bytes: [u8; RECORD_HEADER_LEN],
    pub(crate) offset: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) key: Arc<EpochKey>,
    /// What an authenticated index says of it. Its reader has planned with that already, so all of it has to hold.
    pub(crate) promised: Option<IndexEntry>,
}

impl StoredRecord {
    /// Its type.
    pub fn kind(&self) -> RecordKind {
        self.header.kind
    }

    /// Its number.
    pub fn seq(&self) -> u64 {
        self.header.seq
    }

    /// Offset of its header from the archive's first byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of its stored body, bytes.
    pub fn body_len(&self) -> u32 {
        self.header.body_len
    }
}

impl std::fmt::Debug for StoredRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredRecord")
            .field("header", &self.header)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Opens records of one archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Opener {
    codec: CodecKind,
    limits: Limits,
}

/// One worker's contexts and spare buffers.
#[derive(Default)]
pub struct OpenScratch {
    decompressor: Decompressor,
    output: Vec<u8>,
    stored: Vec<u8>,
}

impl OpenScratch {
    /// Empty; contexts are made when first used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a buffer for the raw bytes of the next chunk; its content does not matter.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.output.capacity() {
            self.output = buffer;
        }
    }

    /// Takes the buffer that held the stored body of the last record opened, to be given to the reader again.
    pub fn take_stored(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stored)
    }
}

impl std::fmt::Debug for OpenScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenScratch").finish_non_exhaustive()
    }
}

impl Opener {
    pub(crate) fn new(codec: CodecKind, limits: Limits) -> Self {
        Self { codec, limits }
    }

    /// Authenticates a record, then takes it apart; a chunk is decompressed to exactly its raw length.
    ///
    /// # Errors
    /// `NotAuthentic`, `Damaged`, `LimitExceeded`; `Inconsistent` when it is not what the index says of it.
    pub fn open(&self, stored: StoredRecord, scratch: &mut OpenScratch) -> Result<Record, Error> {
        let StoredRecord { header, header_bytes, offset, mut body, key, promised } = stored;
        let tag = if header.kind == RecordKind::Epoch {
            key.epoch_tag(&header, &header_bytes, &body, offset)?
        } else {
            key.open(&header, &header_bytes, &mut body, offset)?
        };
        if promised.is_some_and(|entry| entry.tag != tag) {
            return Err(Error::NotAuthentic { part: header.kind.part(), offset });
        }
        let meta = RecordMeta::new(&header, offset, tag);
        if header.kind.is_chunk() {
            let chunk = self.chunk(&meta, promised.as_ref(), &body, scratch)?;
            scratch.stored = body;
            return Ok(Record::Chunk { meta, chunk });
        }
        control(meta, promised.as_ref(), body)
    }

    /// Takes the plain body of a chunk apart.
    pub(crate) fn chunk(
        &self,
        meta: &RecordMeta,
        promised: Option<&IndexEntry>,
        body: &[u8],
        scratch: &mut OpenScratch,
    ) -> Result<Chunk, Error> {
        let damaged = |why| Error::damaged(Part::Chunk, meta.offset, why);
        let (prefix, compressed) = ChunkPrefix::decode(body).ok_or_else(|| damaged("it is too short"))?;
        if promised.is_some_and(|entry| !entry.is_of_chunk(&prefix)) {
            return Err(contradicts_index(meta));
        }
        self.limits.check_raw(prefix.raw_len)?;
        let mut bytes = std::mem::take(&mut scratch.output);
        scratch.decompressor.fill(self.codec, compressed, prefix.raw_len, &mut bytes).map_err(damaged)?;
        if crc32fast::hash(&bytes) != prefix.raw_crc {
            return Err(damaged("the checksum of its raw bytes does not hold"));
        }
        let kind = if meta.kind == RecordKind::Oplog { ChunkKind::Oplog } else { ChunkKind::Data };
        let ChunkPrefix { stream, stream_seq, documents, .. } = prefix;
        Ok(Chunk { kind, stream, stream_seq, documents, bytes })
    }
}

fn contradicts_index(meta: &RecordMeta) -> Error {
    let why = "the index says something else of it";
    Error::Inconsistent { part: meta.kind.part(), offset: meta.offset, why }
}

/// The records that are no chunks.
fn control(meta: RecordMeta, promised: Option<&IndexEntry>, body: Vec<u8>) -> Result<Record, Error> {
    let record = decode_control(meta, body)?;
    let stream = match &record {
        Record::Catalog { stream, .. } => *stream,
        Record::StreamEnd { totals, .. } => totals.stream,
        Record::Retract { retract, .. } => retract.stream,
        _ => 0,
    };
    if promised.is_some_and(|entry| entry.stream != stream) {
        return Err(contradicts_index(&meta));
    }
    Ok(record)
}

pub(crate) fn decode_control(meta: RecordMeta, mut body: Vec<u8>) -> Result<Record, Error> {
    let malformed =
        || Error::damaged(meta.kind.part(), meta.offset, "its fields are not what the format allows");
    Ok(match meta.kind {
        RecordKind::Epoch => Record::Epoch { meta },
        RecordKind::Catalog => {
            let head = body.first_chunk::<4>().ok_or_else(malformed)?;
            let stream = u32::from_le_bytes(*head);
            body.drain(..4);
            Record::Catalog { meta, stream, body }
        }
        RecordKind::StreamEnd => {
            Record::StreamEnd { meta, totals: StreamTotals::decode(&body).ok_or_else(malformed)? }
        }
        RecordKind::Retract => {
            Record::Retract { meta, retract: Retract::decode(&body).ok_or_else(malformed)? }
        }
        RecordKind::Checkpoint => Record::Checkpoint { meta, body },
        RecordKind::Index => Record::IndexPage { meta, page: body },
        RecordKind::End => Record::End { meta, end: End::decode(&body).ok_or_else(malformed)? },
        RecordKind::Data | RecordKind::Oplog => return Err(malformed()),
    })
}
