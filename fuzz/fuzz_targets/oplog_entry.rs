//! One oplog entry: read, classified, taken apart, written as applyOps takes it, and edited into a catalog of indexes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_bson_bytes::Elements;
use mongoark_oplog::{Class, Command, CommandKind, Entry, IndexCatalog, Remainder, Skip};

/// What a replay does with an operation, without a server.
fn replay(entry: &Entry<'_>, catalog: &mut IndexCatalog) -> mongoark_oplog::Result<()> {
    match entry.class()? {
        Class::Skip(Skip::Command("abortIndexBuild")) => {
            let command = Command { kind: CommandKind::DropIndexes, db: entry.db(), body: entry.object };
            catalog.abort_index_build(entry, &command.collection()?)?;
        }
        Class::Skip(_) => {}
        Class::Write => {
            let operation = entry.operation(false)?;
            let again = Entry::parse(&operation)?;
            assert_eq!((again.op, again.namespace, again.object), (entry.op, entry.namespace, entry.object));
            assert_eq!(again.operation(false)?, operation);
        }
        Class::Command(command) => {
            if let Remainder::Other(body) = catalog.edit(&command)? {
                let operation = entry.operation_with(&body, true)?;
                assert_eq!(Entry::parse(&operation)?.object, body);
            }
            if let Ok((from, to, _)) = command.rename() {
                catalog.rename(&from, to);
            }
        }
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let Ok(entry) = Entry::parse(data) else { return };
    let _ = entry.refusal();
    let _ = entry.transaction();
    let mut catalog = IndexCatalog::new();
    let Ok((operations, _)) = entry.flatten() else { return };
    for operation in &operations {
        let _ = replay(operation, &mut catalog);
    }
    for (_, indexes) in catalog.iter() {
        for spec in &indexes.specs {
            assert!(Elements::new(spec.as_bytes()).is_ok());
        }
    }
});
