//! What a copy easily gets wrong, through the whole program: a dump, a restore under another name, and then the raw
//! bytes side by side. Faults are put into one namespace of a server that all tests of this file share.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, RawDocumentBuf, doc};
use mongoark_bson_bytes::{Builder, get};
use mongoark_test_support::compare::{self, State};
use mongoark_test_support::corpus::{self, Options};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, connect, fresh_database_name, shared};
use mongodb::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use support::{Run, arg, mongoark, program, run};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, MutexGuard};

/// The server has one `failCommand`: a test that sets it holds this.
static FAIL_POINT: Mutex<()> = Mutex::const_new(());

/// A database of its own on the shared set, a name to restore it under, and a place for the archive.
struct Desk {
    folder: TempDir,
    uri: String,
    client: Client,
    db: String,
    copy: String,
}

impl Desk {
    async fn new() -> Self {
        Self::at(shared::replica_set().await).await
    }

    async fn at(uri: String) -> Self {
        let client = connect(&uri).await;
        let db = fresh_database_name("hard");
        let copy = format!("{db}_copy");
        Self { folder: tempfile::tempdir().unwrap(), uri, client, db, copy }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn archive(&self) -> PathBuf {
        self.path("archive")
    }

    fn dump(&self, more: &[&str]) -> Run {
        mongoark(&[&self.dump_arguments()[..], more, &[arg(&self.archive())]].concat())
    }

    fn dump_arguments(&self) -> [&str; 7] {
        ["dump", "--uri", &self.uri, "--db", &self.db, "--no-encryption", "--overwrite"]
    }

    fn restore(&self, more: &[&str]) -> Run {
        self.restore_through(&self.uri, more)
    }

    fn restore_through(&self, uri: &str, more: &[&str]) -> Run {
        let rename = format!("{}={}", self.db, self.copy);
        let (archive, report) = (self.archive(), self.path("report"));
        let arguments =
            ["restore", "--uri", uri, "--rename", &rename, "--report", arg(&report), arg(&archive)];
        mongoark(&[&arguments[..], more].concat())
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("report")).unwrap()).unwrap()
    }

    fn listing(&self) -> Value {
        let listed = mongoark(&["ls", "--json", arg(&self.archive())]).expect(0);
        serde_json::from_slice(&listed.stdout).unwrap()
    }

    async fn command(&self, command: Document) -> Document {
        self.client.database(&self.db).run_command(command).await.unwrap()
    }

    async fn raw_command(&self, db: &str, command: Vec<u8>) {
        let command = RawDocumentBuf::from_bytes(command).unwrap();
        let reply = self.client.database(db).run_raw_command(command).await.unwrap();
        assert!(!reply.contains_key("writeErrors"), "{reply}");
    }

    async fn insert(&self, collection: &str, documents: &[Vec<u8>]) {
        self.insert_into(&self.db, collection, documents).await;
    }

    async fn insert_into(&self, db: &str, collection: &str, documents: &[Vec<u8>]) {
        for some in documents.chunks(5000) {
            let mut command = Builder::new();
            command.str("insert", collection).array_of_documents("documents", some);
            self.raw_command(db, command.finish()).await;
        }
    }

    async fn index(&self, collection: &str, index: Document) {
        self.command(doc! { "createIndexes": collection, "indexes": [index] }).await;
    }

    async fn count(&self, db: &str, collection: &str) -> u64 {
        self.client.database(db).collection::<Document>(collection).count_documents(doc! {}).await.unwrap()
    }

    /// All documents in natural order, raw.
    async fn documents(&self, db: &str, collection: &str) -> Vec<Vec<u8>> {
        documents(&self.client, db, collection).await
    }

    /// Fails unless the copy's collection holds the same documents in the same order.
    async fn expect_same(&self, collection: &str) {
        let (expected, found) =
            (self.documents(&self.db, collection).await, self.documents(&self.copy, collection).await);
        assert_eq!(found.len(), expected.len(), "{collection}: number of documents");
        for (place, (expected, found)) in expected.iter().zip(&found).enumerate() {
            assert!(expected == found, "{collection}: document {place} differs");
        }
    }

    /// Fails unless the copy's collection holds the same documents, in whatever order.
    async fn expect_same_set(&self, collection: &str) {
        let (mut expected, mut found) =
            (self.documents(&self.db, collection).await, self.documents(&self.copy, collection).await);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found.len(), expected.len(), "{collection}: number of documents");
        assert!(expected == found, "{collection}: the documents differ");
    }

    /// Collections of a database with type, options, indexes and documents, whatever their order.
    async fn shape(&self, db: &str) -> BTreeMap<String, Shape> {
        let database = self.client.database(db);
        let mut listed = database.run_cursor_command(doc! { "listCollections": 1 }).await.unwrap();
        let mut shapes = BTreeMap::new();
        while listed.advance().await.unwrap() {
            let entry = listed.deserialize_current().unwrap();
            let name = entry.get_str("name").unwrap();
            let (mut indexes, mut documents) = (BTreeMap::new(), Vec::new());
            if entry.get_str("type").unwrap() != "view" {
                let mut cursor = database.run_cursor_command(doc! { "listIndexes": name }).await.unwrap();
                while cursor.advance().await.unwrap() {
                    let index = cursor.deserialize_current().unwrap();
                    indexes.insert(index.get_str("name").unwrap().to_owned(), index.to_string());
                }
                documents = self.documents(db, name).await;
                documents.sort_unstable();
            }
            // It names the database in each of its documents.
            if name != "system.views" {
                let what =
                    format!("{} {}", entry.get_str("type").unwrap(), entry.get_document("options").unwrap());
                shapes.insert(name.to_owned(), Shape { what, indexes, documents });
            }
        }
        shapes
    }

    /// Fails at the first collection of this database that its copy has otherwise.
    async fn expect_equal(&self) {
        let (expected, found) = (self.shape(&self.db).await, self.shape(&self.copy).await);
        assert!(!expected.is_empty(), "the source is empty");
        let names = |shapes: &BTreeMap<String, Shape>| shapes.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&expected), names(&found));
        for (name, expected) in &expected {
            let found = &found[name];
            assert_eq!(expected.what, found.what, "{name}");
            assert_eq!(expected.indexes, found.indexes, "{name}");
            assert!(expected.documents == found.documents, "{name}: the documents differ");
        }
    }

    /// Sets the fail point for mongoark's commands on one collection.
    async fn fail(&self, how: FailCommand, db: &str, collection: &str) -> Failing<'_> {
        let lock = FAIL_POINT.lock().await;
        let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
        let was = self.client.database("admin").run_command(off).await.unwrap();
        let met = was.get_i64("count").or_else(|_| was.get_i32("count").map(i64::from)).unwrap();
        how.app_name("mongoark").namespace(&format!("{db}.{collection}")).enable(&self.client).await;
        Failing { client: &self.client, met, _lock: lock }
    }

    /// Starts a dump that is not waited for.
    fn start_dump(&self, more: &[&str], to: &str) -> Child {
        let mut command = program();
        command.args(self.dump_arguments()).args(more).arg(to);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// A collection, view or time series.
struct Shape {
    /// Type and options.
    what: String,
    /// By name.
    indexes: BTreeMap<String, String>,
    /// Sorted.
    documents: Vec<Vec<u8>>,
}

/// The fail point while it is set.
struct Failing<'a> {
    client: &'a Client,
    /// How often it was met before.
    met: i64,
    _lock: MutexGuard<'static, ()>,
}

