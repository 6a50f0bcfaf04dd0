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
use std::time::Duration;
use support::{Run, arg, mongoark, program, run};
use tempfile::TempDir;

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

    /// A dump whose n-th such operation goes wrong; whether there were so many.
    fn dump(&self, operation: &str, nth: u64, how: &str, more: &[&str]) -> (Run, bool) {
        let uri = self.source.uri();
        let mut dump = program();
        dump.args(["dump", "--uri", &uri, "--no-encryption", "--compression", "none", "--jobs", "1"]);
        dump.args(["--checkpoint-every", "0.05"]).args(more).arg(self.archive());
        dump.env("LD_PRELOAD", &self.library).env("MONGOARK_FAULT_UNDER", self.disk());
        dump.env("MONGOARK_FAULT", format!("{operation}:{nth}")).env("MONGOARK_FAULT_HOW", how);
        dump.env("MONGOARK_FAULT_HIT", self.hit());
        (run(&mut dump), self.hit().exists())
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
