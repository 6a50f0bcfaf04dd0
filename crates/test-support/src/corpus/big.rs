//! Documents at the size limit, and many small ones: database `big`.

use mongoark_bson_bytes::Builder;
use mongodb::Client;

use super::loader::{Loaded, Loader, Options, Result};
use super::random::Random;

/// Bytes of the longest document that a user may store.
const LIMIT: usize = 16 * 1024 * 1024;
const SIZES: [usize; 5] = [LIMIT, LIMIT - 1, 15 * 1024 * 1024, 8 * 1024 * 1024, 100];
const SMALL_DOCUMENTS: i32 = 60_000;

/// Loads `documents`, up to exactly 16 MiB each, and `many`, 60,000 of 900 incompressible bytes.
pub async fn load(client: &Client, options: Options) -> Result<Loaded> {
    let mut loader = Loader::new(client, options).await?;
    let db = loader.name("big");
    let mut random = Random::new(loader.options.seed);
    let words: Vec<u8> = (0..4096).map(|_| *random.pick(b"abcdefgh ")).collect();
    let sized = SIZES.into_iter().zip(0..);
    loader.insert(&db, "documents", sized.map(|(bytes, id)| of_size(id, bytes, &words))).await?;
    let small = (0..SMALL_DOCUMENTS)
        .map(|id| Builder::new().i32("_id", id).binary("b", 0, &random.bytes::<900>()).finish());
    loader.insert(&db, "many", small).await?;
    loader.finish().await
}

/// A document of exactly so many bytes.
fn of_size(id: i32, bytes: usize, words: &[u8]) -> Vec<u8> {
    let empty = Builder::new().i32("_id", id).str("t", "").finish().len();
    let text: Vec<u8> = words.iter().copied().cycle().take(bytes - empty).collect();
    Builder::new().i32("_id", id).str("t", text).finish()
}
