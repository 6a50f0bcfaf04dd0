//! What the authentic records of a damaged archive tell of it together: which chunks count, and what is missing. Pure.
//!
//! Counts come from what has survived: a stream's `STREAM_END` states how many documents count, an INDEX page names every
//! record before it, END says how far the numbers go. Where a record is lost of which nothing else tells, counts are
//! lower bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use sha2::{Digest, Sha256};

use super::scan::{Control, Found, Scanned, What};
use crate::record::Retract;
use crate::{Catalog, ChunkKind, End, IndexEntry, RecordKind, StreamTotals};

/// No collection has more documents; whatever an archive claims, counts can be added up.
const DOCUMENTS_MAX: u64 = 1 << 48;

/// A chunk that is authentic and counts.
#[derive(Debug, Clone, Copy)]
pub struct SalvagedChunk {
    pub(super) epoch: u16,
    pub(super) entry: IndexEntry,
}

impl SalvagedChunk {
    /// Its entry, as an index would name it.
    pub fn entry(&self) -> &IndexEntry {
        &self.entry
    }
}

/// How many documents of a stream are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// So many.
    Exactly(u64),
    /// So many that are known of, and perhaps more.
    AtLeast(u64),
}

/// What is known of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalvagedStream {
    /// Its number.
    pub stream: u32,
    /// What it holds; nothing where no chunk of it is known.
    pub kind: Option<ChunkKind>,
    /// Documents in its chunks that are left and count.
    pub documents: u64,
    /// Documents that counted, and are not left.
    pub missing: Missing,
    /// Whether chunks that the archive takes back may be among those that are left, because a record that may say so is
    /// lost.
    pub may_hold_retracted: bool,
}

/// All of it.
pub(super) struct Survey {
    pub(super) catalogs: Vec<Catalog>,
    pub(super) has_whole_catalog: bool,
    pub(super) chunks: Vec<SalvagedChunk>,
    pub(super) streams: Vec<SalvagedStream>,
    pub(super) end: Option<End>,
}

impl Survey {
    pub(super) fn of(scanned: Scanned) -> Self {
        let mut records = Records::of(scanned);
        let gaps = records.gaps();
        let retractions = Retractions::of(&records.retracts);
        let has_whole_catalog = records.has_whole_catalog(&gaps);
        let streams = records.streams(&gaps, &retractions);
        let Records { catalogs, mut chunks, end, .. } = records;
        chunks.retain(|chunk| !retractions.cover(&chunk.entry));
        Self { catalogs, has_whole_catalog, chunks, streams, end: end.map(|(_, end)| end) }
    }
}

/// The records that count, by type.
#[derive(Default)]
struct Records {
    catalogs: Vec<Catalog>,
    chunks: Vec<SalvagedChunk>,
    ends: BTreeMap<u32, (u64, StreamTotals)>,
    retracts: Vec<(u64, Retract)>,
    end: Option<(u64, End)>,
    /// What INDEX pages name.
    promised: BTreeMap<u64, IndexEntry>,
    /// The same, as far as it was not found.
    lost: Vec<IndexEntry>,
    /// Record numbers that were found.
    found: BTreeSet<u64>,
    damaged: BTreeMap<u64, RecordKind>,
    /// The lowest number of a record that may not stand before the last CATALOG record.
    behind_catalog: Option<u64>,
}

/// Record numbers of which neither a record nor the index nor END tells.
struct Gaps {
    /// Lowest number that may have been a CATALOG record.
    catalog: Option<u64>,
    /// Lowest number that may have been a RETRACT record.
    retract: Option<u64>,
    has_end: bool,
    /// END is there, and every number below it is known.
    is_all_known: bool,
}

impl Records {
    fn of(scanned: Scanned) -> Self {
        let Scanned { records, damaged, epoch_starts, .. } = scanned;
        let mut by_seq: BTreeMap<u64, Found> = BTreeMap::new();
        let cuts = cuts(&epoch_starts);
        for found in records {
            let later = cuts.range((Bound::Excluded(found.epoch), Bound::Unbounded)).next();
            if later.is_none_or(|(_, cut)| found.seq < *cut) {
                by_seq.entry(found.seq).or_insert(found);
            }
        }
        let mut out = Self { damaged, ..Self::default() };
        for found in by_seq.values() {
            if let What::Control(Control::Page(entries)) = &found.what {
                let before = entries.iter().filter(|entry| entry.seq < found.seq);
                out.promised.extend(before.map(|entry| (entry.seq, *entry)));
            }
        }
        for (seq, found) in by_seq {
            // Where nothing is encrypted only the index tells that a record is another than the one that was written.
            if out.promised.get(&seq).is_none_or(|entry| entry.tag == found.tag) {
                out.add(seq, found);
            }
        }
        let Self { promised, found, .. } = &out;
        out.lost = promised.values().filter(|entry| !found.contains(&entry.seq)).copied().collect();
        out.damaged.retain(|seq, _| !out.found.contains(seq) && !out.promised.contains_key(seq));
        out
    }

