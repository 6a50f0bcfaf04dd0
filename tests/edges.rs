//! Where the program meets its surroundings: reports, terminals, passwords in messages, passphrase files, core dumps, closed
//! outputs, and two names of one file.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::{ReplicaSet, connect, fresh_database_name, golden, shared};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::tools::Tools;
use support::{Run, arg, mongoark, run};
use tempfile::TempDir;

const NOBODY: &str = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300";
/// A name that sets the title of a terminal, moves its cursor, breaks the line and turns the direction of reading.
const STEERING: &str = "a\u{1b}]0;owned\u{7}\u{9b}2J\u{7f}\r\nb\u{202e}c";

/// A user without rights, so that it shows whom the system takes a process' memory for.
const SOMEBODY: &str = "65534";

/// A folder with a key, a dump of mongodump and an archive that is made of it.
struct Desk {
    folder: TempDir,
    dump: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden = golden::for_server("6.0.5").into_iter().find(|it| it.form == "directory").unwrap();
        let dump = golden.unpack(folder.path());
        let desk = Self { folder, dump };
        mongoark(&["key", "generate", arg(&desk.path("key"))]).expect(0);
        mongoark(&["convert", "--no-encryption", arg(&desk.dump), arg(&desk.path("archive"))]).expect(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, report: &Path) -> Run {
        mongoark(&["verify", "--report", arg(report), arg(&self.path("archive"))])
    }

    fn passphrase(&self, mode: u32) -> PathBuf {
        let path = self.path(&format!("passphrase-{mode:o}"));
        fs::write(&path, "sesame\n").unwrap();
        set_mode(&path, mode);
        path
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Runs a script of the shell with the program as `$0`.
fn shell(script: &str, arguments: &[&str]) -> Run {
    let mut shell = Command::new("bash");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_mongoark")]).args(arguments);
    run(shell.env_remove("MONGOARK_PASSPHRASE").stdin(Stdio::null()))
}

#[test]
fn a_report_is_its_owners_alone() {
    let desk = Desk::new();
    let [new, old] = ["new", "old"].map(|name| desk.path(name));
    desk.verify(&new).expect(0);
    assert_eq!(mode(&new), 0o600);
    fs::write(&old, "of an earlier run, and longer than what comes\n".repeat(500)).unwrap();
    set_mode(&old, 0o664);
    let before = fs::metadata(&old).unwrap();
    desk.verify(&old).expect(0);
    let after = fs::metadata(&old).unwrap();
    assert_eq!((after.ino(), after.uid(), mode(&old)), (before.ino(), before.uid(), 0o600));
    let report: Value = serde_json::from_slice(&fs::read(&old).unwrap()).unwrap();
    assert_eq!(report["exitCode"], 0);
}

#[test]
fn a_report_follows_no_link_to_a_file() {
    let desk = Desk::new();
    let [victim, link, dangling, nowhere, device] =
        ["victim", "link", "dangling", "nowhere", "device"].map(|name| desk.path(name));
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &link).unwrap();
    symlink(&nowhere, &dangling).unwrap();
    symlink("/dev/null", &device).unwrap();
    for report in [&link, &dangling] {
        desk.verify(report).expect(2).says("symbolic link");
    }
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(!nowhere.exists());
    desk.verify(&device).expect(0);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let told = desk.verify(Path::new("/dev/stdout")).expect(0);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["command"], "verify");
}

/// Fails where something would steer a terminal.
#[track_caller]
fn is_plain(run: &Run, what: &str) {
    has_no_controls(run, what);
    assert!(!run.text().contains('\u{202e}') && !run.stderr.contains('\u{202e}'), "{what}: {run:?}");
}

