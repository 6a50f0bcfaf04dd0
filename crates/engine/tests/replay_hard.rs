//! Entries that a replay must not lose, must not trip over, or must refuse by name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod replay_support;

use bson::{Document, RawDocumentBuf, Timestamp, doc, rawdoc};
use futures_util::TryStreamExt;
use mongoark_bson_bytes::split_documents;
use mongoark_engine::Error;
use mongoark_engine::replay::{IndexCatalog, ReplayOptions, Replayed};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};
use mongoark_oplog::{Class, CollectionIndexes, Entry, Error as OplogError, Refusal};
use mongoark_test_support::golden;
use mongoark_test_support::shared;
use mongodb::Client;
use replay_support::{Recorder, Stage, replay_onto, run, target};
use std::sync::atomic::{AtomicU32, Ordering};

/// A database of its own on the shared server.
struct Room {
    uri: String,
    client: Client,
    db: String,
}

impl Room {
    async fn new() -> Self {
        let uri = shared::standalone().await;
        let client = mongoark_test_support::connect(&uri).await;
        Self { uri, client, db: mongoark_test_support::fresh_database_name("replay") }
    }

    /// An entry on a collection of this room.
    fn entry(&self, op: &str, collection: &str, object: RawDocumentBuf) -> RawDocumentBuf {
        let ns = format!("{}.{collection}", self.db);
        rawdoc! { "ts": next(), "t": 1_i64, "v": 2_i64, "op": op, "ns": ns, "o": object }
    }

    fn update(&self, collection: &str, id: i32, object: RawDocumentBuf) -> RawDocumentBuf {
        let ns = format!("{}.{collection}", self.db);
        rawdoc! { "ts": next(), "op": "u", "ns": ns, "o": object, "o2": { "_id": id } }
    }

    /// A command on the collection whose UUID is made of `of`.
    fn command(&self, of: u8, body: RawDocumentBuf) -> RawDocumentBuf {
        let mut entry = self.entry("c", "$cmd", body);
        entry.append(bson::raw::cstr!("ui"), uuid(of));
        entry
    }

    fn namespace(&self, collection: &str) -> Namespace {
        Namespace::new(self.db.clone(), collection)
    }

    /// A collection as a dump lists it, with a UUID made of `of`.
    fn listed(&self, collection: &str, of: u8) -> CollectionMetadata {
        CollectionMetadata {
            bucket_indexes: Vec::new(),
            namespace: self.namespace(collection),
            kind: CollectionKind::Collection,
            options: rawdoc! {},
            uuid: Some([of; 16]),
            indexes: Vec::new(),
        }
    }

    fn create(&self, collection: &str) -> RawDocumentBuf {
        self.entry("c", "$cmd", rawdoc! { "create": collection })
    }

    /// An entry of the transaction of this number.
    fn part(&self, number: i64, object: RawDocumentBuf, previous: u32) -> RawDocumentBuf {
        rawdoc! {
            "ts": next(), "op": "c", "ns": "admin.$cmd", "lsid": { "id": self.db.as_str() }, "txnNumber": number,
            "o": object, "prevOpTime": { "ts": Timestamp { time: previous, increment: 0 }, "t": -1_i64 },
        }
    }

    /// Operations that insert documents with these `_id`s, as they stand in an applyOps.
    fn inserts(&self, ids: impl IntoIterator<Item = i32>) -> bson::RawArrayBuf {
        let ns = format!("{}.c", self.db);
        ids.into_iter()
            .map(|id| rawdoc! { "op": "i", "ns": ns.as_str(), "ui": "other", "o": { "_id": id } })
            .collect()
    }

    async fn replay(&self, entries: &[RawDocumentBuf]) -> Result<Replayed, Error> {
        self.replay_with(entries, &ReplayOptions::default()).await
    }

    async fn replay_with(
        &self,
        entries: &[RawDocumentBuf],
        options: &ReplayOptions,
    ) -> Result<Replayed, Error> {
        let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        replay_onto(&target(&self.uri).await, &entries, options, &mut IndexCatalog::new()).await
    }

    async fn refusal(&self, entries: &[RawDocumentBuf]) -> String {
        self.replay(entries).await.unwrap_err().to_string()
    }

    /// The documents of a collection in the order of their `_id`s.
    async fn found(&self, collection: &str) -> Vec<Document> {
        let collection = self.client.database(&self.db).collection::<Document>(collection);
        let found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        found.try_collect().await.unwrap()
    }

    async fn ids(&self) -> Vec<i32> {
        self.found("c").await.iter().map(|document| document.get_i32("_id").unwrap()).collect()
    }
}

