//! The oplog of the member that is read: where it stands, where a dump starts in it, and what comes next.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{Document, RawDocument, Timestamp, doc};
use mongoark_deployment::oplog::{self, Level, Tail};
use mongoark_deployment::{ConnectionString, ErrorKind, Source, SourceOptions};
use mongoark_test_support::{ReplicaSet, connect, fresh_database_name, shared};
use mongodb::Client;
use std::time::{Duration, Instant};

/// Entries are long in coming if they are not here after so many empty answers.
const EMPTY_BATCHES_MAX: u32 = 20;

async fn source(uri: &str) -> Source {
    Source::connect(&ConnectionString::new(uri), &SourceOptions::default()).await.unwrap()
}

/// A source and a client of the shared set, and a database of this test's own.
async fn room() -> (Source, Client, String) {
    let uri = shared::replica_set().await;
    (source(&uri).await, connect(&uri).await, fresh_database_name("oplog"))
}

async fn insert(client: &Client, db: &str, number: i32) {
    let durable =
        doc! { "insert": "c", "documents": [{ "_id": number }], "writeConcern": { "w": "majority" } };
    client.database(db).run_command(durable).await.unwrap();
}

/// Reads on until `count` inserts into `<db>.c` were seen; their `_id`s and times in the order of the oplog.
async fn inserts(tail: &mut Tail, db: &str, count: usize) -> Vec<(i32, Timestamp)> {
    let (mut found, mut empty) = (Vec::new(), 0);
    let namespace = format!("{db}.c");
    while found.len() < count {
        let batch = tail.next().await.unwrap().expect("the cursor stays open");
        let before = found.len();
        for entry in batch.documents().unwrap() {
            let entry = RawDocument::from_bytes(entry.unwrap()).unwrap();
            if entry.get_str("op").unwrap() == "i" && entry.get_str("ns").unwrap() == namespace {
                let id = entry.get_document("o").unwrap().get_i32("_id").unwrap();
                found.push((id, entry.get_timestamp("ts").unwrap()));
            }
        }
        empty = if found.len() > before { 0 } else { empty + 1 };
        assert!(empty < EMPTY_BATCHES_MAX, "only {found:?}");
    }
    found
}

#[tokio::test]
async fn the_position_goes_on_with_what_is_written() {
    let (source, client, db) = room().await;
    insert(&client, &db, 1).await;
    let before = oplog::position(&source).await.unwrap();
    insert(&client, &db, 2).await;
    let after = oplog::position(&source).await.unwrap();
    assert!(after.last_applied > before.last_applied, "{before:?} {after:?}");
    assert!(after.last_committed > before.last_committed, "{before:?} {after:?}");
    assert!(after.last_committed <= after.last_applied);
    assert_eq!(after.rollback_id, before.rollback_id);
    assert!(oplog::last(&source).await.unwrap() >= after.last_committed);
    assert!(oplog::oldest(&source).await.unwrap() <= before.last_applied);
}

#[tokio::test]
async fn role_backup_is_enough_and_every_member_answers() {
    for version in ["4.4.2", "5.0.4", "6.0.5"] {
        let builder = ReplicaSet::builder().version(version).members(2).priorities([1.0, 0.0]);
        let set = builder.auth("root", "s3cret").start().await;
        let role = doc! { "role": "backup", "db": "admin" };
        let create = doc! { "createUser": "keeper", "pwd": "k", "roles": [role], "writeConcern": { "w": 2 } };
        set.client().await.database("admin").run_command(create).await.unwrap();
        for member in 0..2 {
            let uri = set.member_uri(member).replace("root:s3cret", "keeper:k");
            let source = source(&uri).await;
            let position = oplog::position(&source).await.unwrap();
            assert!(position.last_committed.time > 0, "{version} {position:?}");
            let start = oplog::start(&source).await.unwrap();
            assert!(start.first <= start.seen, "{version} {start:?}");
            assert!(oplog::oldest(&source).await.unwrap() <= start.first);
            let mut tail = Tail::open(&source, start.first, Level::Local).await.unwrap();
            assert!(tail.next().await.unwrap().unwrap().documents().unwrap().next().is_some(), "{version}");
        }
    }
}

