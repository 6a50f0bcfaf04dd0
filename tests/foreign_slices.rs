//! Slices lead on behind the archive of their own set alone: not those of another set of its name, nor those of a copy that was
//! made of a member's files and has gone its own way since.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::ReplicaSet;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Run, arg, finished, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

async fn insert(set: &ReplicaSet, ids: std::ops::Range<i32>) {
    let collection = set.client().await.database("d").collection::<Document>("c");
    collection.insert_many(ids.map(|id| doc! { "_id": id })).await.unwrap();
}

/// The newest entry of a set's oplog, seconds and ordinal.
async fn now(set: &ReplicaSet) -> (u32, u32) {
    let oplog = set.client().await.database("local").collection::<Document>("oplog.rs");
    let entry = oplog.find_one(doc! {}).sort(doc! { "$natural": -1 }).await.unwrap().unwrap();
    let ts = entry.get_timestamp("ts").unwrap();
    (ts.time, ts.increment)
}

fn listed(slices: &Path) -> Value {
    serde_json::from_str(&mongoark(&["oplog", "ls", "--json", arg(slices)]).text()).unwrap()
}

/// Captures until everything that the set has written by now is in slices.
async fn capture(set: &ReplicaSet, slices: &Path) {
    let until = now(set).await;
    let mut capture = program();
    let uri = set.uri();
    capture.args(["oplog", "capture", "--no-encryption", "--slice-seconds", "1", "--uri", &uri, "--out"]);
    let capture = capture.arg(slices).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let reaches = || {
        let listed = if slices.exists() { listed(slices) } else { Value::Null };
        let ends = listed["ranges"].as_array().into_iter().flatten();
        let ends = ends.map(|range| range["end"].as_str().unwrap().split_once(':').unwrap());
        ends.map(|(time, ordinal)| (time.parse().unwrap(), ordinal.parse().unwrap())).max()
    };
    while reaches().is_none_or(|end: (u32, u32)| end < until) {
        assert!(Instant::now() < deadline, "the capture does not get there");
        sleep(Duration::from_millis(100)).await;
    }
    Command::new("kill").args(["-TERM", &capture.id().to_string()]).status().unwrap();
    finished(capture).expect(0);
}

/// A place for files, and a set to restore onto.
struct Desk {
    target: ReplicaSet,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self { target: ReplicaSet::single().await, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, set: &ReplicaSet) {
        mongoark(&["dump", "--uri", &set.uri(), "--no-encryption", arg(&self.path("archive"))]).expect(0);
    }

    fn restore(&self, slices: &Path) -> Run {
        let (uri, archive) = (self.target.uri(), self.path("archive"));
        mongoark(&["restore", "--uri", &uri, "--oplog-dir", arg(slices), arg(&archive)])
    }

    async fn restored(&self) -> u64 {
        let collection = self.target.client().await.database("d").collection::<Document>("c");
        collection.count_documents(doc! {}).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_of_another_set_of_the_same_name_are_refused_before_anything_is_written() {
    let (desk, set, other) = tokio::join!(Desk::new(), ReplicaSet::single(), ReplicaSet::single());
    let [own, foreign] = ["own", "foreign"].map(|name| desk.path(name));
    for (set, slices) in [(&set, &own), (&other, &foreign)] {
        insert(set, 0..10).await;
        capture(set, slices).await;
    }
    desk.dump(&set);
    insert(&set, 10..20).await;
    insert(&other, 10..25).await;
    for (set, slices) in [(&set, &own), (&other, &foreign)] {
        capture(set, slices).await;
    }
    desk.restore(&foreign).expect(2).says("another replica set").says("both are called rs0");
    assert_eq!(desk.restored().await, 0);
    // A capture goes on only with its own set, too.
    let (uri, out) = (other.uri(), arg(&own));
    mongoark(&["oplog", "capture", "--no-encryption", "--uri", &uri, "--out", out])
        .expect(2)
        .says("of another replica set")
        .says("both are called rs0");
    desk.restore(&own).expect(0);
    assert_eq!(desk.restored().await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_of_a_copy_that_has_gone_its_own_way_are_refused() {
    let (desk, mut set) = tokio::join!(Desk::new(), ReplicaSet::single());
    let [own, foreign] = ["own", "foreign"].map(|name| desk.path(name));
    insert(&set, 0..10).await;
    capture(&set, &own).await;
    let data = set.log_path(0).parent().unwrap().join("data");
    set.kill(0);
    copy(&data, &desk.path("copied"));
    set.restart(0).await;
    copy(&own, &foreign);

    insert(&set, 10..20).await;
    desk.dump(&set);
    insert(&set, 20..30).await;
    capture(&set, &own).await;

    // The same set as it was, by its name, its id and its UUIDs; what it writes from here on is its own.
    set.kill(0);
    std::fs::remove_dir_all(&data).unwrap();
    copy(&desk.path("copied"), &data);
    set.restart(0).await;
    insert(&set, 10..25).await;
    capture(&set, &foreign).await;
    assert_eq!(listed(&own)["slices"][0]["setId"], listed(&foreign)["slices"][0]["setId"]);

    desk.restore(&foreign).expect(2).says("the archive's last entry").says("a copy of this one");
    assert_eq!(desk.restored().await, 0);
    desk.restore(&own).expect(0);
    assert_eq!(desk.restored().await, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archives_last_entry_is_found_whatever_it_is() {
    let (desk, set) = tokio::join!(Desk::new(), ReplicaSet::single());
    let slices = desk.path("slices");
    insert(&set, 0..10).await;
    capture(&set, &slices).await;
    // An entry that no replay has a use for: slices keep no more of it than what it is known by.
    let note = doc! { "appendOplogNote": 1, "data": { "text": "x".repeat(1_000) } };
    set.client().await.database("admin").run_command(note).await.unwrap();
    desk.dump(&set);
    insert(&set, 10..20).await;
    capture(&set, &slices).await;
    let run = desk.restore(&slices).expect(0);
    assert!(!run.stderr.contains("nothing proves"), "{}", run.stderr);
    assert_eq!(desk.restored().await, 20);
}
