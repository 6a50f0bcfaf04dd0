//! Indexes of every kind and with every option: database `idx`. They are created before the documents come, which a
//! server does in a tenth of the time.

use bson::{Bson, DateTime, Decimal128, Document, doc};
use mongoark_bson_bytes::Builder;

use super::loader::{Loader, Result};

pub(super) async fn load(loader: &mut Loader) -> Result<()> {
    let db = loader.name("idx");
    plain(loader, &db).await?;
    partial(loader, &db).await?;
    ttl(loader, &db).await?;
    text(loader, &db).await?;
    geo(loader, &db).await?;
    hashed(loader, &db).await?;
    wildcard(loader, &db).await?;
    directions(loader, &db).await?;
    collated(loader, &db).await?;
    uncollated(loader, &db).await
}

/// Creates each of these indexes.
async fn all(loader: &mut Loader, db: &str, name: &str, indexes: Vec<(Document, Document)>) -> Result<()> {
    let collection = loader.name(name);
    for (key, options) in indexes {
        loader.index(db, &collection, key, options).await?;
    }
    Ok(())
}

async fn insert(
    loader: &mut Loader,
    db: &str,
    name: &str,
    documents: impl IntoIterator<Item = Vec<u8>>,
) -> Result<()> {
    let collection = loader.name(name);
    loader.insert(db, &collection, documents).await
}

async fn plain(loader: &mut Loader, db: &str) -> Result<()> {
    let document = |n: i32| {
        let mut d = Builder::new();
        d.i32("_id", n).i32("u", n).i32("a", n % 5).str("b", format!("b{n}"));
        d.nested("c", |c| _ = c.i32("d", n).nested_array("e", |e| _ = e.i32("0", n))).finish()
    };
    let engine = doc! { "wiredTiger": { "configString": "block_compressor=zlib" } };
    let unicode = loader.name("unicode keys");
    let indexes = vec![
        (doc! { "u": 1 }, doc! { "unique": true }),
        (doc! { "opt": 1 }, doc! { "sparse": true }),
        (doc! { "opt2": 1 }, doc! { "sparse": true, "unique": true }),
        (doc! { "a": 1, "b": -1, "c.d": 1 }, doc! {}),
        (doc! { "c": 1 }, doc! {}),
        (doc! { "c.e": -1 }, doc! { "name": "multikey é.$name with spaces" }),
        (doc! { "hid": 1 }, doc! { "hidden": true }),
        (doc! { "bg": 1 }, doc! { "background": true }),
        (doc! { "v1": 1 }, doc! { "v": 1 }),
        (doc! { "long": 1 }, doc! { "name": "i".repeat(200) }),
        (doc! { "é.😀": 1, "with space": 1, "0": -1 }, doc! { "name": unicode }),
        (doc! { "order_z": 1, "order_a": 1, "10": 1, "9": 1 }, doc! { "name": "key order" }),
        (doc! { "eng": 1 }, doc! { "storageEngine": engine }),
    ];
    all(loader, db, "plain", indexes).await?;
    insert(loader, db, "plain", (0..40).map(document)).await
}

async fn partial(loader: &mut Loader, db: &str) -> Result<()> {
    let document = |n| Builder::new().i32("_id", n).i32("a", n).str("b", "x").finish();
    let zero: Decimal128 = "0".parse().expect("a decimal");
    let many = doc! { "$and": [
        { "b": { "$exists": true } },
        { "a": { "$lte": 9_i64 } },
        { "t": { "$type": "string" } },
        { "d": { "$lt": DateTime::from_millis(-1) } },
    ] };
    let filter = |filter: Document| doc! { "partialFilterExpression": filter };
    let unique = |filter: Document| doc! { "unique": true, "partialFilterExpression": filter };
    let indexes = vec![
        (doc! { "a": 1 }, filter(doc! { "a": { "$gt": 5 } })),
        (doc! { "b": 1 }, filter(doc! {})),
        (doc! { "c": 1 }, unique(many)),
        (doc! { "unique_partial": 1 }, unique(doc! { "a": { "$lt": zero } })),
    ];
    all(loader, db, "partial", indexes).await?;
    insert(loader, db, "partial", (0..10).map(document)).await
}

