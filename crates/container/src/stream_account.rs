//! One open stream's account: the next place, the hash, and what each chunk would take along if it were retracted.

use sha2::{Digest, Sha256};

use crate::frame::RecordKind;
use crate::index::IndexEntry;
use crate::ledger::Breach;
use crate::record::{Retract, StreamTotals};

/// A chunk that still counts: 16 bytes of memory for each until its stream ends, so that it can be retracted.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) seq: u64,
    pub(crate) documents: u32,
    pub(crate) raw_len: u32,
}

/// The account of one open stream.
#[derive(Clone)]
pub(crate) struct StreamAccount {
    kind: RecordKind,
    next_stream_seq: Option<u32>,
    hash: Sha256,
    documents: u64,
    bytes: u64,
    chunks: Vec<Counted>,
}

impl StreamAccount {
    pub(crate) fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            next_stream_seq: Some(0),
            hash: Sha256::new(),
            documents: 0,
            bytes: 0,
            chunks: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> RecordKind {
        self.kind
    }

    /// The place of its next chunk; none where there is no more room.
    pub(crate) fn next_stream_seq(&self) -> Option<u32> {
        self.next_stream_seq
    }

    /// The chunks that still count.
    pub(crate) fn chunks(&self) -> &[Counted] {
        &self.chunks
    }

    pub(crate) fn documents(&self) -> u64 {
        self.documents
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn add(&mut self, entry: &IndexEntry) -> Result<(), Breach> {
        if entry.kind != self.kind {
            return Err(Breach("a stream holds both documents and oplog entries"));
        }
        if self.next_stream_seq != Some(entry.stream_seq) {
            return Err(Breach("the chunks of a stream do not follow one another"));
        }
        self.next_stream_seq = entry.stream_seq.checked_add(1);
        self.hash.update(entry.tag.0);
        self.documents += u64::from(entry.documents);
        self.bytes += u64::from(entry.raw_len);
        self.chunks.push(Counted { seq: entry.seq, documents: entry.documents, raw_len: entry.raw_len });
        Ok(())
    }

    pub(crate) fn retract(&mut self, retract: &Retract) -> Result<(), Breach> {
        let before = self.chunks.len();
        let (mut documents, mut bytes) = (0, 0);
        self.chunks.retain(|chunk| {
            let covered = retract.covers(chunk.seq);
            if covered {
                documents += u64::from(chunk.documents);
                bytes += u64::from(chunk.raw_len);
            }
            !covered
        });
        if self.chunks.len() == before {
            return Err(Breach("a retraction takes back nothing"));
        }
        self.documents -= documents;
        self.bytes -= bytes;
        Ok(())
    }

    pub(crate) fn totals(&self, stream: u32) -> StreamTotals {
        StreamTotals {
            stream,
            chunks: self.chunks.len() as u64,
            documents: self.documents,
            bytes: self.bytes,
            hash: self.hash.clone().finalize().into(),
        }
    }
}
