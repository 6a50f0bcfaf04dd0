//! Checking opened records against each other, in the order of their numbers.

use crate::ledger::{Breach, Ledger, Step};
use crate::record::RecordMeta;
use crate::{ArchiveId, Error, Record};

/// Keeps the account of an archive that is read from its first record to its last: continuity of streams, counts,
/// bytes, hashes of streams, retractions, index pages, totals and digest of END.
pub struct Verifier {
    ledger: Ledger,
    ended: bool,
}

impl Verifier {
    /// For the archive of this id, before its first record.
    pub fn new(archive_id: ArchiveId) -> Self {
        Self { ledger: Ledger::new(archive_id), ended: false }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// `Reordered` when it is not the next, `Inconsistent` when it contradicts those before it.
    pub fn accept(&mut self, record: &Record) -> Result<(), Error> {
        let meta = record.meta();
        let (expected, found) = (self.ledger.next_seq(), meta.seq);
        if expected != found {
            return Err(Error::Reordered { expected, found, offset: meta.offset });
        }
        if self.ended {
            return Err(Error::TrailingData { offset: meta.offset });
        }
        self.account(record, meta).map_err(|breach| inconsistent(meta, &breach))
    }

    fn account(&mut self, record: &Record, meta: &RecordMeta) -> Result<(), Breach> {
        match record {
            Record::IndexPage { page, .. } => self.ledger.index(meta, page),
            Record::End { end, .. } => {
                self.ledger.finish(meta, end)?;
                self.ended = true;
                Ok(())
            }
            other => match Step::of(other)? {
                Some(step) => self.ledger.step(meta, &step),
                None => Ok(()),
            },
        }
    }

    /// Whether END was accepted: only then was the archive whole.
    pub fn is_complete(&self) -> bool {
        self.ended
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("ended", &self.ended).finish_non_exhaustive()
    }
}

pub(crate) fn inconsistent(meta: &RecordMeta, breach: &Breach) -> Error {
    Error::Inconsistent { part: meta.kind.part(), offset: meta.offset, why: breach.0 }
}
