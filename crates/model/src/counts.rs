//! How much: documents and their raw BSON bytes.

use std::ops::AddAssign;

/// Documents and the bytes of their raw BSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of documents.
    pub documents: u64,
    /// Sum of their raw BSON lengths, bytes.
    pub bytes: u64,
}

impl Counts {
    /// These many documents of these many bytes in all.
    pub fn new(documents: u64, bytes: u64) -> Self {
        Self { documents, bytes }
    }

    /// What is left without these; nothing below zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            documents: self.documents.saturating_sub(other.documents),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
    }
}
