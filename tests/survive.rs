//! What dumps and restores live through: networks that cut, stall and reset connections; servers that die and come back.
//! `MONGOARK_SURVIVE_RUNS=200` and `MONGOARK_SURVIVE_SEED=N` run more, or others.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::{FailCommand, Proxy};
use mongoark_test_support::{ReplicaSet, Server, compare, connect};
use mongodb::Client;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::tools::Tools;
use support::{Run, arg, finished, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

/// Runs through a bad network unless more are asked for.
const RUNS: u64 = 8;

/// A set that is dumped, one that is restored to, and a place for files.
struct Desk {
    source: ReplicaSet,
    client: Client,
    target: ReplicaSet,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
        let desk =
            Self { client: source.client().await, source, target, folder: tempfile::tempdir().unwrap() };
        fill(&desk.client).await;
        desk
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn dump_arguments<'a>(uri: &'a str, archive: &'a str) -> Vec<&'a str> {
        let flags = ["--no-encryption", "--compression", "none", "--overwrite", "--checkpoint-every", "0.2"];
        [&["dump", "--uri", uri][..], &flags, &[archive]].concat()
    }

    fn dump(&self, uri: &str, more: &[&str]) -> Run {
        let archive = self.archive();
        mongoark(&[&Self::dump_arguments(uri, arg(&archive))[..], more].concat())
    }

    fn restore(&self, uri: &str) -> Run {
        mongoark(&["restore", "--uri", uri, "--existing", "drop", "--retry-for", "20", arg(&self.archive())])
    }

    async fn expect_equal(&self, what: &str) {
        let expected = compare::capture(&self.client).await.unwrap();
        let found = compare::capture(&connect(&self.target.uri()).await).await.unwrap();
        let lines = expected.differences(&found, &compare::Options::default());
        assert!(lines.is_empty(), "{what}: {}", lines.join("\n"));
    }

    /// A dump that gets on slowly until its server goes.
    async fn slowly(&self, uri: &str, more: &[&str]) -> Child {
        let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(700)).enable(&self.client).await;
        let archive = self.archive();
        let mut dump = program();
        dump.args(Self::dump_arguments(uri, arg(&archive))).args(more).stderr(Stdio::piped());
        let dump = dump.spawn().unwrap();
        let partial = self.folder.path().join("archive.partial");
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::fs::metadata(&partial).map_or(0, |file| file.len()) < 3_000_000 {
            assert!(Instant::now() < deadline, "the dump does not get on");
            sleep(Duration::from_millis(20)).await;
        }
        dump
    }
}

async fn fill(client: &Client) {
    let database = client.database("d");
    for (name, count) in [("a", 300), ("large", 12_000), ("z", 300)] {
        let documents = (0..count).map(|id| doc! { "_id": id, "pad": "x".repeat(960) });
        database.collection::<Document>(name).insert_many(documents).await.unwrap();
    }
    let index = doc! { "createIndexes": "large", "indexes": [{ "key": { "pad": 1 }, "name": "pad" }] };
    database.run_command(index).await.unwrap();
}

