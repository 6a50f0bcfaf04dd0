//! Documents and arrays inside documents: empty, deep, long, with odd keys.

use mongoark_bson_bytes::{Builder, IndexKey, kind};

use super::{OBJECT_ID, named};

const DEPTH: usize = 100;

pub(super) fn documents() -> [Vec<u8>; 6] {
    [subdocuments(), odd_array_keys(), deep(), deep_array(), long_array(), references()]
}

fn subdocuments() -> Vec<u8> {
    let mut d = named("subdocuments");
    d.nested("empty", |_| {}).nested("one", |s| _ = s.i32("a", 1)).nested_array("emptyarray", |_| {});
    d.nested_array("nested", |a| _ = a.nested_array("0", |b| _ = b.nested_array("0", |_| {})));
    d.nested_array("mixed", |a| {
        a.i32("0", 1).str("1", "two").null("2").nested("3", |_| {}).nested_array("4", |_| {});
        a.raw(kind::UNDEFINED, "5", &[]);
    });
    d.nested("order", |s| _ = s.i32("b", 1).i32("a", 2).i32("10", 3).i32("9", 4));
    d.finish()
}

fn odd_array_keys() -> Vec<u8> {
    let mut d = named("array-odd-keys");
    d.nested_array("skip", |a| _ = a.i32("0", 1).i32("2", 2));
    d.nested_array("same", |a| _ = a.i32("0", 1).i32("0", 2));
    d.nested_array("named", |a| _ = a.i32("x", 1));
    d.nested_array("emptykey", |a| _ = a.i32("", 1));
    d.finish()
}

/// Mostly documents, some arrays with keys that are no numbers.
fn deep() -> Vec<u8> {
    let mut d = named("deep-100");
    for level in 0..DEPTH {
        let key = if level % 10 == 0 { "n" } else { "m" };
        if level % 10 == 5 {
            d.start_array(key)
        } else {
            d.start_document(key)
        };
    }
    d.i32("leaf", 1).finish()
}

fn deep_array() -> Vec<u8> {
    let mut d = named("deep-array-100");
    d.start_array("a");
    for _ in 1..DEPTH {
        d.start_array("0");
    }
    d.i32("0", 1).finish()
}

fn long_array() -> Vec<u8> {
    let items = |a: &mut Builder| {
        for number in 0..1200_i32 {
            a.i32(IndexKey::new(number.unsigned_abs() as usize), number);
        }
    };
    named("long-array").nested_array("a", items).finish()
}

fn references() -> Vec<u8> {
    let mut d = named("dbref");
    d.nested("ref", |r| _ = r.str("$ref", "coll").object_id("$id", OBJECT_ID).str("$db", "db"));
    d.nested("extra", |r| _ = r.str("$ref", "c").i32("$id", 1).i32("x", 2));
    d.finish()
}
