//! Documents with every kind of `_id` that a server takes.

use mongoark_bson_bytes::{Builder, get, kind};

use super::{OBJECT_ID, UUID, decimal};

/// One document for each kind of `_id`, numbered in `n`.
pub fn id_documents() -> Vec<Vec<u8>> {
    let numbered = ids().into_iter().zip(0..);
    numbered.map(|(mut document, number)| document.i32("n", number).finish()).collect()
}

fn ids() -> Vec<Builder> {
    let (mut all, plain) = (Vec::new(), plain());
    let keyed = Builder::new().nested("k", |b| _ = append_odd(b)).finish();
    all.extend([numbers(), texts(), plain, documents()].into_iter().flatten());
    // Code, symbols and pointers: deprecated, and still taken.
    let odd = get(&keyed, "k").ok().flatten().and_then(|element| element.children()?.ok());
    for element in odd.into_iter().flatten().flatten() {
        let mut document = Builder::new();
        document.raw(element.kind, "_id", element.value);
        all.push(document);
    }
    all
}

fn append_odd(b: &mut Builder) -> &mut Builder {
    let scope = Builder::new().i32("x", 1).finish();
    b.text(kind::SYMBOL, "1", "sym").text(kind::CODE, "2", "f()").code_with_scope("3", "f()", &scope);
    b.db_pointer("4", "a.b", OBJECT_ID).raw(kind::MIN_KEY, "5", &[]).raw(kind::MAX_KEY, "6", &[])
}

fn id(add: impl FnOnce(&mut Builder) -> &mut Builder) -> Builder {
    let mut document = Builder::new();
    add(&mut document);
    document
}

fn numbers() -> Vec<Builder> {
    let mut all = Vec::new();
    all.extend([0, -5, 7].map(|n| id(|b| b.i32("_id", n))));
    all.extend([1 << 40, i64::MIN, 8].map(|n| id(|b| b.i64("_id", n))));
    let nan = f64::from_bits(0x7FF8_0000_DEAD_BEEF);
    all.extend([1.5, -1e300, 9.0, nan, f64::INFINITY].map(|n| id(|b| b.f64("_id", n))));
    all.extend(["1.25", "11", "1E+6144"].map(|text| id(|b| b.decimal128("_id", decimal(text)))));
    all
}

fn texts() -> Vec<Builder> {
    ["", "x", "x\0y", "é😀", "0"].map(|text| id(|b| b.str("_id", text))).into()
}

fn plain() -> Vec<Builder> {
    let mut all = vec![id(|b| b.null("_id")), id(|b| b.bool("_id", false)), id(|b| b.bool("_id", true))];
    let binaries: [(u8, &[u8]); 5] = [(0, b""), (0, b"\x01\x02"), (4, &UUID), (3, &UUID), (0x80, b"u")];
    all.extend(binaries.map(|(subtype, bytes)| id(|b| b.binary("_id", subtype, bytes))));
    all.extend([OBJECT_ID, [0; 12]].map(|bytes| id(|b| b.object_id("_id", bytes))));
    all.extend([0, -1, i64::MAX].map(|milliseconds| id(|b| b.date("_id", milliseconds))));
    all.extend([(0, 0), (1, 2)].map(|(seconds, increment)| id(|b| b.timestamp("_id", seconds, increment))));
    all
}

/// The order of fields tells two of them apart.
fn documents() -> Vec<Builder> {
    let fills: [fn(&mut Builder); 6] = [
        |_| {},
        |s| _ = s.i32("b", 1).i32("a", 2),
        |s| _ = s.i32("a", 2).i32("b", 1),
        |s| _ = s.nested("x", |x| _ = x.null("y")),
        |s| _ = s.nested_array("list", |a| _ = a.i32("0", 1)),
        |s| _ = s.timestamp("zero", 0, 0),
    ];
    fills.map(|fill| id(|b| b.nested("_id", fill))).into()
}
