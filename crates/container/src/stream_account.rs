//! One open stream's account: the next place, the hash, and what each chunk would take along if it were retracted.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::frame::RecordKind;
use crate::index::IndexEntry;
use crate::ledger::Breach;
use crate::record::{Retract, StreamTotals};

/// A chunk that still counts: some 30 bytes of memory for each until its stream ends, so that it can be retracted.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
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
    /// By record number: an archive may hold as many retractions as chunks, so each has to cost no more than what it
    /// takes back.
    chunks: BTreeMap<u64, Counted>,
}

impl StreamAccount {
    pub(crate) fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            next_stream_seq: Some(0),
            hash: Sha256::new(),
            documents: 0,
            bytes: 0,
            chunks: BTreeMap::new(),
        }
    }

    pub(crate) fn kind(&self) -> RecordKind {
        self.kind
    }

    /// The place of its next chunk; none where there is no more room.
    pub(crate) fn next_stream_seq(&self) -> Option<u32> {
        self.next_stream_seq
    }

    /// The chunks that still count, with their record numbers, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (u64, Counted)> {
        self.chunks.iter().map(|(seq, chunk)| (*seq, *chunk))
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
        self.chunks.insert(entry.seq, Counted { documents: entry.documents, raw_len: entry.raw_len });
        Ok(())
    }

    /// Takes chunks back; gives their record numbers.
    pub(crate) fn retract(&mut self, retract: &Retract) -> Result<Vec<u64>, Breach> {
        let covered = self.chunks.range(retract.first_seq..=retract.last_seq);
        let seqs: Vec<u64> = covered.map(|(seq, _)| *seq).collect();
        if seqs.is_empty() {
            return Err(Breach("a retraction takes back nothing"));
        }
        for chunk in seqs.iter().filter_map(|seq| self.chunks.remove(seq)) {
            self.documents -= u64::from(chunk.documents);
            self.bytes -= u64::from(chunk.raw_len);
        }
        Ok(seqs)
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
