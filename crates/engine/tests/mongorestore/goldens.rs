//! Dumps of mongodump, restored to the very state that was dumped.

use crate::desk::Desk;
use mongoark_engine::mongorestore::{Input, Options};
use mongoark_test_support::golden::{self, Golden};
use mongoark_test_support::{ReplicaSet, wipe};

/// Restores each of the dumps that are asked for into an emptied server, and fails with all differences of all of them.
async fn expect_equal(wanted: impl Fn(&Golden) -> bool, asked: golden::Options, options: &Options) {
    let set = ReplicaSet::single().await;
    let desk = Desk::at(set.uri()).await;
    let mut failures = Vec::new();
    for golden in golden::for_server("6.0.5").into_iter().filter(wanted) {
        wipe(&desk.client).await;
        let folder = tempfile::tempdir().expect("a folder");
        let dump = golden.unpack(folder.path());
        let input = if golden.is_archive() { Input::Archive(dump) } else { Input::Path(dump) };
        let options = Options { gzip: golden.is_gzip(), oplog_replay: golden.has_oplog(), ..options.clone() };
        let run = desk.restore_from(input, &options).await;
        let mut lines = golden::differences(&desk.client, &golden.expected_path(), asked).await;
        if !run.error().is_empty() {
            lines.insert(0, run.error());
        }
        if !lines.is_empty() {
            failures.push(format!("{}:\n{}", golden.form, lines.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plain_form_comes_back_whole() {
    expect_equal(|golden| !golden.has_oplog(), golden::Options::default(), &Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_and_index_versions_come_back_when_asked_for() {
    let options = Options { drop: true, preserve_uuid: true, keep_index_version: true, ..Options::default() };
    let asked = golden::Options { uuids: true, keep_index_version: true, ..golden::Options::default() };
    expect_equal(|golden| !golden.has_oplog() && !golden.is_gzip(), asked, &options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_with_an_oplog_comes_back_as_of_its_end() {
    expect_equal(Golden::has_oplog, golden::Options::default(), &Options::default()).await;
}
