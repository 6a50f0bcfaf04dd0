//! What happened to the documents of one collection: every one is counted, some are named.

use crate::reading::ChunkName;
use mongoark_bson_bytes::Builder;
use mongoark_deployment::{InsertOutcome, Rejected};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

/// Refused documents that are named; the others are only counted.
const NAMED: usize = 5;
/// What is said of a document in whose place another one is.
const IN_THE_WAY: &str = "another document has this _id on the target";
/// What the server says of a document whose `_id` is there already.
const DUPLICATE_KEY: i32 = 11000;
/// Duplicates of one collection that wait for the oplog, and bytes of their `_id`s; more are conflicts at once. A note on the
/// target has to hold them.
const DISPUTED: usize = 100_000;
const DISPUTED_BYTES: usize = 4 * 1024 * 1024;

/// An `_id`: the kind of its BSON element, and its value.
pub(super) type Id = (u8, Vec<u8>);

/// Which chunks of a stream are done: the number of the last one, and a hash over the numbers and tags of all of them. Two
/// readers that have the same one have done the same chunks, whatever else either of them got to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// How many there are.
    pub(super) chunks: u64,
    /// The record number of the last; 0 before the first.
    pub(super) last: u64,
    /// `SHA-256(hash before || number as 8 bytes, little-endian || tag)`; zeros before the first.
    pub(super) hash: [u8; 32],
}

impl Reached {
    /// Takes the next chunk in.
    pub(super) fn push(&mut self, ChunkName { seq, tag }: ChunkName) {
        let hash = Sha256::new().chain_update(self.hash).chain_update(seq.to_le_bytes());
        *self = Self {
            chunks: self.chunks + 1,
            last: seq,
            hash: hash.chain_update(tag.as_bytes()).finalize().into(),
        };
    }

    /// Whether these, in their order, begin with what was done.
    pub(super) fn is_beginning_of(&self, chunks: &[ChunkName]) -> bool {
        let mut passed = Self::default();
        chunks
            .iter()
            .filter(|name| name.seq <= self.last && self.chunks > 0)
            .for_each(|name| passed.push(*name));
        passed == *self
    }

    /// The record number up to which nothing is to be read; none where all is.
    pub(super) fn behind(&self) -> Option<u64> {
        (self.chunks > 0).then_some(self.last)
    }
}

/// What became of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) inserted: u64,
    /// Those among them that were found there already; each may be the second copy of one that is counted, too.
    pub(super) found: u64,
    pub(super) identical: u64,
    pub(super) rejected: u64,
    /// Documents that came twice, of which the oplog makes one.
    pub(super) superseded: u64,
    /// Those among them of which the oplog has to tell that it does.
    pub(super) disputed: Vec<Rejected>,
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
        let (inserted, found, identical) = (outcome.inserted, outcome.found, outcome.identical);
        Self { inserted, found, identical, rejected, named, ..Self::default() }
    }

    /// What became of a batch where the oplog is replayed later, in a collection that is new or was there. A document that was
    /// removed and stored anew while its collection was read may stand in the archive twice. The oplog has its insertion then,
    /// and makes one of the two: whether it does is seen when it is replayed.
    pub(super) fn of_unsettled(mut outcome: InsertOutcome, is_new: bool) -> Self {
        let is_disputed = |rejected: &mut Rejected| rejected.code == DUPLICATE_KEY && rejected.id.is_some();
        let mut disputed: Vec<Rejected> = outcome.rejected.extract_if(.., is_disputed).collect();
        for one in &mut disputed {
            IN_THE_WAY.clone_into(&mut one.message);
        }
        // In a collection of this restore's making, the same bytes are the archive's own.
        let repeated = if is_new { std::mem::take(&mut outcome.identical) } else { 0 };
        let superseded = disputed.len() as u64 + repeated;
        Self { superseded, disputed, ..Self::of(outcome) }
    }

    fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.found += other.found;
        self.identical += other.identical;
        self.rejected += other.rejected;
        self.superseded += other.superseded;
        self.name(other.named);
        let mut bytes: usize = self.disputed.iter().map(size).sum();
        for disputed in other.disputed {
            bytes += size(&disputed);
            if self.disputed.len() < DISPUTED && bytes <= DISPUTED_BYTES {
                self.disputed.push(disputed);
            } else {
                self.is_conflict(disputed);
            }
        }
    }

    fn name(&mut self, named: impl IntoIterator<Item = Rejected>) {
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(named.into_iter().take(room));
    }

    /// A duplicate that nothing settles.
    fn is_conflict(&mut self, rejected: Rejected) {
        self.superseded = self.superseded.saturating_sub(1);
        self.rejected += 1;
        self.name([rejected]);
    }

    fn documents(&self) -> u64 {
        self.inserted + self.identical + self.superseded + self.rejected
    }
}

