//! Whether an oplog can be replayed without some collections. Their entries are passed over by name; a collection that
//! takes one of these names, or had it before, would then be lost or be without its documents.

use crate::{Error, Result, Stop};
use mongoark_bson_bytes::split_documents;
use mongoark_container::{OpenScratch, Salvage};
use mongoark_model::Namespace;
use mongoark_oplog::{Class, CommandKind, Entry};
use std::collections::HashSet;

/// Whether any entry of the oplog in this stream renames one of these collections, or another one to its name.
pub(super) fn has_any_of(
    damaged: &Salvage,
    stream: u32,
    names: &HashSet<Namespace>,
    stop: &Stop,
) -> Result<bool> {
    if names.is_empty() {
        return Ok(false);
    }
    let mut scratch = OpenScratch::new();
    for chunk in damaged.chunks().iter().filter(|chunk| chunk.entry().stream == stream) {
        stop.check()?;
        let chunk = damaged.open_chunk(chunk, &mut scratch)?;
        for entry in split_documents(&chunk.bytes) {
            let entry = entry.map_err(|error| Error::Catalog(error.to_string()))?;
            if is_of(entry, names)? {
                return Ok(true);
            }
        }
        scratch.recycle(chunk.bytes);
    }
    Ok(false)
}

fn is_of(entry: &[u8], names: &HashSet<Namespace>) -> Result<bool> {
    let (operations, _) = Entry::parse(entry)?.flatten()?;
    for operation in &operations {
        let Class::Command(command) = operation.class()? else { continue };
        if command.kind == CommandKind::RenameCollection {
            let (from, to, _) = command.rename()?;
            if names.contains(&from) || names.contains(&to) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn a_rename_from_or_to_a_name_is_found_and_nothing_else() {
        let names = HashSet::from(["d.hurt".parse().unwrap()]);
        let command = |body: bson::RawDocumentBuf| {
            let ts = bson::Timestamp { time: 1, increment: 1 };
            rawdoc! { "op": "c", "ns": "d.$cmd", "ts": ts, "o": body }
        };
        let rename = |from: &str, to: &str| command(rawdoc! { "renameCollection": from, "to": to });
        assert!(is_of(rename("d.hurt", "d.b").as_bytes(), &names).unwrap());
        assert!(is_of(rename("d.a", "d.hurt").as_bytes(), &names).unwrap());
        assert!(!is_of(rename("d.a", "d.b").as_bytes(), &names).unwrap());
        assert!(!is_of(command(rawdoc! { "drop": "hurt" }).as_bytes(), &names).unwrap());
    }
}
