//! What became of the documents, counted over all collections.

use std::sync::atomic::{AtomicU64, Ordering};

/// Documents of a collection, or of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    restored: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, restored: u64, failed: u64) {
        self.restored.fetch_add(restored, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    pub(super) fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
