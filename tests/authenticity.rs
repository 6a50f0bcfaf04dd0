//! Archives and slices that anybody can have written: whoever gives a key or a passphrase is never told that such a one is
//! whole, and nothing is restored from it, unless a flag says so.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::{ReplicaSet, golden};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Run, arg, mongoark, program, run, write_private};
use tempfile::TempDir;

const NOBODY: &str = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300";
const DOUBT: &str = "not encrypted: nothing shows who wrote this";
/// Ways to give a secret: flags, and the variable.
const WAYS: [&str; 4] = ["key", "file", "descriptor", "variable"];

/// An archive that is not encrypted, one that is, a key and a passphrase.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        mongoark(&["key", "generate", arg(&desk.path("key"))]).expect(0);
        write_private(&desk.path("passphrase"), "sesame\n");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `plain` is not encrypted.
    fn with_archives() -> Self {
        let desk = Self::new();
        let golden = golden::for_server("6.0.5").into_iter().find(|it| it.form == "directory").unwrap();
        let dump = golden.unpack(desk.folder.path());
        mongoark(&["convert", "--no-encryption", arg(&dump), arg(&desk.path("plain"))]).expect(0);
        desk
    }

    /// Runs the program with a secret that is given in this way.
    fn with_secret(&self, way: &str, arguments: &[&str], stdin: Option<&Path>) -> Run {
        let mut command = match way {
            "descriptor" => {
                let mut shell = Command::new("sh");
                let script = "secret=$1; shift; exec \"$0\" \"$@\" --passphrase-fd 9 9<\"$secret\"";
                shell.args(["-c", script, env!("CARGO_BIN_EXE_mongoark"), arg(&self.path("passphrase"))]);
                shell.env_remove("MONGOARK_PASSPHRASE").stdin(Stdio::null());
                shell
            }
            _ => program(),
        };
        command.args(arguments);
        match way {
            "key" => _ = command.args(["--key-file", arg(&self.path("key"))]),
            "file" => _ = command.args(["--passphrase-file", arg(&self.path("passphrase"))]),
            "variable" => _ = command.env("MONGOARK_PASSPHRASE", "sesame"),
            _ => {}
        }
        if let Some(stdin) = stdin {
            command.stdin(File::open(stdin).unwrap());
        }
        run(&mut command)
    }
}

#[test]
fn a_secret_that_is_given_is_never_ignored() {
    let desk = Desk::with_archives();
    let plain = desk.path("plain");
    let out = desk.path("out");
    let commands: [&[&str]; 5] = [
        &["verify", arg(&plain)],
        &["ls", arg(&plain)],
        &["cat", arg(&plain), "edge.ids"],
        &["convert", arg(&plain), arg(&out)],
        &["restore", "--uri", NOBODY, arg(&plain)],
    ];
    for command in commands {
        for way in WAYS {
            let refused = desk.with_secret(way, command, None).expect(1).says("--allow-unencrypted");
            assert!(refused.stdout.is_empty() && !refused.stderr.contains("whole"), "{command:?} {way}");
        }
        assert!(!out.exists());
        let allowed = desk.with_secret("key", &[command, &["--allow-unencrypted"]].concat(), None);
        if command[0] == "restore" {
            allowed.expect(1).says("127.0.0.1:9");
        } else {
            allowed.expect(0);
            fs::remove_dir_all(&out).ok();
        }
    }
    desk.with_secret("key", &["key", "rotate", "--new-key-file", arg(&desk.path("key")), arg(&plain)], None)
        .expect(1)
        .says("not encrypted");
    // It asks for no key, so there is none to count on.
    desk.with_secret("variable", &["verify", "--checksums-only", arg(&plain)], None).expect(0);
}

#[test]
fn a_pipe_is_believed_no_more_than_a_file() {
    let desk = Desk::with_archives();
    let plain = desk.path("plain");
    let dump = desk.path("out");
    let commands: [&[&str]; 5] = [
        &["verify", "-"],
        &["ls", "-"],
        &["cat", "-", "edge.ids"],
        &["convert", "-", arg(&dump)],
        &["restore", "--uri", NOBODY, "-"],
    ];
    for command in commands {
        desk.with_secret("key", command, Some(&plain)).expect(1).says("--allow-unencrypted");
    }
    desk.with_secret("key", &["verify", "--allow-unencrypted", "-"], Some(&plain)).expect(0);
}

