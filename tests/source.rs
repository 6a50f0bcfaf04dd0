//! The side that is read: what a dump may not see is never taken for what is not there, a document that moves while several
//! cursors read is met, a member that lags is not read unnoticed, and indexes that were made on buckets come along.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::{FailCommand, set_fail_point};
use mongoark_test_support::{ReplicaSet, Server, connect};
use mongodb::Client;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Run, arg, finished, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

// What a user may see.

/// A set under access control, with two databases.
struct Guarded {
    set: ReplicaSet,
    admin: Client,
    folder: TempDir,
}

impl Guarded {
    async fn new() -> Self {
        let set = ReplicaSet::builder().auth("root", "right").start().await;
        let admin = set.client().await;
        for db in ["shop", "secret"] {
            admin.database(db).collection("c").insert_one(doc! { "_id": 1 }).await.unwrap();
        }
        Self { set, admin, folder: tempfile::tempdir().unwrap() }
    }

    async fn role(&self, name: &str, action: &str, resource: Document) {
        let privilege = doc! { "resource": resource, "actions": [action] };
        let role = doc! { "createRole": name, "privileges": [privilege], "roles": [] };
        self.admin.database("admin").run_command(role).await.unwrap();
    }

    /// The connection string of a new user.
    async fn user(&self, name: &str, roles: Vec<bson::Bson>) -> String {
        let user = doc! { "createUser": name, "pwd": "secret", "roles": roles };
        self.admin.database("admin").run_command(user).await.unwrap();
        format!("mongodb://{name}:secret@{}/?authSource=admin", self.set.address(0))
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn dump(&self, uri: &str, more: &[&str]) -> Run {
        let archive = self.archive();
        std::fs::remove_file(&archive).ok();
        let dump = ["dump", "--uri", uri, "--no-encryption", "--overwrite"];
        mongoark(&[&dump[..], more, &[arg(&archive)]].concat())
    }
}

fn read(db: &str) -> bson::Bson {
    doc! { "role": "read", "db": db }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_cannot_see_is_not_taken_for_what_is_not_there() {
    let guarded = Guarded::new().await;
    let clerk = guarded.user("clerk", vec![read("shop"), read("local"), read("config")]).await;
    // A server would list shop alone.
    for more in
        [&[][..], &["--no-oplog"], &["--exclude", "other"], &["--include", "s*"], &["--include", "*.c"]]
    {
        guarded.dump(&clerk, more).expect(1).says("listDatabases").says("--include");
        assert!(!guarded.archive().exists(), "{more:?}");
    }
    for more in
        [&["--db", "shop"][..], &["--no-oplog", "--include", "shop.*"], &["--db", "shop", "--no-oplog"]]
    {
        guarded.dump(&clerk, more).expect(0);
        let listed = mongoark(&["ls", "--json", arg(&guarded.archive())]).text();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["summary"]["documents"], 1, "{listed:#}");
    }
    // A name of which nothing is there is not one of which nothing can be seen.
    guarded.dump(&clerk, &["--no-oplog", "--db", "secret"]).expect(1).says("collections of database secret");
    assert!(!guarded.archive().exists());
    let bench = ["bench", "--uri", &clerk, "--codec", "none", "--jobs", "1", "--no-encryption"];
    let bench = mongoark(&bench);
    assert!(bench.code != 0 && bench.stderr.contains("listDatabases"), "{bench:?}");
    let doctor = mongoark(&["doctor", "--uri", &clerk, "--sample", "0"]);
    assert_ne!(doctor.code, 0, "{doctor:?}");
    assert!(doctor.text().contains("that this user can see"), "{}", doctor.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_listed_but_not_to_be_read_ends_the_dump_by_name() {
    let guarded = Guarded::new().await;
    guarded.role("lister", "listDatabases", doc! { "cluster": true }).await;
    let lister = guarded.user("lister", vec!["lister".into(), read("shop"), read("admin")]).await;
    guarded.dump(&lister, &["--no-oplog"]).expect(1).says("collections of database");
    guarded.dump(&lister, &["--no-oplog", "--include", "sh*"]).expect(0);
    guarded
        .dump(&lister, &["--no-oplog", "--include", "se*"])
        .expect(1)
        .says("collections of database secret");
    let backup = guarded.user("keeper", vec!["backup".into()]).await;
    guarded.dump(&backup, &[]).expect(0);
    guarded.dump(&backup, &["--include", "s*"]).expect(0);
}

// Several cursors, and no oplog.

/// So large together that two cursors read them.
const LARGE: i32 = 6_000;

/// A standalone server with a collection that two cursors read, slowly.
struct Alone {
    server: Server,
    client: Client,
    folder: TempDir,
}

impl Alone {
    async fn new() -> Self {
        let server = Server::standalone().await;
        let client = connect(&server.uri()).await;
        let alone = Self { server, client, folder: tempfile::tempdir().unwrap() };
        let ids: Vec<i32> = (0..LARGE).collect();
        for some in ids.chunks(500) {
            alone.insert(some).await;
        }
        let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(500)).enable(&alone.client).await;
        alone
    }

    async fn insert(&self, ids: &[i32]) {
        let documents = ids.iter().map(|id| doc! { "_id": id, "pad": "x".repeat(12_000) });
        self.client.database("d").collection::<Document>("large").insert_many(documents).await.unwrap();
    }

    /// Removes some of what each cursor has still to read, and stores it anew.
    async fn move_some(&self) {
        let ids: Vec<i32> = (0..LARGE).filter(|id| id % 3_000 > 2_000 && id % 20 == 0).collect();
        let large = self.client.database("d").collection::<Document>("large");
        large.delete_many(doc! { "_id": { "$in": &ids } }).await.unwrap();
        self.insert(&ids).await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, more: &[&str]) -> Command {
        let mut dump = program();
        let uri = self.server.uri();
        dump.args(["dump", "--uri", &uri, "--no-encryption", "--compression", "none", "--jobs", "2"]);
        dump.args(["--checkpoint-every", "0.2"]).args(more).arg(self.path("archive"));
        dump.stderr(Stdio::piped());
        dump
    }

    /// Waits until this file has so many bytes.
    async fn wait_for(&self, name: &str, bytes: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::fs::metadata(self.path(name)).map_or(0, |file| file.len()) < bytes {
            assert!(Instant::now() < deadline, "the dump does not get on");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn go_fast(&self) {
        FailCommand::disable(&self.client).await;
    }
}

/// How many different documents an archive has of the collection.
fn different(archive: &Path) -> usize {
    let lines = mongoark(&["cat", arg(archive), "d.large"]).expect(0).text();
    let ids: HashSet<&str> = lines.lines().map(|line| line.split('}').next().unwrap()).collect();
    ids.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_moves_behind_several_cursors_is_met_without_an_oplog() {
    let alone = Alone::new().await;
    let dump: Child = alone.dump(&[]).spawn().unwrap();
    alone.wait_for("archive.partial", 4_000_000).await;
    alone.move_some().await;
    alone.go_fast().await;
    finished(dump).expect(0);
    assert_eq!(different(&alone.path("archive")), LARGE as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_dump_without_an_oplog_meets_what_moved_before_and_after_it_was_killed() {
    let alone = Alone::new().await;
    let mut dump = alone.dump(&[]).spawn().unwrap();
    alone.wait_for("archive.partial", 12_000_000).await;
    // For a checkpoint behind what is there.
    sleep(Duration::from_millis(500)).await;
    dump.kill().unwrap();
    assert_eq!(finished(dump).code, -1);
    alone.move_some().await;
    alone.go_fast().await;
    finished(alone.dump(&["--resume"]).spawn().unwrap()).expect(0).says("going on behind");
    assert_eq!(different(&alone.path("archive")), LARGE as usize);
    let report = mongoark(&["verify", arg(&alone.path("archive"))]);
    report.expect(0);
}

// A member that lags.

/// How far behind its primary a member is, seconds.
async fn lag(set: &ReplicaSet, member: usize) -> i64 {
    let write = async |member: usize| {
        let hello = set.member_client(member).await.database("admin").run_command(doc! { "hello": 1 }).await;
        let hello = hello.unwrap();
        hello.get_document("lastWrite").unwrap().get_datetime("lastWriteDate").unwrap().timestamp_millis()
    };
    (write(0).await - write(member).await) / 1000
}

/// A set whose member of lowest priority is 13 seconds behind, and stays so.
async fn lagging() -> ReplicaSet {
    let set = ReplicaSet::builder().members(3).priorities([2.0, 1.0, 0.0]).start().await;
    // It gets nothing of what is written from now on.
    set_fail_point(&set.member_client(2).await, "stopReplProducer", "alwaysOn", doc! {}).await;
    let collection = set.client().await.database("d").collection::<Document>("c");
    let deadline = Instant::now() + Duration::from_secs(60);
    while lag(&set, 2).await < 13 {
        assert!(Instant::now() < deadline, "the member does not lag");
        collection.insert_one(doc! {}).await.unwrap();
        sleep(Duration::from_millis(200)).await;
    }
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lags_is_passed_over_or_told_with_its_seconds() {
    let mut set = lagging().await;
    let folder = tempfile::tempdir().unwrap();
    let (archive, report) = (folder.path().join("archive"), folder.path().join("report"));
    let uri = set.uri();
    let dump = |more: &[&str]| {
        let dump =
            ["dump", "--uri", &uri, "--no-encryption", "--no-oplog", "--overwrite", "--report", arg(&report)];
        mongoark(&[&dump[..], more, &[arg(&archive)]].concat()).expect(0)
    };
    let report = || -> Value { serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap() };
    let member = || report()["result"]["member"].clone();
    let warns = || report()["warnings"].to_string().contains("s behind the newest write of the set");

    // Within the bound that is the default its priority counts; that it lags is told.
    dump(&[]).says("s behind the newest write of the set");
    assert_eq!(member()["address"], set.address(2));
    assert!(member()["lagSeconds"].as_i64().unwrap() >= 13 && warns(), "{:#}", report());
    dump(&["--max-lag", "5"]);
    assert_eq!(member()["address"], set.address(1), "{:#}", report());
    assert!(!warns(), "{:#}", report());
    set.kill(1);
    dump(&["--max-lag", "5"]).says("are more than 5 s behind");
    assert_eq!(member()["address"], set.address(0), "{:#}", report());
    dump(&["--max-lag", "5", "--read-preference", "secondary"]).says("--max-lag");
    assert_eq!(member()["address"], set.address(2), "{:#}", report());
    assert!(warns(), "{:#}", report());
}

// Indexes on buckets.

#[tokio::test(flavor = "multi_thread")]
async fn an_index_made_on_the_buckets_of_a_time_series_comes_along() {
    let (source, target) = (Server::standalone().await, Server::standalone().await);
    let (client, copy) = (connect(&source.uri()).await, connect(&target.uri()).await);
    let db = client.database("d");
    let series = doc! { "create": "s", "timeseries": { "timeField": "t", "metaField": "m" } };
    db.run_command(series).await.unwrap();
    let measurement = doc! { "t": bson::DateTime::from_millis(1_000), "m": 1, "heat": 20 };
    db.collection("s").insert_one(measurement).await.unwrap();
    let index = |on: &str, key: Document, name: &str| {
        doc! { "createIndexes": on, "indexes": [{ "key": key, "name": name }] }
    };
    db.run_command(index("s", doc! { "m": 1 }, "of the series")).await.unwrap();
    let on_buckets = doc! { "control.min.heat": 1, "meta": -1 };
    db.run_command(index("system.buckets.s", on_buckets, "of the buckets")).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    mongoark(&["dump", "--uri", &source.uri(), "--no-encryption", arg(&archive)]).expect(0);
    mongoark(&["restore", "--uri", &target.uri(), "--rename", "d.s=e.r", arg(&archive)]).expect(0);
    let names = async |client: &Client, db: &str, collection: &str| {
        let list = doc! { "listIndexes": collection };
        let listed = client.database(db).run_command(list).await.unwrap();
        let batch = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
        let names =
            batch.iter().map(|index| index.as_document().unwrap().get_str("name").unwrap().to_owned());
        names.collect::<HashSet<String>>()
    };
    for (from, to) in [("s", "r"), ("system.buckets.s", "system.buckets.r")] {
        assert_eq!(names(&client, "d", from).await, names(&copy, "e", to).await);
    }
    assert!(names(&copy, "e", "system.buckets.r").await.contains("of the buckets"));

    let out = folder.path().join("out");
    mongoark(&["convert", arg(&archive), arg(&out)]).expect(3).says("index of the buckets");
}