fn uuid(of: u8) -> bson::Binary {
    bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![of; 16] }
}

/// Times that grow, as in an oplog.
fn next() -> Timestamp {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Timestamp { time: 1_000, increment: NEXT.fetch_add(1, Ordering::Relaxed) }
}

#[tokio::test]
async fn transactions_of_every_shape_are_applied_when_they_are_committed() {
    let room = Room::new().await;
    let entries = [
        room.create("c"),
        // Two chains that run side by side.
        room.part(1, rawdoc! { "applyOps": room.inserts(0..3), "partialTxn": true }, 0),
        room.part(2, rawdoc! { "applyOps": room.inserts(10..12), "prepare": true }, 0),
        room.part(1, rawdoc! { "applyOps": room.inserts(3..5), "partialTxn": true }, 7),
        room.part(3, rawdoc! { "applyOps": room.inserts(20..22), "prepare": true }, 0),
        room.part(1, rawdoc! { "applyOps": room.inserts(5..6), "count": 6_i64 }, 7),
        room.part(2, rawdoc! { "commitTransaction": 1, "prepared": true }, 7),
        room.part(3, rawdoc! { "abortTransaction": 1 }, 7),
        // The same session's next number, in one entry; and one that never ends.
        room.part(4, rawdoc! { "applyOps": room.inserts(30..31) }, 0),
        room.part(5, rawdoc! { "applyOps": room.inserts(40..41), "partialTxn": true }, 0),
    ];
    let replayed = room.replay(&entries).await.unwrap();
    assert_eq!(room.ids().await, [0, 1, 2, 3, 4, 5, 10, 11, 30]);
    // The operations count, and the create.
    assert_eq!((replayed.applied, replayed.unfinished), (10, 1));
}

#[tokio::test]
async fn a_retryable_write_of_several_documents_is_no_transaction() {
    let room = Room::new().await;
    let mut vectored = room.part(1, rawdoc! { "applyOps": room.inserts(0..3) }, 5);
    vectored.append(bson::cstr!("multiOpType"), 1);
    let replayed = room.replay(&[room.create("c"), vectored]).await.unwrap();
    assert_eq!(room.ids().await, [0, 1, 2]);
    assert_eq!(replayed.applied, 5);
}

#[tokio::test]
async fn a_commit_without_its_beginning_is_an_error_unless_the_data_has_it() {
    let room = Room::new().await;
    let commit = room.part(1, rawdoc! { "commitTransaction": 1, "prepared": true }, 7);
    let ts = commit.get_timestamp("ts").unwrap();
    let error = room.replay(std::slice::from_ref(&commit)).await.unwrap_err();
    assert!(matches!(error, Error::TransactionWithoutBeginning { .. }), "{error}");
    assert!(error.to_string().contains(&format!("{}:{}", ts.time, ts.increment)), "{error}");
    let last_part = room.part(2, rawdoc! { "applyOps": room.inserts(0..1), "count": 9_i64 }, 7);
    let error = room.replay(std::slice::from_ref(&last_part)).await.unwrap_err();
    assert!(matches!(error, Error::TransactionWithoutBeginning { .. }), "{error}");
    let options = ReplayOptions { committed_until: Some(ts.into()), ..ReplayOptions::default() };
    let replayed = room.replay_with(&[commit], &options).await.unwrap();
    assert_eq!((replayed.applied, replayed.skipped), (0, 1));
}

#[tokio::test]
async fn what_is_repeated_where_two_pieces_meet_is_applied_once() {
    let room = Room::new().await;
    let chain = [
        room.create("c"),
        room.part(1, rawdoc! { "applyOps": room.inserts(0..2), "partialTxn": true }, 0),
        room.part(1, rawdoc! { "applyOps": room.inserts(2..3), "count": 3_i64 }, 7),
    ];
    let entries = [&chain[..], &chain[1..]].concat();
    let options = ReplayOptions { skip_repeated: true, ..ReplayOptions::default() };
    let replayed = room.replay_with(&entries, &options).await.unwrap();
    assert_eq!((replayed.applied, replayed.skipped), (4, 2));
}

