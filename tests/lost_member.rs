//! Dumps of a set of three whose member is lost while it is read: they go on with another one, if that has all that was
//! read. What comes of them at every moment is the oracle's.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::{FailCommand, clear_fail_point, set_fail_point};
use mongoark_test_support::{ReplicaSet, compare};
use mongodb::Client;
use mongodb::options::{Acknowledgment, WriteConcern};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{arg, finished, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

/// The member that a dump reads unless it is told otherwise: the secondary of lowest priority.
const READ: usize = 2;

/// A set that is dumped, a set to restore to, and a place for files.
struct Desk {
    source: ReplicaSet,
    client: Client,
    target: ReplicaSet,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let source = ReplicaSet::builder().members(3).priorities([3.0, 2.0, 1.0]);
        let (source, target) = tokio::join!(source.start(), ReplicaSet::single());
        let client = source.client().await;
        let db = client.database("d");
        for (name, count) in [("a", 300), ("large", 20_000), ("z", 300)] {
            let documents = (0..count).map(|id| doc! { "_id": id, "n": 0, "pad": "x".repeat(960) });
            let collection = db.collection::<Document>(name);
            collection.insert_many(documents).write_concern(on_disk_of(3)).await.unwrap();
        }
        Self { source, client, target, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, more: &[&str]) -> Command {
        let uri = format!(
            "{}&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&heartbeatFrequencyMS=1000",
            self.source.uri()
        );
        let mut dump = program();
        dump.args(["dump", "--uri", &uri, "--no-encryption", "--compression", "none", "--retry-for", "2"]);
        dump.args(["--checkpoint-every", "0.2", "--report", arg(&self.path("report"))]).args(more);
        dump.arg(self.path("archive"));
        dump
    }

    /// A dump that gets on slowly, when `a` and `z` are read and a part of `large`.
    async fn under_way(&self, more: &[&str]) -> Child {
        for member in 0..3 {
            let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
            slow.block(Duration::from_millis(700)).enable(&self.source.member_client(member).await).await;
        }
        let mut dump = self.dump(more).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::fs::metadata(self.path("archive.partial")).map_or(0, |file| file.len()) < 6_000_000 {
            if dump.try_wait().unwrap().is_some() || Instant::now() > deadline {
                dump.kill().ok();
                panic!("the dump does not get on: {:?}", finished(dump));
            }
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(300)).await;
        dump
    }

    /// Writes that only the oplog tells of, where collections were read already; all members that live have them.
    async fn write(&self, n: i32, alive: u32) {
        let db = self.client.database("d");
        for name in ["a", "large", "z"] {
            let change = doc! { "$set": { "n": n } };
            let (collection, some) = (db.collection::<Document>(name), doc! { "_id": { "$mod": [50, n] } });
            collection.update_many(some, change).write_concern(on_disk_of(alive)).await.unwrap();
        }
        let new = db.collection::<Document>(&format!("new{n}"));
        new.insert_one(doc! { "_id": n }).write_concern(on_disk_of(alive)).await.unwrap();
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("report")).unwrap()).unwrap()
    }

    async fn expect_whole(&self) {
        mongoark(&["verify", arg(&self.path("archive"))]).expect(0);
        let uri = self.target.uri();
        mongoark(&["restore", "--uri", &uri, "--existing", "drop", arg(&self.path("archive"))]).expect(0);
        let expected = compare::capture(&self.client).await.unwrap();
        let found = compare::capture(&self.target.client().await).await.unwrap();
        assert_eq!(expected.differences(&found, &compare::Options::default()), Vec::<String>::new());
    }
}

