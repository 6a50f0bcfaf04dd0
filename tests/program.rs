//! The program as a person or a script meets it: exit codes, messages, and what is left behind when it fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::doc;
use mongoark_test_support::fault::{FailCommand, SmallDisk};
use mongoark_test_support::{ReplicaSet, Server, connect, fresh_database_name, shared};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use support::{arg, mongoark, program, run, write_private};
use tempfile::TempDir;

const NOBODY: &str = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300";

/// A folder with a key in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        mongoark(&["key", "generate", arg(&desk.path("key"))]).expect(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// An archive of `documents` small documents in a database of the shared replica set.
    async fn archive(&self, documents: i32) -> (PathBuf, String) {
        let (uri, db) = (shared::replica_set().await, fresh_database_name("program"));
        fill(&uri, &db, documents).await;
        let archive = self.path("archive");
        let key = self.path("key");
        mongoark(&["dump", "--uri", &uri, "--db", &db, "--key-file", arg(&key), arg(&archive)]).expect(0);
        (archive, db)
    }
}

async fn fill(uri: &str, db: &str, documents: i32) {
    let collection = connect(uri).await.database(db).collection("c");
    let document = |n| doc! { "_id": n, "text": format!("document {n} of a test, {}", "x".repeat(400)) };
    collection.insert_many((0..documents).map(document)).await.unwrap();
}