fn size(rejected: &Rejected) -> usize {
    rejected.id.as_ref().map_or(0, |(_, value)| value.len())
}

/// What happened to one collection, chunk for chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Of all chunks before the first that is under way.
    pub(super) counts: Counts,
    /// Which chunks those are.
    pub(super) reached: Reached,
    /// The collection's UUID on the target.
    pub(super) uuid: Option<[u8; 16]>,
    /// The place of the first chunk that is under way, among those that this run reads.
    next: u64,
    /// Chunks behind one that is under way.
    ahead: BTreeMap<u64, (ChunkName, Counts)>,
    refused: bool,
    reported: bool,
    /// Of the duplicates, those that nothing has settled.
    conflicts: u64,
}

impl Tally {
    /// What an earlier run has done, and told where it has `reported` it.
    pub(super) fn kept(counts: Counts, reached: Reached, refused: bool, reported: bool) -> Self {
        Self { counts, reached, refused, reported, ..Self::default() }
    }

    /// Nothing is done yet of this collection of the target.
    pub(super) fn of_collection(uuid: Option<[u8; 16]>) -> Self {
        Self { uuid, ..Self::default() }
    }

    /// Adds what became of a chunk, which is the `place`-th that this run reads of its collection.
    pub(super) fn add(&mut self, place: u64, name: ChunkName, counts: Counts) {
        self.ahead.insert(place, (name, counts));
        while let Some((name, counts)) = self.ahead.remove(&self.next) {
            self.counts.add(counts);
            self.reached.push(name);
            self.next += 1;
        }
    }

    /// Documents that came from the archive and were inserted, or found there.
    pub(super) fn booked(&self) -> u64 {
        self.counts.inserted + self.counts.identical
    }

    /// Documents that are on the target at least, by this restore or since before.
    pub(super) fn on_the_target(&self) -> u64 {
        (self.counts.inserted + self.counts.identical).saturating_sub(self.counts.found)
    }

    /// The `_id`s of duplicates that wait for the oplog.
    pub(super) fn disputed(&self) -> HashSet<Id> {
        self.counts.disputed.iter().filter_map(|disputed| disputed.id.clone()).collect()
    }

    /// Of the duplicates that waited, those with these `_id`s are conflicts; the oplog has made one document of the others. What is
    /// written down stays as it is: a run that resumes behind this finds the same.
    pub(super) fn settle(&mut self, unsettled: &HashSet<Id>) -> Option<(String, u64)> {
        let is_conflict = |it: &&Rejected| it.id.as_ref().is_none_or(|id| unsettled.contains(id));
        let mut told = Counts::default();
        for conflict in self.counts.disputed.iter().filter(is_conflict) {
            told.is_conflict(conflict.clone());
        }
        self.conflicts = told.rejected;
        (self.conflicts > 0).then(|| (refusal(&told), self.conflicts))
    }

    /// Documents that were not carried over, in the end.
    pub(super) fn failed(&self) -> u64 {
        self.counts.rejected + self.conflicts
    }

    /// Documents that stand in the archive twice, and of which the oplog made one.
    pub(super) fn superseded(&self) -> u64 {
        self.counts.superseded.saturating_sub(self.conflicts)
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
        self.counts.documents() + self.ahead.values().map(|(_, counts)| counts.documents()).sum::<u64>()
    }

