//! Collections of several archive blocks each: database `mixed`, 70 MB that compress well.

use bson::doc;
use mongoark_bson_bytes::Builder;
use mongodb::Client;

use super::loader::{Loaded, Loader, Options, Result};

/// Loads `left`, `right` and the small `third`.
pub async fn load(client: &Client, options: Options) -> Result<Loaded> {
    let mut loader = Loader::new(client, options).await?;
    let db = loader.name("mixed");
    for (collection, documents) in [("left", 420), ("right", 400), ("third", 5)] {
        let document = |n: i32| {
            let fill = format!("{collection} {:02} ", n % 10).repeat(9000);
            Builder::new().i32("_id", n).str("fill", fill).finish()
        };
        loader.insert(&db, collection, (0..documents).map(document)).await?;
        loader.index(&db, collection, doc! { "x": 1 }, doc! {}).await?;
    }
    loader.finish().await
}
