//! Sets of several members: which of them a dump reads, and how a restore gets on with some of them missing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::{FailCommand, set_fail_point};
use mongoark_test_support::{ReplicaSet, connect};
use mongodb::Client;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use support::{Run, arg, mongoark, program, run};
use tempfile::TempDir;

/// A set of three, filled, and a place for archives.
struct Desk {
    set: ReplicaSet,
    folder: TempDir,
}

/// The members of the set that most tests read from.
const PRIMARY: usize = 0;
const LAZY: usize = 1;
const HIDDEN: usize = 2;
const TAGGED: usize = 3;

impl Desk {
    /// A primary, a secondary of low priority, a hidden one, and one of higher priority with tags.
    async fn of_all_kinds() -> Self {
        let set = ReplicaSet::builder()
            .members(4)
            .priorities([3.0, 0.5, 0.0, 1.0])
            .hidden(HIDDEN)
            .tags(PRIMARY, doc! { "dc": "east" })
            .tags(LAZY, doc! { "dc": "west" })
            .tags(TAGGED, doc! { "dc": "east", "use": "backup" });
        Self::of(set.start().await).await
    }

    async fn of(set: ReplicaSet) -> Self {
        let desk = Self { set, folder: tempfile::tempdir().unwrap() };
        let documents = (0..200).map(|n| doc! { "_id": n, "text": format!("document {n}") });
        let client = desk.client().await;
        client.database("data").collection("c").insert_many(documents).await.unwrap();
        let index = doc! { "createIndexes": "c", "indexes": [{ "key": { "text": 1 }, "name": "text" }],
        "writeConcern": { "w": "majority" } };
        client.database("data").run_command(index).await.unwrap();
        desk
    }

    async fn client(&self) -> Client {
        connect(&self.set.uri()).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, uri: &str, more: &[&str]) -> Run {
        let (archive, report) = (self.path("archive"), self.path("report"));
        let arguments = ["dump", "--uri", uri, "--no-encryption", "--overwrite", "--report", arg(&report)];
        mongoark(&[&arguments[..], more, &[arg(&archive)]].concat())
    }

    fn restore(&self, uri: &str, more: &[&str]) -> Run {
        mongoark(&[&["restore", "--uri", uri, arg(&self.path("archive"))], more].concat())
    }

