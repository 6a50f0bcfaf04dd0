//! Disks that fail: every write, sync and rename of a small dump fails once, or is where the program is killed or loses its
//! power. An archive that has its name is whole, exit code 0 means that it is there, and what a crash leaves can be
//! gone on with.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::{FailCommand, SmallDisk};
use mongoark_test_support::{ReplicaSet, compare, wipe};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Run, arg, finished, mongoark, program, run};
use tempfile::TempDir;
use tokio::time::sleep;

/// Of the moments at which a run is killed every so many-th is tried; with `MONGOARK_DISK_ALL=1` each, with
/// `MONGOARK_DISK_SEED=N` others.
const STEP: usize = 5;
/// More operations than a small dump has.
const MANY: u64 = 2_000;

struct Desk {
    source: ReplicaSet,
    folder: TempDir,
    library: PathBuf,
}

impl Desk {
    async fn new() -> Self {
        let source = ReplicaSet::single().await;
        let db = source.client().await.database("d");
        for name in ["a", "b", "c"] {
            let documents = (0..3_000).map(|id| doc! { "_id": id, "pad": "x".repeat(960) });
            db.collection::<Document>(name).insert_many(documents).await.unwrap();
        }
        Self { source, folder: tempfile::tempdir().unwrap(), library: library() }
    }

    /// Where archives are; nothing else is written there.
    fn disk(&self) -> PathBuf {
        let disk = self.folder.path().join("disk");
        std::fs::create_dir_all(&disk).unwrap();
        disk.canonicalize().unwrap()
    }

    fn archive(&self) -> PathBuf {
        self.disk().join("archive")
    }

    fn is_partial(&self) -> bool {
        self.disk().join("archive.partial").exists()
    }

    fn hit(&self) -> PathBuf {
        self.folder.path().join("hit")
    }

    fn clear(&self) {
        std::fs::remove_dir_all(self.disk()).unwrap();
        std::fs::remove_file(self.hit()).ok();
    }

    /// Has the n-th such operation of a run go wrong.
    fn fail(&self, command: &mut Command, operation: &str, nth: u64, how: &str) {
        command.env("LD_PRELOAD", &self.library).env("MONGOARK_FAULT_UNDER", self.disk());
        command.env("MONGOARK_FAULT", format!("{operation}:{nth}")).env("MONGOARK_FAULT_HOW", how);
        command.env("MONGOARK_FAULT_HIT", self.hit());
    }

    /// A dump whose n-th such operation goes wrong; whether there were so many.
    fn dump(&self, operation: &str, nth: u64, how: &str, more: &[&str]) -> (Run, bool) {
        let uri = self.source.uri();
        let mut dump = program();
        dump.args(["dump", "--uri", &uri, "--no-encryption", "--compression", "none", "--jobs", "1"]);
        dump.args(["--checkpoint-every", "0.05"]).args(more).arg(self.archive());
        self.fail(&mut dump, operation, nth, how);
        (run(&mut dump), self.hit().exists())
    }

    /// A capture of so long that a slice is closed for its age, and ended as an operator would; whether its n-th such
    /// operation went wrong.
    async fn capture(&self, operation: &str, nth: u64, how: &str) -> (Run, bool) {
        let uri = self.source.uri();
        let mut capture = program();
        capture.args(["oplog", "capture", "--uri", &uri, "--no-encryption", "--slice-seconds", "1"]);
        capture.arg("--out").arg(self.disk().join("slices")).stderr(Stdio::piped());
        self.fail(&mut capture, operation, nth, how);
        let mut capture = capture.spawn().unwrap();
        let writes = self.source.client().await.database("d").collection::<Document>("written");
        for _ in 0..24 {
            let documents = (0..50).map(|n| doc! { "n": n, "pad": "x".repeat(200) });
            writes.insert_many(documents).await.unwrap();
            sleep(Duration::from_millis(50)).await;
            if capture.try_wait().unwrap().is_some() {
                break;
            }
        }
        // SAFETY: kill takes plain numbers; a child that has ended is still there to be waited for.
        unsafe { libc::kill(capture.id().cast_signed(), libc::SIGTERM) };
        (finished(capture), self.hit().exists())
    }
}

/// The library that stands before the disk, which cargo has built beside this test.
fn library() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let found = here.parent().unwrap().join("libmongoark_io_faults.so");
    assert!(found.is_file(), "{} is not there", found.display());
    found
}

fn moments() -> (u64, usize) {
    let seed = std::env::var("MONGOARK_DISK_SEED").map_or(0, |seed| seed.parse::<u64>().unwrap());
    let step = if std::env::var_os("MONGOARK_DISK_ALL").is_some() { 1 } else { STEP };
    (1 + seed % step as u64, step)
}