#[tokio::test]
async fn a_dump_starts_where_the_oldest_open_transaction_began() {
    let set = ReplicaSet::single().await;
    let (source, client) = (source(&set.uri()).await, set.client().await);
    insert(&client, "shop", 1).await;
    let before = oplog::last(&source).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let written = |number: i32| doc! { "_id": number, "text": "x".repeat(6 * 1024 * 1024) };
    let orders = client.database("shop").collection::<Document>("c");
    // Two entries of the oplog; the first is written before the transaction is committed once it is prepared.
    for number in [2, 3, 4] {
        orders.insert_one(written(number)).session(&mut session).await.unwrap();
    }
    let prepare = doc! { "prepareTransaction": 1, "writeConcern": { "w": "majority" } };
    let prepared = client.database("admin").run_command(prepare).session(&mut session).await.unwrap();
    let prepared = prepared.get_timestamp("prepareTimestamp").unwrap();
    insert(&client, "other", 5).await;

    let start = oplog::start(&source).await.unwrap();
    assert!(start.first > before && start.first <= prepared, "{before} {start:?} {prepared}");
    assert!(start.seen > prepared);
    let commit = doc! { "commitTransaction": 1, "commitTimestamp": prepared };
    client.database("admin").run_command(commit).session(&mut session).await.unwrap();
    let newest = oplog::last(&source).await.unwrap();
    let start = oplog::start(&source).await.unwrap();
    assert!(start.first >= newest, "{newest} {start:?}");
}

#[tokio::test]
async fn a_tail_sees_what_is_written_in_order() {
    let (source, client, db) = room().await;
    insert(&client, &db, 0).await;
    let from = oplog::last(&source).await.unwrap();
    let mut tail = Tail::open(&source, from, Level::Local).await.unwrap();
    let writing = async {
        for number in 1..=40 {
            insert(&client, &db, number).await;
        }
    };
    let (found, ()) = tokio::join!(inserts(&mut tail, &db, 40), writing);
    let ids: Vec<i32> = found.iter().map(|(id, _)| *id).filter(|id| *id > 0).take(39).collect();
    assert_eq!(ids, (1..=39).collect::<Vec<i32>>());
    assert!(found.is_sorted_by_key(|(_, time)| *time) && found[0].1 >= from);
}

#[tokio::test]
async fn a_tail_at_the_end_answers_without_entries() {
    let set = ReplicaSet::single().await;
    let source = source(&set.uri()).await;
    let from = Timestamp { time: oplog::last(&source).await.unwrap().time + 3600, increment: 1 };
    let mut tail = Tail::open(&source, from, Level::Local).await.unwrap();
    for _ in 0..2 {
        let batch = tokio::time::timeout(Duration::from_secs(30), tail.next()).await.unwrap();
        assert_eq!(batch.unwrap().unwrap().documents().unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_tail_that_is_too_slow_is_told_so() {
    // What a checkpoint needs is never cut off the oplog, so one is taken every second.
    let set = ReplicaSet::builder().oplog_mb(1).arg("--syncdelay").arg("1").start().await;
    let (source, client) = (source(&set.uri()).await, set.client().await);
    insert(&client, "slow", 0).await;
    let from = oplog::last(&source).await.unwrap();
    let mut tail = Tail::open(&source, from, Level::Local).await.unwrap();
    tail.next().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while oplog::oldest(&source).await.unwrap() <= from {
        let documents: Vec<Document> = (0..8).map(|_| doc! { "text": "x".repeat(32 * 1024) }).collect();
        client.database("slow").collection::<Document>("fill").insert_many(documents).await.unwrap();
        assert!(Instant::now() < deadline, "the oplog does not roll over");
    }
    let error = loop {
        match tail.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the cursor ended"),
            Err(error) => break error,
        }
    };
    assert!(oplog::is_rolled_over(&error), "{error}");
}

#[tokio::test]
async fn a_standalone_server_has_no_oplog() {
    let source = source(&shared::standalone().await).await;
    let error = oplog::start(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(oplog::position(&source).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(Tail::open(&source, Timestamp { time: 1, increment: 1 }, Level::Local).await.is_err());
}
