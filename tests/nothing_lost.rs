//! Restores that could lose a document, or destroy what is the target's own, and say that all is well.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Bson, Document, doc};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, Server, connect};
use mongodb::Client;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::forge::{Forge, entry, numbered, put, raw};
use support::{Run, arg, finished, mongoark, program, run};
use tempfile::TempDir;
use tokio::time::sleep;

/// A set to restore to, and a place for archives.
struct Desk {
    target: ReplicaSet,
    client: Client,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self::at(ReplicaSet::single().await).await
    }

    async fn at(target: ReplicaSet) -> Self {
        let client = target.client().await;
        Self { target, client, folder: tempfile::tempdir().unwrap() }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        put(self.folder.path(), name, bytes)
    }

    /// Restores a file.
    fn restore(&self, archive: &PathBuf, more: &[&str]) -> Run {
        let (uri, report) = (self.target.uri(), self.folder.path().join("report"));
        let mut restore = program();
        restore.args(["restore", "--uri", &uri, "--report", arg(&report)]).args(more).arg(archive);
        run(&mut restore)
    }

    /// Restores what comes through a pipe.
    fn restore_piped(&self, bytes: &[u8], more: &[&str]) -> Run {
        let uri = self.target.uri();
        let mut restore = program();
        restore.args(["restore", "--uri", &uri, "--checkpoint-every", "0.05"]).args(more).arg("-");
        restore.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = restore.spawn().unwrap();
        // Whoever ends early reads no more.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        finished(child)
    }

    /// Restores what comes through a pipe that ends early, once the notes tell of so many chunks.
    async fn restore_cut(&self, bytes: &[u8], chunks: i64) -> Run {
        let uri = self.target.uri();
        let mut restore = program();
        restore.args(["restore", "--uri", &uri, "--checkpoint-every", "0.05", "-"]);
        restore.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = restore.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(bytes).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.written_down().await < chunks {
            assert!(Instant::now() < deadline, "the restore does not get on");
            sleep(Duration::from_millis(20)).await;
        }
        drop(pipe);
        finished(child)
    }

    /// Chunks of a collection that the notes tell of.
    async fn written_down(&self) -> i64 {
        let db = self.client.database("mongoark");
        let mut most = 0;
        for name in db.list_collection_names().await.unwrap() {
            for note in self.all("mongoark", &name).await {
                most = most.max(note.get_i64("chunks").unwrap_or_default());
            }
        }
        most
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join("report")).unwrap()).unwrap()
    }

    async fn all(&self, db: &str, name: &str) -> Vec<Document> {
        let collection = self.client.database(db).collection::<Document>(name);
        let mut cursor = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let mut found = Vec::new();
        while cursor.advance().await.unwrap() {
            found.push(cursor.deserialize_current().unwrap());
        }
        found
    }

    async fn count(&self, db: &str, name: &str) -> usize {
        self.all(db, name).await.len()
    }

    async fn insert(&self, db: &str, name: &str, document: Document) {
        self.client.database(db).collection::<Document>(name).insert_one(document).await.unwrap();
    }

    async fn exists(&self, db: &str, name: &str) -> bool {
        let names = self.client.database(db).list_collection_names().await.unwrap();
        names.iter().any(|found| found == name)
    }
}

fn value(document: &Document) -> &str {
    document.get_str("v").unwrap()
}