#[tokio::test]
async fn what_cannot_be_replayed_is_named() {
    let room = Room::new().await;
    let unknown = room.refusal(&[room.entry("c", "$cmd", rawdoc! { "shrink": "c" })]).await;
    assert!(unknown.contains("unknown oplog command name shrink") && unknown.contains(&room.db), "{unknown}");
    let version = rawdoc! { "op": "i", "ns": "admin.system.version", "ts": next(), "o": { "_id": 1 } };
    let nested = room.entry("c", "$cmd", rawdoc! { "applyOps": [version] });
    match room.replay(&[nested]).await.unwrap_err() {
        Error::Oplog(OplogError::Refused { refusal: Refusal::VersionChanged, .. }) => {}
        other => panic!("{other}"),
    }
    let lost = room.refusal(&[room.entry("i", "nowhere", rawdoc! { "_id": 1 })]).await;
    assert!(lost.contains(&format!("{}.nowhere", room.db)), "{lost}");
    run(
        &room.client,
        &room.db,
        [doc! { "createIndexes": "c", "indexes": [{ "key": { "k": 1 }, "name": "k", "unique": true }] }],
    )
    .await;
    let twice = [
        room.entry("i", "c", rawdoc! { "_id": 1, "k": 1 }),
        room.entry("i", "c", rawdoc! { "_id": 2, "k": 1 }),
        room.entry("i", "c", rawdoc! { "_id": 3, "k": 3 }),
    ];
    let ts = twice[1].get_timestamp("ts").unwrap();
    let refused = room.refusal(&twice).await;
    let place = format!("{}:{} ('i' on {}.c)", ts.time, ts.increment, room.db);
    assert!(refused.contains(&place) && refused.contains("E11000"), "{refused}");
    assert!(room.refusal(&[rawdoc! { "op": "i", "ns": "d.c" }]).await.contains("'o'"));
}

#[tokio::test]
async fn writes_to_a_collection_that_is_dropped_later_come_to_nothing() {
    let room = Room::new().await;
    let entries = [
        room.create("c"),
        room.entry("i", "c", rawdoc! { "_id": 1 }),
        room.entry("i", "gone", rawdoc! { "_id": 1 }),
        room.entry("i", "c", rawdoc! { "_id": 2 }),
        room.entry("i", "gone", rawdoc! { "_id": 2 }),
        room.update("gone", 2, rawdoc! { "$set": { "x": 1 } }),
        room.entry("i", "c", rawdoc! { "_id": 3 }),
        room.entry("c", "$cmd", rawdoc! { "drop": "gone" }),
        room.entry("i", "c", rawdoc! { "_id": 4 }),
    ];
    let replayed = room.replay(&entries).await.unwrap();
    assert_eq!(room.ids().await, [1, 2, 3, 4]);
    assert_eq!((replayed.applied, replayed.skipped), (6, 3));
    let made_anew = [room.entry("i", "again", rawdoc! { "_id": 1 }), room.create("again")];
    assert!(room.refusal(&made_anew).await.contains("again"));
}

#[tokio::test]
async fn an_update_of_a_missing_document_is_an_error_behind_the_overlap_alone() {
    let room = Room::new().await;
    let entries = [room.create("c"), room.update("c", 1, rawdoc! { "$set": { "x": 1 } })];
    let options = ReplayOptions { overlap_until: Some((1, 0).into()), ..ReplayOptions::default() };
    let error = room.replay_with(&entries, &options).await.unwrap_err();
    assert!(matches!(error, Error::Unreplayable { op: "u", .. }), "{error}");
    let deleted = room.entry("d", "c", rawdoc! { "_id": 1 });
    room.replay(&[entries[1].clone(), deleted]).await.unwrap();
    assert!(room.ids().await.is_empty());
}

#[tokio::test]
async fn documents_older_than_their_validator_and_zero_timestamps_stay_as_they_are() {
    let room = Room::new().await;
    let zero = Timestamp { time: 0, increment: 0 };
    run(&room.client, &room.db, [doc! { "create": "c", "validator": { "a": { "$type": "int" } } }]).await;
    let entries = [
        room.entry("i", "c", rawdoc! { "_id": 1, "t": zero, "a": "no number" }),
        room.entry("i", "c", rawdoc! { "_id": 2, "t": 1 }),
        room.update("c", 2, rawdoc! { "_id": 2, "t": zero, "replaced": true }),
        room.update("c", 1, rawdoc! { "$set": { "later": zero } }),
    ];
    room.replay(&entries).await.unwrap();
    let expected = [
        doc! { "_id": 1, "t": zero, "a": "no number", "later": zero },
        doc! { "_id": 2, "t": zero, "replaced": true },
    ];
    assert_eq!(room.found("c").await, expected);
}

