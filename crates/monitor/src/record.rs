//! The record of a run, from which reports and exit codes are made.

use crate::ItemSnapshot;

/// Something to know that lost nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The namespace or thing it is about; may be empty.
    pub subject: String,
    /// What to know, and what to do.
    pub message: String,
}

/// Something that was not carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The namespace or thing that was not carried over.
    pub subject: String,
    /// Why, and what to do.
    pub message: String,
    /// How many documents are missing by it; 0 where it is not documents.
    pub documents: u64,
}

/// How long a stage took.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTime {
    /// The stage.
    pub name: &'static str,
    /// Wall seconds.
    pub seconds: f64,
}

/// All that a run reported.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Wall seconds since the monitor was made.
    pub seconds: f64,
    /// Items that ended, in the order they ended.
    pub items: Vec<ItemSnapshot>,
    /// Warnings in order.
    pub warnings: Vec<Warning>,
    /// Failures in order.
    pub failures: Vec<Failure>,
    /// Stage timings in order.
    pub stages: Vec<StageTime>,
    /// Bytes of the archive written or read.
    pub archive_bytes: u64,
}

impl Record {
    /// Documents that the failures name as not carried over.
    pub fn failed_documents(&self) -> u64 {
        self.failures.iter().map(|failure| failure.documents).sum()
    }
}
