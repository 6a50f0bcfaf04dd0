//! Sealing chunks: compress, encrypt, frame; a pure function over one buffer, for many workers at once.

use std::sync::Arc;

use crate::bytes::len_u32;
use crate::cipher::{EpochKey, GCM_TAG_LEN};
use crate::compress::Compressor;
use crate::index::IndexEntry;
use crate::limits::RAW_BYTES_MAX;
use crate::record::{CHUNK_PREFIX_LEN, ChunkPrefix};
use crate::{ArchiveId, Chunk, Codec, Error, Ticket, frame};

/// Room behind the compressed bytes: tag and record CRC.
const SPARE: usize = GCM_TAG_LEN + 4;

/// Seals chunks of one archive. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    key: Arc<EpochKey>,
    codec: Codec,
}

/// One worker's contexts and spare buffer.
#[derive(Default)]
pub struct SealScratch {
    compressor: Compressor,
    spare: Vec<u8>,
}

impl SealScratch {
    /// Empty; contexts are made when first used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a buffer for the next [`Sealer::seal`] to write into; its content does not matter.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }
}

impl std::fmt::Debug for SealScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealScratch").finish_non_exhaustive()
    }
}

/// A whole record, ready to be appended.
#[derive(Debug)]
#[must_use = "a sealed chunk must be appended: its number is used up"]
pub struct SealedChunk {
    pub(crate) archive_id: ArchiveId,
    pub(crate) epoch: u16,
    /// Its offset is not known yet.
    pub(crate) entry: IndexEntry,
    pub(crate) frame: Vec<u8>,
}

impl SealedChunk {
    /// The record number.
    pub fn seq(&self) -> u64 {
        self.entry.seq
    }

    /// Length of the whole record, bytes.
    pub fn stored_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Gives the buffer back without writing it: for a run that is being abandoned.
    pub fn recycle(self) -> Vec<u8> {
        self.frame
    }
}

impl Sealer {
    pub(crate) fn new(key: Arc<EpochKey>, codec: Codec) -> Self {
        Self { key, codec }
    }

    /// Compresses and encrypts a chunk into one record.
    ///
    /// # Errors
    /// `LimitExceeded` for more than 48 MiB, `Misuse` for a ticket of another archive or record kind, `Codec`.
    pub fn seal(
        &self,
        ticket: Ticket,
        chunk: &Chunk,
        scratch: &mut SealScratch,
    ) -> Result<SealedChunk, Error> {
        let archive_id = self.key.archive_id();
        let seq = ticket.take(archive_id, true)?;
        let raw_len = len_u32("the raw length of a chunk", chunk.bytes.len())?;
        Error::limit("the raw length of a chunk", raw_len.into(), RAW_BYTES_MAX.into())?;

        let mut frame = std::mem::take(&mut scratch.spare);
        frame::begin(&mut frame);
        frame.reserve(CHUNK_PREFIX_LEN);
        let Chunk { kind, stream, stream_seq, documents, ref bytes } = *chunk;
        let raw_crc = crc32fast::hash(bytes);
        ChunkPrefix { stream, stream_seq, documents, raw_len, raw_crc }.encode(&mut frame);
        scratch.compressor.append(self.codec, bytes, SPARE, &mut frame)?;
        let (header, tag) = frame::seal(&mut frame, kind.record_kind(), seq, &self.key)?;

        let entry = IndexEntry {
            kind: header.kind,
            stream,
            stream_seq,
            documents,
            raw_len,
            length: header.body_len,
            seq,
            offset: 0,
            tag,
        };
        Ok(SealedChunk { archive_id, epoch: header.epoch, entry, frame })
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("codec", &self.codec).finish_non_exhaustive()
    }
}