#[tokio::test]
async fn a_rename_that_was_done_before_destroys_nothing() {
    let room = Room::new().await;
    let full = |name: &str| format!("{}.{name}", room.db);
    let rename = |replaces: bool| {
        let body = rawdoc! { "renameCollection": full("a"), "to": full("c"), "stayTemp": false, "dropTarget": replaces };
        room.entry("c", "$cmd", body)
    };
    run(&room.client, &room.db, [doc! { "insert": "c", "documents": [{ "_id": 1 }] }]).await;
    room.replay(&[rename(false), rename(true)]).await.unwrap();
    assert_eq!(room.ids().await, [1]);
    run(&room.client, &room.db, [doc! { "insert": "a", "documents": [{ "_id": 2 }] }]).await;
    assert!(room.refusal(&[rename(false)]).await.contains("exists"));
    assert_eq!(room.ids().await, [1]);
    room.replay(&[rename(true)]).await.unwrap();
    assert_eq!(room.ids().await, [2]);
}

#[tokio::test]
async fn removals_from_capped_collections_are_left_to_the_server_where_it_insists() {
    for version in ["4.4.2", "5.0.4", "6.0.5"] {
        let stage = Stage::start(version).await;
        let c = |op: &str, object: RawDocumentBuf| rawdoc! { "ts": next(), "op": op, "ns": "d.ring", "o": object };
        let create = rawdoc! { "create": "ring", "capped": true, "size": 4096, "max": 3 };
        let mut entries = vec![rawdoc! { "ts": next(), "op": "c", "ns": "d.$cmd", "o": create }];
        for i in 0..20 {
            entries.push(c("i", rawdoc! { "_id": i }));
            if i > 2 {
                entries.push(c("d", rawdoc! { "_id": i - 3 }));
            }
        }
        let entries: Vec<Vec<u8>> = entries.into_iter().map(RawDocumentBuf::into_bytes).collect();
        stage.replay(&entries).await.unwrap();
        let ring = stage.client.database("d").collection::<Document>("ring");
        let left: Vec<Document> = ring.find(doc! {}).await.unwrap().try_collect().await.unwrap();
        assert_eq!(left, [doc! { "_id": 17 }, doc! { "_id": 18 }, doc! { "_id": 19 }], "{version}");
    }
}

