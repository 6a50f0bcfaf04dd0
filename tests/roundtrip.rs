//! Everything that a deployment can hold goes into an archive and comes back the same, byte for byte. Runs on the
//! server version that `MONGOARK_TEST_SERVER` names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::compare::{self, State};
use mongoark_test_support::corpus::{self, Options};
use mongoark_test_support::{ReplicaSet, connect};
use std::path::PathBuf;
use std::process::Stdio;
use support::{arg, mongoark, program, run};
use tempfile::TempDir;

/// A deployment with data, an empty one, and a place for archives with a key.
struct Pair {
    source: ReplicaSet,
    target: ReplicaSet,
    folder: TempDir,
}

impl Pair {
    async fn start() -> Self {
        let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
        let folder = tempfile::tempdir().unwrap();
        let pair = Self { source, target, folder };
        mongoark(&["key", "generate", arg(&pair.key())]).expect(0);
        pair
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("dump.mongoark")
    }

    fn dump(&self, more: &[&str]) -> support::Run {
        let (uri, key, archive) = (self.source.uri(), self.key(), self.archive());
        let arguments = ["dump", "--uri", &uri, "--key-file", arg(&key), "--overwrite", arg(&archive)];
        mongoark(&[&arguments[..], more].concat())
    }

    fn restore(&self, more: &[&str]) -> support::Run {
        let (uri, key, archive) = (self.target.uri(), self.key(), self.archive());
        let arguments = ["restore", "--uri", &uri, "--key-file", arg(&key), arg(&archive)];
        mongoark(&[&arguments[..], more].concat())
    }

    fn verify(&self) -> support::Run {
        mongoark(&["verify", "--key-file", arg(&self.key()), arg(&self.archive())])
    }

    async fn states(&self) -> (State, State) {
        let (source, target) = (connect(&self.source.uri()).await, connect(&self.target.uri()).await);
        (compare::capture(&source).await.unwrap(), compare::capture(&target).await.unwrap())
    }

