//! Commands that fail: each kind of command that a dump or a restore sends, with each kind of failure, early, late or now
//! and then. What may pass is lived through; anything else ends with a clear error, and nothing is short without a word.
//! `MONGOARK_SURVIVE_RUNS=500` runs all of them, `MONGOARK_SURVIVE_SEED=N` begins elsewhere.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::compare::{self, State};
use mongoark_test_support::corpus::Random;
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, wipe};
use mongodb::Client;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Run, arg, finished, mongoark, program};
use tempfile::TempDir;
use tokio::time::sleep;

/// Runs of each kind unless more are asked for.
const RUNS: u64 = 14;
/// What a dump asks.
const READS: [&str; 4] = ["find", "getMore", "listCollections", "listIndexes"];
/// What a restore asks.
const WRITES: [&str; 7] =
    ["insert", "applyOps", "createIndexes", "create", "update", "listCollections", "drop"];
/// A server that goes away, or is no longer the primary.
const PASSING: [i32; 13] = [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];
/// `BadValue`, `Unauthorized`, `NamespaceNotFound`, `ExceededTimeLimit`, `OperationFailed`, `Interrupted`.
const FATAL: [i32; 6] = [2, 13, 26, 50, 96, 11601];
/// Cursors that are lost: `CursorNotFound`, `QueryPlanKilled`, `CursorKilled`.
const LOST: [i32; 3] = [43, 175, 237];
/// `WriteConcernFailed` of a majority that does not answer in time, and two of a primary that goes.
const UNACKNOWLEDGED: [i32; 3] = [64, 91, 189];

/// How a command fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Code(i32),
    Close,
    WriteConcern(i32),
}

/// When it does.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many from the first on.
    First(i32),
    /// All behind so many, for half a second.
    Behind(i32),
    /// All, for a moment, again and again.
    Sometimes,
}

/// One run.
#[derive(Clone, Copy, Debug)]
struct Case {
    command: &'static str,
    fault: Fault,
    moment: Moment,
}

impl Case {
    /// Whether a run has to live through it.
    fn passes(self) -> bool {
        match self.fault {
            Fault::Code(code) => PASSING.contains(&code) || LOST.contains(&code),
            Fault::Close => true,
            Fault::WriteConcern(code) => code != 64,
        }
    }

    /// Runs the program while its commands fail at this server.
    async fn meet(self, client: &Client, run: &mut Command) -> Run {
        let point = FailCommand::new([self.command]).app_name("mongoark");
        let point = match self.fault {
            Fault::Code(code) => point.error_code(code),
            Fault::Close => point.close_connection(),
            Fault::WriteConcern(code) => point.write_concern_error(code, "as the test wants it"),
        };
        let point = match self.moment {
            Moment::First(times) => point.times(times),
            Moment::Behind(count) => point.after(count),
            Moment::Sometimes => point,
        };
        point.enable(client).await;
        let child = run.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let ended = tokio::task::spawn_blocking(move || finished(child));
        match self.moment {
            Moment::First(_) => {}
            Moment::Behind(_) => sleep(Duration::from_millis(500)).await,
            Moment::Sometimes => {
                for _ in 0..4 {
                    sleep(Duration::from_millis(100)).await;
                    FailCommand::disable(client).await;
                    sleep(Duration::from_millis(200)).await;
                    point.enable(client).await;
                }
            }
        }
        if !matches!(self.moment, Moment::First(_)) {
            FailCommand::disable(client).await;
        }
        let ended = ended.await.unwrap();
        FailCommand::disable(client).await;
        ended
    }
}

/// Every command with every fault, in an order that mixes them.
fn cases(commands: &[&'static str], faults: &[Fault]) -> Vec<Case> {
    let mut random = Random::new(1);
    let mut cases = Vec::new();
    for fault in faults {
        for command in commands {
            let moment = match random.below(3) {
                0 => Moment::First(1 + i32::try_from(random.below(3)).unwrap()),
                1 => Moment::Behind(i32::try_from(random.below(6)).unwrap()),
                _ => Moment::Sometimes,
            };
            cases.push(Case { command, fault: *fault, moment });
        }
    }
    for place in (1..cases.len()).rev() {
        cases.swap(place, random.below(place + 1));
    }
    cases
}

/// Those that are run now.
fn chosen(cases: &[Case]) -> impl Iterator<Item = Case> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("MONGOARK_SURVIVE_SEED").unwrap_or(0);
    let runs = number("MONGOARK_SURVIVE_RUNS").unwrap_or(RUNS).min(cases.len() as u64);
    (first..first + runs).map(|place| cases[usize::try_from(place).unwrap() % cases.len()])
}

/// What became of the runs.
#[derive(Debug, Default)]
struct Told {
    equal: usize,
    failed: usize,
    /// Runs that had to live, and did not.
    died: Vec<String>,
    lived_for: usize,
}

impl Told {
    /// A run ended well with what it had to bring, or says what is wrong.
    fn add(&mut self, case: Case, run: &Run, differences: &[String]) {
        let is_equal = run.code == 0;
        if is_equal {
            assert!(differences.is_empty(), "{case:?}: exit code 0, but {differences:?}:\n{}", run.stderr);
            self.equal += 1;
        } else {
            let is_told = run.code == 1 && run.stderr.contains("error: ") || run.code == 3;
            assert!(is_told && !run.stderr.contains("panicked"), "{case:?}: {}\n{}", run.code, run.stderr);
            self.failed += 1;
        }
        if case.passes() {
            self.lived_for += 1;
            if !is_equal {
                self.died.push(format!("{case:?}: {}", run.stderr));
            }
        }
    }