    fn add(&mut self, seq: u64, found: Found) {
        self.found.insert(seq);
        let is_behind = match found.what {
            What::Chunk(entry) => {
                self.chunks.push(SalvagedChunk { epoch: found.epoch, entry });
                true
            }
            What::Control(control) => self.add_control(seq, control),
        };
        if is_behind {
            self.behind_catalog.get_or_insert(seq);
        }
    }

    /// Whether no CATALOG record may follow.
    fn add_control(&mut self, seq: u64, control: Control) -> bool {
        match control {
            Control::Epoch | Control::Page(_) | Control::Checkpoint => return false,
            Control::Catalog(catalog) => {
                self.catalogs.push(catalog);
                return false;
            }
            Control::StreamEnd(totals) => _ = self.ends.insert(totals.stream, (seq, totals)),
            Control::Retract(retract) => self.retracts.push((seq, retract)),
            Control::End(end) => self.end = Some((seq, end)),
        }
        true
    }

    fn gaps(&self) -> Gaps {
        let mut known = self.found.clone();
        known.extend(self.promised.keys());
        if let Some((_, end)) = &self.end {
            known.extend(end.pages.iter().map(|page| page.seq));
            known.extend(end.epochs.iter().map(|epoch| epoch.seq));
        }
        let has_end = self.end.is_some();
        let mut gaps = Gaps { catalog: None, retract: None, has_end, is_all_known: has_end };
        let mut next = 0;
        for seq in known {
            if seq > next {
                gaps.is_all_known = false;
                // A damaged record may still tell by its header what it was.
                let unnamed = self.damaged.range(next..seq);
                let other = |kind: RecordKind| unnamed.clone().find(|(_, found)| **found == kind);
                let nameless = (unnamed.clone().count() as u64) < seq - next;
                let first = |kind| if nameless { Some(next) } else { other(kind).map(|(seq, _)| *seq) };
                gaps.catalog = gaps.catalog.or(first(RecordKind::Catalog));
                gaps.retract = gaps.retract.or(first(RecordKind::Retract));
            }
            next = next.max(seq.saturating_add(1));
        }
        for (seq, kind) in self.damaged.range(next..) {
            match kind {
                RecordKind::Catalog => _ = gaps.catalog.get_or_insert(*seq),
                RecordKind::Retract => _ = gaps.retract.get_or_insert(*seq),
                _ => {}
            }
        }
        gaps
    }

    fn has_whole_catalog(&self, gaps: &Gaps) -> bool {
        if self.lost.iter().any(|entry| entry.kind == RecordKind::Catalog) {
            return false;
        }
        let first_chunk = self.promised.values().find(|entry| entry.kind.is_chunk()).map(|entry| entry.seq);
        // Without anything behind it, the catalog may have gone on.
        let Some(behind) = self.behind_catalog.into_iter().chain(first_chunk).min() else { return false };
        gaps.catalog.is_none_or(|seq| seq > behind)
    }

    fn streams(&mut self, gaps: &Gaps, retractions: &Retractions) -> Vec<SalvagedStream> {
        let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
        for catalog in &self.catalogs {
            tallies.entry(catalog.stream).or_default();
        }
        for stream in self.ends.keys() {
            tallies.entry(*stream).or_default();
        }
        for SalvagedChunk { entry, .. } in &self.chunks {
            tallies.entry(entry.stream).or_default().left(entry, retractions.cover(entry));
        }
        for entry in &self.lost {
            tallies.entry(entry.stream).or_default().lost(entry, retractions.cover(entry));
        }
        let is_whole = self.has_all_documents(retractions);
        let ends = &self.ends;
        let judge = |(stream, tally): (u32, Tally)| {
            let mut judged = tally.judge(stream, ends.get(&stream), gaps);
            if is_whole && !judged.may_hold_retracted {
                judged.missing = Missing::Exactly(0);
            }
            judged
        };
        tallies.into_iter().map(judge).collect()
    }

    /// Whether END counts as many documents and bytes as are left.
    fn has_all_documents(&self, retractions: &Retractions) -> bool {
        let Some((_, end)) = &self.end else { return false };
        let mut sums: HashMap<RecordKind, (u64, u64)> = HashMap::new();
        for SalvagedChunk { entry, .. } in self.chunks.iter().filter(|chunk| !retractions.cover(&chunk.entry))
        {
            let sum = sums.entry(entry.kind).or_default();
            *sum = (sum.0 + u64::from(entry.documents), sum.1 + u64::from(entry.raw_len));
        }
        let sum = |kind| sums.get(&kind).copied().unwrap_or_default();
        sum(RecordKind::Data) == (end.documents, end.bytes)
            && sum(RecordKind::Oplog) == (end.oplog_documents, end.oplog_bytes)
    }
}

/// From which record number on the records of earlier epochs do not count, by the epoch that says so: a dump that is
/// resumed cuts off what lies behind its checkpoint. That is no part of the archive, even if somebody has put it back.
fn cuts(epoch_starts: &BTreeMap<u16, u64>) -> BTreeMap<u16, u64> {
    let mut lowest = u64::MAX;
    let with_later = epoch_starts.iter().rev().map(|(epoch, start)| {
        lowest = lowest.min(*start);
        (*epoch, lowest)
    });
    with_later.collect()
}

