//! The comparison with an `expected.json` finds each kind of difference, and nothing else.
//!
//! `data/expected.json` tells what [`load`] loads. It was written by another program that reads servers its own way;
//! the collections' UUIDs in it are of the server that it read.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use mongoark_test_support::Server;
use mongoark_test_support::golden::{Options, differences};
use mongodb::Client;
use std::fs;
use std::path::{Path, PathBuf};

fn expected_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/expected.json")
}

/// A server of the version that the file tells of.
async fn server() -> Server {
    Server::builder().version("6.0.5").start().await
}

async fn load(client: &Client) {
    let db = client.database("shop");
    for (collection, documents) in [
        ("items", (0..3).map(|n| doc! { "_id": n, "n": n }).collect::<Vec<_>>()),
        ("many", (0..200).map(|n| doc! { "_id": n }).collect()),
    ] {
        db.collection::<Document>(collection).insert_many(documents).await.unwrap();
    }
    for command in [
        doc! { "createIndexes": "items", "indexes": [{ "key": { "n": 1 }, "name": "by n", "expireAfterSeconds": 60 }] },
        doc! { "create": "log", "capped": true, "size": 4096 },
        doc! { "insert": "log", "documents": [{ "_id": 1 }, { "_id": 2 }] },
        doc! { "create": "paid", "viewOn": "items", "pipeline": [{ "$match": { "n": 1 } }] },
        doc! { "createRole": "keeper", "privileges": [], "roles": ["read"] },
    ] {
        db.run_command(command).await.unwrap();
    }
    // As it is stored, because createUser would choose another salt each time.
    let keys = doc! { "iterationCount": 15000, "salt": "AAAA", "storedKey": "BBBB", "serverKey": "CCCC" };
    let clerk = doc! {
        "_id": "shop.clerk", "userId": Binary { subtype: BinarySubtype::Uuid, bytes: (0..16).collect() },
        "user": "clerk", "db": "shop", "credentials": { "SCRAM-SHA-256": keys },
        "roles": [{ "role": "keeper", "db": "shop" }],
    };
    client.database("admin").collection("system.users").insert_one(clerk).await.unwrap();
}

/// What differs once these commands have run on the database.
async fn after(commands: impl IntoIterator<Item = Document>) -> Vec<String> {
    let server = server().await;
    let client = server.client().await;
    load(&client).await;
    for command in commands {
        client.database("shop").run_command(command).await.unwrap();
    }
    differences(&client, &expected_path(), Options::default()).await
}

