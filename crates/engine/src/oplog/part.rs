//! The oplog of a dump that takes a part of a deployment: entries on other databases are left out, and a collection that
//! comes in from outside is an error, as nothing holds its documents.

use crate::select::Selection;
use crate::{Error, Result};
use mongoark_model::Namespace;
use mongoark_oplog::{Class, CommandKind, Entry};
use std::collections::HashSet;

/// Which part.
pub(super) struct Part {
    selection: Selection,
    /// Collections whose documents are in the archive, or in its oplog from their beginning.
    taken: HashSet<[u8; 16]>,
}

impl Part {
    pub(super) fn new(selection: &Selection, taken: HashSet<[u8; 16]>) -> Self {
        Self { selection: selection.clone(), taken }
    }

    /// Whether an entry may matter to the part. Whole databases are taken: which collection has which name when is
    /// for the replay to follow.
    pub(super) fn takes(&mut self, document: &[u8]) -> Result<bool> {
        let (operations, _) = Entry::parse(document)?.flatten()?;
        let mut matters = operations.is_empty();
        for operation in &operations {
            // What ends a transaction names no database of its own.
            matters |= self.selection.may_take_in(operation.db())
                || operation.collection() == "$cmd" && operation.db() == "admin";
            self.follow(operation)?;
        }
        Ok(matters)
    }

    fn follow(&mut self, entry: &Entry<'_>) -> Result<()> {
        let Class::Command(command) = entry.class()? else { return Ok(()) };
        match command.kind {
            // A temporary collection takes a name of the part later, if at all.
            CommandKind::Create
                if command.is_temporary()? || self.selection.takes(&command.collection()?) =>
            {
                self.taken.extend(entry.uuid());
            }
            CommandKind::RenameCollection => {
                let (from, to, _) = command.rename()?;
                let is_taken = entry.uuid().is_none_or(|uuid| self.taken.contains(&uuid));
                if !is_taken && self.selection.takes(&to) {
                    return Err(comes_in(&from, &to));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn comes_in(from: &Namespace, to: &Namespace) -> Error {
    Error::Refused(format!(
        "{from}, which is not dumped, was renamed to {to}, which is, while the dump ran: its documents are in neither \
         the archive nor the oplog; dump again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, rawdoc};

    fn uuid(of: u8) -> bson::Binary {
        bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![of; 16] }
    }

    fn command(of: u8, body: RawDocumentBuf) -> RawDocumentBuf {
        rawdoc! { "op": "c", "ns": "d.$cmd", "ui": uuid(of), "o": body }
    }

    #[test]
    fn a_part_knows_what_is_its_own() {
        let selection = Selection { include: vec!["d.kept".parse().unwrap()], exclude: Vec::new() };
        let mut part = Part::new(&selection, HashSet::from([[1; 16]]));
        for (entry, expected) in [
            (rawdoc! { "op": "i", "ns": "d.kept", "o": {} }, true),
            (rawdoc! { "op": "i", "ns": "e.kept", "o": {} }, false),
            (rawdoc! { "op": "c", "ns": "admin.$cmd", "o": { "commitTransaction": 1 } }, true),
            (
                command(1, rawdoc! { "renameCollection": "d.kept", "to": "d.other", "dropTarget": false }),
                true,
            ),
            (command(2, rawdoc! { "create": "tmp.agg_out.1", "temp": true }), true),
            (
                command(
                    2,
                    rawdoc! { "renameCollection": "d.tmp.agg_out.1", "to": "d.kept", "dropTarget": true },
                ),
                true,
            ),
        ] {
            assert_eq!(part.takes(entry.as_bytes()).unwrap(), expected, "{entry:?}");
        }
        let from_outside =
            command(3, rawdoc! { "renameCollection": "d.x", "to": "d.kept", "dropTarget": false });
        assert!(part.takes(from_outside.as_bytes()).unwrap_err().to_string().contains("dump again"));
    }
}
