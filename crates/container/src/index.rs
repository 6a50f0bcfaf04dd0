//! The index: one entry for each record that a reader may want to go to, in pages of at most 65,536.

use crate::Tag;
use crate::bytes::Fields;
use crate::frame::RecordKind;
use crate::limits::{BODY_BYTES_MAX, PAGE_ENTRIES_MAX, RAW_BYTES_MAX};
use crate::record::{ChunkPrefix, RecordMeta};

pub(crate) const ENTRY_LEN: usize = 56;
const PAGE_HEAD_LEN: usize = 8;

/// A record as the index names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its type.
    pub kind: RecordKind,
    /// Its stream; zero for CHECKPOINT.
    pub stream: u32,
    /// A chunk's place in its stream; zero for others.
    pub stream_seq: u32,
    /// A chunk's documents; zero for others.
    pub documents: u32,
    /// A chunk's raw bytes; zero for others.
    pub raw_len: u32,
    /// Length of the stored body, bytes.
    pub length: u32,
    /// Its number.
    pub seq: u64,
    /// Offset of its header from the archive's first byte.
    pub offset: u64,
    /// Its tag.
    pub tag: Tag,
}

impl IndexEntry {
    /// An entry for a record that is no chunk.
    pub(crate) fn control(meta: &RecordMeta, stream: u32) -> Self {
        let RecordMeta { kind, seq, offset, body_len, tag, .. } = *meta;
        Self { kind, stream, stream_seq: 0, documents: 0, raw_len: 0, length: body_len, seq, offset, tag }
    }

    /// The entry of a chunk that begins like this.
    pub(crate) fn chunk(meta: &RecordMeta, prefix: &ChunkPrefix) -> Self {
        let ChunkPrefix { stream, stream_seq, documents, raw_len, .. } = *prefix;
        Self { stream_seq, documents, raw_len, ..Self::control(meta, stream) }
    }

    pub(crate) fn meta(&self, epoch: u16) -> RecordMeta {
        let Self { kind, seq, offset, length, tag, .. } = *self;
        RecordMeta { kind, epoch, seq, offset, body_len: length, tag }
    }

    /// Whether it promises the chunk that begins like this.
    pub(crate) fn is_of_chunk(&self, prefix: &ChunkPrefix) -> bool {
        (self.stream, self.stream_seq, self.documents, self.raw_len)
            == (prefix.stream, prefix.stream_seq, prefix.documents, prefix.raw_len)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind as u8, 0, 0, 0]);
        for field in [self.stream, self.stream_seq, self.documents, self.raw_len, self.length] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.tag.0);
    }

    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = RecordKind::from_byte(fields.u8()?).filter(|kind| kind.is_indexed())?;
        fields.zero::<3>()?;
        let entry = Self {
            kind,
            stream: fields.u32()?,
            stream_seq: fields.u32()?,
            documents: fields.u32()?,
            raw_len: fields.u32()?,
            length: fields.u32()?,
            seq: fields.u64()?,
            offset: fields.u64()?,
            tag: Tag(fields.array()?),
        };
        entry.is_possible().then_some(entry)
    }
}

impl IndexEntry {
    /// What a record of its kind can be at all: lengths are believed before the record itself is read.
    fn is_possible(&self) -> bool {
        let no_chunk = self.stream_seq == 0 && self.documents == 0 && self.raw_len == 0;
        let kind_allows = match self.kind {
            RecordKind::Data | RecordKind::Oplog => self.raw_len <= RAW_BYTES_MAX,
            RecordKind::Checkpoint => no_chunk && self.stream == 0,
            _ => no_chunk,
        };
        kind_allows && self.length <= BODY_BYTES_MAX
    }
}

/// A page that is being filled.
#[derive(Clone, Default)]
pub(crate) struct Page {
    entries: u32,
    bytes: Vec<u8>,
}

impl Page {
    pub(crate) fn push(&mut self, entry: &IndexEntry) {
        if self.bytes.is_empty() {
            self.bytes.resize(PAGE_HEAD_LEN, 0);
        }
        entry.encode(&mut self.bytes);
        self.entries += 1;
        self.bytes[..4].copy_from_slice(&self.entries.to_le_bytes());
    }

    pub(crate) fn entries(&self) -> u32 {
        self.entries
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries == PAGE_ENTRIES_MAX
    }

    /// The page's body as it is written.
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.entries = 0;
        self.bytes.clear();
    }
}

/// The entries of a page's body. The count is checked against the body's length before memory is set aside.
pub(crate) fn decode_page(body: &[u8]) -> Option<Vec<IndexEntry>> {
    let mut fields = Fields(body);
    let count = fields.u32()?;
    fields.zero::<4>()?;
    let fits = fields.0.len() == ENTRY_LEN * usize::try_from(count).ok()?;
    if count == 0 || count > PAGE_ENTRIES_MAX || !fits {
        return None;
    }
    (0..count).map(|_| IndexEntry::decode(&mut fields)).collect()
}