/// One stream's chunks.
#[derive(Default)]
struct Tally {
    kind: Option<ChunkKind>,
    /// Left and counting.
    chunks: u64,
    documents: u64,
    /// Lost and counting, as far as the index tells.
    lost_documents: u64,
    /// Left, counting or not: how many from the first on without a gap, the hash over these, and whether there are others.
    in_a_row: u64,
    hash: Sha256,
    has_gap: bool,
    is_retract_lost: bool,
}

impl Tally {
    fn left(&mut self, entry: &IndexEntry, is_retracted: bool) {
        self.kind = Some(chunk_kind(entry));
        if u64::from(entry.stream_seq) == self.in_a_row {
            self.in_a_row += 1;
            self.hash.update(entry.tag.0);
        } else {
            self.has_gap = true;
        }
        if !is_retracted {
            self.chunks += 1;
            self.documents += u64::from(entry.documents);
        }
    }

    fn lost(&mut self, entry: &IndexEntry, is_retracted: bool) {
        self.is_retract_lost |= entry.kind == RecordKind::Retract;
        if entry.kind.is_chunk() {
            self.kind = Some(chunk_kind(entry));
            if !is_retracted {
                self.lost_documents += u64::from(entry.documents);
            }
        }
    }

    fn judge(&self, stream: u32, end: Option<&(u64, StreamTotals)>, gaps: &Gaps) -> SalvagedStream {
        let (missing, may_hold_retracted) = match end {
            Some((seq, totals)) => self.judge_closed(*seq, totals, gaps),
            None => self.judge_open(gaps),
        };
        let Self { kind, documents, .. } = *self;
        SalvagedStream { stream, kind, documents, missing, may_hold_retracted }
    }

    /// With the stream's own totals.
    fn judge_closed(&self, seq: u64, totals: &StreamTotals, gaps: &Gaps) -> (Missing, bool) {
        let missing = totals.documents.saturating_sub(self.documents).min(DOCUMENTS_MAX);
        let may_be_lost = self.is_retract_lost || gaps.retract.is_some_and(|gap| gap < seq);
        // The hash is over all chunks that there ever were. If they are all left, and as many count as should, none was
        // taken back by a record that is lost.
        let is_proven =
            !self.has_gap && self.chunks == totals.chunks && self.hash.clone().finalize()[..] == totals.hash;
        let holds_more = self.chunks > totals.chunks || self.documents > totals.documents;
        let is_doubtful = holds_more || (may_be_lost && !is_proven);
        (if is_doubtful { Missing::AtLeast(missing) } else { Missing::Exactly(missing) }, is_doubtful)
    }

    fn judge_open(&self, gaps: &Gaps) -> (Missing, bool) {
        let is_doubtful = self.is_retract_lost || (self.kind.is_some() && gaps.retract.is_some());
        let is_exact = gaps.is_all_known && !is_doubtful;
        // What the index names and is lost may have been taken back, too.
        let lost = if gaps.has_end && !is_doubtful { self.lost_documents } else { 0 };
        (if is_exact { Missing::Exactly(lost) } else { Missing::AtLeast(lost) }, is_doubtful)
    }
}

fn chunk_kind(entry: &IndexEntry) -> ChunkKind {
    if entry.kind == RecordKind::Oplog { ChunkKind::Oplog } else { ChunkKind::Data }
}

/// Which record numbers of each stream are taken back: ranges in order that do not touch.
struct Retractions(HashMap<u32, Vec<(u64, u64)>>);

impl Retractions {
    fn of(retracts: &[(u64, Retract)]) -> Self {
        let mut ranges: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
        for (seq, retract) in retracts {
            // Only what lies before it can be taken back.
            let Some(before) = seq.checked_sub(1) else { continue };
            ranges.entry(retract.stream).or_default().push((retract.first_seq, retract.last_seq.min(before)));
        }
        for of_stream in ranges.values_mut() {
            of_stream.retain(|(first, last)| first <= last);
            of_stream.sort_unstable();
            let mut joined: Vec<(u64, u64)> = Vec::with_capacity(of_stream.len());
            for &(first, last) in of_stream.iter() {
                match joined.last_mut() {
                    Some(range) if first <= range.1.saturating_add(1) => range.1 = range.1.max(last),
                    _ => joined.push((first, last)),
                }
            }
            *of_stream = joined;
        }
        Self(ranges)
    }

    fn cover(&self, entry: &IndexEntry) -> bool {
        let Some(ranges) = self.0.get(&entry.stream).filter(|_| entry.kind.is_chunk()) else { return false };
        let after = ranges.partition_point(|(first, _)| *first <= entry.seq);
        after.checked_sub(1).and_then(|place| ranges.get(place)).is_some_and(|(_, last)| entry.seq <= *last)
    }
}