async fn ttl(loader: &mut Loader, db: &str) -> Result<()> {
    let year_2100 = 4_102_444_800_000;
    let first = Builder::new().i32("_id", 1).date("d", year_2100).date("e", year_2100).finish();
    let indexes = vec![
        (doc! { "d": 1 }, doc! { "expireAfterSeconds": 3600 }),
        (doc! { "e": 1 }, doc! { "expireAfterSeconds": 0 }),
        (doc! { "f": 1 }, doc! { "expireAfterSeconds": 1_000_000_000_i64 }),
        (doc! { "g": -1 }, doc! { "expireAfterSeconds": 1.5 }),
    ];
    all(loader, db, "ttl", indexes).await?;
    insert(loader, db, "ttl", [first, Builder::new().i32("_id", 2).str("d", "never").finish()]).await
}

async fn text(loader: &mut Loader, db: &str) -> Result<()> {
    let document = |id, title: &str, body: &str, language: &str| {
        let mut d = Builder::new();
        d.i32("_id", id).str("title", title).str("body", body).i32("cat", id).str("idioma", language).finish()
    };
    let english = document(1, "the quick fox", "jumped", "english");
    let options = doc! {
        "name": loader.name("full text"), "weights": { "title": 10, "body": 3 },
        "default_language": "french", "language_override": "idioma",
    };
    let key = doc! { "cat": 1, "title": "text", "body": "text", "rank": -1 };
    all(loader, db, "text", vec![(key, options)]).await?;
    insert(loader, db, "text", [english, document(2, "el zorro", "saltó", "spanish")]).await?;
    let words =
        Builder::new().i32("_id", 1).str("x", "words").nested("y", |y| _ = y.str("z", "more words")).finish();
    let everything = doc! { "name": "everything", "default_language": "none" };
    all(loader, db, "text_wild", vec![(doc! { "$**": "text" }, everything)]).await?;
    insert(loader, db, "text_wild", [words]).await?;
    let old = loader.name("text_v2");
    loader.create(db, &old, doc! {}).await?;
    all(loader, db, "text_v2", vec![(doc! { "a": "text" }, doc! { "textIndexVersion": 2 })]).await
}

async fn geo(loader: &mut Loader, db: &str) -> Result<()> {
    let document = |n: i32| {
        let number = f64::from(n);
        let mut d = Builder::new();
        d.i32("_id", n).start_document("loc").str("type", "Point");
        d.nested_array("coordinates", |c| _ = c.f64("0", number * 1.5).f64("1", -number)).end();
        d.nested_array("flat", |f| _ = f.f64("0", number).f64("1", number)).i32("k", n).finish()
    };
    let options = doc! { "name": "2d with options", "bits": 20, "min": -200.5, "max": 200 };
    let indexes = vec![
        (doc! { "loc": "2dsphere" }, doc! {}),
        (doc! { "loc": "2dsphere", "k": -1 }, doc! { "2dsphereIndexVersion": 2 }),
        (doc! { "flat": "2d" }, doc! {}),
        (doc! { "flat": "2d", "k": 1 }, options),
    ];
    all(loader, db, "geo", indexes).await?;
    insert(loader, db, "geo", (0..6).map(document)).await?;
    if loader.since(5, 0) {
        return Ok(());
    }
    let haystack = loader.name("haystack");
    loader.create(db, &haystack, doc! {}).await?;
    all(loader, db, "haystack", vec![(doc! { "pos": "geoHaystack", "type": 1 }, doc! { "bucketSize": 1 })])
        .await
}

async fn hashed(loader: &mut Loader, db: &str) -> Result<()> {
    let document = |n| Builder::new().i32("_id", n).str("h", format!("v{n}")).finish();
    let indexes = vec![
        (doc! { "_id": "hashed" }, doc! {}),
        (doc! { "h": "hashed" }, doc! {}),
        (doc! { "a": 1, "h": "hashed", "b": -1 }, doc! { "name": "compound hashed" }),
    ];
    all(loader, db, "hashed", indexes).await?;
    insert(loader, db, "hashed", (0..5).map(document)).await
}