    /// Fails with each difference between source and target.
    async fn expect_equal(&self) {
        let (expected, found) = self.states().await;
        assert!(expected.documents() > 0, "the source is empty");
        let differences = expected.differences(&found, &compare::Options::default());
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edge_case_comes_back_whole() {
    let pair = Pair::start().await;
    let client = connect(&pair.source.uri()).await;
    corpus::edge::load(&client, Options::default()).await.unwrap();
    corpus::refused::load(&client, Options::default()).await.unwrap();
    corpus::big::load(&client, Options::default()).await.unwrap();

    pair.dump(&[]).expect(0).says("all of it as of");
    pair.verify().expect(0);
    pair.restore(&[]).expect(0);
    pair.expect_equal().await;

    // Once more: nothing is written over, and merging finds everything there already.
    pair.restore(&[]).expect(1).says("exists on the target").says("--existing merge");
    pair.restore(&["--existing", "merge"]).expect(0).says(" 0 documents restored, 0 failed");
    pair.expect_equal().await;
    // And dropped first, it comes back again.
    pair.restore(&["--existing", "drop"]).expect(0);
    pair.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_carries_what_a_file_does() {
    let pair = Pair::start().await;
    corpus::load_sample(&connect(&pair.source.uri()).await).await.unwrap();
    let key = pair.key();
    let mut dump = program()
        .args(["dump", "--uri", &pair.source.uri(), "--key-file", arg(&key), "--compression", "gzip:1", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let restored = run(program()
        .args(["restore", "--uri", &pair.target.uri(), "--key-file", arg(&key), "-"])
        .stdin(dump.stdout.take().unwrap()));
    assert!(dump.wait().unwrap().success());
    restored.expect(0);
    pair.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_collection_is_split_and_comes_back_whole() {
    let pair = Pair::start().await;
    let client = connect(&pair.source.uri()).await;
    corpus::bench::load_into(&client, "bench", 160_000_000, true).await.unwrap();
    let dumped = pair.dump(&["-vv", "--jobs", "4", "--compression", "zstd:1"]).expect(0);
    assert!(
        !dumped.stderr.contains("not split") && !dumped.stderr.contains("cannot be split"),
        "{}",
        dumped.stderr
    );
    pair.restore(&["--jobs", "3"]).expect(0);
    pair.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_restored_under_other_names() {
    let pair = Pair::start().await;
    let client = connect(&pair.source.uri()).await;
    for (db, collection) in [("a", "one"), ("a", "two"), ("b", "one"), ("b", "st*r")] {
        let documents = (0..50).map(|n| bson::doc! { "_id": n, "in": db });
        client.database(db).collection(collection).insert_many(documents).await.unwrap();
    }
    pair.dump(&["--include", "a", "--db", "b", "--collection", "st*r"]).expect(0);
    let listed = mongoark(&["ls", "--json", "--key-file", arg(&pair.key()), arg(&pair.archive())]).expect(0);
    assert!(
        listed.text().contains("st*r") && listed.text().matches("\"one\"").count() == 1,
        "{}",
        listed.text()
    );

    pair.restore(&["--rename", "a=c", "--rename", "a.two=b.zwei", "--exclude", "b", "--dry-run"])
        .expect(0)
        .says("as b.zwei");
    let target = connect(&pair.target.uri()).await;
    let count = async |db: &str, collection: &str| {
        target
            .database(db)
            .collection::<bson::Document>(collection)
            .count_documents(bson::doc! {})
            .await
            .unwrap()
    };
    assert_eq!(count("c", "one").await, 0, "a dry run writes nothing");
    pair.restore(&["--rename", "a=c", "--rename", "a.two=b.zwei", "--exclude", "b"]).expect(0);
    assert_eq!([count("c", "one").await, count("b", "zwei").await, count("b", "st*r").await], [50, 50, 0]);
    pair.restore(&["--rename", "a.one=x.y", "--rename", "a.two=x.y"])
        .expect(2)
        .says("would both be restored as x.y");
    pair.restore(&["--include", "nothing"]).expect(2).says("nothing in the archive is selected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_takes_what_matches() {
    let pair = Pair::start().await;
    let client = connect(&pair.source.uri()).await;
    let documents = (0..100).map(|n| bson::doc! { "_id": n });
    client.database("q").collection("c").insert_many(documents).await.unwrap();
    client.database("q").create_collection("other").await.unwrap();
    pair.dump(&["--db", "q", "--query", "{}"]).expect(2).says("--query needs a selection of one collection");
    pair.dump(&["--db", "q", "--collection", "c", "--query", "{\"_id\": {\"$lt\": 7}}"]).expect(0);
    let listed = mongoark(&["cat", "--key-file", arg(&pair.key()), arg(&pair.archive()), "q.c"]).expect(0);
    assert_eq!(listed.text().lines().count(), 7);
    assert_eq!(listed.text().lines().next(), Some("{\"_id\":{\"$numberInt\":\"0\"}}"));
    let raw = mongoark(&[
        "cat",
        "--raw",
        "--limit",
        "2",
        "--key-file",
        arg(&pair.key()),
        arg(&pair.archive()),
        "q.c",
    ]);
    assert_eq!(raw.stdout.len(), 2 * 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_on_the_target_is_a_conflict_that_is_named() {
    let pair = Pair::start().await;
    let client = connect(&pair.source.uri()).await;
    let documents = (0..20).map(|n| bson::doc! { "_id": n, "v": n });
    client.database("m").collection("c").insert_many(documents).await.unwrap();
    // A majority has it before the dump begins, so that none of it is in the archive's oplog.
    let unique = bson::doc! {
        "createIndexes": "c", "indexes": [{ "key": { "v": 1 }, "name": "v", "unique": true }],
        "writeConcern": { "w": "majority", "j": true },
    };
    client.database("m").run_command(unique).await.unwrap();
    pair.dump(&[]).expect(0);

    let target = connect(&pair.target.uri()).await;
    let there = [
        bson::doc! { "_id": 3, "v": 3 },
        bson::doc! { "_id": 4, "v": "other" },
        bson::doc! { "_id": 99, "v": 5 },
    ];
    target.database("m").collection("c").insert_many(there).await.unwrap();
    let report = pair.folder.path().join("report.json");
    pair.restore(&["--existing", "merge", "--report", arg(&report)])
        .expect(3)
        .says("m.c: 1 documents were not restored")
        .says("index v:")
        .says("18 documents restored, 1 failed, 1 were there already");
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("\"exitCode\": 3") && report.contains("\"failures\""), "{report}");
}
