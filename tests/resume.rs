//! Dumps that were broken off and gone on with, seen from the command line. That what comes of them is right under every
//! kind of change is the oracle's.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, compare};
use mongodb::Client;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Run, arg, finished, mongoark, program, write_private};
use tempfile::TempDir;
use tokio::time::sleep;

/// Documents of the large collection, of 1,000 bytes: enough for two cursors.
const LARGE: i32 = 70_000;

/// A set that is dumped, one that is restored to, and a place for files.
struct Desk {
    source: ReplicaSet,
    client: Client,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let source = ReplicaSet::single().await;
        let client = source.client().await;
        let desk = Self { source, client, folder: tempfile::tempdir().unwrap() };
        for name in ["a", "z"] {
            desk.insert(name, 0..500).await;
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn insert(&self, collection: &str, ids: std::ops::Range<i32>) {
        let collection = self.client.database("d").collection::<Document>(collection);
        let ids: Vec<i32> = ids.collect();
        for some in ids.chunks(20_000) {
            let documents = some.iter().map(|id| doc! { "_id": id, "pad": "x".repeat(960) });
            collection.insert_many(documents).await.unwrap();
        }
    }

    fn dump(&self, more: &[&str]) -> Command {
        let (uri, report) = (self.source.uri(), self.path("report"));
        let mut dump = program();
        dump.args(["dump", "--uri", &uri, "--compression", "none", "--jobs", "2", "--report", arg(&report)]);
        dump.args(["--checkpoint-every", "0.2"]).args(more).arg(self.path("archive"));
        dump
    }

    fn run(&self, more: &[&str]) -> Run {
        support::run(&mut self.dump(more))
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("report")).unwrap()).unwrap()
    }

    /// A dump that gets on slowly, and does not end by itself for a while.
    async fn slowly(&self, more: &[&str]) -> Child {
        let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(400)).enable(&self.client).await;
        self.dump(more).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until so many bytes are written, and a checkpoint behind them is likely.
    async fn wait_for(&self, bytes: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let partial = self.path("archive.partial");
        while std::fs::metadata(&partial).map_or(0, |file| file.len()) < bytes {
            assert!(Instant::now() < deadline, "the dump does not get on");
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(500)).await;
    }

    /// A dump that is killed when it has written so much.
    async fn killed_at(&self, bytes: u64, more: &[&str]) {
        let mut dump = self.slowly(more).await;
        self.wait_for(bytes).await;
        dump.kill().unwrap();
        assert_eq!(finished(dump).code, -1);
        FailCommand::disable(&self.client).await;
    }

    /// Restores onto an empty set, which has to be as the source is.
    async fn expect_whole(&self, secrets: &[&str]) {
        mongoark(&[&["verify"], secrets, &[arg(&self.path("archive"))]].concat()).expect(0);
        let target = ReplicaSet::single().await;
        let uri = target.uri();
        mongoark(&[&["restore", "--uri", &uri], secrets, &[arg(&self.path("archive"))]].concat()).expect(0);
        let expected = compare::capture(&self.client).await.unwrap();
        let found = compare::capture(&target.client().await).await.unwrap();
        assert_eq!(expected.differences(&found, &compare::Options::default()), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dump_goes_on_where_its_cursors_were_and_holds_each_document_once() {
    let desk = Desk::new().await;
    desk.insert("large", 0..LARGE).await;
    let key = desk.path("key");
    mongoark(&["key", "generate", arg(&key)]).expect(0);
    let secrets = ["--key-file", arg(&key)];
    desk.killed_at(24_000_000, &secrets).await;
    let large = desk.client.database("d").collection::<Document>("large");
    // None of the records that cursors stand at.
    large.delete_many(doc! { "_id": { "$gte": 30_000, "$lt": 34_000 } }).await.unwrap();
    large
        .update_many(doc! { "_id": { "$mod": [5, 0] } }, doc! { "$set": { "changed": true } })
        .await
        .unwrap();
    // Once more, as it goes on.
    desk.killed_at(48_000_000, &[&secrets[..], &["--resume"]].concat()).await;
    desk.insert("large", LARGE..LARGE + 10).await;
    desk.run(&[&secrets[..], &["--resume"]].concat()).expect(0).says("going on behind");
    let report = desk.report();
    let kept = report["result"]["keptDocuments"].as_i64().unwrap();
    assert!(kept > 30_000, "two cursors and what was read whole: {report:#}");
    assert_eq!(report["result"]["consistency"], "point-in-time");
    desk.expect_whole(&secrets).await;
    let listed = mongoark(&[&["ls", "--json"], &secrets[..], &[arg(&desk.path("archive"))]].concat()).text();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["summary"]["documents"], report["result"]["documents"], "{listed:#}");
    // What it took back is taken back from whoever reads it through a pipe, too; or that is refused.
    let documents = &report["result"]["documents"];
    for (command, more) in
        [("verify", &[][..]), ("ls", &["--json"]), ("convert", &["--without-oplog", "-", "{out}"])]
    {
        let (out, piped_report) = (desk.path("out"), desk.path("piped"));
        let more: Vec<&str> =
            more.iter().map(|flag| if *flag == "{out}" { arg(&out) } else { flag }).collect();
        let input = if command == "convert" { &[][..] } else { &["-"] };
        let mut piped = program();
        piped.arg(command).args(secrets).args(["--report", arg(&piped_report)]).args(&more).args(input);
        let piped = support::run(piped.stdin(std::fs::File::open(desk.path("archive")).unwrap()));
        if command == "convert" && piped.code == 1 {
            piped.says("takes back documents that were read already");
            continue;
        }
        assert!([0, 3].contains(&piped.code), "{command}: {}", piped.stderr);
        let piped: Value = serde_json::from_slice(&std::fs::read(piped_report).unwrap()).unwrap();
        let counted = match command {
            "ls" => {
                let namespaces = piped["result"]["namespaces"].as_array().unwrap().iter();
                namespaces.map(|it| it["documents"].as_i64().unwrap()).sum()
            }
            _ => piped["result"]["documents"].as_i64().unwrap(),
        };
        assert_eq!(Some(counted), documents.as_i64(), "{command}: {piped:#}");
    }
    assert!(!desk.path("archive.partial").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_dump_that_was_begun_is_refused_and_what_there_is_stays() {
    let desk = Desk::new().await;
    desk.insert("large", 0..30_000).await;
    let passphrase = desk.path("passphrase");
    write_private(&passphrase, "right\n");
    let wrong = desk.path("wrong");
    write_private(&wrong, "wrong\n");
    let secret = ["--passphrase-file", arg(&passphrase)];
    desk.killed_at(8_000_000, &secret).await;
    let partial = || std::fs::read(desk.path("archive.partial")).unwrap();
    let before = partial();
    let resume = |more: &[&str]| desk.run(&[&["--resume"], more].concat());
    resume(&["--passphrase-file", arg(&wrong)]).expect(1).says("none of the given secrets");
    resume(&["--no-encryption"]).expect(1).says("encrypted");
    resume(&[&secret[..], &["--db", "d"]].concat()).expect(2).says("another selection");
    resume(&[&secret[..], &["--no-oplog"]].concat()).expect(2).says("its oplog");
    resume(&[&secret[..], &["--compression", "gzip"]].concat()).expect(2);
    let other = ReplicaSet::single().await;
    let uri = other.uri();
    mongoark(&[
        "dump",
        "--uri",
        &uri,
        "--resume",
        "--compression",
        "none",
        secret[0],
        secret[1],
        arg(&desk.path("archive")),
    ])
    .expect(1);
    assert!(partial() == before, "what was refused changed the file");
    mongoark(&["dump", "--uri", &uri, "--resume", "--no-encryption", "-"])
        .expect(2)
        .says("--resume takes a file");
    // What it was begun with still goes on.
    resume(&secret).expect(0);
    desk.expect_whole(&secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_to_go_on_with_a_dump_is_begun() {
    let desk = Desk::new().await;
    let resumed = desk.run(&["--no-encryption", "--resume"]).expect(0);
    resumed.says("beginning anew");
    std::fs::remove_file(desk.path("archive")).unwrap();
    std::fs::write(desk.path("archive.partial"), b"").unwrap();
    desk.run(&["--no-encryption", "--resume"]).expect(0).says("beginning anew");
    std::fs::remove_file(desk.path("archive")).unwrap();
    // What is none of ours is not written over.
    std::fs::write(desk.path("archive.partial"), [7; 5_000]).unwrap();
    desk.run(&["--no-encryption", "--resume"]).expect(1);
    assert_eq!(std::fs::read(desk.path("archive.partial")).unwrap(), [7; 5_000]);
    desk.run(&["--no-encryption"]).expect(0);
    desk.run(&["--no-encryption", "--resume"]).expect(2).says("exists");
    desk.expect_whole(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_gone_means_to_read_the_collection_again() {
    let desk = Desk::new().await;
    desk.insert("large", 0..30_000).await;
    desk.killed_at(8_000_000, &["--no-encryption"]).await;
    // The record that a cursor would go on behind is among those that are deleted; the collection comes anew in part.
    let large = desk.client.database("d").collection::<Document>("large");
    large.delete_many(doc! { "_id": { "$lt": 29_000 } }).await.unwrap();
    desk.client.database("d").run_command(doc! { "drop": "z" }).await.unwrap();
    desk.run(&["--no-encryption", "--resume"]).expect(0).says("read again from its start");
    desk.expect_whole(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_restarted_since_is_read_on_from_if_its_oplog_tells_that_nothing_was_lost() {
    let mut desk = Desk::new().await;
    desk.insert("large", 0..30_000).await;
    desk.killed_at(8_000_000, &["--no-encryption", "--no-oplog"]).await;
    desk.source.kill(0);
    desk.source.restart(0).await;
    desk.client = desk.source.client().await;
    desk.run(&["--no-encryption", "--no-oplog", "--resume"]).expect(1).says("restarted");
    assert!(!desk.path("archive").exists());

    desk.killed_at(8_000_000, &["--no-encryption"]).await;
    desk.source.kill(0);
    desk.source.restart(0).await;
    desk.client = desk.source.client().await;
    desk.insert("a", 500..600).await;
    desk.run(&["--no-encryption", "--resume"]).expect(0).says("once more");
    // The small collections; record ids of the large one mean nothing any more.
    let kept = desk.report()["result"]["keptDocuments"].as_i64().unwrap();
    assert!((500..=1_100).contains(&kept), "{kept}");
    desk.expect_whole(&[]).await;
}
