//! Values that are neither numbers, texts nor documents.

use mongoark_bson_bytes::{Builder, kind};

use super::{OBJECT_ID, UUID, named};

pub(super) fn documents() -> [Vec<u8>; 7] {
    [binaries(), encrypted(), object_ids(), regexes(), deprecated(), extremes(), timestamps()]
}

fn binaries() -> Vec<u8> {
    let mut d = named("binary");
    for subtype in [0, 1, 8] {
        d.binary(format!("sub{subtype}"), subtype, format!("payload-{subtype}").as_bytes());
    }
    d.binary("sub2", 2, b"\x09\0\0\0payload-2").binary("empty2", 2, &[0; 4]);
    d.binary("sub3", 3, &UUID).binary("sub4", 4, &UUID).binary("sub5", 5, &UUID).binary("sub7", 7, b"\0");
    d.binary("sub80", 0x80, b"user").binary("subff", 0xFF, b"\xff\0\xff").binary(
        "sub9",
        9,
        b"\x27\0\0\0\x80?",
    );
    d.binary("empty", 0, b"").binary("empty80", 0x80, b"").binary("uuidshort", 4, b"\x01\x02\x03");
    let all: Vec<u8> = (0..=255).collect();
    d.binary("all", 0, &all).finish()
}

fn encrypted() -> Vec<u8> {
    let value = [b"\x02", &UUID[..], b"\x02cipher"].concat();
    named("binary-encrypted").binary("sub6", 6, &value).finish()
}

fn object_ids() -> Vec<u8> {
    let mut d = named("oid");
    d.object_id("zero", [0; 12]).object_id("ones", [0xFF; 12]).object_id("x", OBJECT_ID);
    d.null("null").bool("t", true).bool("f", false).finish()
}

fn regexes() -> Vec<u8> {
    let mut d = named("regex");
    d.regex("empty", "", "").regex("plain", "^a.*b$", "").regex("opts", "a", "imsx");
    d.regex("allopts", "a", "ilmsux").regex("unsorted", "a", "xsmi").regex("slash", "a/b\\/c", "");
    d.regex("unicode", "é😀", "i").regex("quote", "\"\\n", "").finish()
}

fn deprecated() -> Vec<u8> {
    let scope = Builder::new().i32("x", 1).nested("y", |y| _ = y.f64("z", 1.5)).finish();
    let mut d = named("deprecated");
    d.raw(kind::UNDEFINED, "undefined", &[]).db_pointer("dbpointer", "db.coll", OBJECT_ID);
    d.text(kind::SYMBOL, "symbol", "sym").text(kind::SYMBOL, "emptysymbol", "");
    d.code_with_scope("codews", "function(){return x}", &scope);
    d.code_with_scope("codewsempty", "", &Builder::new().finish());
    d.text(kind::CODE, "code", "function(){}").text(kind::CODE, "emptycode", "").finish()
}

fn extremes() -> Vec<u8> {
    let both = |b: &mut Builder, low: &str, high: &str| {
        b.raw(kind::MIN_KEY, low, &[]).raw(kind::MAX_KEY, high, &[]);
    };
    let mut d = named("minmax");
    both(&mut d, "min", "max");
    d.nested_array("a", |a| both(a, "0", "1")).finish()
}

fn timestamps() -> Vec<u8> {
    let mut d = named("timestamps");
    d.timestamp("one", 1, 1).timestamp("t0", 0, 1).timestamp("i0", 1, 0);
    d.timestamp("max", u32::MAX, u32::MAX).timestamp("high", 1 << 31, 1 << 31);
    d.nested("sub", |s| _ = s.timestamp("zero", 0, 0).i32("after", 1));
    d.nested_array("array", |a| _ = a.timestamp("0", 0, 0).nested("1", |s| _ = s.timestamp("zero", 0, 0)));
    d.finish()
}
