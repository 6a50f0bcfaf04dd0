//! Time series: granularities, buckets of mixed types, extended dates, and a view on one.

use bson::doc;
use mongoark_bson_bytes::Builder;

use super::documents::OBJECT_ID;
use super::loader::{Loader, Result};

const START: i64 = 1_735_689_600_000;

pub(super) async fn load(loader: &mut Loader, db: &str) -> Result<()> {
    measured(loader, db).await?;
    plain(loader, db).await?;
    let empty = loader.name("ts_empty");
    let series = doc! { "timeField": "t", "metaField": "m", "granularity": "hours" };
    loader.create(db, &empty, doc! { "timeseries": series, "collation": { "locale": "de" } }).await?;
    if loader.since(6, 0) {
        extended(loader, db).await?;
    }
    let (view, source) = (loader.name("view of ts"), loader.name("ts"));
    loader
        .create(db, &view, doc! { "viewOn": source, "pipeline": [{ "$match": { "m.sensor": "s1" } }] })
        .await
}

async fn measured(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("ts");
    let series = doc! { "timeField": "t", "metaField": "m", "granularity": "minutes" };
    loader.create(db, &collection, doc! { "timeseries": series }).await?;
    let point = |n: i32| {
        let mut d = Builder::new();
        d.date("t", START + i64::from(n) * 60_000);
        d.nested("m", |m| _ = m.str("sensor", format!("s{}", n % 3)).i32("r", n % 2));
        d.f64("v", f64::from(n) / 3.0).str("note", format!("é{n}")).finish()
    };
    loader.insert(db, &collection, (0..120).map(point)).await?;
    loader.index(db, &collection, doc! { "m.sensor": 1, "t": -1 }, doc! {}).await?;
    if loader.since(6, 0) {
        let partial = doc! { "name": "by value", "partialFilterExpression": { "m.r": { "$gt": 0 } } };
        loader.index(db, &collection, doc! { "v": 1 }, partial).await?;
    }
    Ok(())
}

/// A field with two types in one bucket.
async fn plain(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("ts_plain");
    let twenty_years = 3600 * 24 * 365 * 20_i64;
    let options = doc! { "timeseries": { "timeField": "when" }, "expireAfterSeconds": twenty_years };
    loader.create(db, &collection, options).await?;
    let first = Builder::new().date("when", START).object_id("_id", OBJECT_ID).i32("a", 1).finish();
    let second = Builder::new().date("when", START + 1).i32("_id", 2).str("a", "other type").finish();
    loader.insert(db, &collection, [first, second]).await
}

/// Dates before 1970 and after 2038.
async fn extended(loader: &mut Loader, db: &str) -> Result<()> {
    let collection = loader.name("ts_extended");
    loader.create(db, &collection, doc! { "timeseries": { "timeField": "t", "metaField": "m" } }).await?;
    let point = |(t, id)| Builder::new().date("t", t).i32("m", 1).i32("_id", id).finish();
    loader.insert(db, &collection, [(-86_400_000, 1), (4_102_444_800_000, 2)].map(point)).await
}
