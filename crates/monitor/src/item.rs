//! One thing that takes time: a collection being read, written or indexed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

#[derive(Debug)]
struct Inner {
    name: String,
    expected_documents: u64,
    expected_bytes: u64,
    documents: AtomicU64,
    bytes: AtomicU64,
    closed: AtomicBool,
    started: Instant,
}

/// A running item; clones share its counters, which any task may add to.
#[derive(Clone, Debug)]
pub struct Item {
    inner: Arc<Inner>,
}

/// Whether an item still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// It runs.
    Running,
    /// It ended.
    Finished,
}

/// An item's figures at one time.
#[derive(Clone, Debug)]
pub struct ItemSnapshot {
    /// Its name, ready to be shown.
    pub name: String,
    /// Documents done.
    pub documents: u64,
    /// Raw BSON bytes done.
    pub bytes: u64,
    /// Documents expected; 0 where unknown. An estimate: never decide by it.
    pub expected_documents: u64,
    /// Bytes expected; 0 where unknown.
    pub expected_bytes: u64,
    /// Seconds since it began.
    pub seconds: f64,
    /// Whether it still runs.
    pub state: ItemState,
}

impl Item {
    pub(crate) fn new(name: String, expected_documents: u64, expected_bytes: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                expected_documents,
                expected_bytes,
                documents: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                closed: AtomicBool::new(false),
                started: Instant::now(),
            }),
        }
    }

    /// Adds what was just done.
    pub fn add(&self, documents: u64, bytes: u64) {
        self.inner.documents.fetch_add(documents, Ordering::Relaxed);
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Its figures now.
    pub fn snapshot(&self) -> ItemSnapshot {
        let inner = &self.inner;
        ItemSnapshot {
            name: inner.name.clone(),
            documents: inner.documents.load(Ordering::Relaxed),
            bytes: inner.bytes.load(Ordering::Relaxed),
            expected_documents: inner.expected_documents,
            expected_bytes: inner.expected_bytes,
            seconds: inner.started.elapsed().as_secs_f64(),
            state: if inner.closed.load(Ordering::Relaxed) {
                ItemState::Finished
            } else {
                ItemState::Running
            },
        }
    }

    pub(crate) fn close(&self) {
        self.inner.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}
