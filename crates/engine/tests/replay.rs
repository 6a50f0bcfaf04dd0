//! Everything that a replica set writes into its oplog, replayed onto another server, gives the same state.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod replay_support;

use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use mongoark_engine::replay::{IndexCatalog, ReplayOptions};
use mongoark_model::Namespace;
use mongodb::error::TRANSIENT_TRANSACTION_ERROR;
use mongodb::{Client, ClientSession, Database};
use replay_support::{Recorder, Stage, build, run};

#[tokio::test]
async fn all_that_is_written_on_6_0_comes_out_the_same() {
    comes_out_the_same("6.0.5").await;
}

#[tokio::test]
async fn all_that_is_written_on_5_0_comes_out_the_same() {
    comes_out_the_same("5.0.4").await;
}

#[tokio::test]
async fn all_that_is_written_on_4_4_comes_out_the_same() {
    comes_out_the_same("4.4.2").await;
}

async fn comes_out_the_same(version: &str) {
    let (source, stage) = (Recorder::start(version).await, Stage::start(version).await);
    writes(&source.client).await;
    commands(&source.client, version).await;
    transactions(&source.client).await;
    accounts(&source.client).await;
    let entries = source.entries().await;
    let replayed = stage.replay(&entries).await.unwrap();
    let differences = stage.differences(&source.client).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(replayed.unfinished, 0);
    assert!(replayed.applied > 1_000, "{replayed:?}");
}

/// Replaces, deltas, arrays, upserts, deletes of many kinds of documents.
async fn writes(client: &Client) {
    let notes: Vec<Document> =
        (0..600).map(|i| doc! { "_id": i, "n": i, "sub": { "x": 1.5, "list": [1, { "y": i }] } }).collect();
    let update = |filter: Document, change: Bson| doc! { "q": filter, "u": change, "upsert": true };
    let changes = vec![
        update(doc! { "_id": 1 }, doc! { "$set": { "sub.list.1.y": "z", "é": 1 } }.into()),
        update(doc! { "_id": 2 }, doc! { "$unset": { "sub": 1 }, "$inc": { "n": 5 } }.into()),
        update(
            doc! { "_id": 3 },
            doc! { "$push": { "sub.list": { "$each": [7, 8], "$position": 0, "$slice": 3 } } }.into(),
        ),
        update(doc! { "_id": 4 }, Bson::Array(vec![doc! { "$set": { "p": { "$add": ["$n", 1] } } }.into()])),
        update(doc! { "_id": 5 }, doc! { "whole": "new", "n": { "numberLong": "1" } }.into()),
        update(
            doc! { "_id": { "b": 1, "a": 2 } },
            doc! { "$set": { "deep.er": [[1], { "x": [2] }] } }.into(),
        ),
        update(
            doc! { "_id": "odd" },
            doc! { "$set": { "nan": f64::NAN, "min": Bson::MinKey, "u": Bson::Undefined } }.into(),
        ),
    ];
    run(client, "all", [
        doc! { "insert": "notes", "documents": notes },
        doc! { "update": "notes", "updates": changes },
        doc! { "update": "notes", "updates": [{ "q": { "n": { "$gte": 50, "$lt": 300 } }, "u": { "$mul": { "n": 2 } }, "multi": true }] },
        doc! { "delete": "notes", "deletes": [{ "q": { "_id": { "$mod": [7, 3] } }, "limit": 0 }] },
        doc! { "findAndModify": "notes", "query": { "_id": 20 }, "update": { "$set": { "found": true } }, "new": true },
        doc! { "findAndModify": "notes", "query": { "_id": 21 }, "remove": true },
        doc! { "create": "ring", "capped": true, "size": 4096, "max": 5 },
    ]).await;
    for i in 0..4 {
        let some: Vec<Document> = (i * 4..i * 4 + 4).map(|i| doc! { "_id": i, "m": "entry" }).collect();
        run(client, "all", [doc! { "insert": "ring", "documents": some }]).await;
    }
}