fn verified(archive: &Path) -> bool {
    mongoark(&["verify", arg(archive)]).code == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_sync_or_rename_that_fails_ends_as_an_archive() {
    let desk = Desk::new().await;
    // Checkpoints come in between.
    let slow = FailCommand::new(["getMore", "find"]).app_name("mongoark");
    slow.block(Duration::from_millis(40)).enable(&desk.source.client().await).await;
    for operation in ["write", "sync", "rename"] {
        let mut failed = 0;
        for nth in 1..MANY {
            desk.clear();
            let (ended, was_hit) = desk.dump(operation, nth, "fail", &[]);
            if !was_hit {
                ended.expect(0);
                assert!(verified(&desk.archive()));
                break;
            }
            failed += 1;
            let has_name = desk.archive().exists();
            assert!(ended.code == 1 && ended.stderr.contains("error: "), "{operation} {nth}: {ended:?}");
            // Its name may be there where only the folder was not synced behind it; then it is whole.
            assert!(!has_name || operation == "sync" && verified(&desk.archive()), "{operation} {nth}");
            assert!(has_name != desk.is_partial(), "{operation} {nth}");
        }
        println!("{failed} of the kind {operation} failed");
        let least = match operation {
            "write" => 6,
            "sync" => 3,
            _ => 1,
        };
        assert!(failed >= least, "only {failed} of the kind {operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_or_a_loss_of_power_leaves_is_gone_on_with() {
    let desk = Desk::new().await;
    let client = desk.source.client().await;
    let expected = compare::capture(&client).await.unwrap();
    let slow = FailCommand::new(["getMore", "find"]).app_name("mongoark");
    slow.block(Duration::from_millis(40)).enable(&client).await;
    let target = ReplicaSet::single().await;
    let aim = target.client().await;
    let (first, step) = moments();
    let (mut crashes, mut resumed) = (0, 0);
    for how in ["stop", "power"] {
        for operation in ["write", "sync", "rename"] {
            for nth in (first..MANY).step_by(step) {
                desk.clear();
                let (ended, was_hit) = desk.dump(operation, nth, how, &["--resume"]);
                if !was_hit {
                    ended.expect(0);
                    break;
                }
                crashes += 1;
                assert_eq!(ended.code, -1, "{how} {operation} {nth}: {ended:?}");
                assert!(!desk.archive().exists() || operation == "sync", "{how} {operation} {nth}");
                if !desk.archive().exists() {
                    let (again, _) = desk.dump("none", 1, "fail", &["--resume"]);
                    resumed += usize::from(again.stderr.contains("going on behind"));
                    again.expect(0);
                }
                wipe(&aim).await;
                mongoark(&["restore", "--uri", &target.uri(), arg(&desk.archive())]).expect(0);
                let found = compare::capture(&aim).await.unwrap();
                let lines = expected.differences(&found, &compare::Options::default());
                assert!(lines.is_empty(), "{how} {operation} {nth}: {}", lines.join("\n"));
            }
        }
    }
    println!("{crashes} crashes, {resumed} of them gone on with at a checkpoint");
    assert!(resumed > 0, "no crash left a checkpoint");
}

/// A program that writes to the disk, for the place where it writes.
type Writes = Box<dyn Fn(&Path) -> Command>;

/// Whatever else writes files: conversions, and what runs under the names of the tools.
fn others(desk: &Desk, archive: &Path, dump: &Path) -> Vec<(&'static str, Writes)> {
    let uri = desk.source.uri();
    let command = |arguments: &[&str], place: &Path| {
        let mut command = program();
        command.args(arguments).arg(place);
        command
    };
    let (archive, dump) = (archive.to_owned(), dump.to_owned());
    let damaged = archive.clone();
    let (folder_uri, gzip_uri) = (uri.clone(), uri);
    vec![
        (
            "mongodump into a folder",
            Box::new(move |disk| {
                command(&["mongodump", "--uri", &folder_uri, "--oplog", "--out"], &disk.join("dump"))
            }),
        ),
        (
            "mongodump into an archive",
            Box::new(move |disk| {
                let archive = format!("--archive={}", arg(&disk.join("dump.gz")));
                command(&["mongodump", "--uri", &gzip_uri, "--gzip"], Path::new(&archive))
            }),
        ),
        (
            "convert into a folder",
            Box::new(move |disk| command(&["convert", arg(&archive)], &disk.join("dump/"))),
        ),
        (
            "convert into an archive",
            Box::new(move |disk| command(&["convert", "--no-encryption", arg(&dump)], &disk.join("archive"))),
        ),
        ("salvage", Box::new(move |disk| command(&["salvage", arg(&damaged)], &disk.join("archive")))),
        ("key generate", Box::new(move |disk| command(&["key", "generate"], &disk.join("key")))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_program_ends_well_when_a_write_sync_or_rename_fails() {
    let desk = Desk::new().await;
    let (archive, dump) = (desk.folder.path().join("archive"), desk.folder.path().join("dump"));
    let uri = desk.source.uri();
    mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&archive)]).expect(0);
    mongoark(&["mongodump", "--uri", &uri, "--out", arg(&dump)]).expect(0);
    for (name, writes) in others(&desk, &archive, &dump) {
        let mut failed = 0;
        for operation in ["write", "sync", "rename"] {
            for nth in 1..MANY {
                desk.clear();
                let mut command = writes(&desk.disk());
                desk.fail(&mut command, operation, nth, "fail");
                let ended = run(&mut command);
                if !desk.hit().exists() {
                    ended.expect(0);
                    break;
                }
                failed += 1;
                assert!(ended.code == 1 && !ended.stderr.is_empty(), "{name}, {operation} {nth}: {ended:?}");
                let whole = desk.disk().join("archive");
                assert!(!whole.exists() || verified(&whole), "{name}, {operation} {nth}");
            }
        }
        println!("{name}: {failed} failed");
        assert!(failed > 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_goes_on_without_a_gap_behind_whatever_its_disk_did() {
    let desk = Desk::new().await;
    let (first, step) = moments();
    let mut faults = 0;
    for (how, operation) in [("fail", "write"), ("fail", "sync"), ("power", "write"), ("stop", "rename")] {
        for nth in (first..MANY).step_by(step) {
            desk.clear();
            let (ended, was_hit) = desk.capture(operation, nth, how).await;
            if !was_hit {
                ended.expect(0);
                break;
            }
            faults += 1;
            let code = if how == "fail" { 1 } else { -1 };
            assert_eq!(ended.code, code, "{how} {operation} {nth}: {ended:?}");
            let (again, _) = desk.capture("none", 1, "fail").await;
            again.expect(0);
            let listed = mongoark(&["oplog", "ls", "--json", arg(&desk.disk().join("slices"))]).expect(0);
            let listed: serde_json::Value = serde_json::from_str(&listed.text()).unwrap();
            let ranges = listed["ranges"].as_array().unwrap().len();
            assert_eq!(ranges, 1, "{how} {operation} {nth}: {listed:#}");
            assert_eq!(listed["damaged"], serde_json::json!([]), "{how} {operation} {nth}: {listed:#}");
        }
    }
    println!("{faults} captures met a fault");
    assert!(faults > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_after_any_megabyte_leaves_what_can_be_gone_on_with() {
    const MEGABYTE: u64 = 1 << 20;
    let desk = Desk::new().await;
    let client = desk.source.client().await;
    let uri = desk.source.uri();
    let small = SmallDisk::mount(64 * MEGABYTE);
    let archive = small.path().join("archive");
    let dump = |more: &[&str]| {
        let flags = ["--no-encryption", "--compression", "none", "--jobs", "1", "--checkpoint-every", "0.05"];
        mongoark(&[&["dump", "--uri", &uri][..], &flags, more, &[arg(&archive)]].concat())
    };
    dump(&[]).expect(0);
    let needed = std::fs::metadata(&archive).unwrap().len().div_ceil(MEGABYTE);
    assert!((6..20).contains(&needed), "{needed} megabytes");
    let slow = FailCommand::new(["getMore", "find"]).app_name("mongoark").block(Duration::from_millis(20));
    slow.enable(&client).await;
    let mut resumed = 0;
    for size in 1..needed {
        std::fs::remove_file(&archive).unwrap();
        small.resize(size * MEGABYTE);
        dump(&[]).expect(1).says("No space left on device");
        assert!(!archive.exists(), "{size} MB: a failed dump has its name");
        small.resize(64 * MEGABYTE);
        let again = dump(&["--resume"]).expect(0);
        resumed += usize::from(again.stderr.contains("going on behind"));
        assert!(verified(&archive), "{size} MB");
    }
    println!("{} sizes of a disk, {resumed} dumps gone on with at a checkpoint", needed - 1);
    assert!(resumed > 0, "no full disk held a checkpoint");
    let target = ReplicaSet::single().await;
    mongoark(&["restore", "--uri", &target.uri(), arg(&archive)]).expect(0);
    let (expected, found) = (compare::capture(&client).await, compare::capture(&target.client().await).await);
    let lines = expected.unwrap().differences(&found.unwrap(), &compare::Options::default());
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
