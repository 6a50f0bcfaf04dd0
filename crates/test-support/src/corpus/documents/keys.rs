//! Keys: empty, with dots and dollars, twice.

use mongoark_bson_bytes::Builder;

use super::named;

pub(super) fn documents(dollar_keys: bool) -> Vec<Vec<u8>> {
    let mut all = vec![top_level(), nested(), duplicates(), many()];
    if dollar_keys {
        all.push(dollars());
    }
    all
}

fn top_level() -> Vec<u8> {
    let long = "k".repeat(300);
    let keys = [
        "",
        "a",
        " ",
        "0",
        "a.b",
        "a.b.c",
        ".",
        "..",
        "a.",
        ".a",
        "a$b",
        "a$",
        "é",
        "😀",
        "\n",
        "\"",
        "constructor",
        "__proto__",
        &long,
        "-1",
        "ID",
        "_Id",
    ];
    let mut d = named("keys");
    for (key, number) in keys.iter().zip(1..) {
        d.i32(key, number);
    }
    d.finish()
}

fn nested() -> Vec<u8> {
    let mut d = named("keys-nested");
    d.start_document("s").i32("", 1).i32("a.b", 2).i32("a$b", 3);
    d.start_document("").start_document("").i32("", 4);
    d.finish()
}

fn dollars() -> Vec<u8> {
    let mut d = named("keys-dollar");
    d.i32("$", 1).i32("$a", 2).i32("$a.b", 3);
    d.nested("s", |s| _ = s.i32("$b", 4).nested("$c", |c| _ = c.i32("$d", 5)));
    d.nested("$oid", |oid| _ = oid.i32("x", 1)).str("$date", "2020");
    d.nested("looksext", |s| _ = s.str("$oid", "zz").str("$numberInt", "1"));
    d.finish()
}

fn duplicates() -> Vec<u8> {
    let inner = |s: &mut Builder| _ = s.i32("x", 1).i32("x", 2).i32("_id", 1).i32("_id", 2);
    let mut d = named("duplicate-keys");
    d.i32("a", 1).i32("a", 2).str("b", "x").i64("a", 3).nested("s", inner);
    d.finish()
}

fn many() -> Vec<u8> {
    let mut d = named("many-keys");
    for number in 0..1500 {
        d.i32(format!("k{number}"), number);
    }
    d.finish()
}
