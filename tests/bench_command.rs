//! `mongoark bench`: what is measured adds up, nothing stays behind, and no password is shown.

mod support;

use bson::doc;
use mongoark_test_support::{Server, connect, fresh_database_name, shared};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{arg, mongoark, program, run};
use tempfile::TempDir;

/// The program, with a folder of its own in front of `PATH` and no mongodump but the one in it.
fn bench(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("bench").args(arguments).env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command
}

/// A mongodump that keeps its arguments and its configuration in the folder and prints `bytes` bytes.
fn fake_mongodump(folder: &Path, bytes: u32, code: u8) {
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = --version ]; then echo 'mongodump version: 100.99.1'; exit 0; fi\n\
         echo \"$@\" >> '{0}/arguments'\n\
         cat \"$2\" >> '{0}/configuration'\n\
         stat -c %a \"$2\" > '{0}/mode'\n\
         env > '{0}/environment'\n\
         echo \"Failed: cannot use $(cat \"$2\")\" >&2\n\
         head -c {bytes} /dev/zero\n\
         exit {code}\n",
        folder.display()
    );
    let path = folder.join("mongodump");
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable script");
}

async fn generated_databases(uri: &str) -> Vec<String> {
    let names = connect(uri).await.list_database_names().await.expect("names");
    names.into_iter().filter(|name| name.starts_with("mongoark_bench_")).collect()
}

fn json(run: &support::Run) -> Value {
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", run.text()))
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_corpus_is_measured_and_gone_afterwards() {
    let server = Server::builder().auth("ann", "sesame").start().await;
    let folder = TempDir::new().unwrap();
    fake_mongodump(folder.path(), 3_000_000, 0);
    let flags = "--generate 8MB --jobs 1,2 --codec none --codec zstd:1 --json";
    let mut flags: Vec<&str> = flags.split(' ').collect();
    let uri = server.uri();
    flags.extend(["--uri", &uri]);
    let run = run(&mut bench(folder.path(), &flags)).expect(0).says("warm cache").says("4 of 6");
    let report = json(&run);
    let cells = report["cells"].as_array().unwrap();
    let names: Vec<String> =
        cells.iter().map(|cell| format!("{} {}", cell["codec"].as_str().unwrap(), cell["jobs"])).collect();
    assert_eq!(names, ["none 1", "none 2", "zstd:1 1", "zstd:1 2"]);
    for cell in cells {
        assert_eq!((&cell["documents"], &cell["bytes"]), (&report["documents"], &report["bytes"]));
        assert!((8e6..9e6).contains(&number(cell, "bytes")), "{cell}");
        assert!(number(cell, "documents") > 5_000.0 && number(cell, "seconds") > 0.0, "{cell}");
        assert!(number(cell, "cpuSeconds") > 0.0 && number(cell, "peakRssBytes") > 8e6, "{cell}");
        let compressed = cell["codec"] != "none";
        assert!((number(cell, "ratio") > 1.5) == compressed, "{cell}");
    }
    mongodump_is_beside_it(&report, folder.path());
    assert!(generated_databases(&uri).await.is_empty());
}

/// Its figures are there, and its arguments held no password.
fn mongodump_is_beside_it(report: &Value, folder: &Path) {
    assert_eq!(report["mongodump"]["version"], "100.99.1");
    let runs = report["mongodump"]["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run["archiveBytes"] == 3_000_000 && run["bytes"] == report["bytes"]));
    let kept = |name: &str| fs::read_to_string(folder.join(name)).expect("what the script kept");
    let arguments = kept("arguments");
    assert!(
        arguments.contains("--archive --gzip") && arguments.contains("--db=mongoark_bench_"),
        "{arguments}"
    );
    assert!(!arguments.contains("sesame") && !kept("environment").contains("sesame"), "{arguments}");
    assert!(kept("configuration").contains("uri: \"mongodb://ann:sesame@"));
    assert_eq!(kept("mode").trim(), "600");
    let config = arguments.split_whitespace().nth(1).expect("a second argument");
    assert!(!Path::new(config).exists(), "{config} is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_collections_are_shown_as_a_table() {
    let (uri, db) = (shared::replica_set().await, fresh_database_name("bench"));
    let collection = connect(&uri).await.database(&db).collection("c");
    collection.insert_many((0..500).map(|n| doc! { "_id": n, "text": "x".repeat(900) })).await.unwrap();
    let folder = TempDir::new().unwrap();
    let archives = TempDir::new().unwrap();
    let flags = ["--uri", &uri, "--db", &db, "--jobs", "1", "--rounds", "2", "--to", arg(archives.path())];
    let run = run(&mut bench(folder.path(), &flags)).expect(0);
    let text = run.text();
    assert!(text.contains("500 documents, 462 kB, in 1 namespace\n"), "{text}");
    assert!(text.contains("encrypted, archives to a file, medians of 2 rounds"), "{text}");
    assert!(text.contains("mongodump is not on PATH"), "{text}");
    let codecs: Vec<&str> = text.lines().skip(4).map_while(|line| line.split_whitespace().next()).collect();
    assert_eq!(codecs, ["none", "zstd:1", "zstd:2", "zstd:3", "gzip:1"], "{text}");
    assert_eq!(fs::read_dir(archives.path()).unwrap().count(), 0, "archives are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodump_that_fails_or_cannot_be_compared_is_told() {
    let server = Server::builder().auth("ann", "sesame").start().await;
    let uri = server.uri();
    let collection = connect(&uri).await.database("d").collection("c");
    collection.insert_one(doc! { "_id": 1 }).await.unwrap();
    let folder = TempDir::new().unwrap();
    fake_mongodump(folder.path(), 10, 3);
    let some = ["--uri", &uri, "--codec", "none", "--jobs", "1"];
    let failed = run(bench(folder.path(), &some).args(["--db", "d"])).expect(0).says("exit status: 3");
    assert!(failed.text().contains("mongodump --gzip: it ended with"), "{}", failed.text());
    let said = failed.text() + &failed.stderr;
    assert!(said.contains("ann:***@") && !said.contains("sesame"), "{said}");

    let excluded = run(bench(folder.path(), &some).args(["--exclude", "d.x"])).expect(0);
    assert!(excluded.text().contains("mongodump is not measured"), "{}", excluded.text());
    let silent = run(bench(folder.path(), &some).args(["--db", "d", "--no-peer"])).expect(0);
    assert!(!silent.text().contains("mongodump"), "{}", silent.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_drops_the_corpus() {
    let server = Server::standalone().await;
    let folder = TempDir::new().unwrap();
    let flags = ["--uri", &server.uri(), "--generate", "2MB", "--codec", "zstd:1", "--rounds", "100"];
    let child = bench(folder.path(), &flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while generated_databases(&server.uri()).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(generated_databases(&server.uri()).await.is_empty(), "{stderr}");
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300";
    let refused = |flags: &[&str], text: &str| {
        mongoark(&[&["bench", "--uri", uri], flags].concat()).expect(2).says(text);
    };
    refused(&["--generate", "8XB"], "is not a size");
    refused(&["--generate", "10kB"], "at least 1MB");
    refused(&["--generate", "8MB", "--db", "d"], "cannot be used with");
    refused(&["--jobs", "0"], "--jobs");
    refused(&["--codec", "lz4"], "--codec");
    let file = tempfile::NamedTempFile::new().unwrap();
    refused(&["--to", arg(file.path())], "exists");
    mongoark(&["bench", "--uri", uri, "--no-peer"]).expect(1).says("Check the address and port");
}
