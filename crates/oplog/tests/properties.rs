//! What must hold for every entry: nothing of a document changes on its way, and no bytes make it panic.

use mongoark_bson_bytes::Builder;
use mongoark_oplog::{Class, Entry, IndexCatalog, Op};
use proptest::collection::vec;
use proptest::prelude::*;

/// A document with any keys and texts, twice or empty ones too.
fn document() -> impl Strategy<Value = Vec<u8>> {
    vec((vec(1_u8.., 0..6), vec(any::<u8>(), 0..20)), 0..5).prop_map(|fields| {
        let mut out = Builder::new();
        for (key, text) in fields {
            out.str(&key, &text);
        }
        out.finish()
    })
}

fn write(op: &str, o: &[u8], o2: &[u8]) -> Vec<u8> {
    let mut out = Builder::new();
    out.nested("lsid", |lsid| _ = lsid.i32("id", 1)).i64("txnNumber", 1).str("op", op).str("ns", "d.c");
    out.binary("ui", 4, &[7; 16]).document("o", o).document("o2", o2).i32("stmtId", 0).timestamp("ts", 1, 2);
    out.finish()
}

proptest! {
    #[test]
    fn documents_are_copied_byte_for_byte(op in "[iud]", o in document(), o2 in document()) {
        let bytes = write(&op, &o, &o2);
        let entry = Entry::parse(&bytes).unwrap();
        prop_assert!(matches!(entry.class(), Ok(Class::Write)));
        let mut expected = Builder::new();
        expected.str("op", &op).str("ns", "d.c").document("o", &o).document("o2", &o2);
        prop_assert_eq!(entry.operation(false).unwrap(), expected.finish());
    }

    #[test]
    fn operations_come_out_of_an_apply_ops_in_order(documents in vec(document(), 0..8), split in 0_usize..8) {
        let writes: Vec<Vec<u8>> = documents.iter().map(|o| write("i", o, o)).collect();
        let (outer, inner) = writes.split_at(split.min(writes.len()));
        let mut nested = Builder::new();
        nested.str("op", "c").str("ns", "d.$cmd");
        nested.nested("o", |o| _ = o.array_of_documents("applyOps", inner));
        let nested = nested.finish();
        let mut entry = Builder::new();
        entry.str("op", "c").str("ns", "admin.$cmd").timestamp("ts", 9, 9);
        entry.nested("o", |o| _ = o.array_of_documents("applyOps", outer.iter().chain([&nested])));
        let entry = entry.finish();
        let (operations, opened) = Entry::parse(&entry).unwrap().flatten().unwrap();
        prop_assert_eq!(opened, 2);
        let objects: Vec<&[u8]> = operations.iter().map(|operation| operation.object).collect();
        prop_assert_eq!(objects, documents.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert!(operations.iter().all(|operation| operation.op == Op::Insert));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic(o in document(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut body = Builder::new();
        body.str("commitIndexBuild", "c").array_of_documents("indexes", [&o]).document("index", &o);
        let mut bytes = write("c", &body.finish(), &o);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(entry) = Entry::parse(&bytes) {
            let mut catalog = IndexCatalog::new();
            for operation in entry.flatten().map(|(operations, _)| operations).unwrap_or_default() {
                if let Ok(Class::Command(command)) = operation.class() {
                    catalog.edit(&command).ok();
                }
            }
            entry.transaction().ok();
            entry.refusal().ok();
        }
    }
}
