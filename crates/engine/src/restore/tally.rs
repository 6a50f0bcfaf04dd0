//! What happened to the documents of one collection: every one is counted, some are named.

use mongoark_bson_bytes::Builder;
use mongoark_deployment::{InsertOutcome, Rejected};
use std::fmt::Write;

/// Refused documents that are named; the others are only counted.
const NAMED: usize = 5;
/// What the server says of a document whose `_id` is there already.
const DUPLICATE_KEY: i32 = 11000;

/// Counts of one collection.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) inserted: u64,
    pub(super) identical: u64,
    pub(super) rejected: u64,
    /// Documents that came twice, of which the oplog makes one.
    pub(super) superseded: u64,
    named: Vec<Rejected>,
    refused: bool,
    reported: bool,
}

impl Tally {
    /// Adds what became of a batch.
    pub(super) fn add(&mut self, outcome: InsertOutcome) {
        self.inserted += outcome.inserted;
        self.identical += outcome.identical;
        self.rejected += outcome.rejected.len() as u64;
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(outcome.rejected.into_iter().take(room));
    }

    /// Adds what became of a batch whose collection the oplog settles: a document that stands in the archive twice
    /// is there once and right in the end.
    pub(super) fn add_unsettled(&mut self, mut outcome: InsertOutcome) {
        let before = outcome.rejected.len();
        outcome.rejected.retain(|rejected| rejected.code != DUPLICATE_KEY);
        self.superseded += (before - outcome.rejected.len()) as u64;
        self.add(outcome);
    }

    /// From now on no document can be written: the collection could not be made, or broke.
    pub(super) fn refuse_all(&mut self) {
        self.refused = true;
    }

    /// Whether documents are only counted.
    pub(super) fn refuses(&self) -> bool {
        self.refused
    }

    /// Counts documents that were not tried.
    pub(super) fn skip(&mut self, documents: u64) {
        self.rejected += documents;
    }

    /// All documents that came by.
    pub(super) fn seen(&self) -> u64 {
        self.inserted + self.identical + self.superseded + self.rejected
    }

    /// The text of the failure to report, once.
    pub(super) fn failure(&mut self) -> Option<String> {
        if self.rejected == 0 || std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let mut text = format!("{} documents were not restored", self.rejected);
        for rejected in &self.named {
            let id = rejected
                .id
                .as_ref()
                .map_or_else(|| "no _id".to_owned(), |(kind, value)| show_id(*kind, value));
            // Writing into a String cannot fail.
            let _ = write!(text, "; {id}: {}", rejected.message);
        }
        let more = self.rejected.saturating_sub(self.named.len() as u64);
        if more > 0 && !self.named.is_empty() {
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
        tally.add(InsertOutcome {
            inserted: 3,
            identical: 1,
            rejected: (0..7).map(rejected).collect(),
            stopped: false,
        });
        assert_eq!(tally.seen(), 11);
        let text = tally.failure().unwrap();
        assert!(
            text.starts_with("7 documents") && text.contains("\"_id\"") && text.ends_with("and 2 more"),
            "{text}"
        );
        assert_eq!(tally.failure(), None, "told once");
    }
}