/// Every change of the catalog.
async fn commands(client: &Client, version: &str) {
    let index = |name: &str, key: Document| doc! { "key": key, "name": name };
    run(client, "all", [
        doc! { "create": "made", "validator": { "a": { "$type": "int" } }, "validationAction": "warn", "collation": { "locale": "sv" } },
        doc! { "insert": "made", "documents": [{ "_id": 1, "a": 1 }, { "_id": 2, "a": "no number" }] },
        doc! { "createIndexes": "made", "indexes": [index("a_1", doc! { "a": 1 }), index("w", doc! { "$**": 1 })] },
        doc! { "createIndexes": "made", "indexes": [{ "key": { "b": 1 }, "name": "simple", "collation": { "locale": "simple" } }] },
        doc! { "createIndexes": "notes", "indexes": [
            { "key": { "when": 1 }, "name": "ttl", "expireAfterSeconds": 100 }, index("n_1", doc! { "n": 1 }),
            index("gone", doc! { "gone": 1 }), index("text", doc! { "words": "text" }),
        ] },
        doc! { "collMod": "notes", "index": { "name": "ttl", "expireAfterSeconds": 4000 } },
        doc! { "collMod": "notes", "index": { "keyPattern": { "n": 1 }, "hidden": true }, "validator": { "n": { "$gte": 0 } }, "validationLevel": "moderate" },
        doc! { "dropIndexes": "notes", "index": "gone" },
        doc! { "create": "empty" },
        doc! { "create": "a view", "viewOn": "notes", "pipeline": [{ "$match": { "n": 1 } }] },
        doc! { "create": "another", "viewOn": "a view", "pipeline": [] },
        doc! { "collMod": "a view", "viewOn": "made", "pipeline": [{ "$sort": { "a": 1 } }] },
        doc! { "drop": "another" },
        doc! { "insert": "short", "documents": [{ "_id": 1 }] },
        doc! { "createIndexes": "short", "indexes": [index("x_1", doc! { "x": 1 })] },
        doc! { "drop": "short" },
        doc! { "create": "short", "collation": { "locale": "fr" } },
        doc! { "insert": "short", "documents": [{ "_id": 77 }] },
        doc! { "insert": "becomes capped", "documents": [{ "_id": 1 }, { "_id": 2 }] },
        doc! { "createIndexes": "becomes capped", "indexes": [index("lost", doc! { "x": 1 })] },
        doc! { "convertToCapped": "becomes capped", "size": 8192 },
        doc! { "insert": "odd /%é\n", "documents": [{ "_id": null }] },
    ]).await;
    renames(client).await;
    if !version.starts_with("4.4") {
        let time = |ms| bson::DateTime::from_millis(ms);
        run(client, "all", [
            doc! { "create": "measured", "timeseries": { "timeField": "t", "metaField": "m" } },
            doc! { "insert": "measured", "documents": (0..20).map(|i| doc! { "t": time(i * 1000), "m": i % 2, "v": i }).collect::<Vec<_>>() },
        ]).await;
    }
    if version.starts_with("6.0") {
        run(
            client,
            "all",
            [
                doc! { "insert": "turned", "documents": [{ "_id": 1, "k": 1 }] },
                doc! { "createIndexes": "turned", "indexes": [index("k_1", doc! { "k": 1 })] },
                doc! { "collMod": "turned", "index": { "name": "k_1", "prepareUnique": true } },
                doc! { "collMod": "turned", "index": { "name": "k_1", "unique": true } },
                doc! { "create": "clustered", "clusteredIndex": { "key": { "_id": 1 }, "unique": true } },
                doc! { "insert": "clustered", "documents": [{ "_id": 5 }] },
                doc! { "create": "imaged", "changeStreamPreAndPostImages": { "enabled": true } },
                doc! { "insert": "imaged", "documents": [{ "_id": 5 }] },
                doc! { "update": "imaged", "updates": [{ "q": { "_id": 5 }, "u": { "$set": { "x": 1 } } }] },
            ],
        )
        .await;
    }
    run(client, "gone", [doc! { "insert": "c", "documents": [{ "_id": 1 }] }]).await;
    run(client, "gone", [doc! { "dropDatabase": 1 }]).await;
}

/// Renames, to a free name, over another collection and to another database; indexes go along.
async fn renames(client: &Client) {
    for (from, to) in
        [("all.first", "all.renamed"), ("all.second", "all.renamed"), ("all.third", "other.third")]
    {
        let (_, name) = from.split_once('.').unwrap();
        run(
            client,
            "all",
            [
                doc! { "insert": name, "documents": [{ "_id": 1, "from": from }] },
                doc! { "createIndexes": name, "indexes": [{ "key": { name: 1 }, "name": name }] },
            ],
        )
        .await;
        run(client, "admin", [doc! { "renameCollection": from, "to": to, "dropTarget": true }]).await;
    }
    run(client, "all", [doc! { "insert": "renamed", "documents": [{ "_id": 2 }] }]).await;
}

/// Transactions in one entry, in several, with new collections in them, and aborted.
async fn transactions(client: &Client) {
    let db = client.database("bank");
    run(client, "bank", [doc! { "create": "large" }]).await;
    let accounts: Vec<Document> = (0..40).map(|i| doc! { "_id": i, "balance": 100 }).collect();
    db.collection("accounts").insert_many(accounts).await.unwrap();
    let accounts = db.collection::<Document>("accounts");
    let mut session = client.start_session().await.unwrap();
    for i in 0..5 {
        session.start_transaction().await.unwrap();
        for (id, by) in [(i, -7), (39 - i, 7)] {
            let change = doc! { "$inc": { "balance": by } };
            accounts.update_one(doc! { "_id": id }, change).session(&mut session).await.unwrap();
        }
        if i == 3 {
            session.abort_transaction().await.unwrap();
        } else {
            session.commit_transaction().await.unwrap();
        }
    }
    large_transaction(&db, &mut session).await;

    session.start_transaction().await.unwrap();
    db.collection("born").insert_one(doc! { "_id": 1 }).session(&mut session).await.unwrap();
    session.commit_transaction().await.unwrap();
}

