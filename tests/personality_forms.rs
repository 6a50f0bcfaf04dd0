//! Every form of a dump carries every edge case from one server to another when the program is called mongodump and
//! mongorestore: folders, archives, pipes of all kinds, single collections, other names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::compare::{self, Namespace, Options, State};
use mongoark_test_support::{ReplicaSet, connect, corpus, shared};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use support::tools::Tools;
use support::{Run, arg, run};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The deployment that all tests of this file dump, with the edge corpus in it.
struct Source {
    uri: String,
    state: State,
}

async fn source() -> &'static Source {
    static SOURCE: OnceCell<Source> = OnceCell::const_new();
    let load = || async {
        let uri = shared::replica_set().await;
        let client = connect(&uri).await;
        corpus::edge::load(&client, corpus::Options::default()).await.unwrap();
        Source { state: compare::capture(&client).await.unwrap(), uri }
    };
    SOURCE.get_or_init(load).await
}

/// A source, an empty target, a folder, and the tools.
struct Desk {
    source: &'static Source,
    target: ReplicaSet,
    folder: TempDir,
    tools: Tools,
}

impl Desk {
    async fn new() -> Self {
        let (source, target) = tokio::join!(source(), ReplicaSet::single());
        Self { source, target, folder: tempfile::tempdir().unwrap(), tools: Tools::link() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mongodump(&self, arguments: &[&str]) -> Command {
        let mut command = self.tools.mongodump();
        command.args(["--uri", &self.source.uri]).args(arguments);
        command
    }

    fn mongorestore(&self, arguments: &[&str]) -> Command {
        let mut command = self.tools.mongorestore();
        command.args(["--uri", &self.target.uri()]).args(arguments);
        command
    }

    fn dump(&self, arguments: &[&str]) -> Run {
        run(&mut self.mongodump(arguments)).expect(0)
    }

    fn restore(&self, arguments: &[&str]) -> Run {
        run(&mut self.mongorestore(arguments)).expect(0)
    }

    /// A script in which `$SOURCE` and `$TARGET` are connection strings. A tool before a pipe whose failure the shell
    /// would not tell is written `tool || fail`.
    fn shell(&self, script: &str) -> Run {
        let failed = self.path("failed");
        let script = format!("fail() {{ echo \"exit $?\" >> \"$FAILED\"; }}\n{script}");
        let target = self.target.uri();
        let variables = [("SOURCE", self.source.uri.as_str()), ("TARGET", &target), ("FAILED", arg(&failed))];
        let done = run(&mut self.tools.shell(&script, &variables));
        let failures = std::fs::read_to_string(&failed).unwrap_or_default();
        assert!(failures.is_empty(), "before a pipe: {failures}{}", done.stderr);
        done
    }

    async fn found(&self) -> State {
        compare::capture(&connect(&self.target.uri()).await).await.unwrap()
    }

    /// Fails with each difference between the whole source and the target.
    async fn expect_all(&self) {
        expect_equal(&self.source.state, &self.found().await);
    }

    /// The same for what `rename` keeps of the source's namespaces, under the names that it gives; the target has
    /// nothing else.
    async fn expect_some(&self, rename: impl Fn(&str) -> Option<String>) {
        let renamed = |(name, namespace): (&String, &Namespace)| Some((rename(name)?, namespace.clone()));
        let namespaces: BTreeMap<_, _> = self.source.state.namespaces.iter().filter_map(renamed).collect();
        assert!(!namespaces.is_empty(), "nothing is selected");
        let nobody = BTreeMap::new();
        let version = self.source.state.server_version.clone();
        let expected = State { server_version: version, namespaces, users: nobody.clone(), roles: nobody };
        expect_equal(&expected, &self.found().await);
    }
}

fn expect_equal(expected: &State, found: &State) {
    let options = Options { newer_index_version: true, ..Options::default() };
    let differences = expected.differences(found, &options);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder() {
    let desk = Desk::new().await;
    let out = desk.path("dump");
    desk.dump(&["--out", arg(&out)]);
    desk.restore(&[arg(&out)]);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_gzip() {
    let desk = Desk::new().await;
    let out = desk.path("dump");
    desk.dump(&["--gzip", "-o", arg(&out)]);
    desk.restore(&["--gzip", "--dir", arg(&out)]);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_an_oplog() {
    let desk = Desk::new().await;
    let out = desk.path("dump");
    desk.dump(&["--oplog", "--out", arg(&out)]);
    desk.restore(&["--oplogReplay", arg(&out)]);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive() {
    let desk = Desk::new().await;
    let archive = format!("--archive={}", arg(&desk.path("dump.archive")));
    desk.dump(&[&archive]);
    desk.restore(&[&archive]);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_gzip() {
    let desk = Desk::new().await;
    let archive = format!("--archive={}", arg(&desk.path("dump.archive.gz")));
    desk.dump(&[&archive, "--gzip"]);
    desk.restore(&[&archive, "--gzip"]);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_of_the_shell() {
    let desk = Desk::new().await;
    let pipe = r#"{ mongodump --uri "$SOURCE" --archive || fail; } | mongorestore --uri "$TARGET" --archive"#;
    desk.shell(pipe).expect(0);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_of_the_shell_with_gzip() {
    let desk = Desk::new().await;
    let pipe = r#"{ mongodump --uri "$SOURCE" --archive --gzip || fail; } |
        mongorestore --uri "$TARGET" --archive --gzip"#;
    desk.shell(pipe).expect(0);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_through_the_systems_own_gzip() {
    let desk = Desk::new().await;
    // Both ways: what gunzip reads of ours, and what we read of gzip's.
    let pipe = r#"{ mongodump --uri "$SOURCE" --archive --gzip || fail; } | { gunzip || fail; } |
        { gzip || fail; } | mongorestore --uri "$TARGET" --archive --gzip"#;
    desk.shell(pipe).expect(0);
    desk.expect_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_pipe() {
    let desk = Desk::new().await;
    let mut dump = Started::new(desk.mongodump(&["--archive"]).stdout(Stdio::piped()), desk.path("dump.log"));
    let restore = desk.path("restore.log");
    let mut restore = Started::new(desk.mongorestore(&["--archive"]).stdin(Stdio::piped()), restore);
    let (from, to) = (dump.child.stdout.take().unwrap(), restore.child.stdin.take().unwrap());
    let bytes = tokio::task::spawn_blocking(move || trickle(from, to)).await.unwrap();
    dump.expect_success();
    restore.expect_success();
    assert!(bytes > 100_000, "only {bytes} bytes");
    desk.expect_all().await;
}

/// Hands over small pieces of uneven length, about a megabyte a second, as a slow line does; ends early when one side
/// does, and leaves it to that side to say why.
fn trickle(mut from: ChildStdout, mut to: ChildStdin) -> usize {
    let (mut piece, mut bytes) = (vec![0; 1499], 0);
    loop {
        let length = piece.len() - bytes % 7;
        let count = from.read(&mut piece[..length]).unwrap();
        if count == 0 || to.write_all(&piece[..count]).is_err() {
            return bytes;
        }
        bytes += count;
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process that does not outlive a test that fails.
struct Started {
    child: Child,
    /// Where its stderr goes.
    log: PathBuf,
}

impl Started {
    fn new(command: &mut Command, log: PathBuf) -> Self {
        let child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        Self { child, log }
    }

    #[track_caller]
    fn expect_success(&mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}:\n{}", std::fs::read_to_string(&self.log).unwrap());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_a_dump_with_exit_1() {
    let desk = Desk::new().await;
    let script = r#"{ mongodump --uri "$SOURCE" --archive; echo "$?" > "$CODE"; } | head -c 1000 > "$HEAD""#;
    let (code, head) = (desk.path("code"), desk.path("head"));
    let variables = [("SOURCE", desk.source.uri.as_str()), ("CODE", arg(&code)), ("HEAD", arg(&head))];
    let stderr = run(&mut desk.tools.shell(script, &variables)).expect(0).stderr;
    assert_eq!(std::fs::read_to_string(&code).unwrap(), "1\n", "{stderr}");
    assert_eq!(std::fs::read(&head).unwrap().len(), 1000);
    assert!(stderr.to_lowercase().contains("broken pipe"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_never_there_ends_a_dump_with_exit_1() {
    let desk = Desk::new().await;
    let one = ["--db=edge", "--collection=types", "--out=-"];
    for arguments in [&["--archive"][..], &["--archive", "--gzip"], &one] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = run(desk.mongodump(arguments).stdout(writer)).expect(1);
        assert!(run.stderr.to_lowercase().contains("broken pipe"), "{arguments:?}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_collection_through_standard_output() {
    let desk = Desk::new().await;
    let dumped = desk.dump(&["--db=edge", "--collection=types", "--out=-"]);
    let bson = desk.path("types.bson");
    std::fs::write(&bson, &dumped.stdout).unwrap();
    let file = || std::fs::File::open(&bson).unwrap();
    run(desk.mongorestore(&["--db=other", "--collection=kinds", "-"]).stdin(file())).expect(0);
    desk.expect_some(|name| (name == "edge.types").then(|| "other.kinds".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_collection_under_another_name() {
    let desk = Desk::new().await;
    let out = desk.path("dump");
    desk.dump(&["-d", "idx", "-c", "plain", "-o", arg(&out)]);
    desk.restore(&["-d", "other", "-c", "renamed", arg(&out.join("idx").join("plain.bson"))]);
    desk.expect_some(|name| (name == "idx.plain").then(|| "other.renamed".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_from_its_folder() {
    let desk = Desk::new().await;
    let out = desk.path("dump");
    desk.dump(&["--db", "edge", "--out", arg(&out)]);
    desk.restore(&["--db", "edge", arg(&out.join("edge"))]);
    desk.expect_some(|name| name.starts_with("edge.").then(|| name.to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_of_many() {
    let desk = Desk::new().await;
    let archive = format!("--archive={}", arg(&desk.path("all")));
    desk.dump(&[&archive]);
    desk.restore(&[&archive, "--nsInclude=edge.*"]);
    desk.expect_some(|name| name.starts_with("edge.").then(|| name.to_owned())).await;
}

const TO_ANOTHER_DATABASE: [&str; 3] = ["--nsInclude=idx.*", "--nsFrom=idx.*", "--nsTo=moved.*"];
const TO_OTHER_NAMES: [&str; 3] =
    ["--nsInclude=idx.*", "--nsFrom=$db$.$name$", "--nsTo=from_$db$.was $name$"];

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_under_other_names() {
    let desk = Desk::new().await;
    let out = desk.path("dump");
    desk.dump(&["--out", arg(&out)]);
    desk.restore(&[&TO_ANOTHER_DATABASE[..], &[arg(&out)]].concat());
    desk.expect_some(|name| name.strip_prefix("idx.").map(|name| format!("moved.{name}"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_under_other_names() {
    let desk = Desk::new().await;
    let archive = format!("--archive={}", arg(&desk.path("all")));
    desk.dump(&[&archive, "--gzip"]);
    desk.restore(&[&TO_OTHER_NAMES[..], &[&archive, "--gzip"]].concat());
    desk.expect_some(|name| name.strip_prefix("idx.").map(|name| format!("from_idx.was {name}"))).await;
}
