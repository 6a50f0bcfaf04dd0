//! The account of an archive's records, kept alike by the writer, by a reader from a pipe and by a reader from a
//! file: numbers, offsets, streams, totals, digest, index pages. What breaks a rule is told as a [`Breach`].

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::end::{EpochRef, PageRef};
use crate::frame::RecordKind;
use crate::header::HEADER_LEN;
use crate::index::{IndexEntry, Page};
use crate::record::{RecordMeta, Retract, StreamTotals};
use crate::stream_account::StreamAccount;
use crate::{ArchiveId, Chunk, End, Record, bytes};

/// A rule that a record breaks.
#[derive(Debug)]
pub(crate) struct Breach(pub(crate) &'static str);

/// What one record adds to the account: all but its documents. END ends the account instead.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Epoch,
    /// A CATALOG or CHECKPOINT record.
    Control {
        stream: u32,
    },
    Chunk(IndexEntry),
    StreamEnd(StreamTotals),
    Retract(Retract),
    /// An INDEX record that is known to hold what the account says.
    Page,
}

impl Step {
    pub(crate) fn of(record: &Record) -> Result<Option<Self>, Breach> {
        Ok(Some(match record {
            Record::Epoch { .. } => Self::Epoch,
            Record::Catalog { stream, .. } => Self::Control { stream: *stream },
            Record::Checkpoint { .. } => Self::Control { stream: 0 },
            Record::Chunk { meta, chunk } => Self::Chunk(chunk_entry(meta, chunk)?),
            Record::StreamEnd { totals, .. } => Self::StreamEnd(*totals),
            Record::Retract { retract, .. } => Self::Retract(*retract),
            Record::IndexPage { .. } => Self::Page,
            Record::End { .. } => return Ok(None),
        }))
    }
}

fn chunk_entry(meta: &RecordMeta, chunk: &Chunk) -> Result<IndexEntry, Breach> {
    let raw_len =
        bytes::len_u32("", chunk.bytes.len()).map_err(|_| Breach("a chunk is longer than 4 GiB"))?;
    let RecordMeta { kind, seq, offset, body_len, tag, .. } = *meta;
    let Chunk { stream, stream_seq, documents, .. } = *chunk;
    Ok(IndexEntry { kind, stream, stream_seq, documents, raw_len, length: body_len, seq, offset, tag })
}

/// Sums over what counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    documents: u64,
    bytes: u64,
}

/// The account.
#[derive(Clone)]
pub(crate) struct Ledger {
    archive_id: ArchiveId,
    next_seq: u64,
    offset: u64,
    digest: Sha256,
    /// `None`: the stream is closed.
    streams: HashMap<u32, Option<StreamAccount>>,
    open_streams: u32,
    closed_streams: u32,
    data: Sum,
    oplog: Sum,
    page: Page,
    /// A page that is not full came: only END may follow.
    last_page_seen: bool,
    epochs: Vec<EpochRef>,
    pages: Vec<PageRef>,
}

impl Ledger {
    pub(crate) fn new(archive_id: ArchiveId) -> Self {
        Self {
            archive_id,
            next_seq: 0,
            offset: HEADER_LEN as u64,
            digest: Sha256::new(),
            streams: HashMap::new(),
            open_streams: 0,
            closed_streams: 0,
            data: Sum::default(),
            oplog: Sum::default(),
            page: Page::default(),
            last_page_seen: false,
            epochs: Vec::new(),
            pages: Vec::new(),
        }
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Offset of the next record.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the current epoch; `None` before the first.
    pub(crate) fn epoch(&self) -> Option<u16> {
        self.epochs.len().checked_sub(1).and_then(|last| u16::try_from(last).ok())
    }

    pub(crate) fn last_epoch_offset(&self) -> u64 {
        self.epochs.last().map_or(0, |epoch| epoch.offset)
    }

    /// Every stream that had a chunk or an end, with its account as long as it is open.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (u32, Option<&StreamAccount>)> {
        self.streams.iter().map(|(stream, account)| (*stream, account.as_ref()))
    }

    /// Documents that count, and their raw bytes.
    pub(crate) fn data(&self) -> (u64, u64) {
        (self.data.documents, self.data.bytes)
    }

    /// The page that must come next, if one must.
    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// What each record must satisfy; then it is counted.
    fn admit(&mut self, meta: &RecordMeta) -> Result<(), Breach> {
        if meta.seq != self.next_seq || meta.offset != self.offset {
            return Err(Breach("records do not follow one another"));
        }
        if meta.kind != RecordKind::Epoch && self.epoch() != Some(meta.epoch) {
            return Err(Breach("a record bears another epoch than the one in force"));
        }
        let page_due = self.page.is_full() && meta.kind != RecordKind::Epoch;
        if page_due && meta.kind != RecordKind::Index {
            return Err(Breach("an index page is missing"));
        }
        if self.last_page_seen && meta.kind != RecordKind::End {
            return Err(Breach("records follow the last index page"));
        }
        self.next_seq += 1;
        self.offset += meta.header().record_len();
        if meta.kind != RecordKind::End {
            self.digest.update(meta.header().encode(self.archive_id));
            self.digest.update(meta.tag.0);
        }
        Ok(())
    }

    /// Counts a record.
    pub(crate) fn step(&mut self, meta: &RecordMeta, step: &Step) -> Result<(), Breach> {
        match step {
            Step::Epoch => self.open_epoch(meta),
            Step::Control { stream } => self.control(meta, *stream),
            Step::Chunk(entry) => self.chunk(meta.epoch, entry),
            Step::StreamEnd(totals) => self.end_stream(meta, totals),
            Step::Retract(retract) => self.retract(meta, retract).map(drop),
            Step::Page => {
                let body = self.page.body().to_vec();
                self.index(meta, &body)
            }
        }
    }