/// More than 16 MiB in one transaction, which takes several entries. Servers 4.4 may ask to try it again.
async fn large_transaction(db: &Database, session: &mut ClientSession) {
    let fill = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 240_000] };
    let large = db.collection::<Document>("large");
    for _ in 0..20 {
        session.start_transaction().await.unwrap();
        for some in 0..10 {
            let documents = (some * 8..some * 8 + 8).map(|id| doc! { "_id": id, "fill": fill.clone() });
            large.insert_many(documents).session(&mut *session).await.unwrap();
        }
        large.delete_many(doc! { "_id": { "$lt": 3 } }).session(&mut *session).await.unwrap();
        match session.commit_transaction().await {
            Ok(()) => return,
            Err(error) => assert!(error.contains_label(TRANSIENT_TRANSACTION_ERROR), "{error}"),
        }
    }
    panic!("the server commits no large transaction");
}

async fn accounts(client: &Client) {
    run(
        client,
        "all",
        [
            doc! { "createRole": "role", "privileges": [], "roles": ["read"] },
            doc! { "createUser": "user", "pwd": "secret", "roles": ["role"] },
            doc! { "updateUser": "user", "customData": { "x": 1 } },
            doc! { "createUser": "other", "pwd": "secret", "roles": [] },
            doc! { "dropUser": "other" },
        ],
    )
    .await;
}

#[tokio::test]
async fn a_dump_that_is_younger_than_the_oplogs_beginning_comes_out_the_same() {
    let (source, stage) = (Recorder::start("6.0.5").await, Stage::start("6.0.5").await);
    writes(&source.client).await;
    transactions(&source.client).await;
    run(
        &source.client,
        "all",
        [
            doc! { "create": "view", "viewOn": "notes", "pipeline": [] },
            doc! { "createIndexes": "notes", "indexes": [{ "key": { "n": 1 }, "name": "n_1" }] },
            doc! { "drop": "ring" },
            doc! { "create": "ring", "capped": true, "size": 4096, "max": 3 },
            doc! { "insert": "ring", "documents": [{ "_id": 1 }, { "_id": 2 }] },
        ],
    )
    .await;
    let entries = source.entries().await;
    // What is there after the first time is as if it had been dumped at the end.
    stage.replay_with(&entries, &ReplayOptions::default(), &mut IndexCatalog::new()).await.unwrap();
    stage.replay(&entries).await.unwrap();
    let differences = stage.differences(&source.client).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn the_limit_is_the_first_entry_that_is_not_replayed() {
    let (source, stage) = (Recorder::start("6.0.5").await, Stage::start("6.0.5").await);
    run(&source.client, "d", [doc! { "insert": "c", "documents": [{ "_id": 1 }] }]).await;
    run(&source.client, "d", [doc! { "insert": "c", "documents": [{ "_id": 2 }] }]).await;
    let limit = source.now().await;
    run(&source.client, "d", [doc! { "insert": "c", "documents": [{ "_id": 3 }] }]).await;
    let entries = source.entries().await;
    let options = ReplayOptions { limit: Some(limit), ..ReplayOptions::default() };
    let replayed = stage.replay_with(&entries, &options, &mut IndexCatalog::new()).await.unwrap();
    assert!(replayed.last.unwrap() < limit);
    let left = stage.client.database("d").collection::<Document>("c").count_documents(doc! {}).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn uuids_stay_when_they_are_asked_for() {
    let (source, stage) = (Recorder::start("6.0.5").await, Stage::start("6.0.5").await);
    run(
        &source.client,
        "d",
        [
            doc! { "insert": "c", "documents": [{ "_id": 1 }] },
            doc! { "createIndexes": "c", "indexes": [{ "key": { "n": 1 }, "name": "n_1" }] },
            doc! { "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "$set": { "x": 1 } } }] },
        ],
    )
    .await;
    let entries = source.entries().await;
    let options = ReplayOptions { preserve_uuids: true, ..ReplayOptions::default() };
    let mut catalog = IndexCatalog::new();
    stage.replay_with(&entries, &options, &mut catalog).await.unwrap();
    assert_eq!(catalog.get(&Namespace::new("d", "c")).unwrap().specs.len(), 1);
    build(&stage.target, catalog).await;
    let expected = mongoark_test_support::compare::capture(&source.client).await.unwrap();
    let found = mongoark_test_support::compare::capture(&stage.client).await.unwrap();
    let uuids = mongoark_test_support::compare::Options { uuids: true, ..Default::default() };
    let differences = expected.differences(&found, &uuids);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