#[test]
fn a_wrong_port_is_told_with_what_to_check() {
    let desk = Desk::new();
    let key = desk.path("key");
    let out = desk.path("out");
    mongoark(&["dump", "--uri", NOBODY, "--key-file", arg(&key), arg(&out)])
        .expect(1)
        .says("127.0.0.1:9")
        .says("Check the address and port");
    assert_eq!(desk.names(), ["key"], "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_never_shown() {
    let set = ReplicaSet::builder().auth("ann", "right").start().await;
    let desk = Desk::new();
    let uri = format!("mongodb://ann:sesame%40open@{}/?authSource=admin", set.address(0));
    let run = mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&desk.path("out"))])
        .expect(1)
        .says("check user, password, authSource");
    assert!(!run.stderr.contains("sesame"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_is_named() {
    let set = ReplicaSet::builder().auth("root", "right").start().await;
    let admin = connect(&set.uri()).await;
    fill(&set.uri(), "open", 3).await;
    fill(&set.uri(), "closed", 3).await;
    let user = doc! { "createUser": "reader", "pwd": "secret", "roles": [{ "role": "read", "db": "open" }] };
    admin.database("admin").run_command(user).await.unwrap();
    let desk = Desk::new();
    let uri = format!("mongodb://reader:secret@{}/?authSource=admin", set.address(0));

    // What the user may read can be dumped, and what it may not is an error that says so.
    let archive = desk.path("open");
    let dump = ["dump", "--uri", &uri, "--db", "open", "--no-encryption", arg(&archive)];
    mongoark(&dump).expect(1).says("the user lacks a privilege").says("or dump with --no-oplog");
    mongoark(&[&dump[..], &["--no-oplog"]].concat()).expect(0).says("consistent by themselves only");
    let restore =
        ["restore", "--uri", &uri, "--rename", "open=other", arg(&desk.path("open"))].map(ToOwned::to_owned);
    let restore: Vec<&str> = restore.iter().map(String::as_str).collect();
    let run = mongoark(&restore).says("the user lacks a privilege");
    assert_ne!(run.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_backup_and_restore_are_enough() {
    let set = ReplicaSet::builder().auth("root", "right").start().await;
    let admin = connect(&set.uri()).await;
    fill(&set.uri(), "data", 10).await;
    let roles = doc! { "createUser": "keeper", "pwd": "secret", "roles": ["backup", "restore"] };
    admin.database("admin").run_command(roles).await.unwrap();
    let desk = Desk::new();
    let uri = format!("mongodb://keeper:secret@{}/?authSource=admin", set.address(0));
    mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&desk.path("all"))]).expect(0);
    mongoark(&["restore", "--uri", &uri, "--rename", "data=copy", arg(&desk.path("all"))]).expect(0);
    let copied =
        admin.database("copy").collection::<bson::Document>("c").count_documents(doc! {}).await.unwrap();
    assert_eq!(copied, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_server_is_dumped_with_its_certificates() {
    let server = Server::builder().tls().start().await;
    fill(&server.uri(), "data", 10).await;
    let desk = Desk::new();
    mongoark(&["dump", "--uri", &server.uri(), "--no-encryption", arg(&desk.path("all"))])
        .expect(0)
        .says("a standalone server has no oplog");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_or_opens_with_another_key_is_refused() {
    let desk = Desk::new();
    let (archive, _) = desk.archive(20).await;
    let [key, other, junk] = ["key", "other", "junk"].map(|name| desk.path(name));
    mongoark(&["key", "generate", arg(&other)]).expect(0);
    fs::write(&junk, "this is no archive, though it is long enough to look at for a while").unwrap();

    mongoark(&["verify", "--key-file", arg(&key), arg(&junk)]).expect(1).says("not a mongoark archive");
    mongoark(&["verify", "--key-file", arg(&other), arg(&archive)])
        .expect(1)
        .says("none of the given secrets opens");
    mongoark(&["verify", arg(&archive)]).expect(1).says("--key-file FILE").says("MONGOARK_PASSPHRASE");
    mongoark(&["verify", "--key-file", arg(&key), "/no/such/file"]).expect(1).says("/no/such/file");
    mongoark(&["verify", "--key-file", arg(&archive), arg(&archive)])
        .expect(1)
        .says("not a mongoark key file");
    mongoark(&["verify", "--key-file", arg(&key), arg(&archive)]).expect(0).says("is whole");
    mongoark(&["verify", "--checksums-only", arg(&archive)]).expect(0).says("every checksum holds");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    mongoark(&["verify", "--key-file", arg(&key), arg(&archive)]).expect(1).says("chmod 600");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_an_archive_survives_is_told_by_verify() {
    let desk = Desk::new();
    let (archive, _) = desk.archive(20).await;
    let key = desk.path("key");
    let mut bytes = fs::read(&archive).unwrap();
    // The last byte belongs to the trailer, a hint: without it the end is found by reading all records.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&archive, &bytes).unwrap();
    mongoark(&["ls", "--key-file", arg(&key), arg(&archive)]).expect(0).says("warning");
    let verified = mongoark(&["verify", "--key-file", arg(&key), arg(&archive)]);
    assert_ne!(verified.code, 0, "{}", verified.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_archive_restores_nothing() {
    let desk = Desk::new();
    let (archive, db) = desk.archive(2000).await;
    let (key, broken) = (desk.path("key"), desk.path("broken"));
    let bytes = fs::read(&archive).unwrap();
    let uri = shared::replica_set().await;
    let rename = format!("{db}={db}_copy");
    let restore = |path: &Path| {
        mongoark(&["restore", "--uri", &uri, "--key-file", arg(&key), "--rename", &rename, arg(path)])
    };
    for length in [0, 10, 64, bytes.len() / 2, bytes.len() - 40, bytes.len() - 1] {
        fs::write(&broken, &bytes[..length]).unwrap();
        restore(&broken).expect(1);
    }
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    fs::write(&broken, &flipped).unwrap();
    let verified = mongoark(&["verify", "--key-file", arg(&key), arg(&broken)]).expect(1);
    assert!(verified.stderr.contains("at byte"), "{}", verified.stderr);
    let databases = connect(&uri).await.list_database_names().await.unwrap();
    assert!(!databases.contains(&format!("{db}_copy")), "a truncated archive was written from");
    restore(&archive).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_comes_by_file_descriptor_or_variable_and_can_be_changed() {
    let desk = Desk::new();
    let (uri, db) = (shared::replica_set().await, fresh_database_name("program"));
    fill(&uri, &db, 5).await;
    let [old, new, archive] = ["old", "new", "archive"].map(|name| desk.path(name));
    write_private(&old, "correct horse\n");
    write_private(&new, "battery staple\r\nsecond line");
    mongoark(&["dump", "--uri", &uri, "--db", &db, "--passphrase-file", arg(&old), arg(&archive)]).expect(0);
    run(program().args(["verify", arg(&archive)]).env("MONGOARK_PASSPHRASE", "correct horse")).expect(0);
    let fd = [
        "-c",
        "exec \"$0\" verify --passphrase-fd 9 \"$1\" 9<\"$2\"",
        env!("CARGO_BIN_EXE_mongoark"),
        arg(&archive),
        arg(&old),
    ];
    run(std::process::Command::new("sh").args(fd)).expect(0);

    mongoark(&[
        "key",
        "rotate",
        "--passphrase-file",
        arg(&old),
        "--new-passphrase-file",
        arg(&new),
        arg(&archive),
    ])
    .expect(0);
    mongoark(&["verify", "--passphrase-file", arg(&old), arg(&archive)])
        .expect(1)
        .says("none of the given secrets");
    run(program().args(["verify", arg(&archive)]).env("MONGOARK_PASSPHRASE", "battery staple")).expect(0);
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    let desk = Desk::new();
    let (key, out) = (desk.path("key"), desk.path("out"));
    mongoark(&["dump", "--uri", NOBODY, arg(&out)]).expect(2).says("--no-encryption");
    mongoark(&["dump", "--uri", NOBODY, "--key-file", arg(&key), arg(&key)]).expect(2).says("--overwrite");
    mongoark(&["dump", "--uri", NOBODY, "--collection", "c", arg(&out)]).expect(2).says("--db");
    mongoark(&["dump", "--uri", NOBODY, "--compression", "lzma", arg(&out)]).expect(2).says("zstd");
    mongoark(&["dump", "--uri", "mongodb://", "--no-encryption", arg(&out)])
        .expect(1)
        .says("connection string");
    mongoark(&[
        "dump",
        "--uri",
        NOBODY,
        "--no-encryption",
        "--query",
        "{",
        "--db",
        "d",
        "-c",
        "c",
        arg(&out),
    ])
    .expect(2)
    .says("--query");
    mongoark(&["restore", "--uri", NOBODY, "--existing", "perhaps", arg(&out)])
        .expect(2)
        .says("fail, merge, drop");
    mongoark(&["restore", "--uri", NOBODY, "--write-concern", "0", arg(&out)]).expect(2).says("refused");
    mongoark(&["no-such-command"]).expect(2);
    mongoark(&["key", "generate", arg(&key)]).expect(1).says("exists");
    assert_eq!(desk.names(), ["key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_dump_and_leaves_no_archive() {
    let (uri, db) = (shared::replica_set().await, fresh_database_name("program"));
    fill(&uri, &db, 8000).await;
    let disk = SmallDisk::mount(1_000_000);
    let out = disk.path().join("out");
    mongoark(&["dump", "--uri", &uri, "--db", &db, "--no-encryption", "--compression", "none", arg(&out)])
        .expect(1)
        .says("No space left on device")
        .says("out.partial");
    assert!(!out.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_cleanly_and_leaves_only_a_partial_file() {
    let set = ReplicaSet::single().await;
    fill(&set.uri(), "slow", 30_000).await;
    let client = connect(&set.uri()).await;
    let slow = FailCommand::new(["getMore"]).block(Duration::from_millis(400)).app_name("mongoark");
    slow.enable(&client).await;
    let desk = Desk::new();
    let (key, out) = (desk.path("key"), desk.path("out"));
    let child = program()
        .args(["dump", "--uri", &set.uri(), "--key-file", arg(&key), arg(&out)])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&desk.path("out.partial"));
    let interrupted =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(desk.names(), ["key", "out.partial"]);
    FailCommand::disable(&client).await;
    // What is left behind is no archive, and is in nobody's way.
    mongoark(&["verify", "--key-file", arg(&key), arg(&desk.path("out.partial"))]).expect(1);
    mongoark(&["dump", "--uri", &set.uri(), "--key-file", arg(&key), arg(&out)]).expect(0);
    assert_eq!(desk.names(), ["key", "out"]);
}

fn wait_for(path: &Path) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_a_failed_dump() {
    let (uri, db) = (shared::replica_set().await, fresh_database_name("program"));
    fill(&uri, &db, 8000).await;
    let mut child = program()
        .args(["dump", "--uri", &uri, "--db", &db, "--no-encryption", "--compression", "none", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Broken pipe"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_pipe_is_a_failed_restore() {
    let desk = Desk::new();
    let (archive, db) = desk.archive(3000).await;
    let cut = desk.path("cut");
    let bytes = fs::read(&archive).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 400]).unwrap();
    let uri = shared::replica_set().await;
    let rename = format!("{db}={db}_copy");
    let key = desk.path("key");
    let restore = ["restore", "--uri", &uri, "--key-file", arg(&key), "--rename", &rename, "-"];
    let from = |path: &Path| fs::File::open(path).unwrap();
    run(program().args(restore).stdin(from(&cut))).expect(1).says("cut short");
    run(program().args(restore).args(["--existing", "drop"]).stdin(from(&archive)))
        .expect(2)
        .says("needs a file");
    run(program().args(restore).args(["--existing", "merge"]).stdin(from(&archive))).expect(0);
}

#[test]
fn help_completions_and_man_pages_come_from_one_definition() {
    let desk = Desk::new();
    let help = mongoark(&["dump", "--help"]).expect(0);
    for flag in
        ["--uri", "--read-preference", "--compression", "--passphrase-file", "--key-file", "--no-encryption"]
    {
        assert!(help.text().contains(flag), "{flag}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(mongoark(&["completions", shell]).expect(0).text().contains("restore"));
    }
    mongoark(&["man", arg(desk.folder.path())]).expect(0);
    assert!(desk.names().contains(&"mongoark-restore.1".to_owned()), "{:?}", desk.names());
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_can_be_json_and_quiet_is_quiet() {
    let (uri, db) = (shared::replica_set().await, fresh_database_name("program"));
    fill(&uri, &db, 5).await;
    let desk = Desk::new();
    let dump = |more: &[&str], name: &str| {
        let out = desk.path(name);
        mongoark(&[&["dump", "--uri", &uri, "--db", &db, "--no-encryption", arg(&out)], more].concat())
            .expect(0)
    };
    assert_eq!(dump(&["--quiet"], "a").stderr, "");
    let logged = dump(&["--log-format", "json", "-v"], "b").stderr;
    for line in logged.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["time"].is_string() && line["level"].is_string() && line["message"].is_string());
    }
    let report = desk.path("report");
    dump(&["--report", arg(&report)], "c");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["exitCode"], 0);
    assert_eq!(report["result"]["documents"], 5);
    assert_eq!(report["result"]["consistency"], "point-in-time");
    assert!(report["result"]["oplog"]["consistent"].as_str() <= report["result"]["oplog"]["end"].as_str());
    assert!(report["result"]["member"]["reason"].is_string());
}
