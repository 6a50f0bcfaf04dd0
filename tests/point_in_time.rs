//! Dumps of one moment, restores to any second, and the continuous capture, seen from the command line. What holds at every
//! moment under every kind of change is the oracle's; here are times, selections, refusals and gaps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Bson, Document, doc};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, Server};
use mongodb::Client;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::tools::Tools;
use support::{Run, arg, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

/// A set that is dumped, one that is restored to, and a place for files.
struct Desk {
    source: ReplicaSet,
    client: Client,
    target: ReplicaSet,
    copy: Client,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
        let (client, copy) = (source.client().await, target.client().await);
        Self { source, client, target, copy, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn insert(&self, collection: &str, ids: impl IntoIterator<Item = i32>) {
        let documents: Vec<Document> =
            ids.into_iter().map(|id| doc! { "_id": id, "pad": "x".repeat(1000) }).collect();
        self.client.database("d").collection::<Document>(collection).insert_many(documents).await.unwrap();
    }

    async fn command(&self, command: Document) {
        self.client.database("d").run_command(command).await.unwrap();
    }

    /// The newest entry of the source's oplog, as `--to` takes it.
    async fn now(&self) -> String {
        let oplog = self.client.database("local").collection::<Document>("oplog.rs");
        let entry = oplog
            .find_one(doc! { "op": { "$ne": "n" } })
            .sort(doc! { "$natural": -1 })
            .await
            .unwrap()
            .unwrap();
        let ts = entry.get_timestamp("ts").unwrap();
        format!("{}:{}", ts.time, ts.increment)
    }

    fn dump(&self, more: &[&str]) -> Run {
        let (uri, archive, report) = (self.source.uri(), self.path("archive"), self.path("report"));
        let head = ["dump", "--uri", &uri, "--no-encryption", "--overwrite", "--report", arg(&report)];
        mongoark(&[&head[..], more, &[arg(&archive)]].concat())
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("report")).unwrap()).unwrap()
    }

    fn restore(&self, more: &[&str]) -> Run {
        let (uri, archive) = (self.target.uri(), self.path("archive"));
        mongoark(&[&["restore", "--uri", &uri][..], more, &[arg(&archive)]].concat())
    }

    /// The `_id`s of a restored collection.
    async fn ids(&self, db: &str, collection: &str) -> Vec<i32> {
        let collection = self.copy.database(db).collection::<Document>(collection);
        let mut found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let mut ids = Vec::new();
        while found.advance().await.unwrap() {
            ids.push(found.current().get_i32("_id").unwrap());
        }
        ids
    }

    /// Dumps slowly, and does something as soon as the large collection is being read.
    async fn dump_while(&self, more: &[&str], change: impl AsyncFnOnce(&Self)) -> Run {
        let admin = self.client.database("admin");
        let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
        let was = admin.run_command(off).await.unwrap();
        let met = was.get_i64("count").or_else(|_| was.get_i32("count").map(i64::from)).unwrap();
        let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(700)).enable(&self.client).await;
        let (uri, archive, report) = (self.source.uri(), self.path("archive"), self.path("report"));
        let mut dump = program();
        dump.args(["dump", "--uri", &uri, "--no-encryption", "--overwrite", "--report", arg(&report)]);
        let dump =
            dump.args(more).arg(&archive).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let reading =
            doc! { "waitForFailPoint": "failCommand", "timesEntered": met + 1, "maxTimeMS": 60_000 };
        admin.run_command(reading).await.unwrap();
        change(self).await;
        FailCommand::disable(&self.client).await;
        let out = dump.wait_with_output().unwrap();
        Run {
            code: out.status.code().unwrap(),
            stdout: out.stdout,
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    fn capture(&self, more: &[&str]) -> Capture {
        let (uri, slices) = (self.source.uri(), self.path("slices"));
        let mut capture = program();
        capture.args(["oplog", "capture", "--uri", &uri, "--out", arg(&slices), "--no-encryption"]);
        Capture(capture.args(more).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn slices(&self) -> Value {
        let listed = mongoark(&["oplog", "ls", "--json", arg(&self.path("slices"))]).text();
        serde_json::from_str(&listed).unwrap()
    }

    /// Waits until the slices of the folder reach this time.
    async fn wait_for(&self, time: &str) {
        for _ in 0..600 {
            if self.path("slices").exists() {
                let ranges = self.slices()["ranges"].clone();
                let ends =
                    ranges.as_array().unwrap().iter().map(|range| range["end"].as_str().unwrap().to_owned());
                if ends.max_by_key(|end| parts(end)).is_some_and(|end| parts(&end) >= parts(time)) {
                    return;
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("no slice reaches {time}: {:#}", self.slices());
    }
}

fn parts(time: &str) -> (u32, u32) {
    let (seconds, ordinal) = time.split_once(':').unwrap();
    (seconds.parse().unwrap(), ordinal.parse().unwrap())
}

struct Capture(Child);

impl Drop for Capture {
    /// A test that fails leaves no capture behind.
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Capture {
    /// Asks it to end; its exit code and what it said.
    fn end(mut self) -> (i32, String) {
        signal(self.0.id(), "-TERM");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        (self.0.wait().unwrap().code().unwrap(), said)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_names_its_times_and_comes_back_as_of_the_last() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    desk.insert("small", 0..10).await;
    let dumped = desk
        .dump_while(&[], async |desk: &Desk| {
            desk.insert("small", 10..20).await;
            desk.insert("late", 0..3).await;
            desk.command(
                doc! { "delete": "large", "deletes": [{ "q": { "_id": { "$lt": 100 } }, "limit": 0 }] },
            )
            .await;
        })
        .await;
    dumped.expect(0).says("all of it as of");
    let oplog = desk.report()["result"]["oplog"].clone();
    let time = |name: &str| parts(oplog[name].as_str().unwrap());
    assert!(time("start") < time("consistent") && time("consistent") <= time("end"), "{oplog}");
    let listed = mongoark(&["ls", arg(&desk.path("archive"))]).expect(0).text();
    assert!(listed.contains("restores to any moment from"), "{listed}");
    desk.restore(&[]).expect(0).says("replayed");
    assert_eq!(desk.ids("d", "small").await, (0..20).collect::<Vec<i32>>());
    assert_eq!(desk.ids("d", "late").await, [0, 1, 2]);
    assert_eq!(desk.ids("d", "large").await, (100..9_000).collect::<Vec<i32>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_carries_the_oplog_too() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    desk.dump_while(&[], async |desk: &Desk| desk.insert("late", 0..3).await).await.expect(0);
    let archive = std::fs::File::open(desk.path("archive")).unwrap();
    let mut restore = program();
    restore.args(["restore", "--uri", &desk.target.uri(), "-"]).stdin(archive);
    support::run(&mut restore).expect(0).says("replayed");
    assert_eq!(desk.ids("d", "late").await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_nothing_holds_is_refused_before_anything_is_written() {
    let desk = Desk::new().await;
    desk.insert("c", 0..10).await;
    desk.dump(&[]).expect(0);
    for (time, why) in [
        ("1000:1", "before"),
        ("1990-01-01T00:00:00Z", "before"),
        ("2100-01-01T00:00:00Z", "--oplog-dir"),
        ("yesterday", "RFC 3339"),
        ("2026-11-28T10:00:00.5Z", "without a fraction"),
    ] {
        desk.restore(&["--to", time]).expect(2).says(why);
    }
    desk.dump(&["--no-oplog"]).expect(0).says("consistent by themselves only");
    desk.restore(&["--to", "1000:1"]).expect(2).says("holds no oplog");
    assert!(desk.copy.database("d").list_collection_names().await.unwrap().is_empty());
    // A standalone server has none to give, which is told and is no failure.
    let standalone = Server::standalone().await;
    let (uri, archive) = (standalone.uri(), desk.path("archive"));
    let alone = ["dump", "--uri", &uri, "--no-encryption", "--overwrite", arg(&archive)];
    mongoark(&alone).expect(0).says("no oplog");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_selected_and_renamed_holds_for_the_oplog_too() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    desk.insert("wanted", 0..2).await;
    desk.insert("other", 0..2).await;
    let change = async |desk: &Desk| {
        desk.insert("wanted", 2..4).await;
        desk.insert("other", 2..4).await;
        desk.command(doc! { "create": "wanted_view", "viewOn": "wanted", "pipeline": [] }).await;
        desk.command(
            doc! { "createIndexes": "wanted", "indexes": [{ "key": { "pad": 1 }, "name": "pad_1" }] },
        )
        .await;
        let rename = doc! { "renameCollection": "d.wanted", "to": "d.wanted_2" };
        desk.client.database("admin").run_command(rename).await.unwrap();
    };
    desk.dump_while(&[], change).await.expect(0);
    // The operator's own collection of the database is not touched.
    desk.copy.database("e").collection("mine").insert_one(doc! { "_id": 1 }).await.unwrap();
    let selected = ["--include", "d.wanted*", "--rename", "d=e"];
    desk.restore(&selected).expect(0);
    assert_eq!(desk.ids("e", "wanted_2").await, [0, 1, 2, 3]);
    assert_eq!(desk.ids("e", "wanted_view").await, [0; 0], "a view on a name that is gone");
    assert_eq!(desk.ids("e", "mine").await, [1]);
    let mut names = desk.copy.database("e").list_collection_names().await.unwrap();
    names.sort();
    assert_eq!(names, ["mine", "system.views", "wanted_2", "wanted_view"]);
    let indexes =
        desk.copy.database("e").collection::<Document>("wanted_2").list_index_names().await.unwrap();
    assert_eq!(indexes, ["_id_", "pad_1"]);
    assert!(!desk.copy.list_database_names().await.unwrap().contains(&"d".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_may_be_another_collections_by_the_time_it_is_listed() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    desk.insert("a", 0..3).await;
    let change = async |desk: &Desk| {
        let admin = desk.client.database("admin");
        admin.run_command(doc! { "renameCollection": "d.a", "to": "d.b" }).await.unwrap();
        desk.insert("a", 50..52).await;
        desk.insert("b", 3..5).await;
        admin.run_command(doc! { "renameCollection": "d.a", "to": "d.b", "dropTarget": true }).await.unwrap();
        desk.insert("a", 70..71).await;
    };
    desk.dump_while(&[], change).await.expect(0);
    desk.restore(&[]).expect(0);
    assert_eq!((desk.ids("d", "a").await, desk.ids("d", "b").await), (vec![70], vec![50, 51]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_being_built_is_there_once_the_oplog_says_so() {
    let desk = Desk::new().await;
    desk.insert("a", 0..10).await;
    let (admin, database) = (desk.client.database("admin"), desk.client.database("d"));
    let hang = |mode: &str| doc! { "configureFailPoint": "hangAfterStartingIndexBuild", "mode": mode };
    admin.run_command(hang("alwaysOn")).await.unwrap();
    let index = doc! { "createIndexes": "a", "indexes": [{ "key": { "pad": 1 }, "name": "pad" }] };
    let building = tokio::spawn(async move { database.run_command(index).await });
    let names = async |client: &Client| {
        client.database("d").collection::<Document>("a").list_index_names().await.unwrap()
    };
    while names(&desk.client).await.len() < 2 {
        sleep(Duration::from_millis(50)).await;
    }
    desk.dump(&[]).expect(0);
    let tools = Tools::link();
    let out = desk.path("dump");
    support::run(tools.mongodump().args(["--uri", &desk.source.uri(), "--oplog", "--out", arg(&out)]))
        .expect(0);
    desk.restore(&[]).expect(0);
    assert_eq!(names(&desk.copy).await, ["_id_"]);
    let restore = ["--uri", &desk.target.uri(), "--drop", "--oplogReplay"];
    support::run(tools.mongorestore().args(restore).arg(&out)).expect(0);
    assert_eq!(names(&desk.copy).await, ["_id_"]);
    // Without the oplog nothing else would bring it.
    desk.dump(&["--no-oplog"]).expect(0);
    desk.restore(&["--existing", "drop"]).expect(0);
    assert_eq!(names(&desk.copy).await, ["_id_", "pad"]);
    admin.run_command(hang("off")).await.unwrap();
    building.await.unwrap().unwrap();
}

/// Renames a collection to and fro without a pause until it is told to stop.
async fn to_and_fro(client: Client, stop: Arc<AtomicBool>) {
    let admin = client.database("admin");
    while !stop.load(Ordering::Relaxed) {
        for (from, to) in [("d.a", "d.b"), ("d.b", "d.a")] {
            admin.run_command(doc! { "renameCollection": from, "to": to }).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_renamed_to_and_fro_is_read_whole() {
    let desk = Desk::new().await;
    desk.insert("a", 0..500).await;
    desk.command(doc! { "createIndexes": "a", "indexes": [{ "key": { "pad": 1 }, "name": "pad" }] }).await;
    let tools = Tools::link();
    let stop = Arc::new(AtomicBool::new(false));
    let renaming = tokio::spawn(to_and_fro(desk.client.clone(), Arc::clone(&stop)));
    for run in 0..15 {
        desk.dump(&[]).expect(0);
        let read = desk.report()["result"]["documents"].clone();
        let out = desk.path(&format!("dump-{run}"));
        support::run(tools.mongodump().args(["--uri", &desk.source.uri(), "--oplog", "--out", arg(&out)]))
            .expect(0);
        let sizes = ["a", "b"]
            .map(|name| std::fs::metadata(out.join(format!("d/{name}.bson"))).map_or(0, |file| file.len()));
        assert_eq!(
            (read.as_u64(), sizes.iter().sum::<u64>()),
            (Some(500), 500 * 1_024),
            "run {run}: {sizes:?}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    renaming.await.unwrap();
    desk.restore(&[]).expect(0);
    let found = [desk.ids("d", "a").await.len(), desk.ids("d", "b").await.len()];
    assert!(found == [500, 0] || found == [0, 500], "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_has_of_its_own_stays() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    let change = async |desk: &Desk| {
        desk.insert("made", 0..3).await;
        let admin = desk.client.database("admin");
        admin.run_command(doc! { "createUser": "late", "pwd": "x", "roles": [] }).await.unwrap();
        admin.run_command(doc! { "createUser": "both", "pwd": "x", "roles": [] }).await.unwrap();
    };
    desk.dump_while(&[], change).await.expect(0);
    let own = desk.copy.database("d").collection("made");
    own.insert_one(doc! { "_id": 99 }).await.unwrap();
    desk.restore(&[]).expect(1).says("d.made").says("--existing drop");
    assert_eq!(desk.ids("d", "made").await, [99]);
    // A user of that name is the target's own.
    let user = doc! { "createUser": "both", "pwd": "own", "roles": ["read"] };
    desk.copy.database("admin").run_command(user).await.unwrap();
    desk.restore(&["--existing", "drop"]).expect(3).says("admin.both").says("own was kept");
    assert_eq!(desk.ids("d", "made").await, [0, 1, 2]);
    let users = desk.copy.database("admin").run_command(doc! { "usersInfo": 1 }).await.unwrap();
    let names: Vec<&str> = users.get_array("users").unwrap().iter().filter_map(name).collect();
    assert!(names.contains(&"late") && names.contains(&"both"), "{names:?}");
}

fn name(user: &Bson) -> Option<&str> {
    user.as_document()?.get_str("user").ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_others_add_to_is_not_replayed_into() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    desk.dump_while(&[], async |desk: &Desk| desk.insert("large", 9_000..9_010).await).await.expect(0);
    desk.copy.database("d").collection("large").insert_one(doc! { "_id": -1 }).await.unwrap();
    desk.restore(&["--existing", "merge"]).expect(2).says("--no-oplog");
    desk.restore(&["--existing", "merge", "--no-oplog"]).expect(0).says("not replayed");
    assert!(desk.ids("d", "large").await.len() >= 9_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_nothing_can_be_replayed_over_fails_and_says_why() {
    let desk = Desk::new().await;
    desk.insert("large", 0..9_000).await;
    let change = async |desk: &Desk| {
        let version = desk.client.database("admin").collection::<Document>("system.version");
        version.insert_one(doc! { "_id": "something", "of": "the server's" }).await.unwrap();
    };
    let failed = desk.dump_while(&[], change).await.expect(1);
    assert!(failed.stderr.contains("admin.system.version"), "{}", failed.stderr);
    assert!(!desk.path("archive").exists());
    let comes_in = async |desk: &Desk| {
        desk.insert("outside", 0..3).await;
        let rename = doc! { "renameCollection": "d.outside", "to": "d.large_2" };
        desk.client.database("admin").run_command(rename).await.unwrap();
    };
    desk.dump_while(&["--include", "d.large*"], comes_in).await.expect(1).says("dump again");
}

/// A source whose oplog holds one megabyte, with a large collection.
async fn desk_with_a_small_oplog() -> Desk {
    // What a checkpoint needs is never cut off the oplog, so one is taken every second.
    let source = ReplicaSet::builder().oplog_mb(1).arg("--syncdelay").arg("1").start().await;
    let mut desk = Desk::new().await;
    desk.client = source.client().await;
    desk.source = source;
    desk.insert("large", 0..9_000).await;
    desk
}

/// Writes until the oplog has nothing of what is in it now.
async fn roll_over(desk: &Desk) {
    let oplog = desk.client.database("local").collection::<Document>("oplog.rs");
    let last = desk.now().await;
    let oldest = async || {
        let entry = oplog.find_one(doc! {}).sort(doc! { "$natural": 1 }).await.unwrap().unwrap();
        let ts = entry.get_timestamp("ts").unwrap();
        (ts.time, ts.increment)
    };
    let fill = desk.client.database("fill").collection::<Document>("c");
    let deadline = Instant::now() + Duration::from_secs(120);
    while oldest().await <= parts(&last) {
        assert!(Instant::now() < deadline, "the oplog does not roll over");
        let documents: Vec<Document> = (0..8).map(|_| doc! { "text": "x".repeat(32 * 1024) }).collect();
        fill.insert_many(documents).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_may_take_longer_than_the_oplog_reaches_back() {
    let desk = desk_with_a_small_oplog().await;
    let change = async |desk: &Desk| {
        desk.insert("late", 0..3).await;
        roll_over(desk).await;
    };
    desk.dump_while(&["--db", "d"], change).await.expect(0);
    desk.restore(&[]).expect(0);
    assert_eq!(desk.ids("d", "late").await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_rolls_over_what_was_not_captured_is_a_gap() {
    let desk = desk_with_a_small_oplog().await;
    let capture = desk.capture(&["--slice-seconds", "1"]);
    let begun = desk.now().await;
    desk.wait_for(&begun).await;
    signal(capture.0.id(), "-STOP");
    roll_over(&desk).await;
    signal(capture.0.id(), "-CONT");
    desk.insert("c", 0..1).await;
    let last = desk.now().await;
    desk.wait_for(&last).await;
    let (code, said) = capture.end();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("nothing is held between") && said.contains("rolled over"), "{said}");
    assert_eq!(desk.slices()["ranges"].as_array().unwrap().len(), 2, "{:#}", desk.slices());
}

/// Sends a signal to a process.
fn signal(process: u32, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_lead_from_a_dump_to_any_time_and_a_killed_capture_goes_on() {
    let desk = Desk::new().await;
    desk.insert("c", 0..1).await;
    let first = desk.capture(&["--slice-seconds", "1"]);
    let begun = desk.now().await;
    desk.wait_for(&begun).await;
    desk.dump(&[]).expect(0);
    let mut times = Vec::new();
    for id in 1..4 {
        desk.insert("c", id..=id).await;
        times.push(desk.now().await);
    }
    // Two at once would write over each other.
    let (uri, slices) = (desk.source.uri(), desk.path("slices"));
    mongoark(&["oplog", "capture", "--no-encryption", "--uri", &uri, "--out", arg(&slices)])
        .expect(1)
        .says("another capture writes to");
    desk.wait_for(&times[2]).await;
    first.kill();
    desk.insert("c", 4..5).await;
    times.push(desk.now().await);
    let third = desk.capture(&["--slice-seconds", "1"]);
    desk.wait_for(&times[3]).await;
    let (code, said) = third.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(desk.slices()["ranges"].as_array().unwrap().len(), 1, "{:#}", desk.slices());
    for (place, time) in times.iter().enumerate().rev() {
        let to = ["--existing", "drop", "--oplog-dir", arg(&slices), "--to", time];
        desk.restore(&to).expect(0);
        let last = i32::try_from(place).unwrap() + 1;
        assert_eq!(desk.ids("d", "c").await, (0..=last).collect::<Vec<i32>>(), "at {time}");
    }
    desk.restore(&["--existing", "drop", "--oplog-dir", arg(&slices)]).expect(0);
    assert_eq!(desk.ids("d", "c").await, [0, 1, 2, 3, 4]);
    a_missing_slice_is_a_gap(&desk, &times[3], &slices);
}

/// Without a slice in the middle, neither `ls` nor a restore claims what is behind it.
fn a_missing_slice_is_a_gap(desk: &Desk, last: &str, slices: &Path) {
    let listed = desk.slices();
    let files: Vec<&str> =
        listed["slices"].as_array().unwrap().iter().map(|slice| slice["file"].as_str().unwrap()).collect();
    assert!(files.len() >= 3, "{listed:#}");
    let damaged = std::fs::read(files[1]).unwrap();
    std::fs::write(files[1], &damaged[..damaged.len() - 1]).unwrap();
    mongoark(&["oplog", "ls", arg(slices)]).expect(3).says("the archive");
    desk.restore(&["--existing", "drop", "--oplog-dir", arg(slices), "--to", last])
        .expect(2)
        .says("do not lead");
    std::fs::remove_file(files[1]).unwrap();
    let table = mongoark(&["oplog", "ls", arg(slices)]).expect(0).text();
    assert!(table.contains("gap  "), "{table}");
    desk.restore(&["--existing", "drop", "--oplog-dir", arg(slices), "--to", last])
        .expect(2)
        .says("do not lead");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_forbids_a_replay_is_a_gap_and_the_capture_goes_on() {
    let desk = Desk::new().await;
    desk.insert("c", 0..1).await;
    let capture = desk.capture(&["--slice-seconds", "1"]);
    let begun = desk.now().await;
    desk.wait_for(&begun).await;
    let version = desk.client.database("admin").collection::<Document>("system.version");
    version.insert_one(doc! { "_id": "something" }).await.unwrap();
    desk.insert("c", 1..2).await;
    let last = desk.now().await;
    desk.wait_for(&last).await;
    let (code, said) = capture.end();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("nothing is held between") && said.contains("admin.system.version"), "{said}");
    let listed = desk.slices();
    assert_eq!(listed["ranges"].as_array().unwrap().len(), 2, "{listed:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_of_another_set_or_of_none_are_refused() {
    let desk = Desk::new().await;
    desk.insert("c", 0..1).await;
    desk.dump(&[]).expect(0);
    let empty = desk.path("empty");
    std::fs::create_dir(&empty).unwrap();
    desk.restore(&["--oplog-dir", arg(&empty)]).expect(2).says("holds no slices");
    desk.restore(&["--oplog-dir", arg(&desk.path("nowhere"))]).expect(1).says("nowhere");
    let (standalone, slices) = (Server::standalone().await, desk.path("slices"));
    let capture =
        |uri: &str| mongoark(&["oplog", "capture", "--no-encryption", "--out", arg(&slices), "--uri", uri]);
    capture(&standalone.uri()).expect(1).says("keeps no oplog");
    capture("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300").expect(1).says("127.0.0.1:9");
    mongoark(&["oplog", "capture", "--uri", &desk.source.uri(), "--out", arg(&desk.path("slices"))])
        .expect(2)
        .says("--key-file");
}
