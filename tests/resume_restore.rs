//! Restores that were broken off and gone on with, seen from the command line. That what comes of them is right at every
//! moment is the oracle's.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, compare, connect};
use mongodb::Client;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{arg, finished, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

/// Documents of the large collection, of 1,000 bytes.
const LARGE: i32 = 40_000;

/// An archive, what is in it, and a set to restore to.
struct Desk {
    source: Client,
    origin: ReplicaSet,
    target: ReplicaSet,
    client: Client,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let (from, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
        let (source, client) = (from.client().await, target.client().await);
        let folder = tempfile::tempdir().unwrap();
        let desk = Self { source, origin: from, target, client, folder };
        let db = desk.source.database("d");
        let large: Vec<i32> = (0..LARGE).collect();
        for some in large.chunks(20_000) {
            let documents = some.iter().map(|id| doc! { "_id": id, "v": id, "pad": "x".repeat(960) });
            db.collection::<Document>("large").insert_many(documents).await.unwrap();
        }
        db.create_collection("capped").capped(true).size(100_000).max(50).await.unwrap();
        let documents = (0..50).map(|id| doc! { "_id": id });
        db.collection::<Document>("capped").insert_many(documents).await.unwrap();
        let index = doc! { "createIndexes": "large", "indexes": [{ "key": { "v": 1 }, "name": "v" }],
        "writeConcern": { "w": "majority" } };
        db.run_command(index).await.unwrap();
        let uri = desk.origin.uri();
        mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&desk.archive())]).expect(0);
        desk
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn restore(&self, more: &[&str]) -> Command {
        let (uri, report) = (self.target.uri(), self.folder.path().join("report"));
        let mut restore = program();
        restore.args(["restore", "--uri", &uri, "--report", arg(&report), "--checkpoint-every", "0.1"]);
        restore.args(more).arg(self.archive());
        restore
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join("report")).unwrap()).unwrap()
    }

    /// A restore whose inserts take long, once some are written down.
    async fn under_way(&self, more: &[&str]) -> Child {
        let slow = FailCommand::new(["insert"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(300)).enable(&self.client).await;
        let child = self.restore(&[&["--jobs", "1"], more].concat()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.written_down().await < 2 {
            assert!(Instant::now() < deadline, "the restore does not get on");
            sleep(Duration::from_millis(50)).await;
        }
        child
    }

    async fn broken_off(&self, more: &[&str]) {
        let mut child = self.under_way(more).await;
        child.kill().unwrap();
        assert_eq!(finished(child).code, -1);
        FailCommand::disable(&self.client).await;
        // What it had sent is done by then, and does not meet what comes next.
        let under_way = doc! { "currentOp": 1, "command.comment": { "$regex": "^mongoark restore" } };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.client.database("admin").run_command(under_way.clone()).await.unwrap();
            if found.get_array("inprog").unwrap().is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "a command of a killed restore does not end");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Chunks that the notes say are written of any collection.
    async fn written_down(&self) -> i64 {
        let db = self.client.database("mongoark");
        let mut most = 0;
        for name in db.list_collection_names().await.unwrap() {
            let notes = db.collection::<Document>(&name);
            let largest = notes.find_one(doc! { "chunks": { "$gt": 0 } });
            let largest = largest.sort(doc! { "chunks": -1 }).await.unwrap();
            most = most.max(largest.map_or(0, |note| note.get_i64("chunks").unwrap()));
        }
        most
    }

    /// Fails unless the target is as the source is, and nothing else.
    async fn expect_whole(&self) {
        let expected = compare::capture(&self.source).await.unwrap();
        let found = compare::capture(&self.client).await.unwrap();
        assert_eq!(expected.differences(&found, &compare::Options::default()), Vec::<String>::new());
        let names = self.client.list_database_names().await.unwrap();
        assert!(!names.contains(&"mongoark".to_owned()), "notes are left of a restore that is whole");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_goes_on_behind_what_it_has_written_down() {
    let desk = Desk::new().await;
    desk.broken_off(&[]).await;
    let kept = desk.written_down().await;
    // What stands there is no reason to write over it, nor to do nothing.
    support::run(&mut desk.restore(&[])).expect(1).says("--resume to go on with it");
    support::run(&mut desk.restore(&["--resume", "--no-oplog"]))
        .expect(2)
        .says("begun with another --no-oplog");
    let only = ["--resume", "--include", "d.large"];
    support::run(&mut desk.restore(&only)).expect(2).says("begun with another --include");
    // What the server answers to the first of its notes is that it failed; it is there all the same.
    let lost = FailCommand::new(["update"]).app_name("mongoark").write_concern_error(91, "it shuts down");
    lost.times(1).enable(&desk.client).await;
    let printed = support::run(&mut desk.restore(&["--resume"])).expect(0).says("going on with the restore");
    FailCommand::disable(&desk.client).await;
    assert!(printed.stderr.contains("40,050 documents restored, 0 failed"), "{}", printed.stderr);
    desk.expect_whole().await;
    // Chunks that were written are not sent again: the report counts what came from the archive in this run.
    let read = desk.report()["result"]["documents"].as_i64().unwrap();
    assert!(kept >= 2 && read < i64::from(LARGE) - 6_000, "{kept} chunks were kept, {read} documents read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_begun_where_there_is_none_and_anew_where_that_is_asked_for() {
    let desk = Desk::new().await;
    support::run(&mut desk.restore(&["--resume"])).expect(0).says("beginning");
    desk.expect_whole().await;
    desk.broken_off(&["--existing", "drop"]).await;
    // Half of it by hand, which a restore that begins anew does not know of.
    desk.client.database("d").collection::<Document>("large").delete_many(doc! { "v": 7 }).await.unwrap();
    support::run(&mut desk.restore(&["--existing", "drop"])).expect(0);
    desk.expect_whole().await;
    desk.broken_off(&["--existing", "drop"]).await;
    support::run(&mut desk.restore(&["--existing", "drop", "--resume"]))
        .expect(0)
        .says("going on with the restore");
    desk.expect_whole().await;
    let child = desk.under_way(&["--existing", "drop"]).await;
    // SAFETY: kill takes plain numbers, and the child has not been waited for.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
    finished(child).expect(130).says("--resume goes on with it");
    FailCommand::disable(&desk.client).await;
    let dry = ["--existing", "drop", "--resume", "--dry-run"];
    support::run(&mut desk.restore(&dry)).expect(0).says("would restore");
    // From a pipe too.
    let uri = desk.target.uri();
    desk.client.database("d").drop().await.unwrap();
    desk.client.database("mongoark").drop().await.unwrap();
    desk.broken_off(&["--existing", "merge"]).await;
    let mut piped = program();
    piped.args(["restore", "--uri", &uri, "--existing", "merge", "--resume", "-"]);
    piped.stdin(std::fs::File::open(desk.archive()).unwrap());
    support::run(&mut piped).expect(0).says("going on with the restore");
    desk.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_is_told_again() {
    let desk = Desk::new().await;
    let db = desk.client.database("d");
    let others = (0..5_000).step_by(1_000).map(|id| doc! { "_id": id, "v": "other" });
    db.collection::<Document>("large").insert_many(others).await.unwrap();
    desk.broken_off(&["--existing", "merge", "--no-oplog"]).await;
    let resumed =
        support::run(&mut desk.restore(&["--existing", "merge", "--no-oplog", "--resume"])).expect(3);
    assert!(resumed.stderr.contains("5 documents were not restored"), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("40,045 documents restored, 5 failed"), "{}", resumed.stderr);
    assert_eq!(db.collection::<Document>("large").count_documents(doc! {}).await.unwrap(), LARGE as u64);
    assert!(!desk.client.list_database_names().await.unwrap().contains(&"mongoark".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_another_has_taken_over_from_ends_and_says_so() {
    let desk = Desk::new().await;
    let first = desk.under_way(&[]).await;
    let second = desk.restore(&["--resume"]).stderr(Stdio::piped()).spawn().unwrap();
    let first = tokio::task::spawn_blocking(move || finished(first)).await.unwrap();
    first.expect(1).says("another run restores this archive into this target");
    FailCommand::disable(&desk.client).await;
    finished(second).expect(0);
    desk.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_notes_restores_without_and_is_told() {
    let desk = Desk::new().await;
    let target = ReplicaSet::builder().auth("root", "right").start().await;
    let root = connect(&target.uri()).await;
    let user = doc! { "createUser": "restorer", "pwd": "sesame", "roles": ["restore"],
    "writeConcern": { "w": "majority" } };
    root.database("admin").run_command(user).await.unwrap();
    let uri = target.uri().replace("root:right@", "restorer:sesame@");
    let restored = mongoark(&["restore", "--uri", &uri, "--no-oplog", arg(&desk.archive())]).expect(0);
    restored.says("--resume will not be able to go on with this restore");
    let large = root.database("d").collection::<Document>("large");
    assert_eq!(large.count_documents(doc! {}).await.unwrap(), LARGE as u64);
    assert!(!root.list_database_names().await.unwrap().contains(&"mongoark".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_that_were_dropped_since_are_restored_from_their_start() {
    let desk = Desk::new().await;
    desk.broken_off(&[]).await;
    desk.client.database("d").drop().await.unwrap();
    let resumed = support::run(&mut desk.restore(&["--resume"])).expect(0);
    resumed.says("d.large: was dropped since the restore was interrupted").says("40,050 documents restored");
    desk.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_somebody_else_made_anew_is_not_gone_on_with() {
    let desk = Desk::new().await;
    desk.broken_off(&[]).await;
    let large = desk.client.database("d").collection::<Document>("large");
    large.drop().await.unwrap();
    large.insert_one(doc! { "_id": -1, "v": "application" }).await.unwrap();
    support::run(&mut desk.restore(&["--resume"])).expect(1).says("made anew by somebody else");
    let found = large.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!((large.count_documents(doc! {}).await.unwrap(), found.get_i32("_id").unwrap()), (1, -1));
    // Out of the way, it is restored from its start.
    large.drop().await.unwrap();
    support::run(&mut desk.restore(&["--resume"])).expect(0);
    desk.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_were_removed_since_are_restored_again() {
    let desk = Desk::new().await;
    desk.broken_off(&[]).await;
    let large = desk.client.database("d").collection::<Document>("large");
    let removed = large.delete_many(doc! {}).await.unwrap().deleted_count;
    assert!(removed > 0);
    support::run(&mut desk.restore(&["--resume"])).expect(0).says("d.large: has lost ");
    desk.expect_whole().await;
}

/// Stops a process where it is, or lets it go on.
fn signal(child: &Child, signal: libc::c_int) {
    // SAFETY: kill takes plain numbers, and the child has not been waited for.
    unsafe { libc::kill(child.id().cast_signed(), signal) };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stood_still_writes_nothing_behind_the_one_that_took_over() {
    let desk = Desk::new().await;
    let first = desk.under_way(&[]).await;
    signal(&first, libc::SIGSTOP);
    FailCommand::disable(&desk.client).await;
    support::run(&mut desk.restore(&["--resume"])).expect(0);
    // From now on the data is the application's.
    let large = desk.client.database("d").collection::<Document>("large");
    large.delete_many(doc! {}).await.unwrap();
    signal(&first, libc::SIGCONT);
    finished(first).expect(1).says("another run restores this archive into this target");
    assert_eq!(large.count_documents(doc! {}).await.unwrap(), 0);
    assert!(!desk.client.list_database_names().await.unwrap().contains(&"mongoark".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_somebody_else_made_meanwhile_is_not_taken_for_the_restores() {
    let desk = Desk::new().await;
    let view = doc! { "create": "view", "viewOn": "large", "pipeline": [{ "$match": { "v": 1 } }] };
    desk.source.database("d").run_command(view).await.unwrap();
    std::fs::remove_file(desk.archive()).unwrap();
    let uri = desk.origin.uri();
    mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&desk.archive())]).expect(0);
    desk.broken_off(&[]).await;
    let db = desk.client.database("d");
    let other = doc! { "create": "view", "viewOn": "capped", "pipeline": [] };
    db.run_command(other).await.unwrap();
    support::run(&mut desk.restore(&["--resume"])).expect(1).says("d.view is another view or collection");
    db.collection::<Document>("view").drop().await.unwrap();
    support::run(&mut desk.restore(&["--resume"])).expect(0);
    desk.expect_whole().await;
}
