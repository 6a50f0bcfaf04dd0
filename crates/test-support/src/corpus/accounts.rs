//! Users, roles and stored functions: database `accounts`, and one with an unusual name.

use bson::{Document, doc};
use mongoark_bson_bytes::{Builder, kind};

use super::documents::decimal;
use super::loader::{Loader, Result, raw};

pub(super) async fn load(loader: &mut Loader) -> Result<()> {
    let db = loader.name("accounts");
    let items = loader.name("items");
    let item = |n| {
        let price = decimal(&format!("{n}.90"));
        Builder::new().i32("_id", n).str("sku", format!("SKU-{n:04}")).decimal128("price", price).finish()
    };
    loader.insert(&db, &items, (0..20).map(item)).await?;
    functions(loader, &db).await?;
    roles(loader, &db).await?;
    users(loader, &db).await?;
    odd_database(loader).await
}

async fn functions(loader: &mut Loader, db: &str) -> Result<()> {
    let add = "function(a, b) { return a + b; }";
    let scope = Builder::new().i32("k", 7).finish();
    let documents = [
        Builder::new().str("_id", "add").text(kind::CODE, "value", add).finish(),
        Builder::new()
            .str("_id", "scoped")
            .code_with_scope("value", "function() { return k; }", &scope)
            .finish(),
        Builder::new().str("_id", loader.name("constant")).f64("value", 3.5).finish(),
    ];
    loader.insert(db, "system.js", documents).await
}

async fn roles(loader: &mut Loader, db: &str) -> Result<()> {
    let (keeper, items) = (loader.name("keeper"), loader.name("items"));
    let allow = |collection: &str, actions: &[&str]| doc! { "resource": { "db": db, "collection": collection }, "actions": actions };
    let privileges = vec![
        allow(&items, &["find", "insert", "update"]),
        allow("system.js", &["find"]),
        allow("", &["listCollections", "listIndexes"]),
    ];
    let command = doc! {
        "createRole": keeper, "privileges": privileges, "roles": ["read"],
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.1/8", "::1"] }],
    };
    loader.run(db, raw(&command)).await.map(drop)
}

async fn users(loader: &mut Loader, db: &str) -> Result<()> {
    let (keeper, indexes) = (loader.name("keeper"), loader.name("idx"));
    let alice = doc! {
        "createUser": loader.name("alice"), "pwd": "secret-a", "roles": ["readWrite", &keeper],
        "customData": { "team": "é", "n": 1_i64 }, "mechanisms": ["SCRAM-SHA-1", "SCRAM-SHA-256"],
    };
    let role = |role: &str, db: &str| doc! { "role": role, "db": db };
    let bob = doc! {
        "createUser": loader.name("bob"), "pwd": "secret-b",
        "roles": [role(&keeper, db), role("readAnyDatabase", "admin"), role("dbAdmin", &indexes)],
        "mechanisms": ["SCRAM-SHA-256"],
        "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"], "serverAddress": ["127.0.0.1"] }],
    };
    let chief = doc! { "createUser": loader.name("chief"), "pwd": "secret-c", "roles": ["root"] };
    let commands: [(&str, Document); 3] = [(db, alice), (db, bob), ("admin", chief)];
    for (db, command) in commands {
        loader.run(db, raw(&command)).await?;
    }
    Ok(())
}

async fn odd_database(loader: &mut Loader) -> Result<()> {
    let db = format!("9-é%{}", loader.options.variant);
    let collection = loader.name("c");
    let text = "a database with digits first, a dash, an accent, a percent sign";
    loader.insert(&db, &collection, [Builder::new().i32("_id", 1).str("where", text).finish()]).await?;
    loader.index(&db, &collection, doc! { "where": 1 }, doc! {}).await?;
    loader.create(&db, "a/b", doc! {}).await?;
    let view = loader.name("v");
    loader.create(&db, &view, doc! { "viewOn": collection, "pipeline": [] }).await
}