#[tokio::test]
async fn the_largest_documents_are_replayed() {
    let (mut source, stage) = (Recorder::start("6.0.5").await, Stage::start("6.0.5").await);
    source.forget().await;
    let large = "x".repeat(16 * 1024 * 1024 - 100);
    let c = source.client.database("d").collection::<Document>("c");
    for id in 0..2 {
        c.insert_one(doc! { "_id": id, "x": &large }).await.unwrap();
    }
    stage.replay(&source.entries().await).await.unwrap();
    let differences = stage.differences(&source.client).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_entry_that_mongodump_took_is_known() {
    let mut entries = 0;
    for golden in golden::all().into_iter().filter(|golden| golden.form == "oplog-directory") {
        let folder = tempfile::tempdir().unwrap();
        let oplog = std::fs::read(golden.unpack(folder.path()).join("oplog.bson")).unwrap();
        for document in split_documents(&oplog) {
            let entry = Entry::parse(document.unwrap()).unwrap();
            assert_eq!(entry.refusal().unwrap(), None);
            entry.transaction().unwrap();
            for operation in entry.flatten().unwrap().0 {
                let _: Class<'_> = operation.class().unwrap();
                entries += 1;
            }
        }
    }
    assert!(entries > 3_000, "{entries}");
}

#[tokio::test]
async fn a_document_that_a_capped_collection_has_pushes_out_no_other() {
    let room = Room::new().await;
    let database = room.client.database(&room.db);
    database.run_command(doc! { "create": "c", "capped": true, "size": 100_000, "max": 3 }).await.unwrap();
    let documents = [1, 2, 3].map(|id| doc! { "_id": id });
    database.collection::<Document>("c").insert_many(documents).await.unwrap();
    let metadata = CollectionMetadata { options: rawdoc! { "capped": true }, ..room.listed("c", 5) };
    let mut options = ReplayOptions::default();
    options.places.insert(&metadata, &metadata);
    let insert = |id: i32| {
        let mut entry = room.entry("i", "c", rawdoc! { "_id": id });
        entry.append(bson::raw::cstr!("ui"), uuid(5));
        entry
    };
    // The third was inserted after the oplog began, and read; then come two that were not.
    let replayed = room.replay_with(&[insert(3), insert(4), insert(5)], &options).await.unwrap();
    assert_eq!(room.ids().await, [3, 4, 5]);
    assert_eq!((replayed.applied, replayed.skipped), (2, 1));
    let again = room.replay_with(&[insert(5)], &options).await.unwrap();
    assert_eq!((room.ids().await, again.applied), (vec![3, 4, 5], 0));
}

#[tokio::test]
async fn an_update_in_the_overlap_makes_no_part_of_a_document() {
    let room = Room::new().await;
    let change = || rawdoc! { "$v": 1, "$set": { "a": 2 } };
    let entries =
        [room.create("c"), room.update("c", 7, change()), room.entry("i", "c", rawdoc! { "_id": 1 })];
    let replayed = room.replay(&entries).await.unwrap();
    assert_eq!((room.ids().await, replayed.applied, replayed.skipped), (vec![1], 2, 1));
    // Behind the overlap it is an error that names it.
    let overlap_until = Some(mongoark_model::Timestamp::new(1, 1));
    let options = ReplayOptions { overlap_until, ..ReplayOptions::default() };
    let error = room.replay_with(&[room.update("c", 7, change())], &options).await.unwrap_err();
    assert!(error.to_string().contains("cannot replay the oplog entry at 1000:"), "{error}");
}

/// Names of a collection's indexes in the catalog; nothing where it is not in there.
fn names(catalog: &IndexCatalog, namespace: &Namespace) -> Option<Vec<String>> {
    let specs = &catalog.get(namespace)?.specs;
    Some(specs.iter().map(|spec| spec.get_str("name").unwrap().to_owned()).collect())
}

#[tokio::test]
async fn indexes_of_a_collection_that_was_gone_before_the_dump_go_to_no_other() {
    let room = Room::new().await;
    let full = |name: &str| format!("{}.{name}", room.db);
    let rename = |of: u8, from: &str, to: &str, replaced: bson::RawBson| {
        room.command(of, rawdoc! { "renameCollection": full(from), "to": full(to), "dropTarget": replaced })
    };
    let index = |of: u8, collection: &str| {
        let body = rawdoc! { "createIndexes": collection, "v": 2, "key": { "a": 1 }, "name": "a_1" };
        room.command(of, body)
    };
    let mut written = room.entry("i", "f", rawdoc! { "_id": 1 });
    written.append(bson::raw::cstr!("ui"), uuid(3));
    run(&room.client, &room.db, [doc! { "create": "z" }]).await;
    let mut options = ReplayOptions::default();
    options.places.insert(&room.listed("z", 9), &room.listed("z", 9));
    let entries = [
        // The first gets another name and is dropped, the second is replaced by one that the dump found as z.
        index(1, "n"),
        rename(1, "n", "m", false.into()),
        room.command(1, rawdoc! { "drop": "m" }),
        index(3, "f"),
        written,
        rename(9, "y", "f", uuid(3).into()),
        rename(9, "f", "z", false.into()),
        room.command(2, rawdoc! { "create": "n" }),
        room.command(4, rawdoc! { "create": "f" }),
        index(9, "z"),
    ];
    let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
    let mut catalog = IndexCatalog::new();
    replay_onto(&target(&room.uri).await, &entries, &options, &mut catalog).await.unwrap();
    let found = ["n", "m", "f", "y", "z"].map(|name| names(&catalog, &room.namespace(name)));
    assert_eq!(found, [Some(vec![]), None, Some(vec![]), None, Some(vec!["a_1".to_owned()])]);
}

#[tokio::test]
async fn an_index_build_that_was_given_up_is_that_of_its_collection_alone() {
    let room = Room::new().await;
    run(&room.client, &room.db, [doc! { "create": "c" }, doc! { "create": "now" }]).await;
    let spec = || rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1" };
    let given_up = |of: u8, collection: &str| {
        let body = rawdoc! { "abortIndexBuild": collection, "indexBuildUUID": uuid(8), "indexes": [spec()] };
        room.command(of, body)
    };
    let mut options = ReplayOptions::default();
    let mut catalog = IndexCatalog::new();
    for (name, of) in [("c", 1), ("now", 2)] {
        options.places.insert(&room.listed(name, of), &room.listed(name, of));
        let indexes = CollectionIndexes { specs: vec![spec()], ..CollectionIndexes::default() };
        catalog.insert(room.namespace(name), indexes);
    }
    let of = |catalog: &IndexCatalog| {
        ["c", "now"].map(|name| names(catalog, &room.namespace(name)).unwrap().len())
    };
    let run = async |entry: RawDocumentBuf, catalog: &mut IndexCatalog| {
        replay_onto(&target(&room.uri).await, &[entry.into_bytes()], &options, catalog).await.unwrap()
    };
    // One that had this name and is gone.
    run(given_up(7, "c"), &mut catalog).await;
    assert_eq!(of(&catalog), [1, 1]);
    // One that was listed under the name that it got later.
    run(given_up(2, "then"), &mut catalog).await;
    assert_eq!(of(&catalog), [1, 0]);
}
