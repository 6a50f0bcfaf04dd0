//! What a server takes and the peer's tools fail on, each in a database of its own.
//!
//! `refused_nan`, `refused_not_utf8`, `refused_looks_like_oid`, `refused_looks_like_int`: a view's pipeline that
//! the peer's dump cannot write as text and read back. `refused_names`: the peer's restore of a directory stops at
//! the `%` of a long name. `changed_names`: it restores `a b...` for `a+b...`, and `A...` for `%41...`.

use mongoark_bson_bytes::Builder;
use mongodb::Client;

use super::documents::OBJECT_ID;
use super::loader::{Loaded, Loader, Options, Result};
use super::views::add_fields_view;

/// Loads these databases.
pub async fn load(client: &Client, options: Options) -> Result<Loaded> {
    let mut loader = Loader::new(client, options).await?;
    for (name, fields) in pipelines() {
        let db = loader.name(&format!("refused_{name}"));
        loader.create_raw(&db, "v", &add_fields_view("c", &fields)).await?;
    }
    let (refused, changed) = (loader.name("refused_names"), loader.name("changed_names"));
    let document = || [Builder::new().i32("_id", 1).finish()];
    loader.insert(&refused, &"%".repeat(100), document()).await?;
    loader.insert(&changed, &"a+b".repeat(60), document()).await?;
    loader.insert(&changed, &"%41".repeat(60), document()).await?;
    loader.finish().await
}

fn pipelines() -> [(&'static str, Vec<u8>); 4] {
    let literal = |key: &str, value: &str| {
        let mut fields = Builder::new();
        fields.start_document("f").start_document("$literal").str(key, value);
        fields.finish()
    };
    let id = bson::oid::ObjectId::from_bytes(OBJECT_ID).to_hex();
    [
        ("nan", Builder::new().f64("f", f64::from_bits(0x7FF8_0000_0000_0000)).finish()),
        ("not_utf8", Builder::new().str("f", b"a\xffb").finish()),
        ("looks_like_oid", literal("$oid", &id)),
        ("looks_like_int", literal("$numberInt", "1")),
    ]
}