#[test]
fn what_nobody_vouches_for_is_called_so() {
    let desk = Desk::with_archives();
    let (plain, report) = (desk.path("plain"), desk.path("report"));
    mongoark(&["verify", "--report", arg(&report), arg(&plain)]).expect(0).says(DOUBT);
    let told: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(told["result"]["encrypted"], false, "{told:#}");
    assert!(mongoark(&["ls", arg(&plain)]).expect(0).text().contains(DOUBT));
    let listed = |secret: Option<&str>, archive: &Path| -> Value {
        let arguments = ["ls", "--json", arg(archive)];
        let listed = match secret {
            Some(way) => desk.with_secret(way, &arguments, None),
            None => mongoark(&arguments),
        };
        serde_json::from_slice(&listed.expect(0).stdout).unwrap()
    };
    assert_eq!(listed(None, &plain)["encrypted"], false);

    let (dump, sealed) = (desk.path("dump.again"), desk.path("sealed"));
    mongoark(&["convert", arg(&plain), arg(&dump)]).expect(0);
    desk.with_secret("key", &["convert", arg(&dump), arg(&sealed)], None).expect(0);
    assert_eq!(listed(Some("key"), &sealed)["encrypted"], true);
    let verified = desk.with_secret("key", &["verify", arg(&sealed)], None).expect(0);
    assert!(!verified.stderr.contains("not encrypted"), "{}", verified.stderr);
    // Nobody is asked for what is not needed, and what is needed is asked for.
    mongoark(&["verify", arg(&plain)]).expect(0);
    mongoark(&["verify", arg(&sealed)]).expect(1).says("no passphrase or key was given");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_was_begun_without_encryption_is_not_gone_on_with() {
    let desk = Desk::with_archives();
    let out = desk.path("dump-of-a-set");
    fs::copy(desk.path("plain"), desk.path("dump-of-a-set.partial")).unwrap();
    let before = fs::read(desk.path("dump-of-a-set.partial")).unwrap();
    let resume = ["dump", "--uri", NOBODY, "--resume", arg(&out)];
    for way in WAYS {
        desk.with_secret(way, &resume, None).expect(2).says("was begun with --no-encryption");
    }
    assert_eq!(fs::read(desk.path("dump-of-a-set.partial")).unwrap(), before);
}

/// A capture that ends with the test.
struct Capture(Child);

impl Drop for Capture {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Capture {
    fn start(uri: &str, more: &[&str], slices: &Path) -> Self {
        let mut capture = program();
        capture.args(["oplog", "capture", "--slice-seconds", "1", "--uri", uri, "--out"]).arg(slices);
        Self(capture.args(more).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until the slices reach this time, and ends.
    fn end_at(mut self, (seconds, increment): (u32, u32), access: &[&str], slices: &Path) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        let reaches = || {
            let listed = mongoark(&[&["oplog", "ls", "--json", arg(slices)], access].concat());
            let listed: Value = serde_json::from_slice(&listed.stdout).ok()?;
            let ends = listed["slices"].as_array()?.iter().filter_map(|slice| {
                let (seconds, increment) = slice["end"].as_str()?.split_once(':')?;
                Some((seconds.parse::<u32>().ok()?, increment.parse::<u32>().ok()?))
            });
            ends.max()
        };
        while !slices.exists() || reaches().is_none_or(|end| end < (seconds, increment)) {
            assert!(Instant::now() < deadline, "no slice reaches {seconds}:{increment}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0), "{said}");
        said
    }
}

async fn insert(set: &ReplicaSet, id: i32) -> (u32, u32) {
    let client = set.client().await;
    client.database("d").collection("c").insert_one(doc! { "_id": id }).await.unwrap();
    let oplog = client.database("local").collection::<Document>("oplog.rs");
    let newest = oplog.find_one(doc! { "ns": "d.c" }).sort(doc! { "$natural": -1 }).await.unwrap().unwrap();
    let ts = newest.get_timestamp("ts").unwrap();
    (ts.time, ts.increment)
}

async fn count(set: &ReplicaSet) -> u64 {
    let collection = set.client().await.database("d").collection::<Document>("c");
    collection.count_documents(doc! {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_anybody_can_have_written_is_not_replayed() {
    let desk = Desk::new();
    let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
    let (key, archive, slices) = (desk.path("key"), desk.path("archive"), desk.path("slices"));
    let (uri, to) = (source.uri(), target.uri());
    let with_key = ["--key-file", arg(&key)];
    insert(&source, 0).await;
    // The forger's: of the same set, and of the same time, but not encrypted.
    let evil = desk.path("forged");
    let forged = Capture::start(&uri, &["--no-encryption"], &evil);
    let honest = Capture::start(&uri, &with_key, &slices);
    let first = insert(&source, 1).await;
    honest.end_at(first, &with_key, &slices);
    mongoark(&[&["dump", "--uri", &uri][..], &with_key, &[arg(&archive)]].concat()).expect(0);
    let last = insert(&source, 2).await;
    forged.end_at(last, &[], &evil);

    let restore = |dir: &Path, more: &[&str]| {
        let flags = ["restore", "--uri", &to, "--existing", "drop", "--oplog-dir", arg(dir)];
        mongoark(&[&flags[..], &with_key, more, &[arg(&archive)]].concat())
    };
    restore(&evil, &[]).expect(1).says("not encrypted").says("--allow-unencrypted");
    assert_eq!(count(&target).await, 0, "something was written");
    let time = format!("{}:{}", last.0, last.1);
    restore(&evil, &["--allow-unencrypted", "--to", &time]).expect(0);
    assert_eq!(count(&target).await, 3);

    // Among honest ones it is named and left alone, and what only it holds is not reached.
    for entry in fs::read_dir(&evil).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".mongoark") {
            fs::copy(entry.path(), slices.join(name.replace(".mongoark", "-9.mongoark"))).unwrap();
        }
    }
    restore(&slices, &[]).expect(3).says("a slice that is not replayed").says("not encrypted");
    assert_eq!(count(&target).await, 2);
    let refused = restore(&slices, &["--to", &time]);
    assert!(refused.code != 0 && refused.stderr.contains("not encrypted"), "{refused:?}");
    assert_eq!(count(&target).await, 2);
    mixed_folders_are_told_apart(&desk, &source, &slices).await;
}

/// What `oplog ls` and a capture make of a folder in which some slices are not encrypted.
async fn mixed_folders_are_told_apart(desk: &Desk, source: &ReplicaSet, slices: &Path) {
    let command = ["oplog", "ls", arg(slices)];
    for way in ["key", "variable"] {
        let listed = desk.with_secret(way, &command, None).expect(3).says("not encrypted");
        assert!(!listed.text().contains("-9.mongoark"), "{}", listed.text());
    }
    mongoark(&command).expect(1).says("no passphrase or key was given");
    let listed = desk.with_secret("key", &[&command[..], &["--allow-unencrypted"]].concat(), None).expect(0);
    assert!(listed.text().contains(DOUBT), "{}", listed.text());
    let listed = desk.with_secret("key", &[&command[..], &["--allow-unencrypted", "--json"]].concat(), None);
    let listed: Value = serde_json::from_slice(&listed.expect(0).stdout).unwrap();
    let encrypted: Vec<bool> = listed["slices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slice| slice["encrypted"].as_bool().unwrap())
        .collect();
    assert!(encrypted.contains(&true) && encrypted.contains(&false), "{listed:#}");

    let with_key = ["--key-file", arg(&desk.path("key"))].map(ToOwned::to_owned);
    let with_key: Vec<&str> = with_key.iter().map(String::as_str).collect();
    let going_on = Capture::start(&source.uri(), &with_key, slices);
    let last = insert(source, 3).await;
    let said = going_on.end_at(last, &with_key, slices);
    assert!(said.contains("not a slice that can be used") && said.contains("not encrypted"), "{said}");
}
