//! What mongodump dumped, the program restores under the name mongorestore, to the very state that was dumped. Runs on
//! the server version that `MONGOARK_TEST_SERVER` names, with the dumps of that version.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::golden::{self, Golden, Options};
use mongoark_test_support::{Binary, ReplicaSet, connect, wipe};
use std::path::Path;
use support::run;
use support::tools::Tools;

/// Restores each of these dumps into an emptied server and fails with all differences of all of them.
async fn expect_equal(goldens: Vec<Golden>, more: &[&str], asked: Options) {
    let tools = Tools::link();
    let set = ReplicaSet::single().await;
    let client = connect(&set.uri()).await;
    let mut failures = Vec::new();
    for golden in goldens {
        wipe(&client).await;
        let folder = tempfile::tempdir().unwrap();
        let dump = golden.unpack(folder.path());
        let mut restore = tools.mongorestore();
        restore.args(["--uri", &set.uri()]).args(form_arguments(&golden, &dump)).args(more);
        let restored = run(&mut restore);
        let mut lines = Vec::new();
        if restored.code != 0 {
            lines.push(format!("exit {}, stderr:\n{}", restored.code, restored.stderr));
        }
        let options = Options { later_release: golden.server != Binary::default_version(), ..asked };
        lines.extend(golden::differences(&client, &golden.expected_path(), options).await);
        if !lines.is_empty() {
            failures.push(format!("{} {}:\n{}", golden.server, golden.form, beginning(&lines)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What the form needs on the command line of mongorestore.
fn form_arguments(golden: &Golden, dump: &Path) -> Vec<String> {
    let input = if golden.is_archive() { "archive" } else { "dir" };
    let mut arguments = vec![format!("--{input}={}", dump.display())];
    arguments.extend(golden.is_gzip().then(|| "--gzip".to_owned()));
    arguments.extend(golden.has_oplog().then(|| "--oplogReplay".to_owned()));
    arguments
}

/// The first lines, and how many there are.
fn beginning(lines: &[String]) -> String {
    let shown = lines.iter().take(20).map(String::as_str).collect::<Vec<_>>();
    format!("{}\n({} lines)", shown.join("\n"), lines.len())
}

fn goldens() -> Vec<Golden> {
    golden::for_server(&Binary::default_version())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plain_dump_comes_back_whole() {
    let plain = goldens().into_iter().filter(|golden| !golden.has_oplog()).collect();
    expect_equal(plain, &[], Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dump_with_an_oplog_comes_back_as_of_its_end() {
    let with_oplog = goldens().into_iter().filter(Golden::has_oplog).collect();
    expect_equal(with_oplog, &[], Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_and_index_versions_come_back_when_asked_for() {
    let plain = goldens().into_iter().filter(|golden| !golden.has_oplog()).collect();
    let options = Options { uuids: true, keep_index_version: true, ..Options::default() };
    expect_equal(plain, &["--preserveUUID", "--drop", "--keepIndexVersion"], options).await;
}
