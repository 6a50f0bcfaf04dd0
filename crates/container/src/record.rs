//! What records say once they are opened, and the layouts of the small bodies.

use crate::bytes::Fields;
use crate::frame::{RecordHeader, RecordKind};
use crate::{End, Tag};

/// What a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Documents of a collection.
    Data,
    /// Oplog entries.
    Oplog,
}

impl ChunkKind {
    /// The record type of such a chunk.
    pub fn record_kind(self) -> RecordKind {
        match self {
            Self::Data => RecordKind::Data,
            Self::Oplog => RecordKind::Oplog,
        }
    }
}

/// Whole documents of one stream, raw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What it holds.
    pub kind: ChunkKind,
    /// The stream it belongs to.
    pub stream: u32,
    /// Its place in the stream, from 0.
    pub stream_seq: u32,
    /// Number of documents in `bytes`.
    pub documents: u32,
    /// The documents, one after the other; at most 48 MiB.
    pub bytes: Vec<u8>,
}

/// Where a record lies and what it is, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMeta {
    /// Its type.
    pub kind: RecordKind,
    /// Its epoch.
    pub epoch: u16,
    /// Its number.
    pub seq: u64,
    /// Offset of its header from the archive's first byte.
    pub offset: u64,
    /// Length of its stored body, bytes.
    pub body_len: u32,
    /// Its tag.
    pub tag: Tag,
}

impl RecordMeta {
    pub(crate) fn new(header: &RecordHeader, offset: u64, tag: Tag) -> Self {
        let RecordHeader { kind, epoch, seq, body_len } = *header;
        Self { kind, epoch, seq, offset, body_len, tag }
    }

    pub(crate) fn header(&self) -> RecordHeader {
        RecordHeader { kind: self.kind, epoch: self.epoch, seq: self.seq, body_len: self.body_len }
    }
}

/// An opened record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "`meta` is the same in each variant")]
pub enum Record {
    /// A new epoch begins.
    Epoch { meta: RecordMeta },
    /// A catalog document of a stream.
    Catalog {
        meta: RecordMeta,
        /// The stream it describes.
        stream: u32,
        /// The document, opaque here.
        body: Vec<u8>,
    },
    /// Documents.
    Chunk { meta: RecordMeta, chunk: Chunk },
    /// A stream is complete.
    StreamEnd { meta: RecordMeta, totals: StreamTotals },
    /// Chunks that no longer count.
    Retract { meta: RecordMeta, retract: Retract },
    /// A point to resume from.
    Checkpoint {
        meta: RecordMeta,
        /// The document, opaque here.
        body: Vec<u8>,
    },
    /// A page of the index; its content is checked against the records by the [`Verifier`](crate::Verifier).
    IndexPage {
        meta: RecordMeta,
        /// The page as it was written.
        page: Vec<u8>,
    },
    /// The last record.
    End { meta: RecordMeta, end: End },
}

impl Record {
    /// Where the record lies and what it is.
    pub fn meta(&self) -> &RecordMeta {
        match self {
            Self::Epoch { meta }
            | Self::Catalog { meta, .. }
            | Self::Chunk { meta, .. }
            | Self::StreamEnd { meta, .. }
            | Self::Retract { meta, .. }
            | Self::Checkpoint { meta, .. }
            | Self::IndexPage { meta, .. }
            | Self::End { meta, .. } => meta,
        }
    }
}

/// What a `STREAM_END` record states. Retracted chunks are not counted, but hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTotals {
    /// The stream.
    pub stream: u32,
    /// Chunks that count.
    pub chunks: u64,
    /// Documents in them.
    pub documents: u64,
    /// Raw bytes in them.
    pub bytes: u64,
    /// SHA-256 over the tags of all chunks, in order.
    pub hash: [u8; 32],
}

impl StreamTotals {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for count in [self.chunks, self.documents, self.bytes] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        out.extend_from_slice(&self.hash);
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let stream = fields.u32()?;
        fields.zero::<4>()?;
        let (chunks, documents, bytes) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let hash = fields.array()?;
        fields.end()?;
        Some(Self { stream, chunks, documents, bytes, hash })
    }
}

/// Chunks of a stream that no longer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retract {
    /// The stream.
    pub stream: u32,
    /// Lowest record number.
    pub first_seq: u64,
    /// Highest record number, included.
    pub last_seq: u64,
}

impl Retract {
    /// Whether it takes back the stream's chunk with this record number.
    pub fn covers(&self, seq: u64) -> bool {
        (self.first_seq..=self.last_seq).contains(&seq)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.last_seq.to_le_bytes());
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let stream = fields.u32()?;
        fields.zero::<4>()?;
        let (first_seq, last_seq) = (fields.u64()?, fields.u64()?);
        fields.end()?;
        Some(Self { stream, first_seq, last_seq })
    }
}

pub(crate) const CHUNK_PREFIX_LEN: usize = 20;

/// The 20 bytes before a chunk's compressed bytes.
pub(crate) struct ChunkPrefix {
    pub(crate) stream: u32,
    pub(crate) stream_seq: u32,
    pub(crate) documents: u32,
    pub(crate) raw_len: u32,
    pub(crate) raw_crc: u32,
}

impl ChunkPrefix {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.stream, self.stream_seq, self.documents, self.raw_len, self.raw_crc] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }

    /// The prefix and the compressed bytes behind it.
    pub(crate) fn decode(body: &[u8]) -> Option<(Self, &[u8])> {
        let mut fields = Fields(body);
        let prefix = Self {
            stream: fields.u32()?,
            stream_seq: fields.u32()?,
            documents: fields.u32()?,
            raw_len: fields.u32()?,
            raw_crc: fields.u32()?,
        };
        Some((prefix, fields.0))
    }
}