/// Counts what finished, and lets one run in a hundred end with an error.
fn expect_nearly_all(failed: &[String], runs: u64) {
    assert!(failed.len() as u64 * 100 <= runs, "{} of {runs} failed:\n{}", failed.len(), failed.join("\n"));
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("MONGOARK_SURVIVE_SEED").unwrap_or(1);
    first..first + number("MONGOARK_SURVIVE_RUNS").unwrap_or(RUNS)
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_and_restores_through_a_bad_network_are_whole_or_fail_loudly() {
    let desk = Desk::new().await;
    let mut failed = Vec::new();
    let mut faults = 0;
    for seed in seeds() {
        std::fs::remove_file(desk.archive()).ok();
        let proxy = Proxy::start(&desk.source.address(0), seed).await;
        let dumped = desk.dump(&proxy.uri(), &["--retry-for", "20"]);
        if dumped.code != 0 {
            assert!(dumped.code == 1 && dumped.stderr.contains("error: "), "seed {seed}: {}", dumped.stderr);
            assert!(!desk.archive().exists(), "seed {seed}: a failed dump has its name");
            failed.push(format!("seed {seed}, dump: {}", dumped.stderr));
            continue;
        }
        let way = Proxy::start(&desk.target.address(0), seed).await;
        let restored = desk.restore(&way.uri());
        faults += proxy.faults() + way.faults();
        if restored.code == 0 {
            desk.expect_equal(&format!("seed {seed}")).await;
        } else {
            failed.push(format!("seed {seed}, restore: {}", restored.stderr));
        }
    }
    println!("{faults} faults in {:?}, {} runs failed", seeds(), failed.len());
    assert!(faults > 0, "no connection met a fault");
    expect_nearly_all(&failed, 2 * (seeds().end - seeds().start));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_during_a_dump_is_waited_for() {
    let mut desk = Desk::new().await;
    let uri = desk.source.uri();
    let dump = desk.slowly(&uri, &["--no-oplog"]).await;
    desk.source.kill(0);
    sleep(Duration::from_secs(2)).await;
    desk.source.restart(0).await;
    finished(dump).expect(0);
    desk.client = desk.source.client().await;
    desk.restore(&desk.target.uri()).expect(0);
    desk.expect_equal("after a restart").await;
    // What a member had before it crashed may be gone; its oplog tells that it is not.
    let dump = desk.slowly(&uri, &[]).await;
    desk.source.kill(0);
    desk.source.restart(0).await;
    finished(dump).expect(0).says("once more");
    desk.client = desk.source.client().await;
    desk.restore(&desk.target.uri()).expect(0);
    desk.expect_equal("with the oplog, after a restart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_ends_a_dump_that_can_be_gone_on_with() {
    let mut desk = Desk::new().await;
    let mut server = Server::builder().start().await;
    desk.client = server.client().await;
    fill(&desk.client).await;
    let uri = format!("mongodb://{}/?serverSelectionTimeoutMS=1000", server.address());
    // Record ids of a standalone server outlive it: each cursor goes on where it was.
    let dump = desk.slowly(&uri, &[]).await;
    server.kill();
    server.restart().await;
    desk.client = server.client().await;
    let ended = finished(dump).expect(0);
    assert!(!ended.stderr.contains("from its start"), "{}", ended.stderr);
    desk.restore(&desk.target.uri()).expect(0);
    desk.expect_equal("a standalone server that restarted").await;
    std::fs::remove_file(desk.archive()).unwrap();
    let dump = desk.slowly(&uri, &["--retry-for", "2"]).await;
    server.kill();
    let since = Instant::now();
    finished(dump).expect(1).says("error: ").says("--resume goes on with it");
    assert!(since.elapsed() < Duration::from_secs(40), "{:?}", since.elapsed());
    assert!(!desk.archive().exists());
    server.restart().await;
    desk.client = server.client().await;
    desk.dump(&server.uri(), &["--resume"]).expect(0).says("going on behind");
    desk.restore(&desk.target.uri()).expect(0);
    desk.expect_equal("after a resumed dump").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hides_its_oplog_is_dumped_without_it() {
    let desk = Desk::new().await;
    let hidden = FailCommand::new(["find"]).error_code(8000).namespace("local.oplog.rs");
    hidden.enable(&desk.client).await;
    let dumped = desk.dump(&desk.source.uri(), &["--no-oplog"]);
    let tools = Tools::link();
    let out = desk.folder.path().join("dump");
    let uri = desk.source.uri();
    let by_tool = support::run(tools.mongodump().args(["--uri", &uri, "--out", arg(&out)]));
    FailCommand::disable(&desk.client).await;
    dumped.expect(0);
    by_tool.expect(0);
    desk.restore(&desk.target.uri()).expect(0);
    desk.expect_equal("without the oplog").await;
}
