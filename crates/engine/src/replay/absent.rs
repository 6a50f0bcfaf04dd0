//! Namespaces that do not take every write, and why that may be right.
//!
//! The data that was restored may be younger than the beginning of the oplog. A collection that was dropped
//! meanwhile is not there, and writes to it come to nothing, as long as its drop follows. A full capped
//! collection removes its oldest documents by itself, and servers up to 5.0 refuse to do it on demand.

use crate::{Error, Result};
use mongoark_model::{Namespace, Timestamp};
use mongoark_oplog::{Command, CommandKind, Entry, Op};
use std::collections::{BTreeMap, HashSet};

/// What is known of such namespaces.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// Collections that are not there, with the first write to each.
    missing: BTreeMap<Namespace, Option<Timestamp>>,
    /// Capped collections whose server removes by itself.
    capped: HashSet<Namespace>,
}

impl Absent {
    /// Whether a write comes to nothing.
    pub(super) fn takes_no(&self, entry: &Entry<'_>) -> bool {
        if self.missing.is_empty() && self.capped.is_empty() {
            return false;
        }
        let namespace = entry.target();
        self.missing.contains_key(&namespace) || entry.op == Op::Delete && self.capped.contains(&namespace)
    }

    /// A write found no collection.
    pub(super) fn is_missing(&mut self, namespace: Namespace, ts: Option<Timestamp>) {
        self.missing.entry(namespace).or_insert(ts);
    }

    /// A deletion found a capped collection.
    pub(super) fn is_capped(&mut self, namespace: Namespace) {
        self.capped.insert(namespace);
    }

    /// Takes note of a command before it is run. A collection that is made anew while writes to one of
    /// its name were lost is an error.
    pub(super) fn command(&mut self, command: &Command<'_>) -> Result<()> {
        match command.kind {
            CommandKind::Drop => self.is_gone(&command.collection()?),
            CommandKind::DropDatabase => {
                self.missing.retain(|namespace, _| namespace.db != command.db);
                self.capped.retain(|namespace| namespace.db != command.db);
            }
            CommandKind::RenameCollection => {
                let (from, to, _) = command.rename()?;
                self.is_gone(&from);
                self.is_gone(&to);
            }
            CommandKind::ConvertToCapped => _ = self.capped.remove(&command.collection()?),
            CommandKind::Create => {
                if let Some((namespace, ts)) = self.missing.remove_entry(&command.collection()?) {
                    return Err(missing(namespace, ts));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_gone(&mut self, namespace: &Namespace) {
        self.missing.remove(namespace);
        self.capped.remove(namespace);
    }

    /// Collections that are not there, as [`Self::restore`] takes them.
    pub(super) fn missing(&self) -> Vec<(Namespace, Option<Timestamp>)> {
        self.missing.iter().map(|(namespace, ts)| (namespace.clone(), *ts)).collect()
    }

    /// Takes over what an earlier run has found missing.
    pub(super) fn restore(&mut self, missing: &[(Namespace, Option<Timestamp>)]) {
        self.missing = missing.iter().cloned().collect();
    }

    /// An error if writes were lost to a collection that the oplog does not drop.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.missing.pop_first().map_or(Ok(()), |(namespace, ts)| Err(missing(namespace, ts)))
    }
}

fn missing(namespace: Namespace, ts: Option<Timestamp>) -> Error {
    Error::MissingCollection { namespace, ts: ts.unwrap_or_default() }
}
