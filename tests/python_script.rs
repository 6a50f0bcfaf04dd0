//! A script that calls mongodump and mongorestore and reads their log does not notice that they are links to mongoark.
//! The script is `tests/scripts/nightly_dump.py`; it runs with the `python3` on PATH and nothing but its standard
//! library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::compare::{self, State};
use mongoark_test_support::{Server, connect, corpus};
use serde_json::Value;
use std::path::Path;
use support::tools::Tools;
use support::{Run, arg, run};

fn nightly(tools: &Tools, source: &Server, target: &Server, folder: &Path) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/nightly_dump.py");
    run(tools.on_path("python3").args([arg(&script), &port(source), &port(target), arg(folder)]))
}

fn port(server: &Server) -> String {
    server.address().rsplit_once(':').unwrap().1.to_owned()
}

async fn state(server: &Server) -> State {
    compare::capture(&connect(&server.uri()).await).await.unwrap()
}

/// The name under which the documents of a namespace are dumped; views have none.
fn dumped_name(name: &str, kind: &str) -> Option<String> {
    let (database, collection) = name.split_once('.').unwrap();
    match kind {
        "collection" if !collection.starts_with("system.") => Some(name.to_owned()),
        "timeseries" => Some(format!("{database}.system.buckets.{collection}")),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_script_notices_nothing() {
    let (source, target) = tokio::join!(Server::standalone(), Server::standalone());
    corpus::load_sample(&connect(&source.uri()).await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let done = nightly(&Tools::link(), &source, &target, &folder.path().join("dump")).expect(0);
    let counted: Value = serde_json::from_slice(&done.stdout).unwrap();

    let (expected, found) = (state(&source).await, state(&target).await);
    let differences = expected.differences(&found, &compare::Options::default());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let mut names = 0;
    for (name, namespace) in &expected.namespaces {
        let Some(dumped) = dumped_name(name, &namespace.kind) else { continue };
        // A time series is dumped and restored by its buckets, which are fewer than its measurements.
        if namespace.kind == "collection" {
            assert_eq!(counted["dumped"][&dumped], namespace.count, "{counted}");
            assert_eq!(counted["restored"][&dumped], serde_json::json!([namespace.count, 0]), "{counted}");
        } else {
            assert!(counted["dumped"][&dumped].as_u64() > Some(0), "{counted}");
        }
        names += 1;
    }
    assert!(names >= 4, "{counted}");
    let restored = counted["restored"].as_object().unwrap();
    let sum: u64 = restored.values().map(|counts| counts[0].as_u64().unwrap()).sum();
    assert_eq!(counted["total"], serde_json::json!([[sum, 0]]), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_dump_stops_a_script_that_checks() {
    let server = Server::standalone().await;
    corpus::load_sample(&connect(&server.uri()).await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("dump");
    std::fs::write(&taken, "a file where the folder should be").unwrap();
    let failed = nightly(&Tools::link(), &server, &server, &taken).expect(1);
    failed.says("mongodump failed with exit code 1");
}
