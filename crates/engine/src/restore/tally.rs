//! What happened to the documents of one collection: every one is counted, some are named.

use mongoark_bson_bytes::Builder;
use mongoark_deployment::{InsertOutcome, Rejected};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Refused documents that are named; the others are only counted.
const NAMED: usize = 5;
/// What the server says of a document whose `_id` is there already.
const DUPLICATE_KEY: i32 = 11000;

/// What became of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) inserted: u64,
    pub(super) identical: u64,
    pub(super) rejected: u64,
    /// Documents that came twice, of which the oplog makes one.
    pub(super) superseded: u64,
    /// Some of those that were refused.
    pub(super) named: Vec<Rejected>,
}

impl Counts {
    /// Documents that were not tried.
    pub(super) fn skipped(documents: u64) -> Self {
        Self { rejected: documents, ..Self::default() }
    }

    /// What became of a batch.
    pub(super) fn of(outcome: InsertOutcome) -> Self {
        let rejected = outcome.rejected.len() as u64;
        let named = outcome.rejected.into_iter().take(NAMED).collect();
        Self { inserted: outcome.inserted, identical: outcome.identical, rejected, superseded: 0, named }
    }

    /// What became of a batch whose collection the oplog settles: a document that stands in the archive twice is there
    /// once and right in the end.
    pub(super) fn of_unsettled(mut outcome: InsertOutcome) -> Self {
        let before = outcome.rejected.len();
        outcome.rejected.retain(|rejected| rejected.code != DUPLICATE_KEY);
        let superseded = (before - outcome.rejected.len()) as u64;
        Self { superseded, ..Self::of(outcome) }
    }

    fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.identical += other.identical;
        self.rejected += other.rejected;
        self.superseded += other.superseded;
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(room));
    }

    fn documents(&self) -> u64 {
        self.inserted + self.identical + self.superseded + self.rejected
    }
}

/// What happened to one collection, chunk for chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Of all chunks before the first that is under way.
    pub(super) counts: Counts,
    /// How many chunks those are.
    pub(super) chunks: u64,
    /// Chunks behind one that is under way.
    ahead: BTreeMap<u64, Counts>,
    refused: bool,
    reported: bool,
}

impl Tally {
    /// What an earlier run has done, and told where it has `reported` it.
    pub(super) fn kept(counts: Counts, chunks: u64, refused: bool, reported: bool) -> Self {
        Self { counts, chunks, ahead: BTreeMap::new(), refused, reported }
    }

    /// Adds what became of a chunk, which is told by its place among those of its collection.
    pub(super) fn add(&mut self, chunk: u64, counts: Counts) {
        self.ahead.insert(chunk, counts);
        while let Some(counts) = self.ahead.remove(&self.chunks) {
            self.counts.add(counts);
            self.chunks += 1;
        }
    }

    /// From now on no document can be written: the collection could not be made, or broke.
    pub(super) fn refuse_all(&mut self) {
        self.refused = true;
    }

    /// Whether documents are only counted.
    pub(super) fn refuses(&self) -> bool {
        self.refused
    }

    /// All documents that came by.
    pub(super) fn seen(&self) -> u64 {
        self.counts.documents() + self.ahead.values().map(Counts::documents).sum::<u64>()
    }

    /// The text of the failure to report, once.
    pub(super) fn failure(&mut self) -> Option<String> {
        let Counts { rejected, named, .. } = &self.counts;
        if *rejected == 0 || std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let mut text = format!("{rejected} documents were not restored");
        for rejected in named {
            let id = rejected
                .id
                .as_ref()
                .map_or_else(|| "no _id".to_owned(), |(kind, value)| show_id(*kind, value));
            // Writing into a String cannot fail.
            let _ = write!(text, "; {id}: {}", rejected.message);
        }
        let more = rejected.saturating_sub(named.len() as u64);
        if more > 0 && !named.is_empty() {
            let _ = write!(text, "; and {more} more");
        }
        Some(text)
    }
}

fn show_id(kind: u8, value: &[u8]) -> String {
    let mut document = Builder::new();
    document.raw(kind, "_id", value);
    let mut text = Vec::new();
    match mongoark_bson_text::write_relaxed(&document.finish(), &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).chars().take(200).collect(),
        Err(_) => "an _id that cannot be shown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_few_and_counts_all() {
        let rejected = |n: i32| Rejected {
            id: Some((0x10, n.to_le_bytes().to_vec())),
            code: 11000,
            message: "duplicate".to_owned(),
        };
        let mut tally = Tally::default();
        assert_eq!(tally.failure(), None);
        let outcome = InsertOutcome {
            inserted: 3,
            identical: 1,
            rejected: (0..7).map(rejected).collect(),
            stopped: false,
        };
        tally.add(0, Counts::of(outcome));
        assert_eq!(tally.seen(), 11);
        let text = tally.failure().unwrap();
        assert!(
            text.starts_with("7 documents") && text.contains("\"_id\"") && text.ends_with("and 2 more"),
            "{text}"
        );
        assert_eq!(tally.failure(), None, "told once");
    }

    #[test]
    fn a_chunk_counts_once_all_before_it_are_done() {
        let inserted = |n| Counts { inserted: n, ..Counts::default() };
        let mut tally = Tally::kept(inserted(10), 2, false, false);
        tally.add(4, inserted(300));
        tally.add(3, inserted(20));
        assert_eq!((tally.chunks, tally.counts.inserted, tally.seen()), (2, 10, 330));
        tally.add(2, inserted(1));
        assert_eq!((tally.chunks, tally.counts.inserted, tally.seen()), (5, 331, 331));
    }
}
