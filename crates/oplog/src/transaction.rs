//! Which entries belong to one transaction, and what each of them does to it.

use crate::class::command_name;
use crate::entry::{Entry, Op};
use crate::error::Result;
use mongoark_bson_bytes as bytes;
use std::fmt;

/// A transaction: its session and its number in it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId {
    lsid: Vec<u8>,
    number: i64,
}

/// What an entry does to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It brings operations.
    Operations {
        /// Whether it is the transaction's first entry.
        first: bool,
        /// Whether the transaction is committed with it.
        commits: bool,
    },
    /// It commits what was prepared.
    Commit,
    /// It ends the transaction without effect.
    Abort,
}

impl Entry<'_> {
    /// The transaction that this entry belongs to, if it does: retryable writes have sessions and numbers
    /// too, and inserts of one command that stand in one entry (`multiOpType: 1`) are no transaction.
    pub fn transaction(&self) -> Result<Option<(TransactionId, Part)>> {
        let (Some(lsid), Some(number)) = (self.lsid, self.txn_number) else { return Ok(None) };
        if self.op != Op::Command || self.multi_op_type == Some(1) {
            return Ok(None);
        }
        let is_set = |flag: &str| -> Result<bool> {
            Ok(bytes::get(self.object, flag)?.is_some_and(|flag| flag.as_bool() != Some(false)))
        };
        let part = match command_name(self.object)? {
            "commitTransaction" => Part::Commit,
            "abortTransaction" => Part::Abort,
            "applyOps" => {
                let open = is_set("partialTxn")? || is_set("prepare")?;
                Part::Operations { first: !self.has_previous, commits: !open }
            }
            _ => return Ok(None),
        };
        Ok(Some((TransactionId { lsid: lsid.to_vec(), number }, part)))
    }
}

impl fmt::Display for TransactionId {
    /// The number, and the end of the session's identifier.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of session ", self.number)?;
        let id = bytes::get(&self.lsid, "id").ok().flatten().and_then(|id| id.as_binary());
        id.map_or(&[][..], |(_, id)| id).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, rawdoc};
    use mongoark_bson_bytes::Builder;

    fn part(object: &RawDocumentBuf, previous: Option<u32>, extra: Option<i32>) -> Option<Part> {
        let mut entry = Builder::new();
        entry.str("op", "c").str("ns", "admin.$cmd").document("o", object.as_bytes()).i64("txnNumber", 1);
        entry.nested("lsid", |lsid| _ = lsid.i32("id", 1));
        if let Some(time) = previous {
            entry.nested("prevOpTime", |previous| _ = previous.timestamp("ts", time, 0).i64("t", -1));
        }
        if let Some(kind) = extra {
            entry.i32("multiOpType", kind);
        }
        Entry::parse(&entry.finish()).unwrap().transaction().unwrap().map(|(_, part)| part)
    }

    #[test]
    fn every_shape_of_a_transaction_is_told_apart() {
        let operations = |first, commits| Some(Part::Operations { first, commits });
        let single = || rawdoc! { "applyOps": [] };
        assert_eq!(part(&single(), None, None), operations(true, true));
        assert_eq!(part(&single(), Some(0), None), operations(true, true));
        assert_eq!(
            part(&rawdoc! { "applyOps": [], "partialTxn": true }, Some(0), None),
            operations(true, false)
        );
        assert_eq!(
            part(&rawdoc! { "applyOps": [], "partialTxn": true }, Some(5), None),
            operations(false, false)
        );
        assert_eq!(part(&rawdoc! { "applyOps": [], "count": 3_i64 }, Some(5), None), operations(false, true));
        assert_eq!(
            part(&rawdoc! { "applyOps": [], "prepare": true }, Some(0), None),
            operations(true, false)
        );
        assert_eq!(
            part(&rawdoc! { "commitTransaction": 1, "prepared": true }, Some(5), None),
            Some(Part::Commit)
        );
        assert_eq!(part(&rawdoc! { "abortTransaction": 1 }, Some(5), None), Some(Part::Abort));
    }

    #[test]
    fn retryable_writes_are_no_transactions() {
        assert_eq!(part(&rawdoc! { "applyOps": [] }, Some(0), Some(1)), None);
        assert_eq!(part(&rawdoc! { "create": "c" }, None, None), None);
        let insert = rawdoc! { "op": "i", "ns": "d.c", "lsid": {}, "txnNumber": 1_i64, "o": {} };
        assert!(Entry::parse(insert.as_bytes()).unwrap().transaction().unwrap().is_none());
    }
}