/// Three chunks that are taken back, and five that count; where the RETRACT begins.
fn retracted() -> (Vec<u8>, usize) {
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    let taken_back = [0..1000, 1000..2000, 2000..3000].map(|ids| forge.documents(1, &numbered(ids, "old")));
    let before = forge.position();
    forge.retract(1, taken_back[0], taken_back[2]);
    for ids in [0..1000, 1000..2000, 2000..3000, 3000..4000, 4000..5000] {
        forge.documents(1, &numbered(ids, "new"));
    }
    (forge.finish(None), before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_from_a_pipe_that_took_documents_back_is_begun_anew() {
    let desk = Desk::new().await;
    let (bytes, _) = retracted();
    let file = desk.put("archive", &bytes);
    let piped = desk.restore_piped(&bytes, &[]).expect(1).says("takes back documents");
    assert!(!piped.stderr.contains("--resume"), "nothing may advise it:\n{}", piped.stderr);
    desk.restore(&file, &["--resume"]).expect(1).says("cannot be resumed").says("--existing drop");
    let again = desk.restore(&file, &[]).expect(1);
    assert!(!again.stderr.contains("--resume"), "nothing may advise it:\n{}", again.stderr);
    desk.restore(&file, &["--existing", "drop"]).expect(0).says("5,000 documents restored");
    let found = desk.all("d", "c").await;
    assert!(found.len() == 5000 && found.iter().all(|document| value(document) == "new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_in_one_form_of_an_archive_is_not_mistaken_for_progress_in_another() {
    let desk = Desk::new().await;
    let (bytes, before) = retracted();
    let file = desk.put("archive", &bytes);
    // The pipe ends before the chunks are taken back.
    desk.restore_cut(&bytes[..before], 3).await.expect(1).says("--resume");
    desk.restore(&file, &["--resume"]).expect(1).says("had read other documents than this archive has");
    desk.restore_piped(&bytes, &["--resume"]).expect(1);
    desk.restore(&file, &["--existing", "drop"]).expect(0).says("5,000 documents restored");
    assert_eq!(desk.count("d", "c").await, 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_ended_early_is_gone_on_with_from_the_file() {
    let desk = Desk::new().await;
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    for ids in [0..1000, 1000..2000, 2000..3000] {
        forge.documents(1, &numbered(ids, "new"));
    }
    let cut = forge.position();
    forge.documents(1, &numbered(3000..4000, "new"));
    let bytes = forge.finish(None);
    desk.restore_cut(&bytes[..cut], 3).await.expect(1).says("--resume");
    let file = desk.put("archive", &bytes);
    desk.restore(&file, &["--resume"]).expect(0).says("4,000 documents restored");
    assert_eq!(desk.count("d", "c").await, 4000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_an_application_writes_between_two_runs_is_a_conflict() {
    let desk = Desk::new().await;
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    forge.oplog(2, Some(100));
    forge.documents(1, &numbered(0..1000, "archive"));
    let cut = forge.position();
    forge.documents(1, &numbered(1000..2000, "archive"));
    // What the oplog is about is another document.
    forge.entries(2, &[entry(101, "i", "d.c", Some(1), doc! { "_id": 5000, "v": "oplog" })]);
    let bytes = forge.finish(Some((100, 101, 101)));
    let file = desk.put("archive", &bytes);
    desk.restore_cut(&bytes[..cut], 1).await.expect(1);
    desk.insert("d", "c", doc! { "_id": 1500, "v": "application" }).await;
    desk.restore(&file, &["--resume"]).expect(3).says("1 documents were not restored").says("1500");
    let found = desk.all("d", "c").await;
    assert_eq!(found.len(), 2001);
    assert_eq!(value(&found[1500]), "application");
    assert_eq!(desk.report()["failures"][0]["documents"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_stands_twice_in_the_archive_is_settled_by_the_oplog_and_counted() {
    let desk = Desk::new().await;
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    forge.oplog(2, Some(100));
    forge.documents(1, &numbered(0..10, "old"));
    forge.documents(1, &numbered(7..8, "new"));
    forge.entries(
        2,
        &[
            entry(101, "d", "d.c", Some(1), doc! { "_id": 7 }),
            entry(102, "i", "d.c", Some(1), doc! { "_id": 7, "v": "new" }),
        ],
    );
    let bytes = forge.finish(Some((100, 102, 102)));
    let file = desk.put("archive", &bytes);
    desk.restore(&file, &[]).expect(0).says("1 came twice");
    assert_eq!(value(&desk.all("d", "c").await[7]), "new");
    assert_eq!(desk.report()["result"]["namespaces"][0]["superseded"], 1);
    desk.client.database("d").drop().await.unwrap();
    desk.restore_piped(&bytes, &[]).expect(0).says("1 came twice");
    assert_eq!(value(&desk.all("d", "c").await[7]), "new");
}

/// A collection, and an oplog that changes its documents over and over, ending with `last`.
fn churned(entries: u32) -> Vec<u8> {
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    forge.oplog(2, Some(100));
    forge.documents(1, &numbered(0..100, "archive"));
    let replaced = |n: u32| {
        let id = i32::try_from(n % 100).unwrap();
        let mut change =
            doc! { "ts": support::forge::ts(101 + n), "t": 1_i64, "v": 2_i64, "op": "u", "ns": "d.c" };
        change.extend(doc! { "ui": support::forge::uuid(1), "o2": { "_id": id }, "o": { "_id": id, "v": n.to_string() } });
        raw(&change)
    };
    forge.entries(2, &[entry(100, "c", "d.$cmd", Some(3), doc! { "create": "made" })]);
    for some in (0..entries).collect::<Vec<_>>().chunks(5_000) {
        forge.entries(2, &some.iter().map(|n| replaced(*n)).collect::<Vec<_>>());
    }
    forge.finish(Some((100, 100, 101 + entries)))
}

impl Desk {
    /// A restore whose oplog is under way, with some of it written down.
    async fn replaying(&self, file: &PathBuf) -> std::process::Child {
        let slow = FailCommand::new(["applyOps"]).app_name("mongoark").block(Duration::from_millis(200));
        slow.enable(&self.client).await;
        let uri = self.target.uri();
        let mut restore = program();
        restore.args(["restore", "--uri", &uri, "--checkpoint-every", "0.1"]).arg(file);
        let child = restore.stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.operations_done().await < 2_000 {
            assert!(Instant::now() < deadline, "the replay does not get on");
            sleep(Duration::from_millis(20)).await;
        }
        child
    }

    async fn operations_done(&self) -> i64 {
        let mut most = 0;
        for name in self.client.database("mongoark").list_collection_names().await.unwrap() {
            for note in self.all("mongoark", &name).await {
                most = most.max(note.get_i64("done").unwrap_or_default());
            }
        }
        most
    }

    /// Fails unless every document is as the last entry about it says.
    async fn expect_churned(&self, entries: u32) {
        for (document, n) in self.all("d", "c").await.iter().zip(entries - 100..) {
            assert_eq!(value(document), n.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_stood_still_does_nothing_behind_the_one_that_took_over() {
    const ENTRIES: u32 = 40_000;
    let desk = Desk::new().await;
    let file = desk.put("archive", &churned(ENTRIES));
    let first = desk.replaying(&file).await;
    // SAFETY: kill takes plain numbers, and the child has not been waited for.
    let signal = |signal| unsafe { libc::kill(first.id().cast_signed(), signal) };
    signal(libc::SIGSTOP);
    FailCommand::disable(&desk.client).await;
    desk.restore(&file, &["--resume"]).expect(0);
    desk.expect_churned(ENTRIES).await;
    let c = desk.client.database("d").collection::<Document>("c");
    c.update_one(doc! { "_id": 7 }, doc! { "$set": { "v": "application" } }).await.unwrap();
    c.delete_one(doc! { "_id": 8 }).await.unwrap();
    signal(libc::SIGCONT);
    finished(first).expect(1).says("another run restores this archive into this target");
    let found = desk.all("d", "c").await;
    assert!(found.len() == 99 && value(&found[7]) == "application", "{:?}", &found[5..10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_oplog_made_is_looked_for_before_it_goes_on() {
    const ENTRIES: u32 = 20_000;
    let desk = Desk::new().await;
    let file = desk.put("archive", &churned(ENTRIES));
    for made_anew in [false, true] {
        let mut first = desk.replaying(&file).await;
        first.kill().unwrap();
        first.wait().unwrap();
        FailCommand::disable(&desk.client).await;
        desk.client.database("d").collection::<Document>("made").drop().await.unwrap();
        if made_anew {
            desk.insert("d", "made", doc! { "_id": 1, "v": "application" }).await;
        }
        desk.restore(&file, &["--resume"]).expect(1).says("d.made was dropped, renamed or made anew");
        desk.client.database("d").drop().await.unwrap();
        desk.client.database("mongoark").drop().await.unwrap();
    }
    let mut first = desk.replaying(&file).await;
    first.kill().unwrap();
    first.wait().unwrap();
    FailCommand::disable(&desk.client).await;
    desk.restore(&file, &["--resume"]).expect(0);
    desk.expect_churned(ENTRIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_again_by_a_run_that_resumes_behind_the_replay() {
    let desk = Desk::new().await;
    let mut forge = Forge::new();
    let indexes = doc! { "indexes": [{ "v": 2, "key": { "v": 1 }, "name": "v" }] };
    let mut described =
        doc! { "kind": "collection", "db": "d", "collection": "c", "type": "collection", "options": {} };
    described.extend(doc! { "uuid": support::forge::uuid(1) });
    described.extend(indexes);
    forge.catalog(1, &described);
    forge.oplog(2, Some(100));
    forge.documents(1, &numbered(0..1000, "archive"));
    let cut = forge.position();
    forge.documents(1, &numbered(1000..2000, "archive"));
    forge.entries(2, &[entry(101, "i", "d.c", Some(1), doc! { "_id": 5000, "v": "oplog" })]);
    let bytes = forge.finish(Some((100, 101, 101)));
    let file = desk.put("archive", &bytes);
    desk.restore_cut(&bytes[..cut], 1).await.expect(1);
    desk.insert("d", "c", doc! { "_id": 1500, "v": "application" }).await;
    let slow = FailCommand::new(["createIndexes"]).app_name("mongoark").block(Duration::from_secs(3));
    slow.enable(&desk.client).await;
    let uri = desk.target.uri();
    let mut restore = program();
    restore.args(["restore", "--uri", &uri, "--checkpoint-every", "0.05", "--resume"]).arg(&file);
    let mut child = restore.stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while desk.all("d", "c").await.len() < 2001 {
        assert!(Instant::now() < deadline, "the replay does not get on");
        sleep(Duration::from_millis(20)).await;
    }
    // It is in the index build by now, and writes notes on.
    sleep(Duration::from_secs(1)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    FailCommand::disable(&desk.client).await;
    desk.restore(&file, &["--resume"]).expect(3).says("1 documents were not restored").says("1500");
    assert_eq!(value(&desk.all("d", "c").await[1500]), "application");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_series_that_the_oplog_makes_is_replaced_where_that_is_asked_for() {
    let desk = Desk::new().await;
    let at = bson::DateTime::from_millis(1_700_000_000_000);
    let series = doc! { "create": "s", "timeseries": { "timeField": "t" } };
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    forge.oplog(2, Some(100));
    let options = doc! { "timeField": "t", "granularity": "seconds", "bucketMaxSpanSeconds": 3600 };
    let create = doc! {
        "create": "system.buckets.s", "clusteredIndex": true, "timeseries": &options,
        "validator": { "$jsonSchema": { "bsonType": "object" } },
    };
    let view = doc! {
        "_id": "d.s", "viewOn": "system.buckets.s",
        "pipeline": [{ "$_internalUnpackBucket": {
            "timeField": "t", "bucketMaxSpanSeconds": 3600, "exclude": [] } }],
    };
    forge.entries(
        2,
        &[entry(101, "c", "d.$cmd", Some(5), create), entry(102, "i", "d.system.views", Some(6), view)],
    );
    forge.documents(1, &numbered(0..3, "archive"));
    let file = desk.put("archive", &forge.finish(Some((100, 102, 102))));
    desk.client.database("d").run_command(series).await.unwrap();
    desk.insert("d", "s", doc! { "t": at, "n": 1 }).await;
    desk.restore(&file, &[]).expect(1).says("d.s");
    assert_eq!(desk.count("d", "s").await, 1, "it stays unless it is to be replaced");
    for _ in 0..2 {
        desk.restore(&file, &["--existing", "drop"]).expect(0);
        assert_eq!(desk.count("d", "s").await, 0);
        desk.insert("d", "s", doc! { "t": at, "n": 1 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_the_targets_own_is_a_conflict_and_stays() {
    let desk = Desk::new().await;
    desk.insert("d", "system.js", doc! { "_id": "f", "value": "mine" }).await;
    let mut forge = Forge::new();
    forge.collection(1, "d", "system.js");
    forge.oplog(2, Some(100));
    let function = |value: &str| doc! { "_id": "f", "value": value };
    forge.documents(1, &[raw(&function("archive")), raw(&doc! { "_id": "g", "value": "archive" })]);
    forge.entries(
        2,
        &[
            entry(101, "i", "d.system.js", Some(1), function("archive")),
            entry(102, "i", "d.system.js", Some(1), doc! { "_id": "h", "value": "oplog" }),
            entry(103, "c", "d.$cmd", Some(1), doc! { "drop": "system.js" }),
        ],
    );
    let file = desk.put("archive", &forge.finish(Some((100, 103, 103))));
    desk.restore(&file, &[]).expect(3).says("1 documents were not restored");
    let found = desk.all("d", "system.js").await;
    let values: Vec<&str> = found.iter().map(|it| it.get_str("value").unwrap()).collect();
    assert_eq!(values, ["mine", "archive", "oplog"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_from_a_pipe_names_what_is_in_the_way() {
    let desk = Desk::new().await;
    desk.insert("d", "c", doc! { "_id": 3, "v": "mine" }).await;
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    forge.oplog(2, Some(100));
    forge.documents(1, &numbered(0..10, "archive"));
    let bytes = forge.finish(Some((100, 100, 100)));
    desk.restore_piped(&bytes, &["--existing", "merge"]).expect(3).says("1 documents were not restored");
    assert_eq!(value(&desk.all("d", "c").await[3]), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oplog_of_a_converted_dump_touches_only_what_the_restore_made() {
    let desk = Desk::new().await;
    for (db, name) in [("victim", "c"), ("d", "mine"), ("d", "named"), ("d", "other")] {
        desk.insert(db, name, doc! { "_id": 1, "v": "mine" }).await;
    }
    let view = doc! { "create": "view", "viewOn": "mine", "pipeline": [] };
    desk.client.database("d").run_command(view).await.unwrap();
    for with_uuids in [true, false] {
        let of = |stream| with_uuids.then_some(stream);
        let mut forge = Forge::new();
        let uuid = if with_uuids { support::forge::uuid(1) } else { Bson::Null };
        forge.described(1, "d", "c", "collection", doc! {}, uuid);
        forge.oplog(2, None);
        forge.documents(1, &numbered(0..10, "archive"));
        forge.entries(
            2,
            &[
                entry(101, "i", "d.c", of(1), doc! { "_id": 10, "v": "oplog" }),
                entry(102, "c", "victim.$cmd", None, doc! { "dropDatabase": 1 }),
                entry(103, "c", "d.$cmd", of(8), doc! { "drop": "mine" }),
                entry(104, "d", "d.system.views", of(9), doc! { "_id": "d.view" }),
                entry(105, "i", "d.gone", of(7), doc! { "_id": 1 }),
                entry(106, "c", "d.$cmd", of(7), doc! { "drop": "gone" }),
            ],
        );
        let file = desk.put("archive", &forge.finish(None));
        desk.restore(&file, &[]).expect(0);
        assert_eq!(desk.count("d", "c").await, 11, "UUIDs: {with_uuids}");
        assert!(desk.exists("victim", "c").await && desk.exists("d", "mine").await, "UUIDs: {with_uuids}");
        assert!(desk.exists("d", "view").await, "UUIDs: {with_uuids}");
        desk.client.database("d").collection::<Document>("c").drop().await.unwrap();

        // What it writes to, or renames over, is somebody else's: the restore says so and does nothing to it.
        for (what, wrong) in [
            ("other", entry(102, "i", "d.other", of(8), doc! { "_id": 2, "v": "oplog" })),
            (
                "named",
                entry(
                    102,
                    "c",
                    "d.$cmd",
                    of(8),
                    doc! { "renameCollection": "d.other", "to": "d.named", "dropTarget": true },
                ),
            ),
            (
                "named",
                entry(
                    102,
                    "c",
                    "d.$cmd",
                    of(1),
                    doc! { "renameCollection": "d.c", "to": "d.named", "dropTarget": true },
                ),
            ),
            ("other", entry(102, "c", "d.$cmd", of(6), doc! { "create": "other" })),
        ] {
            let mut forge = Forge::new();
            let uuid = if with_uuids { support::forge::uuid(1) } else { Bson::Null };
            forge.described(1, "d", "c", "collection", doc! {}, uuid);
            forge.oplog(2, None);
            forge.documents(1, &numbered(0..10, "archive"));
            forge.entries(2, &[wrong]);
            let file = desk.put("archive", &forge.finish(None));
            desk.restore(&file, &["--existing", "fail"]).expect(1);
            for name in ["other", "named"] {
                let found = desk.all("d", name).await;
                assert!(
                    found.len() == 1 && value(&found[0]) == "mine",
                    "{what}, UUIDs: {with_uuids}: {found:?}"
                );
            }
            desk.client.database("d").collection::<Document>("c").drop().await.unwrap();
            desk.client.database("mongoark").drop().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dump_would_not_take_is_not_restored() {
    let desk = Desk::new().await;
    let mut forge = Forge::new();
    let names = [
        ("admin", "system.version"),
        ("config", "chunks"),
        ("config", "system.sessions"),
        ("d", "c"),
        ("local", "mine"),
    ];
    for (stream, (db, name)) in (1..).zip(names) {
        forge.collection(stream, db, name);
    }
    forge.oplog(9, Some(100));
    for stream in 1..=5 {
        forge.documents(stream, &numbered(70..73, "archive"));
    }
    forge.entries(9, &[entry(101, "i", "config.chunks", Some(2), doc! { "_id": 99 })]);
    let file = desk.put("archive", &forge.finish(Some((100, 101, 101))));
    let run = desk.restore(&file, &[]).expect(3);
    run.says("--include config").says("local.mine");
    assert_eq!(desk.count("d", "c").await, 3);
    assert!(!desk.exists("config", "chunks").await && !desk.exists("local", "mine").await);
    let version = desk.all("admin", "system.version").await;
    assert!(version.iter().all(|document| document.get("v").is_none()), "{version:?}");
    // A pattern that happens to match is no wish; the name is.
    desk.client.database("d").drop().await.unwrap();
    desk.restore(&file, &["--include", "*"]).expect(3);
    assert!(!desk.exists("config", "chunks").await);
    desk.restore(&file, &["--include", "config", "--no-oplog"]).expect(0);
    assert_eq!(desk.count("config", "chunks").await, 3);
    desk.restore(&file, &["--include", "d", "--rename", "d=local"])
        .expect(2)
        .says("belongs to the server itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_through_which_accounts_are_merged_is_not_dropped() {
    let desk = Desk::new().await;
    desk.insert("admin", "tempusers", doc! { "_id": 1, "v": "mine" }).await;
    let mut forge = Forge::new();
    forge.described(1, "admin", "system.users", "users", doc! {}, Bson::Null);
    forge.collection(2, "d", "c");
    forge.documents(1, &[user("ann")]);
    forge.documents(2, &numbered(0..3, "archive"));
    let file = desk.put("archive", &forge.finish(None));
    desk.restore(&file, &[]).expect(1).says("admin.tempusers exists on the target");
    assert_eq!(desk.all("admin", "tempusers").await, [doc! { "_id": 1, "v": "mine" }]);
    assert!(!desk.exists("d", "c").await, "before anything is written");
    desk.restore(&file, &["--exclude", "admin.system.users"]).expect(0);
    desk.client.database("d").drop().await.unwrap();
    desk.client.database("admin").collection::<Document>("tempusers").drop().await.unwrap();
    desk.restore(&file, &[]).expect(0);

    let mut forge = Forge::new();
    forge.described(1, "admin", "system.users", "users", doc! {}, Bson::Null);
    forge.collection(2, "admin", "tempusers");
    forge.documents(1, &[user("bob")]);
    forge.documents(2, &numbered(0..3, "archive"));
    let file = desk.put("archive", &forge.finish(None));
    desk.restore(&file, &[]).expect(2).says("admin.tempusers");
    desk.restore(&file, &["--rename", "admin.tempusers=d.tempusers"]).expect(0);
    assert_eq!(desk.count("d", "tempusers").await, 3);
}

/// A user of database `d`.
fn user(name: &str) -> bson::RawDocumentBuf {
    raw(&doc! {
    "_id": format!("d.{name}"), "user": name, "db": "d", "roles": [],
        "credentials": { "SCRAM-SHA-256": {
            "iterationCount": 15000, "salt": "cJSoCuEyFbDFsYHXs5JFNYXjpmmVsyKrSGKeSA==",
            "storedKey": "tGCLf7pIHbMYjgGMPBOuDJrpRWZ1AXqgbCEWFSoJfJI=", "serverKey": "3sEdXlwSDYPOdqMQJTHbXuMRp0/x5wTOQlhuKmBc6hc=",
        } },
    })
}

/// Archives of a user alone.
fn of_a_user(name: &str) -> Vec<u8> {
    let mut forge = Forge::new();
    forge.described(1, "admin", "system.users", "users", doc! {}, Bson::Null);
    forge.documents(1, &[user(name)]);
    forge.finish(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_leaves_no_credentials_about_without_a_word() {
    let desk = Desk::new().await;
    for way in ["--resume", "--existing"] {
        let file = desk.put("archive", &of_a_user(way.trim_start_matches('-')));
        let merging = FailCommand::new(["_mergeAuthzCollections"]).block(Duration::from_secs(20));
        merging.enable(&desk.client).await;
        let uri = desk.target.uri();
        let mut child = program();
        child.args(["restore", "--uri", &uri]).arg(&file).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while desk.count("admin", "tempusers").await == 0 {
            assert!(Instant::now() < deadline, "no user is on the way");
            sleep(Duration::from_millis(20)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        FailCommand::disable(&desk.client).await;
        // Another archive's restore does not take it for its own.
        let other = desk.put("other", &of_a_user("eve"));
        desk.restore(&other, &[]).expect(1).says("it holds credentials");
        let more: &[&str] = if way == "--resume" { &["--resume"] } else { &["--existing", "drop"] };
        desk.restore(&file, more)
            .expect(0)
            .says("admin.tempusers: an interrupted restore of this archive left");
        assert!(!desk.exists("admin", "tempusers").await);
    }
    let users =
        desk.client.database("admin").run_command(doc! { "usersInfo": { "forAllDBs": true } }).await.unwrap();
    assert_eq!(users.get_array("users").unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_seen_before_anything_is_dropped() {
    let desk = Desk::new().await;
    for id in 0..101 {
        desk.insert("d", "c", doc! { "_id": id, "v": "live" }).await;
    }
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    let at = forge.position();
    forge.documents(1, &numbered(0..5000, "archive"));
    let mut bytes = forge.finish(None);
    bytes[at + 100] ^= 1;
    let file = desk.put("archive", &bytes);
    let run = desk.restore(&file, &["--existing", "drop"]).expect(1);
    assert!(!run.stderr.contains("--resume"), "{}", run.stderr);
    assert!(desk.all("d", "c").await.iter().all(|document| value(document) == "live"));
    assert_eq!(desk.count("d", "c").await, 101);
    let run = desk.restore(&file, &["--existing", "drop", "--no-verify"]).expect(1);
    assert!(!run.stderr.contains("--resume"), "it cannot work: {}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn oplog_entries_that_a_pipe_takes_back_are_not_replayed() {
    let desk = Desk::new().await;
    for takes_all_back in [true, false] {
        let mut forge = Forge::new();
        forge.collection(1, "d", "c");
        forge.oplog(2, Some(100));
        let insert = |at, id: &str| entry(at, "i", "d.c", Some(1), doc! { "_id": id });
        let kept = forge.entries(2, &[insert(101, "first")]);
        let last = forge.entries(2, &[insert(102, "wrong")]);
        forge.documents(1, &[raw(&doc! { "_id": "archive" })]);
        forge.retract(2, if takes_all_back { kept } else { last }, last);
        forge.entries(2, &[insert(102, "right")]);
        let bytes = forge.finish(Some((100, 102, 102)));
        desk.restore_piped(&bytes, &[]).expect(0);
        let found = desk.all("d", "c").await;
        let ids: Vec<&str> = found.iter().map(|document| document.get_str("_id").unwrap()).collect();
        let expected: &[&str] =
            if takes_all_back { &["archive", "right"] } else { &["archive", "first", "right"] };
        assert_eq!(ids, expected);
        desk.client.database("d").drop().await.unwrap();
    }
}

/// A set that removes what has expired, every second.
async fn expiring() -> Desk {
    let target = ReplicaSet::builder().param("ttlMonitorEnabled=true").param("ttlMonitorSleepSecs=1");
    Desk::at(target.start().await).await
}

/// Waits until the server has looked for expired documents twice more.
async fn looked_for_expired(client: &Client) {
    let passes = || async {
        let status = client.database("admin").run_command(doc! { "serverStatus": 1 }).await.unwrap();
        let ttl = status.get_document("metrics").unwrap().get_document("ttl").unwrap();
        ttl.get_i64("passes").unwrap()
    };
    let (before, deadline) = (passes().await, Instant::now() + Duration::from_secs(60));
    while passes().await < before + 2 {
        assert!(Instant::now() < deadline, "the server does not look for expired documents");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aged_time_series_comes_back_and_expires_only_once_it_is_whole() {
    let (source, desk) = tokio::join!(Desk::new(), expiring());
    let old = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 2 * 86_400_000);
    let series = doc! { "create": "s", "timeseries": { "timeField": "t" }, "expireAfterSeconds": 3600_i64 };
    source.client.database("d").run_command(series).await.unwrap();
    let index = doc! { "createIndexes": "c", "indexes": [{ "key": { "t": 1 }, "name": "ttl", "expireAfterSeconds": 60 }] };
    source.client.database("d").run_command(index).await.unwrap();
    let measure = |n: i32| doc! { "t": old, "n": n };
    source.insert("d", "s", measure(0)).await;
    source.insert("d", "c", measure(0)).await;
    let (archive, slices) = (desk.folder.path().join("archive"), desk.folder.path().join("slices"));
    let uri = source.target.uri();
    let mut capture = program();
    capture.args([
        "oplog",
        "capture",
        "--uri",
        &uri,
        "--no-encryption",
        "--slice-seconds",
        "1",
        "--out",
        arg(&slices),
    ]);
    let mut capture = capture.stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(&slices).map_or(0, Iterator::count) < 2 {
        assert!(Instant::now() < deadline, "no slice is begun");
        sleep(Duration::from_millis(20)).await;
    }
    mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&archive)]).expect(0);
    let mut n = 1;
    // Each one changes the bucket that the archive has.
    while std::fs::read_dir(&slices).map_or(0, |files| {
        files.flatten().filter(|file| file.path().extension().is_some_and(|it| it == "mongoark")).count()
    }) < 2
    {
        assert!(Instant::now() < deadline, "no slices come");
        source.insert("d", "s", measure(n)).await;
        source.insert("d", "c", measure(n)).await;
        n += 1;
        sleep(Duration::from_millis(100)).await;
    }
    // SAFETY: kill takes plain numbers, and the child has not been waited for.
    unsafe { libc::kill(capture.id().cast_signed(), libc::SIGINT) };
    assert!(capture.wait().unwrap().success());

    let oplog = ["--oplog-dir", arg(&slices)];
    let kept = desk.restore(&archive, &[&oplog[..], &["--ttl", "suspend"]].concat()).expect(0);
    kept.says("2 collections have a TTL").says(r#"runCommand({"collMod":"s","expireAfterSeconds":3600})"#);
    looked_for_expired(&desk.client).await;
    assert_eq!(desk.count("d", "s").await, usize::try_from(n).unwrap());
    assert_eq!(desk.count("d", "c").await, usize::try_from(n).unwrap());
    let suspended = desk.report()["result"]["suspended"].clone();
    assert_eq!(suspended.as_array().unwrap().len(), 2, "{suspended}");

    desk.client.database("d").drop().await.unwrap();
    desk.restore(&archive, &oplog).expect(0).says("--ttl suspend");
    let options = doc! { "listCollections": 1, "filter": { "name": "s" } };
    let found = desk.client.database("d").run_command(options).await.unwrap();
    let batch = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let options = batch[0].as_document().unwrap().get_document("options").unwrap();
    assert_eq!(options.get("expireAfterSeconds"), Some(&Bson::Int64(3600)));
    looked_for_expired(&desk.client).await;
    assert_eq!(desk.count("d", "c").await, 0, "the rule is what it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_asks_for_no_more_rights_than_it_needs() {
    let target = Server::builder().auth("root", "right").start().await;
    let root = connect(&target.uri()).await;
    let mut forge = Forge::new();
    forge.collection(1, "d", "c");
    forge.documents(1, &numbered(0..500, "archive"));
    let folder = tempfile::tempdir().unwrap();
    let file = put(folder.path(), "archive", &forge.finish(None));
    for (name, role, db) in [
        ("one", "readWrite", "d"),
        ("owner", "dbOwner", "d"),
        ("any", "readWriteAnyDatabase", "admin"),
        ("restorer", "restore", "admin"),
    ] {
        let user = doc! { "createUser": name, "pwd": "sesame", "roles": [{ "role": role, "db": db }] };
        root.database("admin").run_command(user).await.unwrap();
        let uri = target.uri().replace("root:right@", &format!("{name}:sesame@"));
        mongoark(&["restore", "--uri", &uri, arg(&file)]).expect(0).says("500 documents restored, 0 failed");
        let found = root.database("d").collection::<Document>("c").count_documents(doc! {}).await.unwrap();
        assert_eq!(found, 500, "{role}");
        root.database("d").drop().await.unwrap();
    }
}
