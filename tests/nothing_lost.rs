//! Restores that could lose a document, or destroy what is the target's own, and say that all is well.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Bson, Document, doc};
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
    let user = |name: &str| {
        raw(&doc! {
            "_id": format!("d.{name}"), "user": name, "db": "d", "roles": [],
            "credentials": { "SCRAM-SHA-256": {
                "iterationCount": 15000, "salt": "cJSoCuEyFbDFsYHXs5JFNYXjpmmVsyKrSGKeSA==",
                "storedKey": "tGCLf7pIHbMYjgGMPBOuDJrpRWZ1AXqgbCEWFSoJfJI=", "serverKey": "3sEdXlwSDYPOdqMQJTHbXuMRp0/x5wTOQlhuKmBc6hc=",
            } },
        })
    };
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