    pub(crate) fn open_epoch(&mut self, meta: &RecordMeta) -> Result<(), Breach> {
        if usize::from(meta.epoch) != self.epochs.len() {
            return Err(Breach("epochs do not follow one another"));
        }
        self.admit(meta)?;
        self.epochs.push(EpochRef { offset: meta.offset, seq: meta.seq });
        Ok(())
    }

    /// A CATALOG or CHECKPOINT record.
    pub(crate) fn control(&mut self, meta: &RecordMeta, stream: u32) -> Result<(), Breach> {
        self.admit(meta)?;
        self.page.push(&IndexEntry::control(meta, stream));
        Ok(())
    }

    pub(crate) fn chunk(&mut self, epoch: u16, entry: &IndexEntry) -> Result<(), Breach> {
        let is_new = !self.streams.contains_key(&entry.stream);
        let Some(stream) =
            self.streams.entry(entry.stream).or_insert_with(|| Some(StreamAccount::new(entry.kind)))
        else {
            return Err(Breach("a chunk follows the end of its stream"));
        };
        stream.add(entry)?;
        self.open_streams += u32::from(is_new);
        self.admit(&entry.meta(epoch))?;
        self.sum(entry.kind).add(entry.documents.into(), entry.raw_len.into());
        self.page.push(entry);
        Ok(())
    }

    /// What a `STREAM_END` of this stream must state.
    pub(crate) fn totals(&self, stream: u32) -> Result<StreamTotals, Breach> {
        match self.streams.get(&stream) {
            Some(Some(account)) => Ok(account.totals(stream)),
            Some(None) => Err(Breach("a stream ends twice")),
            None => Ok(StreamAccount::new(RecordKind::Data).totals(stream)),
        }
    }

    pub(crate) fn end_stream(&mut self, meta: &RecordMeta, totals: &StreamTotals) -> Result<(), Breach> {
        if self.totals(totals.stream)? != *totals {
            return Err(Breach("the totals or the hash of a stream do not hold"));
        }
        self.admit(meta)?;
        if self.streams.insert(totals.stream, None).is_some() {
            self.open_streams -= 1;
        }
        self.closed_streams += 1;
        self.page.push(&IndexEntry::control(meta, totals.stream));
        Ok(())
    }

    /// A RETRACT record; gives the numbers of the chunks that no longer count.
    pub(crate) fn retract(&mut self, meta: &RecordMeta, retract: &Retract) -> Result<Vec<u64>, Breach> {
        if retract.first_seq > retract.last_seq || retract.last_seq >= meta.seq {
            return Err(Breach("a retraction has an impossible range"));
        }
        let Some(Some(stream)) = self.streams.get_mut(&retract.stream) else {
            return Err(Breach("a retraction names a stream that is not open"));
        };
        let (kind, documents, bytes) = (stream.kind(), stream.documents(), stream.bytes());
        let seqs = stream.retract(retract)?;
        let (documents, bytes) = (documents - stream.documents(), bytes - stream.bytes());
        self.admit(meta)?;
        let sum = self.sum(kind);
        sum.documents -= documents;
        sum.bytes -= bytes;
        self.page.push(&IndexEntry::control(meta, retract.stream));
        Ok(seqs)
    }

    /// An INDEX record whose body must be what the entries so far make.
    pub(crate) fn index(&mut self, meta: &RecordMeta, body: &[u8]) -> Result<(), Breach> {
        if self.page.entries() == 0 || self.page.body() != body {
            return Err(Breach("an index page does not name the records before it"));
        }
        self.admit(meta)?;
        self.pages.push(PageRef {
            offset: meta.offset,
            seq: meta.seq,
            body_len: meta.body_len,
            entries: self.page.entries(),
        });
        self.last_page_seen = !self.page.is_full();
        self.page.clear();
        Ok(())
    }

    /// What END must state now.
    pub(crate) fn end(&self, summary: Vec<u8>) -> Result<End, Breach> {
        if self.open_streams != 0 {
            return Err(Breach("a stream with chunks was not closed"));
        }
        if self.page.entries() != 0 {
            return Err(Breach("the last index page is missing"));
        }
        Ok(End {
            documents: self.data.documents,
            bytes: self.data.bytes,
            oplog_documents: self.oplog.documents,
            oplog_bytes: self.oplog.bytes,
            streams: self.closed_streams,
            digest: self.digest.clone().finalize().into(),
            summary,
            epochs: self.epochs.clone(),
            pages: self.pages.clone(),
        })
    }

    /// The END record: all it states must hold.
    pub(crate) fn finish(&mut self, meta: &RecordMeta, end: &End) -> Result<(), Breach> {
        let must = self.end(end.summary.clone())?;
        if must.digest != end.digest {
            return Err(Breach("the digest over all records does not hold"));
        }
        if must != *end {
            return Err(Breach("the totals of the archive do not hold"));
        }
        self.admit(meta)
    }

    fn sum(&mut self, kind: RecordKind) -> &mut Sum {
        if kind == RecordKind::Oplog { &mut self.oplog } else { &mut self.data }
    }
}

impl Sum {
    fn add(&mut self, documents: u64, bytes: u64) {
        self.documents += documents;
        self.bytes += bytes;
    }
}
