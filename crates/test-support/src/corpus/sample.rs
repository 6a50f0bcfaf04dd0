//! A small shop for demonstrations: orders, events and blobs, a view, a capped log, a time series and a user.

use bson::doc;
use mongoark_bson_bytes::Builder;
use mongodb::Client;

use super::bench;
use super::loader::{Loaded, Loader, Options, Result, raw};

const DATABASE: &str = "shop";
const BYTES: u64 = 30_000_000;
const START: i64 = 1_735_689_600_000;

/// Replaces the database `shop` by about 30 MB: `orders`, `events` and `blobs` with their indexes, the view
/// `paid_orders`, the capped `audit_log`, the time series `temperatures` (from 5.0 on) and the user `clerk`.
pub async fn load_sample(client: &Client) -> Result<Loaded> {
    let bulk = bench::load_into(client, DATABASE, BYTES, true).await?;
    let mut loader = Loader::new(client, Options::default()).await?;
    let paid = doc! { "$match": { "status": "paid" } };
    let shown = doc! { "$project": { "customer": 1, "total": 1, "created": 1 } };
    loader.create(DATABASE, "paid_orders", doc! { "viewOn": "orders", "pipeline": [paid, shown] }).await?;
    audit_log(&mut loader).await?;
    if loader.since(5, 0) {
        temperatures(&mut loader).await?;
    }
    clerk(&mut loader).await?;
    let rest = loader.finish().await?;
    Ok(Loaded { documents: bulk.documents + rest.documents, bytes: bulk.bytes + rest.bytes, ..rest })
}

async fn audit_log(loader: &mut Loader) -> Result<()> {
    loader.create(DATABASE, "audit_log", doc! { "capped": true, "size": 1 << 20, "max": 5000 }).await?;
    let entry = |n: i32| {
        let mut d = Builder::new();
        d.i32("_id", n).date("at", START + i64::from(n) * 1000).str("who", format!("user-{}", n % 17));
        d.str("did", ["signed in", "placed an order", "paid", "signed out"][n.unsigned_abs() as usize % 4])
            .finish()
    };
    loader.insert(DATABASE, "audit_log", (0..6000).map(entry)).await
}

async fn temperatures(loader: &mut Loader) -> Result<()> {
    let series = doc! { "timeField": "at", "metaField": "sensor", "granularity": "minutes" };
    loader.create(DATABASE, "temperatures", doc! { "timeseries": series }).await?;
    let point = |n: i32| {
        let degrees = 20.0 + f64::from(n % 97) / 10.0;
        let mut d = Builder::new();
        d.date("at", START + i64::from(n) * 60_000)
            .str("sensor", format!("hall-{}", n % 4))
            .f64("celsius", degrees);
        d.finish()
    };
    loader.insert(DATABASE, "temperatures", (0..3000).map(point)).await
}

async fn clerk(loader: &mut Loader) -> Result<()> {
    let exists = loader.ask(DATABASE, raw(&doc! { "usersInfo": "clerk" })).await?;
    if exists.is_some_and(|reply| reply.get_array("users").is_ok_and(|users| !users.is_empty())) {
        return Ok(());
    }
    let command = doc! { "createUser": "clerk", "pwd": "a sample", "roles": ["readWrite"] };
    loader.run(DATABASE, raw(&command)).await.map(drop)
}