    /// The text of the failure to report, once.
    pub(super) fn failure(&mut self) -> Option<String> {
        if self.counts.rejected == 0 || std::mem::replace(&mut self.reported, true) {
            return None;
        }
        Some(refusal(&self.counts))
    }
}

/// How many documents were refused, and why some of them were.
fn refusal(Counts { rejected, named, .. }: &Counts) -> String {
    let mut text = format!("{rejected} documents were not restored");
    for rejected in named {
        let id =
            rejected.id.as_ref().map_or_else(|| "no _id".to_owned(), |(kind, value)| show_id(*kind, value));
        // Writing into a String cannot fail.
        let _ = write!(text, "; {id}: {}", rejected.message);
    }
    let more = rejected.saturating_sub(named.len() as u64);
    if more > 0 && !named.is_empty() {
        let _ = write!(text, "; and {more} more");
    }
    text
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
            found: 0,
            identical: 1,
            rejected: (0..7).map(rejected).collect(),
            stopped: false,
        };
        tally.add(0, name(7), Counts::of(outcome));
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
        let mut tally = Tally::kept(inserted(10), Reached::default(), false, false);
        tally.add(2, name(9), inserted(300));
        tally.add(1, name(8), inserted(20));
        assert_eq!((tally.reached.chunks, tally.counts.inserted, tally.seen()), (0, 10, 330));
        tally.add(0, name(5), inserted(1));
        assert_eq!((tally.reached.chunks, tally.counts.inserted, tally.seen()), (3, 331, 331));
        assert_eq!(tally.reached.behind(), Some(9));
    }

    #[test]
    fn what_is_done_is_known_by_what_it_is_and_not_by_how_much() {
        let mut reached = Reached::default();
        assert!(reached.is_beginning_of(&[name(3)]), "nothing is done yet");
        for seq in [3, 4, 9] {
            reached.push(name(seq));
        }
        assert!(reached.is_beginning_of(&[3, 4, 9].map(name)));
        assert!(reached.is_beginning_of(&[3, 4, 9, 12].map(name)));
        assert!(!reached.is_beginning_of(&[4, 9, 12].map(name)), "3 was taken back since");
        assert!(!reached.is_beginning_of(&[3, 4, 5, 9].map(name)));
        assert!(!reached.is_beginning_of(&[3, 4].map(name)));
        assert!(!reached.is_beginning_of(&[3, 4, 10].map(name)));
    }

    #[test]
    fn a_duplicate_that_the_oplog_does_not_settle_is_a_conflict() {
        let duplicate = |n: i32| Rejected {
            id: Some((0x10, n.to_le_bytes().to_vec())),
            code: 11000,
            message: "dup".to_owned(),
        };
        let outcome = InsertOutcome {
            inserted: 1,
            found: 0,
            identical: 2,
            rejected: vec![duplicate(1), duplicate(2), Rejected { code: 121, ..duplicate(3) }],
            stopped: false,
        };
        let mut tally = Tally::default();
        tally.add(0, name(1), Counts::of_unsettled(outcome, true));
        assert_eq!((tally.seen(), tally.counts.superseded, tally.counts.rejected), (6, 4, 1));
        assert_eq!(tally.disputed().len(), 2);
        let (text, documents) = tally.settle(&HashSet::from([(0x10, vec![2, 0, 0, 0])])).unwrap();
        assert_eq!((tally.seen(), tally.superseded(), tally.failed(), documents), (6, 3, 2, 1));
        assert!(text.contains("1 documents were not restored; {\"_id\":2}: another document"), "{text}");
        assert_eq!(tally.disputed().len(), 2, "what is written down stays");
        assert!(tally.settle(&HashSet::new()).is_none());
        assert_eq!((tally.superseded(), tally.failed()), (4, 1));
    }

    fn name(seq: u64) -> ChunkName {
        // Only a container makes tags; one that all share serves here.
        let tag = mongoark_container::Tag::default();
        ChunkName { seq, tag }
    }
}
