//! Documents for the tests of this crate: one of every kind of value, and arbitrary ones.

use mongoark_bson_bytes::{Builder, IndexKey, kind};
use proptest::collection::vec;
use proptest::prelude::*;

/// Every type of value, some of them odd, on three levels.
pub(crate) fn rich_document() -> Vec<u8> {
    let mut scope = Builder::new();
    let scope = scope.i32("x", 1).nested("y", |y| _ = y.f64("z", 1.5)).finish();
    let mut b = Builder::new();
    b.i32("_id", 1).f64("double", -0.0).str("string", "a\0b").str("not utf-8", b"\xff");
    b.nested("document", |d| _ = d.i32("", 1).i32("a", 2).i32("a", 3).nested("empty", |_| {}));
    b.nested_array("array", |a| {
        a.i32("0", 1).nested("1", |d| _ = d.null("n")).str("no number", "x");
    });
    b.binary("binary", 0, b"\0\xff").binary("old binary", 2, b"\x01\0\0\0x").binary("empty", 0x80, b"");
    b.raw(kind::UNDEFINED, "undefined", &[])
        .object_id("oid", [7; 12])
        .bool("true", true)
        .bool("false", false);
    b.date("date", i64::MIN).null("null").regex("regex", "^a/b", "im").db_pointer("ptr", "db.c", [1; 12]);
    b.text(kind::CODE, "code", "f()")
        .text(kind::SYMBOL, "symbol", "")
        .code_with_scope("scoped", "g()", &scope);
    b.timestamp("ts", 1, 2).i64("long", i64::MAX).decimal128("decimal", [9; 16]);
    b.raw(kind::MIN_KEY, "min", &[]).raw(kind::MAX_KEY, "max", &[]);
    b.finish()
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Plain(u8, Vec<u8>),
    Nested(u8, Vec<(Vec<u8>, Value)>),
    Scoped(Vec<u8>, Vec<(Vec<u8>, Value)>),
}

/// Documents of any shape, keys and texts of any bytes.
pub(crate) fn documents() -> impl Strategy<Value = Vec<u8>> {
    fields(value()).prop_map(|fields| {
        let mut b = Builder::new();
        append(&mut b, &fields);
        b.finish()
    })
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(Vec<u8>, Value)>> {
    vec((vec(1..=255_u8, 0..4), value), 0..6)
}

fn value() -> impl Strategy<Value = Value> {
    plain().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            fields(inner.clone()).prop_map(|f| Value::Nested(kind::DOCUMENT, f)),
            fields(inner.clone()).prop_map(|f| Value::Nested(kind::ARRAY, f)),
            (vec(any::<u8>(), 0..5), fields(inner)).prop_map(|(code, f)| Value::Scoped(code, f)),
        ]
    })
}

fn plain() -> impl Strategy<Value = Value> {
    let fixed = prop_oneof![
        Just((kind::DOUBLE, 8)),
        Just((kind::INT64, 8)),
        Just((kind::DATE, 8)),
        Just((kind::TIMESTAMP, 8)),
        Just((kind::INT32, 4)),
        Just((kind::OBJECT_ID, 12)),
        Just((kind::BOOL, 1)),
        Just((kind::DECIMAL128, 16)),
        Just((kind::NULL, 0)),
        Just((kind::UNDEFINED, 0)),
        Just((kind::MIN_KEY, 0)),
        Just((kind::MAX_KEY, 0)),
    ];
    let fixed =
        (fixed, any::<[u8; 16]>()).prop_map(|((kind, len), bytes)| Value::Plain(kind, bytes[..len].to_vec()));
    let text = prop_oneof![Just(kind::STRING), Just(kind::CODE), Just(kind::SYMBOL)];
    let text = (text, vec(any::<u8>(), 0..9)).prop_map(|(kind, bytes)| Value::Plain(kind, string(&bytes)));
    let binary = (any::<u8>(), vec(any::<u8>(), 0..9)).prop_map(|(subtype, bytes)| {
        let len = u32::try_from(bytes.len()).expect("a short value").to_le_bytes();
        Value::Plain(kind::BINARY, [&len[..], &[subtype], &bytes].concat())
    });
    let regex = (vec(1..=255_u8, 0..5), vec(1..=255_u8, 0..3))
        .prop_map(|(p, o)| Value::Plain(kind::REGEX, [&p[..], &[0], &o, &[0]].concat()));
    let pointer = (vec(any::<u8>(), 0..5), any::<[u8; 12]>())
        .prop_map(|(name, id)| Value::Plain(kind::DB_POINTER, [&string(&name)[..], &id].concat()));
    prop_oneof![6 => fixed, 2 => text, 1 => binary, 1 => regex, 1 => pointer]
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len() + 1).expect("a short value").to_le_bytes();
    [&len[..], bytes, &[0]].concat()
}

fn append(b: &mut Builder, fields: &[(Vec<u8>, Value)]) {
    for (index, (key, value)) in fields.iter().enumerate() {
        match value {
            Value::Plain(kind, bytes) => _ = b.raw(*kind, key, bytes),
            Value::Nested(kind::ARRAY, inner) => {
                b.nested_array(IndexKey::new(index), |b| append(b, inner));
            }
            Value::Nested(_, inner) => _ = b.nested(key, |b| append(b, inner)),
            Value::Scoped(code, inner) => {
                let mut scope = Builder::new();
                append(&mut scope, inner);
                b.code_with_scope(key, code, &scope.finish());
            }
        }
    }
}