impl Failing<'_> {
    /// Returns when a command meets it.
    async fn is_met(&self) {
        let once_more =
            doc! { "waitForFailPoint": "failCommand", "timesEntered": self.met + 1, "maxTimeMS": 60_000 };
        self.client.database("admin").run_command(once_more).await.unwrap();
    }

    async fn end(self) {
        FailCommand::disable(self.client).await;
    }
}

async fn documents(client: &Client, db: &str, collection: &str) -> Vec<Vec<u8>> {
    let collection = client.database(db).collection::<RawDocumentBuf>(collection);
    let mut cursor = collection.find(doc! {}).await.unwrap();
    let mut documents = Vec::new();
    while cursor.advance().await.unwrap() {
        documents.push(cursor.current().as_bytes().to_vec());
    }
    documents
}

fn ended(child: Child) -> (i32, String, Vec<u8>) {
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned(), output.stdout)
}

fn numbered(ids: std::ops::Range<i32>) -> Vec<Vec<u8>> {
    ids.map(|id| Builder::new().i32("_id", id).str("text", format!("document {id}")).finish()).collect()
}

/// Documents of about so many bytes.
fn sized(ids: std::ops::Range<i32>, bytes: usize) -> Vec<Vec<u8>> {
    let text = "x".repeat(bytes.saturating_sub(30));
    ids.map(|id| Builder::new().i32("_id", id).str("t", &text).finish()).collect()
}