#[track_caller]
fn has_no_controls(run: &Run, what: &str) {
    for text in [&run.text(), &run.stderr] {
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!text.contains(steers), "{what}: {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_from_an_archive_or_a_server_steers_the_terminal() {
    let (uri, db) = (shared::replica_set().await, fresh_database_name("edges"));
    let client = connect(&uri).await;
    let collection = client.database(&db).collection::<Document>(STEERING);
    collection
        .insert_many([doc! { "_id": 1, "x": 1, "text": STEERING }, doc! { "_id": 2, "x": 1 }])
        .await
        .unwrap();
    let desk = Desk::new();
    let (archive, name) = (desk.path("steering"), format!("{db}.{STEERING}"));
    let dump = mongoark(&["dump", "-vv", "--no-encryption", "--uri", &uri, "--db", &db, arg(&archive)]);
    is_plain(&dump, "dump");
    dump.expect(0).says("owned").says("b\\u202ec: 2 done");
    let listed = mongoark(&["ls", arg(&archive)]).expect(0);
    is_plain(&listed, "ls");
    assert!(
        listed.text().lines().any(|line| line.contains("owned") && line.contains("b\\u202ec")),
        "one row"
    );
    let json = mongoark(&["ls", "--json", arg(&archive)]).expect(0);
    is_plain(&json, "ls --json");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["namespaces"][0]["collection"], STEERING, "JSON holds the name itself");
    is_plain(&mongoark(&["verify", "-vv", arg(&archive)]).expect(0), "verify");
    is_plain(&mongoark(&["cat", arg(&archive), &format!("{name}?")]).expect(2), "cat");

    documents_are_escaped_on_a_terminal_alone(&archive, &name);

    // The server's words repeat the name.
    let target = format!("{db}_copy");
    let index = doc! {
        "createIndexes": STEERING, "indexes": [{ "key": { "x": 1 }, "name": STEERING, "unique": true }],
    };
    client.database(&target).run_command(index).await.unwrap();
    let rename = format!("{db}={target}");
    let restore =
        ["restore", "-vv", "--uri", &uri, "--existing", "merge", "--rename", &rename, arg(&archive)];
    let restored = mongoark(&restore).expect(3).says("E11000");
    is_plain(&restored, "restore");
    let logged = mongoark(&[&restore[..], &["--log-format", "json"]].concat()).expect(3);
    is_plain(&logged, "a log of JSON lines");
    assert!(
        logged.stderr.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{}",
        logged.stderr
    );
    the_tools_steer_nothing_either(&uri, &db, &target);
}

fn documents_are_escaped_on_a_terminal_alone(archive: &Path, name: &str) {
    let printed = mongoark(&["cat", "--limit", "1", arg(archive), name]).expect(0).text();
    assert!(printed.contains("\u{9b}2J\u{7f}"), "a pipe gets the document as it is: {printed:?}");
    let mut terminal = Command::new("python3");
    terminal.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]);
    terminal.args([env!("CARGO_BIN_EXE_mongoark"), "cat", "--limit", "1", arg(archive), name]);
    let mut shown = run(terminal.stdin(Stdio::null())).expect(0);
    // The terminal's own line end.
    shown.stdout.retain(|byte| *byte != b'\r');
    is_plain(&shown, "cat on a terminal");
    let documents = [&printed, &shown.text()].map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(documents[0], documents[1]);
}