    fn expect_nearly_all(&self, what: &str) {
        let (died, of) = (self.died.len(), self.lived_for);
        println!(
            "{what}: {} equal, {} with an error; {died} of {of} did not live through what may pass",
            self.equal, self.failed
        );
        assert!(died * 100 <= of, "{died} of {of} died:\n{}", self.died.join("\n"));
    }
}

/// Two sets, and a place for files.
struct Desk {
    source: ReplicaSet,
    client: Client,
    target: ReplicaSet,
    aim: Client,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
        let (client, aim) = (source.client().await, target.client().await);
        let desk = Self { source, client, target, aim, folder: tempfile::tempdir().unwrap() };
        let db = desk.client.database("d");
        for (name, count) in [("a", 300), ("large", 6_000), ("z", 300)] {
            let documents = (0..count).map(|id| doc! { "_id": id, "n": id, "pad": "x".repeat(960) });
            db.collection::<Document>(name).insert_many(documents).await.unwrap();
        }
        db.create_collection("capped").capped(true).size(100_000).max(20).await.unwrap();
        let index = doc! { "createIndexes": "large", "indexes": [{ "key": { "n": 1 }, "name": "n" }],
        "writeConcern": { "w": "majority" } };
        db.run_command(index).await.unwrap();
        desk
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn dump(&self) -> Command {
        let mut dump = program();
        dump.args(["dump", "--uri", &self.source.uri(), "--no-encryption", "--checkpoint-every", "0.2"]);
        dump.args(["--retry-for", "20", "--overwrite"]).arg(self.archive());
        dump
    }

    fn restore(&self) -> Command {
        let mut restore = program();
        restore.args([
            "restore",
            "--uri",
            &self.target.uri(),
            "--retry-for",
            "20",
            "--checkpoint-every",
            "0.2",
        ]);
        restore.arg(self.archive());
        restore
    }

    async fn restored(&self) -> State {
        compare::capture(&self.aim).await.unwrap()
    }

    /// A dump during which documents and collections come, change and go.
    async fn dump_with_an_oplog(&self) {
        let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
        slow.block(Duration::from_millis(300)).enable(&self.client).await;
        let dump = self.dump().stderr(Stdio::piped()).spawn().unwrap();
        let db = self.client.database("d");
        for round in 0..10 {
            sleep(Duration::from_millis(60)).await;
            let documents = (0..40).map(|id| doc! { "_id": 10_000 + round * 100 + id, "n": 0 });
            db.collection::<Document>("large").insert_many(documents).await.unwrap();
            let capped = (0..7).map(|id| doc! { "_id": round * 10 + id });
            db.collection::<Document>("capped").insert_many(capped).await.unwrap();
            let old = db.collection::<Document>("a");
            old.update_many(doc! { "_id": { "$mod": [7, 0] } }, doc! { "$inc": { "n": 1 } }).await.unwrap();
            old.delete_one(doc! { "_id": round * 3 }).await.unwrap();
            db.create_collection(format!("new{round}")).await.unwrap();
        }
        FailCommand::disable(&self.client).await;
        finished(dump).expect(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_live_through_commands_that_fail_or_say_what_failed() {
    let desk = Desk::new().await;
    let expected = compare::capture(&desk.client).await.unwrap();
    let mut faults: Vec<Fault> = PASSING.into_iter().chain(FATAL).map(Fault::Code).collect();
    faults.push(Fault::Close);
    let mut all = cases(&READS, &faults);
    all.extend(cases(&["getMore"], &LOST.map(Fault::Code)));
    let mut told = Told::default();
    for case in chosen(&all) {
        std::fs::remove_file(desk.archive()).ok();
        let dumped = case.meet(&desk.client, &mut desk.dump()).await;
        let mut differences = Vec::new();
        match dumped.code {
            0 => {
                wipe(&desk.aim).await;
                support::run(&mut desk.restore()).expect(0);
                differences = expected.differences(&desk.restored().await, &compare::Options::default());
            }
            3 => _ = mongoark(&["verify", arg(&desk.archive())]).expect(0),
            _ => assert!(!desk.archive().exists(), "{case:?}: a failed dump has its name"),
        }
        told.add(case, &dumped, &differences);
    }
    told.expect_nearly_all("dumps");
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_live_through_commands_that_fail_or_say_what_failed() {
    let desk = Desk::new().await;
    desk.dump_with_an_oplog().await;
    support::run(&mut desk.restore()).expect(0).says("oplog entries replayed");
    let expected = desk.restored().await;
    let mut faults: Vec<Fault> = PASSING.into_iter().chain(FATAL).map(Fault::Code).collect();
    faults.push(Fault::Close);
    let mut all = cases(&WRITES, &faults);
    // A command that only reads has no write concern.
    all.extend(cases(&WRITES[..5], &UNACKNOWLEDGED.map(Fault::WriteConcern)));
    // A server that says of a collection that it is not there is believed.
    all.retain(|case| !(case.command == "drop" && matches!(case.fault, Fault::Code(26))));
    let mut told = Told::default();
    for case in chosen(&all) {
        wipe(&desk.aim).await;
        let restored = case.meet(&desk.aim, &mut desk.restore()).await;
        let differences = match restored.code {
            0 => expected.differences(&desk.restored().await, &compare::Options::default()),
            _ => Vec::new(),
        };
        told.add(case, &restored, &differences);
    }
    told.expect_nearly_all("restores");
}
