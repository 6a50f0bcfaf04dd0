//! Every flag of mongorestore once, on a real server: what it writes and what it says. Run with
//! `MONGOARK_TEST_TOOLS=DIR` the same tests hold for the real tools in that folder.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::{ReplicaSet, fresh_database_name};
use std::fs;
use std::process::Stdio;
use support::arg;
use support::shop::Shop;

/// A shop that was dumped into `dump` and is gone from the server.
async fn dumped(more: &[&str]) -> Shop {
    let shop = Shop::open().await;
    shop.dump(more).expect(0);
    shop.clear().await;
    shop
}

async fn expect_whole(shop: &Shop, db: &str) {
    for (collection, count) in [("c", 100), ("d", 10), ("d_log", 5), ("empty", 0), ("v", 10)] {
        assert_eq!(shop.count(db, collection).await, count, "{db}.{collection}");
    }
    assert!(shop.collections(db).await.contains("empty"));
    assert!(shop.indexes(db, "c").await.contains("x_1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_folder_comes_back() {
    let shop = dumped(&[]).await;
    let db = &shop.db;
    shop.restore(&[])
        .expect(0)
        .says("\tpreparing collections to restore from\n")
        .says(&format!("\treading metadata for `{db}.c` from `dump/{db}/c.metadata.json`\n"))
        .says(&format!("\trestoring `{db}.c` from `dump/{db}/c.bson`\n"))
        .says(&format!("\tfinished restoring `{db}.c` (100 documents, 0 failures)\n"))
        .says("\t115 document(s) restored successfully. 0 document(s) failed to restore.\n");
    expect_whole(&shop, db).await;
    // Once more: what is there is counted, and that is no failure to the exit code.
    shop.restore(&["dump"])
        .expect(0)
        .says("continuing through error: ")
        .says("\t0 document(s) restored successfully. 115 document(s) failed to restore.\n");
    shop.restore(&["--dir", "dump", "--drop"]).expect(0).says("115 document(s) restored successfully. 0 ");
    expect_whole(&shop, db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_and_a_collection_by_name() {
    let shop = dumped(&[]).await;
    let copy = fresh_database_name("copy");
    let folder = format!("dump/{}", shop.db);
    shop.restore(&["-d", &copy, &folder]).expect(0);
    expect_whole(&shop, &copy).await;
    let file = format!("{folder}/d.bson");
    shop.restore(&["--db", &copy, "--collection=other", &file]).expect(0).says("10 document(s) restored");
    assert_eq!(shop.count(&copy, "other").await, 10);
    let file = format!("{folder}/c.bson");
    shop.restore(&["-d", &shop.db, "-c", "c", "--dir", &file]).expect(0);
    assert_eq!(shop.collections(&shop.db).await, ["c".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_from_standard_input() {
    let shop = dumped(&[]).await;
    let file = fs::File::open(shop.tools.path(&format!("dump/{}/d.bson", shop.db))).unwrap();
    let run = support::run(
        shop.tools
            .tool("mongorestore")
            .args(["--host", shop.address(), "-d", &shop.db, "-c", "d", "-"])
            .stdin(file),
    );
    run.expect(0).says("10 document(s) restored successfully");
    let file = fs::File::open(shop.tools.path(&format!("dump/{}/c.bson", shop.db))).unwrap();
    let arguments = ["--host", shop.address(), "-d", &shop.db, "-c", "c", "--dir=-"];
    support::run(shop.tools.tool("mongorestore").args(arguments).stdin(file)).expect(0);
    assert_eq!(shop.count(&shop.db, "c").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_from_a_file_and_from_a_pipe() {
    for flags in [&[][..], &["--gzip"]] {
        let shop = dumped(&[&["--archive=a"], flags].concat()).await;
        shop.restore(&[&["--archive=a"], flags].concat()).expect(0).says("115 document(s) restored");
        expect_whole(&shop, &shop.db).await;
        shop.clear().await;
        let run = support::run(
            shop.tools
                .tool("mongorestore")
                .args(["--host", shop.address(), "--archive"])
                .args(flags)
                .stdin(fs::File::open(shop.tools.path("a")).unwrap()),
        );
        run.expect(0).says("115 document(s) restored");
        expect_whole(&shop, &shop.db).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_folders() {
    let shop = dumped(&["--gzip"]).await;
    shop.restore(&["--gzip"]).expect(0).says("115 document(s) restored");
    expect_whole(&shop, &shop.db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_from_dump_to_restore() {
    let shop = Shop::open().await;
    let copy = fresh_database_name("copy");
    let mut dump = shop
        .tools
        .tool("mongodump")
        .args(["--host", shop.address(), "-d", &shop.db, "--archive", "--gzip"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (from, to) = (format!("--nsFrom={}.*", shop.db), format!("--nsTo={copy}.*"));
    let run = support::run(
        shop.tools
            .tool("mongorestore")
            .args(["--host", shop.address(), "--archive", "--gzip", &from, &to])
            .stdin(dump.stdout.take().unwrap()),
    );
    assert!(dump.wait().unwrap().success());
    run.expect(0).says("115 document(s) restored successfully");
    assert_eq!(shop.count(&copy, "c").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_by_pattern() {
    let shop = dumped(&[]).await;
    let (db, copy) = (shop.db.clone(), fresh_database_name("copy"));
    shop.restore(&["--nsInclude", &format!("{db}.d*")]).expect(0).says("15 document(s) restored");
    assert_eq!(shop.collections(&db).await, ["d".to_owned(), "d_log".to_owned()].into());
    shop.clear().await;
    let exclude = format!("--nsExclude={db}.d_*");
    shop.restore(&[&exclude, "--nsExclude", &format!("{db}.v")]).expect(0).says("110 document(s) restored");
    shop.clear().await;
    let rename = ["--nsFrom", &format!("{db}.$name$"), "--nsTo", &format!("{copy}.copy_of_$name$")];
    shop.restore(&[&rename[..], &["--nsInclude", &format!("{db}.c")]].concat()).expect(0);
    assert_eq!(shop.count(&copy, "copy_of_c").await, 100);
    assert!(shop.collections(&db).await.is_empty());
    shop.restore(&[
        "-d",
        &db,
        "--excludeCollection=c",
        "--excludeCollectionsWithPrefix",
        "d",
        &format!("dump/{db}"),
    ])
    .expect(0);
    assert_eq!(
        shop.collections(&db).await,
        ["empty".to_owned(), "system.views".to_owned(), "v".to_owned()].into()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing() {
    let shop = dumped(&[]).await;
    shop.restore(&["--dryRun", "-v"]).expect(0).says("dry run completed");
    assert!(shop.collections(&shop.db).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn write_concerns_in_every_form() {
    let shop = dumped(&[]).await;
    for concern in
        ["majority", "1", "{w: 1}", "{w: 'majority', wtimeout: 5000, j: true}", "{w: 1, fsync: true}"]
    {
        shop.restore(&["--drop", "--writeConcern", concern]).expect(0).says("115 document(s) restored");
    }
    shop.clear().await;
    shop.restore(&["--writeConcern={w: 0}"]).expect(0).says("\tdone\n");
    expect_whole(&shop, &shop.db).await;
    let uri = format!("mongodb://{}/?w=1&journal=true", shop.address());
    shop.tools.run("mongorestore", &["--drop", "--uri", &uri]).expect(0).says("115 document(s) restored");
    shop.clear().await;
    shop.restore(&["--writeConcern", "{w: 'no such mode'}"]).expect(1).says("Failed: ");
    shop.restore(&["--writeConcern", "{w: [1]}"]).expect(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_options_may_stay_away() {
    let shop = Shop::open().await;
    let create = doc! { "create": "capped", "capped": true, "size": 4096 };
    shop.client.database(&shop.db).run_command(create).await.unwrap();
    shop.dump(&[]).expect(0);
    shop.clear().await;
    shop.restore(&["--noIndexRestore", "--noOptionsRestore"]).expect(0);
    assert!(!shop.indexes(&shop.db, "c").await.contains("x_1"));
    assert!(!options(&shop, "capped").await.contains_key("capped"));
    shop.restore(&["--drop", "--keepIndexVersion", "--convertLegacyIndexes", "--fixDottedHashIndex"])
        .expect(0);
    assert!(shop.indexes(&shop.db, "c").await.contains("x_1"));
    assert_eq!(options(&shop, "capped").await.get_bool("capped").ok(), Some(true));
}

async fn options(shop: &Shop, collection: &str) -> Document {
    let command = doc! { "listCollections": 1, "filter": { "name": collection } };
    let reply = shop.client.database(&shop.db).run_command(command).await.unwrap();
    let first = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap()[0].clone();
    first.as_document().unwrap().get_document("options").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hashed_index_on_a_dotted_field_may_become_ascending() {
    let shop = Shop::open().await;
    let index = doc! { "createIndexes": "d", "indexes": [{ "key": { "a.b": "hashed" }, "name": "dotted" }] };
    shop.client.database(&shop.db).run_command(index).await.unwrap();
    shop.dump(&[]).expect(0);
    shop.clear().await;
    shop.restore(&["--fixDottedHashIndex"]).expect(0);
    let reply = shop.client.database(&shop.db).run_command(doc! { "listIndexes": "d" }).await.unwrap();
    let indexes = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let keys: Vec<&Document> =
        indexes.iter().map(|index| index.as_document().unwrap().get_document("key").unwrap()).collect();
    assert!(keys.contains(&&doc! { "a.b": 1 }), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_batches_and_order() {
    let shop = dumped(&[]).await;
    for arguments in [
        &["--numInsertionWorkersPerCollection=4", "-j", "2"][..],
        &["--numParallelCollections", "1", "--batchSize=7"],
        &["--maintainInsertionOrder"],
        &["--bypassDocumentValidation", "--objcheck"],
        &["--stopOnError", "-vv"],
        &["--dialTimeout=5", "--socketTimeout=60", "--compressors=snappy", "--numThreads=1"],
        &["--tempUsersColl=tempusers", "--tempRolesColl", "temproles"],
    ] {
        let run = shop.restore(&[&["--drop"], arguments].concat()).expect(0);
        run.says("115 document(s) restored successfully. 0 document(s) failed to restore.");
        expect_whole(&shop, &shop.db).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_at_the_first_error() {
    let shop = dumped(&[]).await;
    shop.client.database(&shop.db).collection("c").insert_one(doc! { "_id": 50 }).await.unwrap();
    shop.restore(&["--stopOnError"]).expect(1).says("Failed: ").says("E11000");
    shop.clear().await;
    shop.client.database(&shop.db).collection("c").insert_one(doc! { "_id": 50 }).await.unwrap();
    shop.restore(&["--maintainInsertionOrder", "--nsInclude", &format!("{}.c", shop.db)])
        .expect(1)
        .says("E11000");
    assert_eq!(shop.count(&shop.db, "c").await, 51, "those before the duplicate, in order, and it");
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_are_obeyed_unless_bypassed() {
    let shop = dumped(&[]).await;
    let create = doc! { "create": "d", "validator": { "x": { "$lt": 5 } } };
    shop.client.database(&shop.db).run_command(create).await.unwrap();
    let only = format!("--nsInclude={}.d", shop.db);
    shop.restore(&[&only])
        .expect(0)
        .says("5 document(s) restored successfully. 5 document(s) failed to restore.");
    shop.restore(&[&only, "--bypassDocumentValidation"])
        .expect(0)
        .says("5 document(s) restored successfully. 5 ");
    assert_eq!(shop.count(&shop.db, "d").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_are_kept_when_asked() {
    let shop = Shop::open().await;
    let before = uuid(&shop, "c").await;
    shop.dump(&[]).expect(0);
    shop.restore(&["--preserveUUID"]).expect(1).says("cannot specify --preserveUUID without --drop");
    shop.restore(&["--preserveUUID", "--drop"]).expect(0);
    assert_eq!(uuid(&shop, "c").await, before);
    shop.restore(&["--drop"]).expect(0);
    assert_ne!(uuid(&shop, "c").await, before);
}

async fn uuid(shop: &Shop, collection: &str) -> Vec<u8> {
    let command = doc! { "listCollections": 1, "filter": { "name": collection } };
    let reply = shop.client.database(&shop.db).run_command(command).await.unwrap();
    let first = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap()[0].clone();
    let info = first.as_document().unwrap().get_document("info").unwrap().clone();
    let bson::Bson::Binary(uuid) = info.get("uuid").unwrap() else { panic!("{info}") };
    uuid.bytes.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_one_database() {
    let shop = Shop::open().await;
    let user = doc! { "createUser": "bob", "pwd": "pw", "roles": ["read"] };
    shop.client.database(&shop.db).run_command(user).await.unwrap();
    shop.dump(&["--dumpDbUsersAndRoles"]).expect(0);
    shop.client.database(&shop.db).run_command(doc! { "dropUser": "bob" }).await.unwrap();
    shop.clear().await;
    let folder = format!("dump/{}", shop.db);
    shop.restore(&["--restoreDbUsersAndRoles", "-d", &shop.db, &folder]).expect(0);
    let users = shop.client.database(&shop.db).run_command(doc! { "usersInfo": "bob" }).await.unwrap();
    assert_eq!(users.get_array("users").unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oplog_is_replayed_up_to_its_limit() {
    let set = ReplicaSet::single().await;
    let shop = Shop::at(set.uri()).await;
    let run = |arguments: &[&str]| {
        let host = ["--host", shop.address()];
        shop.tools.run("mongorestore", &[&host[..], arguments].concat())
    };
    shop.client.database(&shop.db).create_collection("late").await.unwrap();
    shop.tools.run("mongodump", &["--host", shop.address(), "--oplog"]).expect(0);
    // What came after the dump, as a file of oplog entries.
    let collection = shop.client.database(&shop.db).collection::<Document>("late");
    for n in 0..5 {
        collection.insert_one(doc! { "_id": n }).await.unwrap();
    }
    let namespace = format!("{}.late", shop.db);
    let oplog = shop.client.database("local").collection::<Document>("oplog.rs");
    let mut cursor =
        oplog.find(doc! { "ns": &namespace, "op": "i" }).sort(doc! { "$natural": 1 }).await.unwrap();
    let (mut file, mut times) = (Vec::new(), Vec::new());
    while cursor.advance().await.unwrap() {
        file.extend_from_slice(cursor.current().as_bytes());
        times.push(cursor.current().get_timestamp("ts").unwrap());
    }
    fs::write(shop.tools.path("late.bson"), file).unwrap();
    shop.clear().await;
    run(&["--oplogReplay"]).expect(0).says("replaying oplog").says("oplog entries");
    expect_whole(&shop, &shop.db).await;
    let limit = format!("{}:{}", times[3].time, times[3].increment);
    let options = ["--oplogReplay", "--oplogFile", "late.bson", "--oplogLimit", &limit];
    let _ = fs::remove_file(shop.tools.path("dump/oplog.bson"));
    run(&[&["--drop"], &options[..]].concat()).expect(0).says("applied 3 oplog entries");
    assert_eq!(shop.count(&shop.db, "late").await, 3, "the limit is exclusive");
    run(&["--oplogReplay", "--nsInclude=none.*"]).expect(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_and_ends_the_run() {
    let shop = dumped(&[]).await;
    let file = shop.tools.path(&format!("dump/{}/c.bson", shop.db));
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    let run = shop.restore(&[]).expect(1).says("Failed: ");
    assert!(run.stderr.contains(&format!("{}.c", shop.db)), "{}", run.stderr);
    fs::write(&file, &bytes).unwrap();
    let metadata = shop.tools.path(&format!("dump/{}/c.metadata.json", shop.db));
    fs::write(&metadata, "{\"options\":").unwrap();
    shop.restore(&["--drop"]).expect(1).says("Failed: ");
    shop.restore(&["nowhere"]).expect(1).says("nowhere");
    fs::write(shop.tools.path("junk"), "no archive at all").unwrap();
    let junk = shop.tools.path("junk");
    shop.restore(&[&format!("--archive={}", arg(&junk))]).expect(1).says("Failed: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_says_nothing() {
    let shop = dumped(&[]).await;
    assert_eq!(shop.restore(&["--quiet"]).expect(0).stderr, "");
    expect_whole(&shop, &shop.db).await;
    assert_eq!(shop.restore(&["--quiet", "nowhere"]).expect(1).stderr, "");
}