fn the_tools_steer_nothing_either(uri: &str, db: &str, target: &str) {
    let tools = Tools::link();
    let dumped = tools.run("mongodump", &["-vvv", "--uri", uri, "--db", db]).expect(0);
    has_no_controls(&dumped, "mongodump");
    let (from, to) = (format!("--nsFrom={db}.*"), format!("--nsTo={target}.*"));
    let restored = tools.run("mongorestore", &["-vvv", "--uri", uri, &from, &to]);
    has_no_controls(&restored, "mongorestore");
    assert!(restored.stderr.contains("E11000"), "{}", restored.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_password_is_shown_neither_by_itself_nor_by_what_is_left_out() {
    let set = ReplicaSet::builder().auth("ann", "right").start().await;
    let (desk, tools) = (Desk::new(), Tools::link());
    let said = |password: &str| {
        let uri = format!("mongodb://ann:{password}@{}/?authSource=admin", set.address(0));
        let native = mongoark(&["dump", "--uri", &uri, "--no-encryption", arg(&desk.path("out"))]).expect(1);
        let tool = tools.run("mongodump", &["--uri", &uri]).expect(1);
        let words = |run: &Run| {
            let mut lines = run.stderr.lines();
            lines
                .find(|line| line.contains("cannot"))
                .unwrap_or_default()
                .replace(|c: char| c.is_ascii_digit(), "#")
        };
        [words(&native), words(&tool)]
    };
    // Whatever the password is, the same is said.
    let long = said("Zq8Xv2Jw");
    assert!(long[0].contains("check user, password") && !long[0].contains("Zq8"), "{long:?}");
    for short in ["a", "e", "in", "SCRAM", "failure"] {
        assert_eq!(said(short), long, "{short}");
    }
}

#[test]
fn no_secret_of_a_connection_string_is_shown() {
    let (desk, tools) = (Desk::new(), Tools::link());
    for uri in [
        "mongodb://127.0.0.1:9/?proxyHost=h&proxyPassword=hush",
        "mongodb://ann:hush@127.0.0.1:9/?proxyHost=h&proxyPassword=hush",
        "mongodb://127.0.0.1:9/?aSecretOfALaterDriver=hush",
        "mongodb://127.0.0.1:9/?tlsCertificateKeyFilePassword=hush&tls=perhaps",
        "mongodb://ann:x@127.0.0.1:9/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:hush&w=-7",
        "mongodb://127.0.0.1:9/?authMechanism=GSSAPI&authMechanismProperties=hush",
        "mongodb://ann:hush",
        "mongodb://ann:hush/db?tls=true",
        "mongodb://ann:hu?x=hush@127.0.0.1:9",
        "mongodb://ann:a/hush@127.0.0.1:9",
    ] {
        let quick = if uri.contains('?') { "&serverSelectionTimeoutMS=200" } else { "" };
        let uri = format!("{uri}{quick}");
        let out = desk.path("out");
        let native = mongoark(&["dump", "-vv", "--uri", &uri, "--no-encryption", arg(&out)]);
        let restore = mongoark(&["restore", "-vv", "--uri", &uri, arg(&desk.path("archive"))]);
        let doctor = mongoark(&["doctor", "--sample", "0", "--uri", &uri]);
        let tool = tools.run("mongodump", &["-vvv", "--uri", &uri, "--serverSelectionTimeout=1"]);
        for run in [native, restore, doctor, tool] {
            assert_ne!(run.code, 0, "{uri}");
            let said = run.text() + &run.stderr;
            assert!(!said.contains("hush"), "{uri}: {said}");
        }
    }
}

#[test]
fn a_passphrase_file_is_its_owners_alone() {
    let desk = Desk::new();
    let (out, private) = (desk.path("out"), desk.passphrase(0o600));
    let convert =
        |file: &Path| mongoark(&["convert", "--passphrase-file", arg(file), arg(&desk.dump), arg(&out)]);
    for shared in [0o644, 0o640, 0o602, 0o610, 0o444] {
        let refused = convert(&desk.passphrase(shared)).expect(2).says("chmod 600");
        assert!(refused.stderr.contains("--passphrase-fd") && !out.exists(), "{}", refused.stderr);
    }
    convert(&private).expect(0);
    let shared = desk.passphrase(0o444);
    mongoark(&["verify", "--passphrase-file", arg(&shared), arg(&out)]).expect(1).says("chmod 600");
    let rotate = ["key", "rotate", "--passphrase-file", arg(&private), "--new-passphrase-file", arg(&shared)];
    mongoark(&[&rotate[..], &[arg(&out)]].concat()).expect(1).says("chmod 600");
    mongoark(&["verify", "--passphrase-file", arg(&desk.passphrase(0o400)), arg(&out)]).expect(0);
    // Whoever opens it for the program answers for it: as containers mount their secrets.
    shell("exec \"$0\" verify --passphrase-fd 9 \"$1\" 9<\"$2\"", &[arg(&out), arg(&shared)]).expect(0);
    shell("exec \"$0\" verify --passphrase-file <(echo sesame) \"$1\"", &[arg(&out)]).expect(0);
}

#[test]
fn no_core_dump_holds_what_the_program_knows() {
    let desk = Desk::new();
    let (fifo, archive) = (desk.path("fifo"), desk.path("encrypted"));
    let private = desk.passphrase(0o600);
    let convert = ["convert", "--passphrase-file", arg(&private), arg(&desk.dump), arg(&archive)];
    mongoark(&convert).expect(0);
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [&fifo, &archive, &desk.path("program")] {
        if !path.exists() {
            fs::copy(env!("CARGO_BIN_EXE_mongoark"), path).unwrap();
        }
        assert!(Command::new("chown").args([SOMEBODY, arg(path)]).status().unwrap().success(), "needs root");
    }
    set_mode(desk.folder.path(), 0o755);
    let mut child = Command::new("setpriv")
        .args(["--reuid", SOMEBODY, "--clear-groups", "bash", "-c"])
        .arg("exec \"$0\" verify --passphrase-fd 9 \"$1\" 9< <(cat \"$2\")")
        .args([desk.path("program"), archive, fifo.clone()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    // It waits for its passphrase.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fs::read(process.join("cmdline")).unwrap().starts_with(arg(&desk.path("program")).as_bytes())
        || fs::metadata(process.join("environ")).unwrap().uid() != 0
    {
        assert!(Instant::now() < deadline, "the process can be dumped");
        std::thread::sleep(Duration::from_millis(20));
    }
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let limits: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(limits, ["0", "0"], "{core}");
    fs::write(&fifo, "sesame\n").unwrap();
    let ended = child.wait().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(ended.success(), "{said}");
}

#[test]
fn what_is_printed_into_nothing_is_a_failure() {
    let desk = Desk::new();
    let (archive, slices, bson) =
        (desk.path("archive"), desk.path("slices"), desk.dump.join("edge/ids.bson"));
    fs::create_dir(&slices).unwrap();
    let commands: [&[&str]; 9] = [
        &["ls", arg(&archive)],
        &["ls", "--json", arg(&archive)],
        &["cat", arg(&archive), "edge.ids"],
        &["oplog", "ls", arg(&slices)],
        &["completions", "bash"],
        &["--help"],
        &["bsondump", arg(&bson)],
        &["dump", "--uri", NOBODY, "--no-encryption", "-"],
        &["convert", arg(&archive), "-"],
    ];
    for command in commands {
        let closed = shell("exec \"$0\" \"$@\" >&-", command).expect(1);
        let why = closed.stderr.to_lowercase();
        assert!(why.contains("bad file descriptor"), "{command:?}: {}", closed.stderr);
        if command[0] != "dump" {
            shell("exec \"$0\" \"$@\" >/dev/full", command).expect(1);
        }
    }
    shell("exec \"$0\" \"$@\" >&-", &["mongodump", "--uri", NOBODY, "--archive"])
        .expect(1)
        .says("standard output");
    // What has nothing to print needs none, and a reader may have seen enough.
    shell("exec \"$0\" \"$@\" <&- >&- 2>&-", &["verify", arg(&archive)]).expect(0);
    for command in &commands[..3] {
        shell("set -o pipefail; \"$0\" \"$@\" | true", command).expect(0);
    }
}

#[test]
fn one_file_is_not_two() {
    let desk = Desk::new();
    let [archive, key, hard, out] = ["archive", "key", "hard", "out"].map(|name| desk.path(name));
    let around = desk.path("around");
    symlink(desk.folder.path(), &around).unwrap();
    fs::hard_link(&key, &hard).unwrap();
    let (before, secret) = (fs::read(&archive).unwrap(), fs::read(&key).unwrap());
    let (key_around, archive_around) = (around.join("key"), around.join("archive"));
    let (partial, out_around) = (around.join("out.partial"), around.join("out"));
    let dump = ["dump", "--uri", NOBODY, "--overwrite", "--key-file", arg(&key)];
    let convert = ["convert", "--overwrite", "--to", "mongodump-archive"];
    let rotate = ["key", "rotate", "--key-file", arg(&key), "--new-key-file"];
    let commands: [&[&str]; 9] = [
        &[&dump[..], &[arg(&hard)]].concat(),
        &[&dump[..], &[arg(&key_around)]].concat(),
        &[&dump[..], &["--report", arg(&partial), arg(&out)]].concat(),
        &[&dump[..], &["--report", arg(&out_around), arg(&out)]].concat(),
        &[&convert[..], &[arg(&archive), arg(&archive_around)]].concat(),
        &["convert", "--overwrite", "--key-file", arg(&hard), arg(&desk.dump), arg(&key)],
        &[&rotate[..], &[arg(&archive), arg(&archive_around)]].concat(),
        &["verify", "--report", arg(&hard), "--key-file", arg(&key), arg(&archive)],
        &["key", "generate", "--report", arg(&out_around), arg(&out)],
    ];
    for command in commands {
        mongoark(command).expect(2).says("same file");
    }
    let pipe = "exec \"$0\" convert --overwrite --to mongodump-archive - \"$1\" <\"$2\"";
    shell(pipe, &[arg(&archive), arg(&archive_around)]).expect(2).says("same file");
    shell("exec \"$0\" verify --report \"$1\" - <\"$2\"", &[arg(&archive), arg(&archive_around)])
        .expect(2)
        .says("same file");
    let bson = desk.dump.join("edge/ids.bson");
    let documents = fs::read(&bson).unwrap();
    mongoark(&["bsondump", "--outFile", arg(&desk.dump.join("./edge/ids.bson")), arg(&bson)]).expect(1);
    assert!(fs::read(&archive).unwrap() == before && fs::read(&key).unwrap() == secret);
    assert!(fs::read(&bson).unwrap() == documents && !out.exists() && !desk.path("out.partial").exists());
}
