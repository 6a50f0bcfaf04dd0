//! The edge cases: databases `edge`, `idx`, `accounts`, and one with an unusual name.

use mongodb::Client;

use super::loader::{Loaded, Loader, Options, Result};
use super::{accounts, collections, indexes, names, timeseries, views};

/// Loads everything of this corpus into an empty server.
pub async fn load(client: &Client, options: Options) -> Result<Loaded> {
    let mut loader = Loader::new(client, options).await?;
    let database = loader.name("edge");
    collections::load(&mut loader, &database).await?;
    if loader.since(5, 0) {
        timeseries::load(&mut loader, &database).await?;
    }
    views::load(&mut loader, &database).await?;
    names::load(&mut loader, &database).await?;
    indexes::load(&mut loader).await?;
    accounts::load(&mut loader).await?;
    loader.finish().await
}
