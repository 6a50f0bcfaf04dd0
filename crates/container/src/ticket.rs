//! Record numbers: given out when the work on a record starts, so that many workers can seal at once.

use crate::limits::{PAGE_ENTRIES_MAX, SEQ_MAX};
use crate::{ArchiveId, Error};

/// A record number, reserved for one record. Losing it makes the archive impossible to finish.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a number that is given out must be written"]
pub struct Ticket {
    pub(crate) archive_id: ArchiveId,
    pub(crate) seq: u64,
    is_chunk: bool,
}

impl Ticket {
    /// The record number.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The number, for a record that is a chunk or none as asked.
    pub(crate) fn take(self, archive_id: ArchiveId, is_chunk: bool) -> Result<u64, Error> {
        if self.archive_id != archive_id {
            return Err(Error::misuse("a record number of another archive was used"));
        }
        if self.is_chunk != is_chunk {
            return Err(Error::misuse("a chunk's record number was used for another record, or the reverse"));
        }
        Ok(self.seq)
    }
}

/// Gives out record numbers in order, and leaves out those that INDEX pages will take.
#[derive(Debug)]
pub struct Sequencer {
    archive_id: ArchiveId,
    next: u64,
    indexed: u32,
}

impl Sequencer {
    pub(crate) fn new(archive_id: ArchiveId, next: u64) -> Self {
        Self { archive_id, next, indexed: 0 }
    }

    /// Goes on with the records of another sequencer, of which so many are not in an INDEX page yet.
    pub(crate) fn going_on(archive_id: ArchiveId, next: u64, indexed: u32) -> Self {
        Self { archive_id, next, indexed }
    }

    /// The number of the next chunk.
    ///
    /// # Errors
    /// `LimitExceeded` after 2^48 records.
    pub fn chunk(&mut self) -> Result<Ticket, Error> {
        self.give(true)
    }

    /// The number of the next record that is no chunk.
    ///
    /// # Errors
    /// `LimitExceeded` after 2^48 records.
    pub fn control(&mut self) -> Result<Ticket, Error> {
        self.give(false)
    }

    fn give(&mut self, is_chunk: bool) -> Result<Ticket, Error> {
        // The last two numbers are kept for the last INDEX page and END.
        Error::limit("a record number", self.next, SEQ_MAX - 2)?;
        let ticket = Ticket { archive_id: self.archive_id, seq: self.next, is_chunk };
        self.next += 1;
        self.indexed += 1;
        if self.indexed == PAGE_ENTRIES_MAX {
            self.indexed = 0;
            self.next += 1;
        }
        Ok(ticket)
    }

    /// Refuses to finish while a number is out, or belongs elsewhere.
    pub(crate) fn check_all_written(self, archive_id: ArchiveId, written: u64) -> Result<(), Error> {
        if self.archive_id != archive_id {
            return Err(Error::misuse("the sequencer belongs to another archive"));
        }
        if self.next != written {
            return Err(Error::misuse("a record number was given out, but its record was never written"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Sequencer;
    use crate::limits::SEQ_MAX;
    use crate::{ArchiveId, ErrorKind};

    #[test]
    fn numbers_run_out_with_an_error() {
        let mut sequencer = Sequencer::new(ArchiveId([0; 16]), SEQ_MAX - 2);
        assert_eq!(sequencer.chunk().unwrap().seq(), SEQ_MAX - 2);
        for _ in 0..3 {
            assert_eq!(sequencer.control().unwrap_err().kind(), ErrorKind::LimitExceeded);
        }
    }

    #[test]
    fn a_page_takes_each_65537th_number() {
        let mut sequencer = Sequencer::new(ArchiveId([0; 16]), 1);
        let seqs: Vec<u64> = (0..131_073).map(|_| sequencer.chunk().unwrap().seq()).collect();
        assert_eq!(seqs[65_535..65_537], [65_536, 65_538]);
        assert_eq!(seqs[131_071..], [131_072 + 1, 131_075]);
    }
}
