//! Transactions whose end has not come yet: their entries, in memory up to a limit, then in a temporary
//! file that has no name.

use crate::{Error, Result};
use mongoark_oplog::TransactionId;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes of entries that are kept in memory, of all transactions together.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Transactions that may be open at the same time; a server has far fewer.
const OPEN_MAX: usize = 100_000;

/// Transactions that are not committed yet.
#[derive(Debug)]
pub(super) struct Transactions {
    open: HashMap<TransactionId, Open>,
    memory_bytes: usize,
    memory_bytes_max: usize,
    spill: Spill,
}

/// The entries of one transaction, in order.
#[derive(Debug, Default)]
struct Open {
    parts: VecDeque<Stored>,
    /// Whether its first entry is not in the oplog; then no other is kept either.
    is_headless: bool,
}

/// The entries of a transaction that is being applied; see [`Transactions::next`].
#[derive(Debug)]
pub(super) struct Parts(VecDeque<Stored>);

/// Where an entry is.
#[derive(Debug)]
enum Stored {
    Memory(Vec<u8>),
    File { offset: u64, len: usize },
}

/// The temporary file; made when it is first needed, emptied when nothing in it is needed any more.
#[derive(Debug, Default)]
struct Spill {
    file: Option<File>,
    end: u64,
    /// Entries in it that are still needed.
    entries: usize,
}

impl Default for Transactions {
    fn default() -> Self {
        Self::with_memory(MEMORY_BYTES_MAX)
    }
}

impl Transactions {
    fn with_memory(memory_bytes_max: usize) -> Self {
        Self { open: HashMap::new(), memory_bytes: 0, memory_bytes_max, spill: Spill::default() }
    }

    /// Transactions that are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Keeps an entry. `first`: it is its transaction's first one.
    pub(super) fn take(&mut self, id: &TransactionId, entry: &[u8], first: bool) -> Result<()> {
        if first {
            // The oplog may tell the beginning twice, where two pieces of it meet.
            self.forget(id);
        }
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(id) {
            return Err(Error::TooManyTransactions { max: OPEN_MAX });
        }
        let is_new = !self.open.contains_key(id);
        let open = self.open.entry(id.clone()).or_default();
        open.is_headless |= is_new && !first;
        if open.is_headless {
            return Ok(());
        }
        let stored = if self.memory_bytes + entry.len() <= self.memory_bytes_max {
            self.memory_bytes += entry.len();
            Stored::Memory(entry.to_vec())
        } else {
            self.spill.put(entry).map_err(failed)?
        };
        open.parts.push_back(stored);
        Ok(())
    }

    /// The entries of a transaction that is committed; nothing where its beginning was not seen.
    pub(super) fn commit(&mut self, id: &TransactionId) -> Option<Parts> {
        let open = self.open.remove(id)?;
        (!open.is_headless).then_some(Parts(open.parts))
    }

    /// The next entry of `parts`.
    pub(super) fn next(&mut self, parts: &mut Parts) -> Result<Option<Vec<u8>>> {
        match parts.0.pop_front() {
            None => Ok(None),
            Some(Stored::Memory(entry)) => {
                self.memory_bytes -= entry.len();
                Ok(Some(entry))
            }
            Some(Stored::File { offset, len }) => {
                let entry = self.spill.get(offset, len).map_err(failed)?;
                self.spill.release();
                Ok(Some(entry))
            }
        }
    }

    /// Drops a transaction that was aborted.
    pub(super) fn forget(&mut self, id: &TransactionId) {
        for part in self.open.remove(id).into_iter().flat_map(|open| open.parts) {
            match part {
                Stored::Memory(entry) => self.memory_bytes -= entry.len(),
                Stored::File { .. } => self.spill.release(),
            }
        }
    }
}

impl Spill {
    /// Appends an entry. Blocks for as long as the system takes to copy it.
    fn put(&mut self, entry: &[u8]) -> io::Result<Stored> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(entry)?;
        let stored = Stored::File { offset: self.end, len: entry.len() };
        self.end += entry.len() as u64;
        self.entries += 1;
        Ok(stored)
    }

    fn get(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut entry = vec![0; len];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut entry)?;
        Ok(entry)
    }

    /// One entry is not needed any more.
    fn release(&mut self) {
        self.entries -= 1;
        if self.entries == 0 {
            // The disk has it back as soon as the file is closed: it has no name.
            self.file = None;
            self.end = 0;
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::Write { what: "the temporary file for open transactions".to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;
    use mongoark_oplog::Entry;

    fn id(number: i64) -> TransactionId {
        let entry = rawdoc! {
            "op": "c", "ns": "admin.$cmd", "lsid": { "id": 1 }, "txnNumber": number, "o": { "applyOps": [] },
        };
        Entry::parse(entry.as_bytes()).unwrap().transaction().unwrap().unwrap().0
    }

    fn all(transactions: &mut Transactions, number: i64) -> Option<Vec<Vec<u8>>> {
        let mut parts = transactions.commit(&id(number))?;
        let mut all = Vec::new();
        while let Some(part) = transactions.next(&mut parts).unwrap() {
            all.push(part);
        }
        Some(all)
    }

    #[test]
    fn what_memory_does_not_hold_comes_back_from_the_file() {
        let mut transactions = Transactions::with_memory(10);
        for round in 0..4_u8 {
            transactions.take(&id(1), &[round; 4], round == 0).unwrap();
            transactions.take(&id(2), &[10 + round; 3], round == 0).unwrap();
        }
        assert!(transactions.memory_bytes <= 10);
        assert_eq!(transactions.spill.entries, 5);
        let expected: Vec<Vec<u8>> = (0..4).map(|round| vec![10 + round; 3]).collect();
        assert_eq!(all(&mut transactions, 2), Some(expected));
        transactions.forget(&id(1));
        assert_eq!((transactions.memory_bytes, transactions.spill.entries, transactions.len()), (0, 0, 0));
        assert!(transactions.spill.file.is_none());
    }

    #[test]
    fn a_transaction_without_its_beginning_has_nothing_to_commit() {
        let mut transactions = Transactions::default();
        transactions.take(&id(1), &[1], false).unwrap();
        transactions.take(&id(1), &[2], false).unwrap();
        assert_eq!(all(&mut transactions, 1), None);
        assert_eq!(all(&mut transactions, 7), None);
        assert_eq!(transactions.memory_bytes, 0);
    }

    #[test]
    fn a_beginning_that_comes_twice_counts_once() {
        let mut transactions = Transactions::default();
        transactions.take(&id(1), &[1], true).unwrap();
        transactions.take(&id(1), &[1], true).unwrap();
        assert_eq!(all(&mut transactions, 1), Some(vec![vec![1]]));
    }
}
