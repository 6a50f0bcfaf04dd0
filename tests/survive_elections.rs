//! Restores into a set of three whose primary goes: it dies right after a restore says that it is done, steps down or stands still while
//! documents and the oplog are written. `MONGOARK_SURVIVE_RUNS=20` runs more, `MONGOARK_SURVIVE_SEED=N` others.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::compare::{self, State};
use mongoark_test_support::corpus::Random;
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, wipe};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{arg, finished, mongoark, program, run};
use tempfile::TempDir;
use tokio::time::sleep;

/// Runs unless more are asked for.
const RUNS: u64 = 2;

/// An archive with an oplog, a set of three, and what it has to hold.
struct Desk {
    target: ReplicaSet,
    expected: Option<State>,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::builder().members(3).start());
        let desk = Self { target, expected: None, folder: tempfile::tempdir().unwrap() };
        let client = source.client().await;
        let db = client.database("d");
        for (name, count) in [("a", 300), ("large", 12_000), ("z", 300)] {
            let documents = (0..count).map(|id| doc! { "_id": id, "n": id, "pad": "x".repeat(960) });
            db.collection::<Document>(name).insert_many(documents).await.unwrap();
        }
        let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(200)).enable(&client).await;
        let uri = source.uri();
        let mut dump = program();
        dump.args(["dump", "--uri", &uri, "--no-encryption"]).arg(desk.archive());
        let dump = dump.stderr(Stdio::piped()).spawn().unwrap();
        for round in 0..8 {
            sleep(Duration::from_millis(60)).await;
            let documents = (0..50).map(|id| doc! { "_id": 20_000 + round * 100 + id, "n": 0 });
            db.collection::<Document>("large").insert_many(documents).await.unwrap();
            db.create_collection(format!("new{round}")).await.unwrap();
            let index = doc! { "createIndexes": "a", "indexes": [{ "key": { format!("n{round}"): 1 }, "name": format!("n{round}") }] };
            db.run_command(index).await.unwrap();
        }
        FailCommand::disable(&client).await;
        finished(dump).expect(0);
        run(&mut desk.restore(&[])).expect(0).says("oplog entries replayed");
        let expected = compare::capture(&desk.target.client().await).await.unwrap();
        Self { expected: Some(expected), ..desk }
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn restore(&self, more: &[&str]) -> Command {
        let (uri, report) = (self.target.uri(), self.folder.path().join("report"));
        let mut restore = program();
        restore.args(["restore", "--uri", &uri, "--report", arg(&report)]).args(more).arg(self.archive());
        restore
    }

    async fn expect_whole(&self, what: &str) {
        let found = compare::capture(&self.target.client().await).await.unwrap();
        let lines = self.expected.as_ref().unwrap().differences(&found, &compare::Options::default());
        assert!(lines.is_empty(), "{what}: {}", lines.join("\n"));
    }

    /// Has every member slow down what a restore sends.
    async fn slow_down(&self) {
        for member in 0..self.target.member_count() {
            let slow =
                FailCommand::new(["insert", "applyOps", "create", "createIndexes"]).app_name("mongoark");
            slow.block(Duration::from_millis(120)).enable(&self.target.member_client(member).await).await;
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("MONGOARK_SURVIVE_SEED").unwrap_or(1);
    first..first + number("MONGOARK_SURVIVE_RUNS").unwrap_or(RUNS)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_reports_outlives_the_primary() {
    let mut desk = Desk::new().await;
    for seed in seeds() {
        wipe(&desk.target.client().await).await;
        let primary = desk.target.primary().await;
        run(&mut desk.restore(&[])).expect(0);
        desk.target.kill(primary);
        desk.expect_whole(&format!("run {seed}")).await;
        desk.target.restart(primary).await;
        desk.target.wait_until_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_lives_through_elections() {
    let desk = Desk::new().await;
    let mut elections = 0;
    for seed in seeds() {
        let mut random = Random::new(seed);
        wipe(&desk.target.client().await).await;
        desk.slow_down().await;
        let restore = desk.restore(&["--jobs", "2"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut ended = tokio::task::spawn_blocking(move || finished(restore));
        loop {
            let moment = Duration::from_millis(200 + random.below(1_200) as u64);
            if tokio::time::timeout(moment, &mut ended).await.is_ok() {
                break;
            }
            elections += 1;
            if random.below(3) == 0 {
                // It stands still until another one is elected, and goes on as if nothing had been.
                let primary = desk.target.primary().await;
                desk.target.pause(primary);
                sleep(Duration::from_secs(4)).await;
                desk.target.resume(primary);
            } else {
                desk.target.step_down().await;
            }
            if elections % 4 == 0 {
                // Long enough for it to end.
                sleep(Duration::from_secs(5)).await;
            }
        }
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(desk.folder.path().join("report")).unwrap()).unwrap();
        assert_eq!(report["exitCode"], 0, "seed {seed}: {report:#}");
        desk.target.wait_until_ready().await;
        desk.expect_whole(&format!("seed {seed}")).await;
    }
    println!("{elections} elections in {:?}", seeds());
    assert!(elections > 0);
    mongoark(&["verify", arg(&desk.archive())]).expect(0);
}
