//! Views: on collections, on views, on nothing, before their base, and with every type of literal.

use bson::{Document, doc};
use mongoark_bson_bytes::{Builder, kind};

use super::documents::{OBJECT_ID, decimal};
use super::loader::{Loader, Result};

pub(super) async fn load(loader: &mut Loader, db: &str) -> Result<()> {
    let small = doc! { "$match": { "k": { "$lt": 50 } } };
    view(loader, db, "view", "bulk", vec![small, doc! { "$project": { "t": 1, "v": 1 } }]).await?;
    let sorted = doc! { "$sort": { "v": -1, "_id": 1 } };
    view(loader, db, "view_on_view", "view", vec![sorted, doc! { "$limit": 10 }]).await?;
    view(loader, db, "view_missing", "no such collection", vec![]).await?;
    let (collated, source) = (loader.name("view_collated"), loader.name("collation"));
    let collation = doc! { "locale": "fr", "strength": 1 };
    let options =
        doc! { "viewOn": source, "pipeline": [{ "$match": { "_id": "COTE" } }], "collation": collation };
    loader.create(db, &collated, options).await?;
    let (literals, ids) = (loader.name("view_literals"), loader.name("ids"));
    loader.create_raw(db, &literals, &add_fields_view(&ids, &every_literal())).await?;
    let source = loader.name("zzz_source");
    view(loader, db, "aaa_view_before_its_source", "zzz_source", vec![doc! { "$project": { "secret": 0 } }])
        .await?;
    loader
        .insert(db, &source, [Builder::new().i32("_id", 1).str("secret", "s").i32("open", 1).finish()])
        .await
}

async fn view(
    loader: &mut Loader,
    db: &str,
    name: &str,
    source: &str,
    pipeline: Vec<Document>,
) -> Result<()> {
    let (name, source) = (loader.name(name), loader.name(source));
    loader.create(db, &name, doc! { "viewOn": source, "pipeline": pipeline }).await
}

/// Options of a view that adds these fields.
pub(super) fn add_fields_view(source: &str, fields: &[u8]) -> Vec<u8> {
    let mut options = Builder::new();
    options.str("viewOn", source).start_array("pipeline").start_document("0").document("$addFields", fields);
    options.finish()
}

/// Values of all types, in the one form of each that the peer can dump.
fn every_literal() -> Vec<u8> {
    let mut b = Builder::new();
    b.i64("l", 1).f64("d", 1.0).i32("i", 1).f64("neg0", -0.0).decimal128("dec", decimal("1.0"));
    b.binary("bin", 5, b"\0\xff").object_id("oid", OBJECT_ID).date("date", -62_198_755_200_000);
    b.timestamp("ts", 1, 2).regex("re", "a/b", "im").raw(kind::MIN_KEY, "min", &[]).raw(
        kind::MAX_KEY,
        "max",
        &[],
    );
    b.text(kind::CODE, "code", "f()").nested("empty", |e| _ = e.nested("$literal", |_| {}));
    b.nested_array("list", |a| {
        a.nested_array("0", |_| {}).nested_array("1", |a| _ = a.i32("0", 1).i64("1", 1));
    });
    b.str("s", "é\0\"\\<>&\u{2028}");
    // The bits of the only NaN that the peer writes itself.
    b.f64("nan", f64::from_bits(0x7FF8_0000_0000_0001));
    b.raw(kind::UNDEFINED, "undefined", &[]).text(kind::SYMBOL, "symbol", "s");
    b.code_with_scope("scope", "f()", &Builder::new().i32("x", 1).finish())
        .db_pointer("ptr", "a.b", OBJECT_ID);
    b.nested("twice", |t| _ = t.nested("$literal", |l| _ = l.i32("a", 1).i32("a", 2)));
    b.f64("1e21", 1e21).f64("denorm", 5e-324).decimal128("decnan", decimal("NaN")).f64("inf", f64::INFINITY);
    b.date("maxdate", i64::MAX).binary("old", 2, b"\x02\0\0\0\0\xff").i32("é😀", 1);
    b.finish()
}