    /// The set's connection string with more options.
    fn uri(&self, more: &str) -> String {
        let uri = self.set.uri();
        if more.is_empty() { uri } else { format!("{uri}&{more}") }
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("report")).unwrap()).unwrap()
    }

    /// Fails unless the last dump read this member, and says so for a reason that holds this word.
    #[track_caller]
    fn expect_read_from(&self, member: usize, reason: &str) {
        let report = self.report();
        let chosen = &report["result"]["member"];
        assert_eq!(chosen["address"], self.set.address(member), "{chosen}");
        assert!(chosen["reason"].as_str().unwrap().contains(reason), "{chosen}");
        assert_eq!(report["result"]["documents"], 200);
    }

    async fn count(&self, db: &str) -> u64 {
        let majority = bson::doc! { "count": "c", "query": {}, "readConcern": { "level": "majority" } };
        let counted: Document = self.client().await.database(db).run_command(majority).await.unwrap();
        u64::try_from(counted.get_i32("n").unwrap()).unwrap()
    }

    async fn index_names(&self, db: &str) -> Vec<String> {
        let collection = self.client().await.database(db).collection::<Document>("c");
        collection.list_index_names().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_reads_the_member_that_the_read_preference_and_the_configuration_mean() {
    let mut desk = Desk::of_all_kinds().await;
    let none = "";
    for (options, flags, member, reason) in [
        (none, &[][..], LAZY, "secondary of lowest priority (0.5)"),
        (none, &["--read-preference", "primary"], PRIMARY, "the primary"),
        (none, &["--read-preference", "primaryPreferred"], PRIMARY, "the primary"),
        (none, &["--read-preference", "nearest"], LAZY, "lowest priority"),
        ("readPreference=primary", &[], PRIMARY, "the primary"),
        ("readPreference=secondary&readPreferenceTags=use:backup", &[], TAGGED, "priority (1)"),
        (
            "readPreference=secondary&readPreferenceTags=dc:north&readPreferenceTags=dc:east",
            &[],
            TAGGED,
            "priority (1)",
        ),
        (
            "readPreference=secondary&readPreferenceTags=dc:north&readPreferenceTags=",
            &[],
            LAZY,
            "lowest priority",
        ),
        ("readPreference=nearest&readPreferenceTags=dc:east", &[], TAGGED, "priority (1)"),
        ("readPreference=primaryPreferred&readPreferenceTags=dc:west", &[], PRIMARY, "the primary"),
        ("readPreference=secondary&maxStalenessSeconds=120", &[], LAZY, "lowest priority"),
        // The flag counts for what it says, not for what it does not say.
        ("readPreference=primary", &["--read-preference", "secondary"], LAZY, "lowest priority"),
    ] {
        desk.dump(&desk.uri(options), flags).expect(0);
        desk.expect_read_from(member, reason);
    }
    // A hidden member is read when the connection string means it alone.
    desk.dump(&desk.set.member_uri(HIDDEN), &[]).expect(0);
    desk.expect_read_from(HIDDEN, "connection string");

    let refused = desk.dump(&desk.uri("readPreference=secondary&readPreferenceTags=dc:north"), &[]).expect(1);
    let refused = refused.says("no member satisfies the read preference");
    let refused = refused.says(&desk.set.address(LAZY)).says(&desk.set.address(TAGGED)).says("west");
    assert!(!refused.stderr.contains(&desk.set.address(HIDDEN)), "{}", refused.stderr);
    desk.dump(&desk.uri("readPreference=secondary&maxStalenessSeconds=1"), &[]).expect(1);

    // One that does not answer, and one that is dead, are passed over and named.
    desk.set.pause(LAZY);
    desk.dump(&desk.uri(none), &["-vv"])
        .expect(0)
        .says(&format!("member {} was passed over", desk.set.address(LAZY)));
    desk.expect_read_from(TAGGED, "priority (1)");
    desk.set.resume(LAZY);
    desk.set.kill(LAZY);
    desk.dump(&desk.uri(none), &["-vv"])
        .expect(0)
        .says(&format!("member {} was passed over", desk.set.address(LAZY)));
    desk.expect_read_from(TAGGED, "priority (1)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_on_with_a_secondary_dead_and_builds_indexes() {
    let mut desk = Desk::of(ReplicaSet::builder().members(3).start().await).await;
    desk.dump(&desk.uri(""), &[]).expect(0);
    let primary = desk.set.primary().await;
    desk.set.kill((primary + 1) % 3);
    desk.restore(&desk.uri(""), &["--rename", "data=copy"])
        .expect(0)
        .says("200 documents restored, 0 failed");
    assert_eq!(desk.count("copy").await, 200);
    assert_eq!(desk.index_names("copy").await, ["_id_", "text"]);

    // The read preference is for reading: a restore writes to the primary, whatever it says.
    desk.restore(&desk.uri("readPreference=secondary"), &["--rename", "data=other"]).expect(0);
    assert_eq!(desk.count("other").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_asks_the_primary_what_exists_and_not_a_member_that_lags() {
    let desk = Desk::of(ReplicaSet::builder().members(3).start().await).await;
    let client = desk.client().await;
    let admin = client.database("admin");
    let user = |password: &str| doc! { "createUser": "ann", "pwd": password, "roles": ["read"] };
    admin.run_command(user("first")).await.unwrap();
    desk.dump(&desk.uri(""), &[]).expect(0);
    admin.run_command(doc! { "dropUser": "ann", "writeConcern": { "w": 3 } }).await.unwrap();
    let primary = desk.set.primary().await;
    for member in (0..3).filter(|member| *member != primary) {
        let client = desk.set.member_client(member).await;
        set_fail_point(&client, "rsSyncApplyStop", "alwaysOn", doc! {}).await;
    }
    // From here on the secondaries know nothing of what is written.
    let alone = doc! { "w": 1 };
    let mut second = user("second");
    second.insert("writeConcern", &alone);
    admin.run_command(second).await.unwrap();
    for db in ["copy", "other"] {
        client.database(db).run_command(doc! { "create": "c", "writeConcern": &alone }).await.unwrap();
    }
    for _ in 0..6 {
        let more = ["--include", "data", "--rename", "data=copy", "--write-concern", "1"];
        desk.restore(&desk.uri(""), &more)
            .expect(1)
            .says("copy.c exists on the target")
            .says("nothing was written");
    }
    for _ in 0..4 {
        let more = ["--include", "admin", "--write-concern", "1"];
        desk.restore(&desk.uri(""), &more)
            .expect(3)
            .says("admin.ann exists on the target with other contents");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_down_in_the_middle_of_a_restore_costs_nothing() {
    let desk = Desk::of(ReplicaSet::builder().members(3).start().await).await;
    let client = desk.client().await;
    let text = "x".repeat(1000);
    let documents = (1000..21_000).map(|n| doc! { "_id": n, "text": &text });
    client.database("data").collection("c").insert_many(documents).await.unwrap();
    desk.dump(&desk.uri("readPreference=primary"), &[]).expect(0);
    let primary = desk.set.member_client(desk.set.primary().await).await;
    let slow = FailCommand::new(["insert"]).after(2).block(Duration::from_millis(300)).app_name("mongoark");
    slow.enable(&primary).await;
    let mut restore = program();
    restore.args(["restore", "--uri", &desk.uri(""), "--rename", "data=copy", arg(&desk.path("archive"))]);
    let restoring = tokio::task::spawn_blocking(move || run(&mut restore));
    let met = doc! { "waitForFailPoint": "failCommand", "timesEntered": 1, "maxTimeMS": 60_000 };
    primary.database("admin").run_command(met).await.unwrap();
    desk.set.step_down().await;
    restoring.await.unwrap().expect(0).says("20,200 documents restored, 0 failed");
    assert_eq!(desk.count("copy").await, 20_200);
    assert_eq!(desk.index_names("copy").await, ["_id_", "text"]);
}