async fn wildcard(loader: &mut Loader, db: &str) -> Result<()> {
    let document = |n: i32| {
        let attributes = |a: &mut Builder| {
            a.str(format!("k{n}"), "v").nested_array("list", |l| _ = l.i32("0", n));
        };
        Builder::new().i32("_id", n).nested("attrs", attributes).finish()
    };
    let sub = doc! { "name": "sub wildcard", "partialFilterExpression": { "x": 1 } };
    let indexes = vec![
        (doc! { "$**": 1 }, doc! { "wildcardProjection": { "attrs": 1, "b.c": 1, "_id": 1 } }),
        (doc! { "attrs.$**": 1 }, sub),
    ];
    all(loader, db, "wildcard", indexes).await?;
    insert(loader, db, "wildcard", (0..5).map(document)).await?;
    let exclusion = doc! { "name": "exclusion", "wildcardProjection": { "secret": 0, "deep.er": false } };
    all(loader, db, "wildcard2", vec![(doc! { "$**": 2.0 }, exclusion)]).await
}

/// Every number that may stand for a direction.
async fn directions(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("numbers");
    loader.create(db, &collection, doc! {}).await?;
    let decimal: Decimal128 = "1.0".parse().expect("a decimal");
    let directions: [(&str, Bson); 12] = [
        ("int", 1_i32.into()),
        ("double", 1.0.into()),
        ("long", 1_i64.into()),
        ("neg", (-1_i32).into()),
        ("negdouble", (-1.0).into()),
        ("neglong", (-1_i64).into()),
        ("two", 2_i32.into()),
        ("big", (1_i64 << 40).into()),
        ("half", 0.5.into()),
        ("neghalf", (-0.5).into()),
        ("huge", 1e300.into()),
        ("decimal", decimal.into()),
    ];
    let index = |(field, direction): (&str, Bson)| {
        (doc! { field: direction }, doc! { "name": format!("num {field}") })
    };
    all(loader, db, "numbers", directions.into_iter().map(index).collect()).await
}

async fn collated(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("collated");
    loader.create(db, &collection, doc! { "collation": { "locale": "de", "strength": 1 } }).await?;
    let document =
        |(id, t): (i32, &str)| Builder::new().i32("_id", id).str("a", t).str("b", t).str("d", t).finish();
    let simple = |name: &str| doc! { "name": name, "collation": { "locale": "simple" } };
    let french = doc! { "locale": "fr", "backwards": true };
    let indexes = vec![
        (doc! { "a": 1 }, doc! {}),
        (doc! { "a": 1 }, simple("a_simple")),
        (doc! { "b": 1 }, doc! { "name": "b_fr", "collation": french, "unique": true }),
        (doc! { "d": "hashed" }, simple("d_hashed_simple")),
        (doc! { "t": "text" }, simple("text_simple")),
    ];
    all(loader, db, "collated", indexes).await?;
    insert(loader, db, "collated", [(0, "ä"), (1, "b"), (2, "z")].map(document)).await
}

async fn uncollated(loader: &mut Loader, db: &str) -> Result<()> {
    let mut indexes = vec![
        (doc! { "a": 1 }, doc! { "name": "a_default" }),
        (doc! { "a": 1 }, doc! { "name": "a_sv", "collation": { "locale": "sv", "caseFirst": "lower" } }),
        (doc! { "a": 1 }, doc! { "name": "a_sv2", "collation": { "locale": "sv", "strength": 2 } }),
    ];
    if loader.since(5, 0) {
        let twin = doc! { "name": "a_sparse_twin", "sparse": true, "collation": { "locale": "sv" } };
        indexes.push((doc! { "a": 1 }, twin));
    }
    all(loader, db, "uncollated", indexes).await?;
    insert(loader, db, "uncollated", [Builder::new().i32("_id", 1).str("a", "x").finish()]).await?;
    if loader.since(6, 0) {
        all(loader, db, "uncollated", vec![(doc! { "pu": 1 }, doc! {})]).await?;
        let mut command = Builder::new();
        command.str("collMod", loader.name("uncollated")).start_document("index");
        command.nested("keyPattern", |k| _ = k.i32("pu", 1)).bool("prepareUnique", true);
        loader.run(db, command.finish()).await?;
    }
    Ok(())
}