/// What differs from the file when this text in it is another one.
async fn instead_of(text: &str, other: &str, options: Options) -> Vec<String> {
    let server = server().await;
    let client = server.client().await;
    load(&client).await;
    let json = fs::read_to_string(expected_path()).unwrap();
    assert!(json.contains(text), "no {text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("expected.json");
    fs::write(&path, json.replace(text, other)).unwrap();
    differences(&client, &path, options).await
}

/// Whether the lines begin so, one for one.
#[track_caller]
fn expect(lines: &[String], beginnings: &[&str]) {
    let agree = lines.iter().zip(beginnings).all(|(line, beginning)| line.starts_with(beginning));
    assert!(agree && lines.len() == beginnings.len(), "expected {beginnings:#?}\nfound {lines:#?}");
}

#[tokio::test]
async fn a_server_with_the_expected_state_has_no_difference() {
    expect(&after([]).await, &[]);
}

#[tokio::test]
async fn documents_are_counted_and_named() {
    let update =
        doc! { "update": "items", "updates": [{ "q": { "_id": 2 }, "u": { "$set": { "n": 2_i64 } } }] };
    let insert = doc! { "insert": "items", "documents": [{ "_id": "é\"" }] };
    let delete = doc! { "delete": "many", "deletes": [{ "q": { "_id": 9 }, "limit": 1 }] };
    let lines = after([update, insert, delete]).await;
    let beginnings = [
        "\"shop.items\": count differs: expected 3, found 4",
        "\"shop.items\": sha256 differs: expected ",
        r#""shop.items" documents: unexpected "\u00e9\"": "#,
        r#""shop.items" documents: {"$numberInt":"2"} differs: expected ""#,
        "\"shop.many\": count differs: expected 200, found 199",
        "\"shop.many\": sha256 differs: expected ",
    ];
    expect(&lines, &beginnings);
}

#[tokio::test]
async fn the_order_of_a_capped_collection_counts() {
    let again = [
        doc! { "drop": "log" },
        doc! { "create": "log", "capped": true, "size": 4096 },
        doc! { "insert": "log", "documents": [{ "_id": 2 }, { "_id": 1 }] },
    ];
    expect(&after(again).await, &["\"shop.log\": natural order differs"]);
}

#[tokio::test]
async fn namespaces_and_databases_are_named() {
    let lines = after([doc! { "drop": "many" }, doc! { "create": "new" }]).await;
    expect(&lines, &["\"shop.many\": missing", "\"shop.new\": unexpected"]);
    expect(&after([doc! { "dropDatabase": 1 }]).await, &["database \"shop\": missing"]);
}

#[tokio::test]
async fn a_database_too_many_is_named() {
    let server = server().await;
    let client = server.client().await;
    load(&client).await;
    client.database("other").create_collection("c").await.unwrap();
    let lines = differences(&client, &expected_path(), Options::default()).await;
    expect(&lines, &["database \"other\": unexpected"]);
}

#[tokio::test]
async fn a_collection_for_a_view_is_another_type() {
    let recreate = [
        doc! { "drop": "paid" },
        doc! { "create": "paid" },
        doc! { "insert": "paid", "documents": [{ "_id": 1, "n": 1 }] },
    ];
    let beginnings = [
        "\"shop.paid\": type differs: expected view, found collection",
        "\"shop.paid\" options: missing pipeline: [{\"$match\":{\"n\":{\"$numberInt\":\"1\"}}}]",
        "\"shop.paid\" options: missing viewOn: \"items\"",
        "\"shop.paid\": index \"_id_\": unexpected",
        "\"shop.system.views\": count differs: expected 1, found 0",
        "\"shop.system.views\": sha256 differs",
        "\"shop.system.views\" documents: missing \"shop.paid\"",
    ];
    let lines: Vec<String> = after(recreate).await;
    expect(&lines, &beginnings);
}

#[tokio::test]
async fn options_of_a_collection_count() {
    let lines = after([doc! { "collMod": "many", "validator": { "a": 1.0 } }]).await;
    let beginnings = [
        "\"shop.many\" options: unexpected validationAction: \"error\"",
        "\"shop.many\" options: unexpected validationLevel: \"strict\"",
        "\"shop.many\" options: unexpected validator: {\"a\":{\"$numberDouble\":\"1.0\"}}",
    ];
    expect(&lines, &beginnings);
}

#[tokio::test]
async fn indexes_and_their_options_count() {
    let change = doc! { "collMod": "items", "index": { "name": "by n", "expireAfterSeconds": 61 } };
    let differs = "\"shop.items\": index \"by n\": expireAfterSeconds differs: expected {\"$numberInt\":\"60\"}, found ";
    expect(&after([change]).await, &[differs]);
    let drop = doc! { "dropIndexes": "items", "index": "by n" };
    let create = doc! { "createIndexes": "many", "indexes": [{ "key": { "x": -1 }, "name": "x" }] };
    let beginnings = ["\"shop.items\": index \"by n\": missing", "\"shop.many\": index \"x\": unexpected"];
    expect(&after([drop, create]).await, &beginnings);
}

#[tokio::test]
async fn an_index_may_have_become_version_2_unless_versions_are_kept() {
    let version = |number| format!(r#""name":"by n","v":{{"$numberInt":"{number}"}}"#);
    let (two, one) = (version(2), version(1));
    expect(&instead_of(&two, &one, Options::default()).await, &[]);
    let kept = Options { keep_index_version: true, ..Options::default() };
    expect(&instead_of(&two, &one, kept).await, &["\"shop.items\": index \"by n\": v differs: expected "]);
}

#[tokio::test]
async fn uuids_count_when_asked_for() {
    let uuids = Options { uuids: true, ..Options::default() };
    let beginnings = ["items", "log", "many"].map(|name| format!("\"shop.{name}\": uuid differs: expected "));
    expect(&instead_of("", "", uuids).await, &beginnings.each_ref().map(String::as_str));
}

#[tokio::test]
async fn users_and_roles_count() {
    let update = doc! { "updateUser": "clerk", "customData": { "a": 1 } };
    let restrict = doc! { "updateRole": "keeper", "roles": ["readWrite"] };
    let create = doc! { "createUser": "guest", "pwd": "secret", "roles": [] };
    let beginnings = [
        "user \"shop.clerk\": unexpected customData: {\"a\":{\"$numberInt\":\"1\"}}",
        "user \"shop.clerk\": inheritedRoles differs",
        "user \"shop.guest\": unexpected",
        "role \"shop.keeper\": inheritedRoles differs",
        "role \"shop.keeper\": roles differs",
    ];
    expect(&after([update, restrict, create]).await, &beginnings);
    let gone = [doc! { "dropUser": "clerk" }, doc! { "dropRole": "keeper" }];
    expect(&after(gone).await, &["user \"shop.clerk\": missing", "role \"shop.keeper\": missing"]);
    let key = instead_of("\"BBBB\"", "\"BBBC\"", Options::default()).await;
    expect(&key, &["user \"shop.clerk\": credentials differs"]);
}