/// A dump is of what its member has: a majority may be the two others.
fn on_disk_of(members: u32) -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Nodes(members)).journal(true).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_goes_on_with_another_member_when_its_own_dies_or_stands_still() {
    let mut desk = Desk::new().await;
    let (dies, stands_still) = (desk.source.address(READ), desk.source.address(1));
    let dump = desk.under_way(&[]).await;
    desk.write(1, 3).await;
    desk.source.kill(READ);
    desk.write(2, 2).await;
    let ended = tokio::task::spawn_blocking(move || finished(dump)).await.unwrap().expect(0);
    ended.says(&format!("in place of {dies}"));
    let report = desk.report();
    assert_eq!(report["result"]["member"]["address"], stands_still, "{report:#}");
    assert_eq!(report["result"]["consistency"], "point-in-time");
    assert_eq!(report["result"]["keptDocuments"], 0, "nothing is of an earlier run");
    assert_eq!(report["result"]["moves"], 1);
    desk.expect_whole().await;

    desk.source.restart(READ).await;
    let dump = desk.under_way(&["--overwrite", "--read-preference", "primary"]).await;
    desk.write(3, 3).await;
    desk.source.pause(0);
    let ended = tokio::task::spawn_blocking(move || finished(dump)).await.unwrap().expect(0);
    ended.says(&format!("in place of {}", desk.source.address(0)));
    desk.source.resume(0);
    desk.source.wait_until_ready().await;
    desk.write(4, 3).await;
    desk.write(5, 3).await;
    // What came behind the dump is not in it.
    let uri = desk.target.uri();
    mongoark(&["restore", "--uri", &uri, "--existing", "drop", arg(&desk.path("archive"))]).expect(0);
    let names = desk.target.client().await.database("d").list_collection_names().await.unwrap();
    assert!(names.contains(&"new3".to_owned()) && !names.contains(&"new4".to_owned()), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dump_goes_on_with_another_member_if_that_has_what_was_read() {
    let mut desk = Desk::new().await;
    let mut dump = desk.under_way(&[]).await;
    dump.kill().unwrap();
    finished(dump);
    desk.write(1, 3).await;
    desk.source.kill(READ);
    let resumed = support::run(&mut desk.dump(&["--resume"])).expect(0);
    resumed.says("going on behind").says(&format!("in place of {}", desk.source.address(READ)));
    let kept = desk.report()["result"]["keptDocuments"].as_i64().unwrap();
    assert!((600..1_000).contains(&kept), "the small collections, and nothing of the large one: {kept}");
    desk.expect_whole().await;

    // It comes back as another life of the same member.
    desk.source.restart(READ).await;
    let dump = desk.under_way(&["--overwrite"]).await;
    desk.write(2, 3).await;
    desk.source.kill(READ);
    desk.source.restart(READ).await;
    let ended = tokio::task::spawn_blocking(move || finished(dump)).await.unwrap().expect(0);
    ended.says(&format!("going on with {}", desk.source.address(READ)));
    desk.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_lost_member_had_ends_a_dump() {
    let mut desk = Desk::new().await;
    let primary = desk.source.primary().await;
    for member in (0..3).filter(|member| *member != primary) {
        let client = desk.source.member_client(member).await;
        set_fail_point(&client, "stopReplProducer", "alwaysOn", doc! {}).await;
    }
    // On the primary alone, and read there.
    let written = desk.client.database("d").collection::<Document>("a");
    written.insert_one(doc! { "_id": "lost" }).write_concern(WriteConcern::nodes(1)).await.unwrap();
    let dump = desk.under_way(&["--read-preference", "primary"]).await;
    desk.source.kill(primary);
    for member in (0..3).filter(|member| *member != primary) {
        clear_fail_point(&desk.source.member_client(member).await, "stopReplProducer").await;
    }
    let ended = tokio::task::spawn_blocking(move || finished(dump)).await.unwrap().expect(1);
    ended.says("No member of the set can be gone on with").says("which was read before");
    assert!(!desk.path("archive").exists());
    let resumed = support::run(&mut desk.dump(&["--resume"])).expect(1);
    resumed.says("No member of the set can be gone on with");
    // Back, it rolls back what nobody else has.
    desk.source.restart(primary).await;
    desk.source.wait_until_ready().await;
    support::run(&mut desk.dump(&["--resume"])).expect(1).says("No member of the set can be gone on with");
}