// ---- Documents

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_keys_that_are_not_utf8_come_back_and_merge_byte_for_byte() {
    let desk = Desk::new().await;
    let odd: [&[u8]; 5] = [b"\xff", b"\xc3", b"a\xed\xa0\x80b", b"\xfe\xfd", b"fine"];
    let mut documents: Vec<Vec<u8>> =
        odd.iter().map(|id| Builder::new().str("_id", id).i32("n", 1).finish()).collect();
    for key in odd {
        let nested = Builder::new().str(key, key).finish();
        documents.push(Builder::new().document("_id", &nested).str(key, key).document("d", &nested).finish());
    }
    desk.insert("c", &documents).await;
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    desk.expect_same("c").await;
    // Each is a duplicate now, and the server names its key in its reply.
    desk.restore(&["--existing", "merge"]).expect(0).says("10 were there already");
    desk.expect_same("c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_on_an_id_that_is_not_utf8_is_counted_and_nothing_else_is_lost() {
    let desk = Desk::new().await;
    let id = |n: i32| [b"\xff\xc3 ", n.to_string().as_bytes()].concat();
    let document = |n: i32, v: i32| Builder::new().str("_id", id(n)).i32("v", v).finish();
    desk.insert("c", &(0..50).map(|n| document(n, n)).collect::<Vec<_>>()).await;
    desk.insert_into(&desk.copy, "c", &[document(7, -7)]).await;
    desk.dump(&[]).expect(0);
    desk.restore(&["--existing", "merge"]).expect(3).says("1 documents were not restored");
    assert_eq!(desk.count(&desk.copy, "c").await, 50);
    assert_eq!(desk.report()["failures"][0]["documents"], 1);
}

/// Stores a document that holds zero timestamps, which an insert would replace.
async fn store_as_is(desk: &Desk, collection: &str, document: &[u8]) {
    let id = get(document, "_id").unwrap().unwrap();
    let mut placeholder = Builder::new();
    placeholder.element(&id);
    // As long as the document itself: in a capped collection a document cannot grow.
    let rest = document.len() - placeholder.clone().finish().len();
    if rest > 0 {
        placeholder.binary("", 0, &vec![0; rest - 7]);
    }
    desk.insert(collection, &[placeholder.finish()]).await;
    let mut command = Builder::new();
    command.str("update", collection).start_array("updates").start_document("0");
    command.nested("q", |q| _ = q.nested("_id", |q| _ = q.raw(id.kind, "$eq", id.value)));
    command.nested_array("u", |u| {
        _ = u.nested("0", |stage| {
            _ = stage.nested("$replaceRoot", |r| {
                _ = r.nested("newRoot", |n| _ = n.document("$literal", document));
            });
        });
    });
    desk.raw_command(&desk.db, command.finish()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_timestamps_come_back_in_plain_capped_and_collated_collections() {
    let desk = Desk::new().await;
    desk.command(doc! { "create": "capped", "capped": true, "size": 1 << 20 }).await;
    desk.command(doc! { "create": "collated", "collation": { "locale": "en", "strength": 1 } }).await;
    for collection in ["plain", "capped", "collated"] {
        for n in 0..6 {
            let mut document = Builder::new();
            match n % 3 {
                0 => document.str("_id", format!("É{n}")),
                1 => document.nested("_id", |id| _ = id.timestamp("t", 0, 0).str("s", format!("é{n}"))),
                _ => document.i32("_id", n),
            };
            document.timestamp("a", 0, 0).timestamp("b", 0, 1).timestamp("c", 0, 0);
            store_as_is(&desk, collection, &document.finish()).await;
            desk.insert(collection, &[Builder::new().str("_id", format!("between {n}")).finish()]).await;
        }
        desk.insert(collection, &[Builder::new().timestamp("_id", 0, 0).i32("n", 1).finish()]).await;
        let stored = desk.documents(&desk.db, collection).await;
        assert!(mongoark_bson_bytes::has_zero_timestamp(&stored[0]).unwrap(), "the source has none");
    }
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    for collection in ["plain", "capped", "collated"] {
        desk.expect_same(collection).await;
    }
    desk.restore(&["--existing", "merge"]).expect(0).says("39 were there already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_at_the_limit_and_a_hundred_thousand_tiny_ones_come_back_and_merge() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let desk = Desk::new().await;
    let empty = Builder::new().i32("_id", 0).str("t", "").finish().len();
    let largest = Builder::new().i32("_id", 0).str("t", "x".repeat(LIMIT - empty)).finish();
    assert_eq!(largest.len(), LIMIT);
    desk.insert("large", std::slice::from_ref(&largest)).await;
    let with_timestamp = |id: i32, length: usize| {
        Builder::new().i32("_id", id).timestamp("z", 0, 0).str("t", "y".repeat(length)).finish()
    };
    let length = LIMIT - with_timestamp(1, 0).len();
    store_as_is(&desk, "large", &with_timestamp(1, length)).await;
    let tiny: Vec<Vec<u8>> = (0..100_000).map(|id| Builder::new().i32("_id", id).finish()).collect();
    desk.insert("tiny", &tiny).await;
    desk.dump(&["--compression", "zstd:1"]).expect(0);
    desk.restore(&[]).expect(0);
    desk.expect_same_set("large").await;
    desk.expect_same_set("tiny").await;
    desk.restore(&["--existing", "merge"]).expect(0).says("100,002 were there already");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_older_than_their_validator_come_back() {
    let desk = Desk::new().await;
    desk.insert("c", &numbered(0..100)).await;
    desk.insert("strict", &numbered(0..100)).await;
    let never = doc! { "$jsonSchema": { "required": ["no such field"], "additionalProperties": false } };
    for (collection, level) in [("c", "moderate"), ("strict", "strict")] {
        let validate = doc! {
            "collMod": collection, "validator": &never, "validationLevel": level, "validationAction": "error",
        };
        desk.command(validate).await;
    }
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    desk.expect_equal().await;
}

// ---- Collections and names

#[tokio::test(flavor = "multi_thread")]
async fn capped_collections_keep_their_order_over_many_chunks() {
    let desk = Desk::new().await;
    desk.command(doc! { "create": "large", "capped": true, "size": 64 << 20 }).await;
    desk.command(doc! { "create": "rolled", "capped": true, "size": 6 << 20 }).await;
    // Their _id s tell nothing of the order.
    let shuffled = |count: i32, factor: i32| (0..count).map(move |n| n * factor % count);
    let text = "x".repeat(1000);
    let document = |id: i32| Builder::new().i32("_id", id).str("t", &text).finish();
    desk.insert("large", &shuffled(20_000, 7919).map(document).collect::<Vec<_>>()).await;
    desk.insert("rolled", &shuffled(10_000, 7919).map(document).collect::<Vec<_>>()).await;
    desk.dump(&["--jobs", "4", "--compression", "none"]).expect(0);
    desk.restore(&["--jobs", "4"]).expect(0);
    desk.expect_same("large").await;
    desk.expect_same("rolled").await;
    desk.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_back_before_their_base_collated_and_on_each_other() {
    let desk = Desk::new().await;
    let collation = doc! { "locale": "sv", "strength": 1 };
    let none: Vec<Document> = Vec::new();
    let collated = |name: &str, on: &str| {
        doc! { "create": name, "viewOn": on, "pipeline": &none, "collation": &collation }
    };
    desk.command(doc! { "create": "m", "collation": &collation }).await;
    desk.insert("m", &numbered(0..3)).await;
    for (name, on) in [("n", "m"), ("a", "n"), ("b", "a"), ("zz", "no such base")] {
        desk.command(collated(name, on)).await;
    }
    // The base of a view becomes a view itself.
    desk.command(doc! { "create": "c", "viewOn": "x", "pipeline": &none }).await;
    desk.command(doc! { "create": "x", "viewOn": "y", "pipeline": [{ "$match": { "_id": 1 } }] }).await;
    desk.insert("y", &numbered(0..3)).await;
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    desk.expect_equal().await;
    assert_eq!(desk.documents(&desk.copy, "c").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_255_bytes_come_back_and_longer_ones_are_refused_by_name() {
    let desk = Desk::new().await;
    let longest = "n".repeat(255 - desk.db.len() - 1);
    let shorter = "s".repeat(255 - desk.copy.len() - 1);
    for name in [&longest, &shorter] {
        desk.insert(name, &numbered(0..10)).await;
        desk.index(name, doc! { "key": { "text": 1 }, "name": "i".repeat(100) }).await;
    }
    desk.dump(&[]).expect(0);
    // The copy's database has a longer name: one collection does not fit, and that is told.
    desk.restore(&[]).expect(3).says(&longest[..100]).says("10 documents were not restored");
    desk.expect_same(&shorter).await;
    let database = desk.client.database(&desk.db);
    database.drop().await.unwrap();
    mongoark(&["restore", "--uri", &desk.uri, arg(&desk.archive())]).expect(0);
    assert_eq!(desk.count(&desk.db, &longest).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_series_that_is_being_made_is_waited_for_and_buckets_alone_are_a_failure() {
    let desk = Desk::new().await;
    desk.command(doc! { "create": "ts", "timeseries": { "timeField": "t" } }).await;
    let now = bson::DateTime::now();
    desk.command(doc! { "insert": "ts", "documents": [{ "_id": 1, "t": now }] }).await;
    // As the server leaves it between its two steps.
    let views = desk.client.database(&desk.db).collection::<Document>("system.views");
    let id = format!("{}.ts", desk.db);
    let view = views.find_one(doc! { "_id": &id }).await.unwrap().unwrap();
    let namespace = format!("{}.system.views", desk.db);
    let delete = doc! { "op": "d", "ns": &namespace, "o": { "_id": &id } };
    desk.command(doc! { "applyOps": [delete] }).await;
    desk.dump(&[]).expect(3).says("system.buckets.ts: buckets without their time series are not dumped");
    let mut dump = program();
    dump.args(desk.dump_arguments()).arg(desk.archive()).stderr(Stdio::piped());
    let dump = dump.spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let insert = doc! { "op": "i", "ns": &namespace, "o": view };
    desk.command(doc! { "applyOps": [insert] }).await;
    let dumped = tokio::task::spawn_blocking(move || support::finished(dump)).await.unwrap().expect(0);
    dumped.says("1 document in 1 namespace dumped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_series_that_exists_ends_the_restore_before_anything_is_written() {
    let desk = Desk::new().await;
    let series = doc! { "create": "ts", "timeseries": { "timeField": "t", "metaField": "m" } };
    desk.command(series.clone()).await;
    let point = |n: i32| Builder::new().date("t", i64::from(n) * 1000).i32("m", n % 3).f64("v", 0.5).finish();
    desk.insert("ts", &(0..100).map(point).collect::<Vec<_>>()).await;
    desk.insert("a", &numbered(0..10)).await;
    desk.insert("z", &numbered(0..10)).await;
    desk.dump(&[]).expect(0);
    let copy = desk.client.database(&desk.copy);
    copy.run_command(series).await.unwrap();
    desk.restore(&[]).expect(1).says("ts exists on the target").says("nothing was written");
    let mut names = copy.list_collection_names().await.unwrap();
    names.retain(|name| !name.starts_with("system."));
    assert_eq!(names, ["ts"]);
    desk.restore(&["--existing", "drop"]).expect(0);
    desk.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_of_mixed_types_come_back() {
    let desk = Desk::new().await;
    desk.command(doc! { "create": "ts", "timeseries": { "timeField": "t" } }).await;
    // One bucket whose field is a number here and a text there, as servers before 5.2 wrote it.
    let date = |n: i64| bson::DateTime::from_millis(n);
    let bucket = doc! {
        "_id": bson::oid::ObjectId::from_bytes([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        "control": { "version": 1, "min": { "t": date(0), "v": 1 }, "max": { "t": date(5), "v": "text" } },
        "data": { "t": { "0": date(0), "1": date(5) }, "v": { "0": 1, "1": "text" } },
    };
    desk.command(doc! { "insert": "system.buckets.ts", "documents": [bucket] }).await;
    assert_eq!(desk.count(&desk.db, "ts").await, 2);
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    desk.expect_same_set("system.buckets.ts").await;
    desk.expect_equal().await;
}

// ---- Indexes

#[tokio::test(flavor = "multi_thread")]
async fn indexes_with_every_option_come_back() {
    let desk = Desk::new().await;
    desk.insert("c", &numbered(0..50)).await;
    desk.insert("c", &[Builder::new().i32("_id", 99).str("text", "document 1").finish()]).await;
    for index in [
        doc! { "key": { "_id": "hashed" }, "name": "hashed id" },
        doc! { "key": { "_id": 1, "text": 1 }, "name": "id and more" },
        doc! { "key": { "at": 1 }, "name": "ttl", "expireAfterSeconds": 3600 },
        doc! { "key": { "at2": 1 }, "name": "ttl of a fraction", "expireAfterSeconds": 3600.5 },
        doc! { "key": { "text": 1 }, "name": "hidden", "hidden": true },
        doc! { "key": { "text": -1 }, "name": "prepared" },
        doc! { "key": { "text": 1.0, "_id": -1.0 }, "name": "doubles" },
        doc! { "key": { "p": 1 }, "name": "partial", "partialFilterExpression": {} },
        doc! { "key": { "q": 1 }, "name": "unique partial", "unique": true,
        "partialFilterExpression": { "q": { "$exists": true } } },
        doc! { "key": { "$**": 1 }, "name": "wild", "wildcardProjection": { "a": 1, "b.c": 1 } },
    ] {
        desk.index("c", index).await;
    }
    // From now on duplicates are refused, though there are some.
    desk.command(doc! { "collMod": "c", "index": { "name": "prepared", "prepareUnique": true } }).await;
    desk.command(doc! { "collMod": "c", "index": { "name": "doubles", "hidden": true } }).await;
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    desk.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_the_target_cannot_build_is_named_and_the_others_are_built() {
    let desk = Desk::new().await;
    desk.insert("c", &numbered(0..20)).await;
    desk.index("c", doc! { "key": { "text": 1 }, "name": "only one", "unique": true }).await;
    desk.index("c", doc! { "key": { "text": -1 }, "name": "any" }).await;
    desk.index("c", doc! { "key": { "at": 1 }, "name": "ttl", "expireAfterSeconds": 60 }).await;
    desk.dump(&[]).expect(0);
    desk.insert_into(&desk.copy, "c", &[Builder::new().i32("_id", 77).str("text", "document 3").finish()])
        .await;
    desk.restore(&["--existing", "merge"]).expect(3).says("index only one:");
    let report = desk.report();
    assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["result"]["namespaces"][0]["indexes"], 2);
    let found = desk.shape(&desk.copy).await;
    let names: Vec<&String> = found["c"].indexes.keys().collect();
    assert_eq!(names, ["_id_", "any", "ttl"]);
}

// ---- What happens meanwhile

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_during_the_dump_is_told_and_the_archive_holds_the_rest() {
    let desk = Desk::new().await;
    desk.insert("gone", &sized(0..24_000, 1000)).await;
    desk.insert("stays", &numbered(0..500)).await;
    let slow = FailCommand::new(["getMore"]).after(2).block(Duration::from_secs(1));
    let failing = desk.fail(slow, &desk.db, "gone").await;
    let dump = desk.start_dump(&["--compression", "none"], arg(&desk.archive()));
    failing.is_met().await;
    desk.command(doc! { "drop": "gone" }).await;
    let (code, stderr, _) = ended(dump);
    failing.end().await;
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("gone: dropped while the dump ran"), "{stderr}");
    mongoark(&["verify", arg(&desk.archive())]).expect(0);
    let listing = desk.listing();
    assert!(listing["summary"]["documents"].as_u64().unwrap() >= 500);
    assert_eq!(listing["summary"]["changes"][0]["namespace"], format!("{}.gone", desk.db));
    let table = mongoark(&["ls", arg(&desk.archive())]).expect(0).text();
    assert!(table.contains("changed meanwhile") && table.contains("gone"), "{table}");
    desk.restore(&[]).expect(0);
    desk.expect_same("stays").await;
    let names = desk.client.database(&desk.copy).list_collection_names().await.unwrap();
    assert_eq!(names, ["stays"], "the replay drops it as it was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_during_a_dump_into_a_pipe_is_dropped_by_the_restore_too() {
    let desk = Desk::new().await;
    desk.insert("gone", &sized(0..24_000, 1000)).await;
    let slow = FailCommand::new(["getMore"]).after(2).block(Duration::from_secs(1));
    let failing = desk.fail(slow, &desk.db, "gone").await;
    let mut dump = desk.start_dump(&["--compression", "none", "--jobs", "1"], "-");
    let rename = format!("{}={}", desk.db, desk.copy);
    let mut restore = program();
    restore
        .args(["restore", "--uri", &desk.uri, "--rename", &rename, "-"])
        .stdin(dump.stdout.take().unwrap());
    let restoring = tokio::task::spawn_blocking(move || run(&mut restore));
    failing.is_met().await;
    desk.command(doc! { "drop": "gone" }).await;
    restoring.await.unwrap().expect(0);
    failing.end().await;
    assert_eq!(ended(dump).0, 0);
    assert!(desk.client.database(&desk.copy).list_collection_names().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cursor_goes_on_where_one_was_lost_and_each_document_is_in_the_archive_once() {
    for (code, after) in [(175, 0), (43, 3), (237, 2)] {
        let desk = Desk::new().await;
        desk.insert("c", &sized(0..24_000, 1000)).await;
        // It waits before it fails: by then it is the only one that does.
        let once =
            FailCommand::new(["getMore"]).error_code(code).after(after).block(Duration::from_millis(500));
        let failing = desk.fail(once, &desk.db, "c").await;
        let dump = desk.start_dump(&["--compression", "none"], arg(&desk.archive()));
        failing.is_met().await;
        failing.end().await;
        let (exit, stderr, _) = ended(dump);
        assert_eq!(exit, 0, "code {code}: {stderr}");
        assert!(!stderr.contains("read again from its start"), "{stderr}");
        mongoark(&["verify", "--checksums-only", arg(&desk.archive())]).expect(0);
        assert_eq!(desk.listing()["namespaces"][0]["documents"], 24_000, "code {code}");
        desk.restore(&[]).expect(0).says("24,000 documents restored, 0 failed");
        desk.expect_same_set("c").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_lost_every_time_is_a_failure_and_leaves_nothing_of_the_collection() {
    let guarded = Guarded::start().await;
    guarded.user("admin", "reader", doc! { "pwd": "one", "roles": ["readAnyDatabase"] }).await;
    let mut desk = Desk::at(guarded.uri("root", "right", "admin")).await;
    desk.insert("c", &sized(0..12_000, 1000)).await;
    desk.insert("other", &numbered(0..10)).await;
    // As long as a new cursor gets a little further, nothing is lost.
    let failing = desk.fail(FailCommand::new(["getMore"]).error_code(175), &desk.db, "c").await;
    let dumped = desk.dump(&["--compression", "none"]);
    failing.end().await;
    dumped.expect(0);
    assert_eq!(desk.listing()["summary"]["documents"], 12_010);
    // Who may not use UUIDs names the collection in `find`, so that the fail point can tell it from others.
    desk.uri = guarded.uri("reader", "one", "admin");
    let always = FailCommand::new(["find", "getMore"]).error_code(175);
    let failing = desk.fail(always, &desk.db, "c").await;
    let dumped = desk.dump(&["--compression", "none", "--no-oplog"]);
    failing.end().await;
    dumped.expect(3).says(&format!("failure: {}.c", desk.db));
    mongoark(&["verify", arg(&desk.archive())]).expect(0).says("the dump itself did not carry over");
    let listing = desk.listing();
    assert_eq!(listing["summary"]["documents"], 10);
    assert_eq!(listing["summary"]["failures"].as_array().unwrap().len(), 1);
}

// ---- Restore

#[tokio::test(flavor = "multi_thread")]
async fn a_write_concern_error_makes_a_restore_incomplete() {
    let desk = Desk::new().await;
    desk.insert("c", &numbered(0..30)).await;
    desk.index("c", doc! { "key": { "text": 1 }, "name": "text" }).await;
    desk.dump(&[]).expect(0);
    for command in ["insert", "createIndexes", "create"] {
        let unacknowledged = FailCommand::new([command]).write_concern_error(64, "waiting timed out");
        let failing = desk.fail(unacknowledged, &desk.copy, "c").await;
        let restored = desk.restore(&["--existing", "drop"]);
        failing.end().await;
        let restored = restored.expect(3).says("waiting timed out").says(&format!("{}.c", desk.copy));
        if command != "createIndexes" {
            restored.says("30 documents were not restored");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_on_insert_is_retried_and_each_document_is_there_once() {
    for times in [1, 3] {
        let desk = Desk::new().await;
        desk.insert("c", &sized(0..9000, 1000)).await;
        desk.dump(&[]).expect(0);
        let lost = FailCommand::new(["insert"]).close_connection().times(times);
        let failing = desk.fail(lost, &desk.copy, "c").await;
        let restored = desk.restore(&[]);
        failing.end().await;
        restored.expect(0).says("9,000 documents restored, 0 failed");
        desk.expect_same_set("c").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_none_for_a_moment_is_asked_again() {
    for code in [10107, 11602, 189, 91] {
        let desk = Desk::new().await;
        desk.insert("c", &numbered(0..300)).await;
        desk.dump(&[]).expect(0);
        let once = FailCommand::new(["insert"]).error_code(code).times(1);
        let failing = desk.fail(once, &desk.copy, "c").await;
        let restored = desk.restore(&[]);
        failing.end().await;
        restored.expect(0).says("300 documents restored, 0 failed");
        desk.expect_same_set("c").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_may_not_be_written_is_named_its_documents_counted_and_the_others_restored() {
    let desk = Desk::new().await;
    desk.insert("closed", &sized(0..9000, 1000)).await;
    desk.insert("open", &numbered(0..40)).await;
    desk.dump(&[]).expect(0);
    let refused = FailCommand::new(["insert"]).error_code(13);
    let failing = desk.fail(refused, &desk.copy, "closed").await;
    let restored = desk.restore(&["--jobs", "3"]);
    failing.end().await;
    restored.expect(3).says(&format!("{}.closed: 9000 documents were not restored", desk.copy));
    desk.expect_same("open").await;
    let report = desk.report();
    let lost: u64 =
        report["failures"].as_array().unwrap().iter().map(|f| f["documents"].as_u64().unwrap()).sum();
    assert_eq!(lost, 9000, "{report:#}");
    let closed = &report["result"]["namespaces"][0];
    assert_eq!((&closed["inserted"], &closed["failed"]), (&0.into(), &9000.into()), "{report:#}");
}

/// A way to the server on which the answers to some inserts are lost, after the server has carried them out.
struct LossyWay {
    address: String,
    left: Arc<AtomicI32>,
}

impl LossyWay {
    /// Loses the answers to the next `times` inserts into a collection.
    async fn to(server: &str, collection: &str, times: i32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let left = Arc::new(AtomicI32::new(times));
        let mut insert = b"\x02insert\0".to_vec();
        insert.extend_from_slice(&u32::try_from(collection.len() + 1).unwrap().to_le_bytes());
        insert.extend_from_slice(collection.as_bytes());
        let (server, budget) = (server.to_owned(), Arc::clone(&left));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, upstream, insert.clone(), Arc::clone(&budget)));
            }
        });
        Self { address, left }
    }

    fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    #[track_caller]
    fn expect_all_lost(&self) {
        assert_eq!(self.left.load(Ordering::SeqCst), 0, "not every answer was lost that should be");
    }
}

async fn carry(client: TcpStream, server: TcpStream, insert: Vec<u8>, left: Arc<AtomicI32>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let lost = Arc::new(AtomicI32::new(0));
    let marks = Arc::clone(&lost);
    let requests = tokio::spawn(async move {
        while let Some(message) = message(&mut from_client).await {
            let head = &message[..message.len().min(200)];
            if head.windows(insert.len()).any(|window| window == insert)
                && left.fetch_sub(1, Ordering::SeqCst) > 0
            {
                marks.store(1, Ordering::SeqCst);
            } else if left.load(Ordering::SeqCst) < 0 {
                left.store(0, Ordering::SeqCst);
            }
            if to_server.write_all(&message).await.is_err() {
                return;
            }
        }
    });
    answers(&mut from_server, &mut to_client, &lost).await;
    requests.abort();
}

async fn answers(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, lost: &AtomicI32) {
    while let Some(message) = message(from).await {
        if lost.load(Ordering::SeqCst) == 1 || to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// One message of the wire protocol, whole.
async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_le_bytes(message[..4].try_into().unwrap()) as usize;
    message.resize(length, 0);
    from.read_exact(&mut message[4..]).await.ok()?;
    Some(message)
}

fn address_of(uri: &str) -> String {
    let rest = uri.split_once("://").unwrap().1;
    rest.split_once('/').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_an_insert_duplicates_nothing_and_loses_nothing() {
    let desk = Desk::new().await;
    desk.insert("plain_lossy", &sized(0..9000, 1000)).await;
    desk.dump(&[]).expect(0);
    let way = LossyWay::to(&address_of(&desk.uri), "plain_lossy", 2).await;
    let restored = desk.restore_through(&way.uri(), &[]);
    way.expect_all_lost();
    restored.expect(0).says("9,000 documents restored, 0 failed");
    desk.expect_same_set("plain_lossy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_keeps_the_order_of_a_capped_collection() {
    let desk = Desk::new().await;
    desk.command(doc! { "create": "capped_lossy", "capped": true, "size": 16 << 20 }).await;
    desk.insert("capped_lossy", &sized(0..6000, 1000)).await;
    desk.dump(&[]).expect(0);
    let way = LossyWay::to(&address_of(&desk.uri), "capped_lossy", 1).await;
    let restored = desk.restore_through(&way.uri(), &[]);
    way.expect_all_lost();
    restored.expect(0).says("6,000 documents restored, 0 failed");
    desk.expect_same("capped_lossy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_cost_a_zero_timestamp() {
    let desk = Desk::new().await;
    for n in 0..20 {
        let document = Builder::new().i32("_id", n).timestamp("t", 0, 0).finish();
        store_as_is(&desk, "stamps_lossy", &document).await;
    }
    desk.insert("stamps_lossy", &numbered(100..200)).await;
    desk.dump(&[]).expect(0);
    let way = LossyWay::to(&address_of(&desk.uri), "stamps_lossy", 1).await;
    let restored = desk.restore_through(&way.uri(), &[]);
    way.expect_all_lost();
    restored.expect(0).says("120 documents restored, 0 failed");
    desk.expect_same_set("stamps_lossy").await;
}

// ---- Restore: what is there already

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_exists_with_another_definition_is_reported_by_a_merge() {
    let desk = Desk::new().await;
    desk.insert("c", &numbered(0..5)).await;
    desk.command(doc! { "create": "v", "viewOn": "c", "pipeline": [{ "$match": { "_id": 1 } }] }).await;
    desk.command(doc! { "create": "same", "viewOn": "c", "pipeline": [{ "$match": { "_id": 2 } }] }).await;
    desk.dump(&[]).expect(0);
    desk.restore(&[]).expect(0);
    desk.restore(&["--existing", "merge"]).expect(0);
    let other = doc! { "collMod": "v", "viewOn": "c", "pipeline": [{ "$match": { "_id": 3 } }] };
    desk.client.database(&desk.copy).run_command(other).await.unwrap();
    let merged = desk.restore(&["--existing", "merge"]).expect(3).says(&format!("{}.v", desk.copy));
    assert!(!merged.stderr.contains(".same"), "{}", merged.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_exists_with_other_options_is_reported_by_a_merge() {
    let desk = Desk::new().await;
    let options = |name: &str| doc! { "create": name, "validator": { "n": { "$gt": 0 } } };
    desk.command(options("c")).await;
    desk.insert("c", &[Builder::new().i32("_id", 1).i32("n", 1).finish()]).await;
    desk.dump(&[]).expect(0);
    desk.client.database(&desk.copy).create_collection("c").await.unwrap();
    desk.restore(&["--existing", "merge"]).expect(3).says(&format!("{}.c", desk.copy));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_where_a_collection_is_to_be_and_the_other_way_round_are_reported_by_a_merge() {
    let desk = Desk::new().await;
    desk.insert("collection", &numbered(0..5)).await;
    desk.command(doc! { "create": "view", "viewOn": "collection", "pipeline": Vec::<Document>::new() }).await;
    desk.dump(&[]).expect(0);
    let copy = desk.client.database(&desk.copy);
    copy.create_collection("view").await.unwrap();
    let view = doc! { "create": "collection", "viewOn": "x", "pipeline": Vec::<Document>::new() };
    copy.run_command(view).await.unwrap();
    let merged = desk.restore(&["--existing", "merge"]).expect(3);
    merged.says(&format!("{}.collection", desk.copy)).says(&format!("{}.view", desk.copy));
}

// ---- What happens meanwhile, before a collection's turn has come

/// Dumps a large collection slowly and does something to a small one, whose turn is after it, in the meantime.
async fn dumped_while(desk: &Desk, change: Document, on: &str) -> (i32, String) {
    desk.insert("large", &sized(0..12_000, 1000)).await;
    desk.insert("small", &numbered(0..100)).await;
    let slow = FailCommand::new(["getMore"]).block(Duration::from_millis(400));
    let failing = desk.fail(slow, &desk.db, "large").await;
    let dump = desk.start_dump(&["--jobs", "1"], arg(&desk.archive()));
    failing.is_met().await;
    desk.client.database(on).run_command(change).await.unwrap();
    let (code, stderr, _) = ended(dump);
    failing.end().await;
    (code, stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_before_its_turn_is_told() {
    let desk = Desk::new().await;
    let (code, stderr) = dumped_while(&desk, doc! { "drop": "small" }, &desk.db).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("small: dropped while the dump ran"), "{stderr}");
    assert_eq!(desk.listing()["summary"]["changes"][0]["namespace"], format!("{}.small", desk.db));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_renamed_before_its_turn_is_told() {
    let desk = Desk::new().await;
    let (from, to) = (format!("{}.small", desk.db), format!("{}.moved", desk.db));
    let rename = doc! { "renameCollection": from, "to": to };
    let (code, stderr) = dumped_while(&desk, rename, "admin").await;
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("small: renamed to"), "{stderr}");
    desk.restore(&[]).expect(0);
    assert_eq!(desk.count(&desk.copy, "moved").await, 100, "it is where it was in the end");
    assert_eq!(desk.count(&desk.copy, "small").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_during_a_dump_is_read_again() {
    let desk = Desk::new().await;
    desk.insert("c", &sized(0..12_000, 1000)).await;
    for lost in
        [FailCommand::new(["getMore"]).close_connection(), FailCommand::new(["getMore"]).error_code(11602)]
    {
        let failing = desk.fail(lost.times(1), &desk.db, "c").await;
        let dumped = desk.dump(&[]);
        failing.end().await;
        dumped.expect(0);
        assert_eq!(desk.listing()["namespaces"][0]["documents"], 12_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_none_for_a_moment_is_asked_again_to_create_and_to_build_indexes() {
    for command in ["create", "createIndexes"] {
        let desk = Desk::new().await;
        desk.insert("c", &numbered(0..30)).await;
        desk.index("c", doc! { "key": { "text": 1 }, "name": "text" }).await;
        desk.dump(&[]).expect(0);
        for how in
            [FailCommand::new([command]).error_code(10107), FailCommand::new([command]).close_connection()]
        {
            let failing = desk.fail(how.times(1), &desk.copy, "c").await;
            let restored = desk.restore(&["--existing", "drop"]);
            failing.end().await;
            restored.expect(0).says("30 documents restored, 0 failed");
        }
        desk.expect_equal().await;
    }
}

// ---- Access control

/// A set with access control, a user with role `backup` and one with role `restore`.
struct Guarded {
    set: ReplicaSet,
    root: Client,
    folder: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let set = ReplicaSet::builder().auth("root", "right").start().await;
        let root = connect(&set.uri()).await;
        let guarded = Self { set, root, folder: tempfile::tempdir().unwrap() };
        // Role root may not read system.views, which the comparison does.
        let all = doc! { "createRole": "all", "roles": [], "privileges": [
            { "resource": { "anyResource": true }, "actions": ["anyAction"] },
        ] };
        guarded.root.database("admin").run_command(all).await.unwrap();
        let grant = doc! { "grantRolesToUser": "root", "roles": ["all"] };
        guarded.root.database("admin").run_command(grant).await.unwrap();
        guarded.user("admin", "dumper", doc! { "pwd": "one", "roles": ["backup"] }).await;
        guarded.user("admin", "restorer", doc! { "pwd": "two", "roles": ["restore"] }).await;
        guarded
    }

    async fn user(&self, db: &str, name: &str, rest: Document) {
        let mut create = doc! { "createUser": name };
        create.extend(rest);
        self.root.database(db).run_command(create).await.unwrap();
    }

    fn uri(&self, user: &str, password: &str, db: &str) -> String {
        format!("mongodb://{user}:{password}@{}/?authSource={db}", self.set.address(0))
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn dump(&self) -> Run {
        let uri = self.uri("dumper", "one", "admin");
        mongoark(&["dump", "--uri", &uri, "--no-encryption", "--overwrite", arg(&self.archive())])
    }

    fn restore(&self, more: &[&str]) -> Run {
        let uri = self.uri("restorer", "two", "admin");
        mongoark(&[&["restore", "--uri", &uri, arg(&self.archive())], more].concat())
    }

    async fn signs_in(&self, user: &str, password: &str, db: &str) -> bool {
        let client = connect(&self.uri(user, password, db)).await;
        client.database(db).run_command(doc! { "connectionStatus": 1 }).await.is_ok()
    }

    async fn state(&self) -> State {
        compare::capture(&self.root).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn role_backup_dumps_and_role_restore_restores_every_edge_case() {
    let guarded = Guarded::start().await;
    corpus::edge::load(&guarded.root, Options::default()).await.unwrap();
    // That role may neither update documents nor read a system.js that is there already.
    for (db, collection) in [("edge", "zero_timestamps"), ("accounts", "system.js")] {
        guarded.root.database(db).collection::<Document>(collection).delete_many(doc! {}).await.unwrap();
    }
    guarded.dump().expect(0);
    let before = guarded.state().await;
    guarded.restore(&["--existing", "drop"]).expect(0);
    let differences = before.differences(&guarded.state().await, &compare::Options::default());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_that_role_restore_cannot_look_up_names_the_privilege() {
    let guarded = Guarded::start().await;
    let collection = guarded.root.database("data").collection("c");
    collection.insert_many((0..10).map(|n| doc! { "_id": n })).await.unwrap();
    guarded.dump().expect(0);
    collection.delete_one(doc! { "_id": 3 }).await.unwrap();
    guarded
        .restore(&["--existing", "merge"])
        .expect(3)
        .says("9 documents were not restored")
        .says("whether it is the same document is unknown")
        .says("privilege");
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_timestamp_that_role_restore_cannot_keep_costs_that_document_alone() {
    let guarded = Guarded::start().await;
    let collection = guarded.root.database("data").collection::<Document>("c");
    let text = "x".repeat(1000);
    collection.insert_many((0..9000).map(|n| doc! { "_id": n, "text": &text })).await.unwrap();
    let zero = doc! { "$set": { "at": bson::Timestamp { time: 0, increment: 0 } } };
    collection.update_one(doc! { "_id": 7 }, zero).await.unwrap();
    guarded.dump().expect(0);
    guarded
        .restore(&["--include", "data", "--rename", "data=copy"])
        .expect(3)
        .says("copy.c: 1 documents were not restored")
        .says("privilege");
    let copy = guarded.root.database("copy").collection::<Document>("c");
    assert!(copy.count_documents(doc! {}).await.unwrap() >= 8999);
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_users_sign_in_others_keep_what_they_have_and_nobody_is_removed() {
    let guarded = Guarded::start().await;
    let role = doc! { "createRole": "clerk", "privileges": [], "roles": [{ "role": "read", "db": "shop" }] };
    guarded.root.database("shop").run_command(role).await.unwrap();
    guarded.user("shop", "ann", doc! { "pwd": "first", "roles": ["clerk"] }).await;
    guarded.user("shop", "bob", doc! { "pwd": "bobs own", "roles": ["readWrite"] }).await;
    guarded.user("admin", "carl", doc! { "pwd": "carls own", "roles": ["read"] }).await;
    guarded.dump().expect(0);
    let before = guarded.state().await;
    guarded.root.database("shop").run_command(doc! { "dropUser": "bob" }).await.unwrap();
    guarded.root.database("admin").run_command(doc! { "dropUser": "carl" }).await.unwrap();
    guarded.root.database("shop").run_command(doc! { "dropRole": "clerk" }).await.unwrap();
    guarded.root.database("shop").run_command(doc! { "updateUser": "ann", "pwd": "second" }).await.unwrap();
    // Somebody whom the archive does not know.
    guarded.user("admin", "operator", doc! { "pwd": "new", "roles": ["restore"] }).await;

    let uri = guarded.uri("operator", "new", "admin");
    mongoark(&["restore", "--uri", &uri, arg(&guarded.archive())])
        .expect(3)
        .says("shop.ann exists on the target with other contents, which were kept");
    for (user, password, db, expected) in [
        ("bob", "bobs own", "shop", true),
        ("carl", "carls own", "admin", true),
        ("ann", "second", "shop", true),
        ("ann", "first", "shop", false),
        ("operator", "new", "admin", true),
        ("root", "right", "admin", true),
        ("restorer", "two", "admin", true),
    ] {
        assert_eq!(guarded.signs_in(user, password, db).await, expected, "{user} with {password:?}");
    }
    let after = guarded.state().await;
    assert_eq!(before.roles, after.roles);
    for user in ["shop.bob", "admin.carl"] {
        assert_eq!(before.users[user], after.users[user]);
    }
    let names = guarded.root.database("admin").list_collection_names().await.unwrap();
    assert!(!names.iter().any(|name| name.starts_with("temp")), "{names:?}");
}
