//! `mongoark doctor` on real servers: what it finds, how it ends, and what `--watch` tells.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::{FailCommand, set_fail_point};
use mongoark_test_support::{Binary, ReplicaSet, Server};
use mongodb::Client;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use support::{Run, arg, mongoark, program};

const NOBODY: &str = "mongodb://ann:sesame@127.0.0.1:9/?serverSelectionTimeoutMS=300";
/// Longer than any election here, and than any member is waited for.
const EVENT_DEADLINE: Duration = Duration::from_secs(60);

/// The findings of one run.
struct Findings(Value);

impl Findings {
    /// Runs the command with `--json`, and fails unless it ends with this code.
    #[track_caller]
    fn of(uri: &str, more: &[&str], code: i32) -> Self {
        let run = mongoark(&[&["doctor", "--uri", uri, "--json", "--quiet"], more].concat());
        assert_eq!(run.code, code, "{}\n{}", run.text(), run.stderr);
        assert_eq!(run.stderr, "");
        let found: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(found["exitCode"], code);
        Self(found)
    }

    /// Looks until this check is of this level: members learn of each other's end a little later than we do.
    async fn until(uri: &str, more: &[&str], code: i32, check: &str, level: &str) -> Self {
        let deadline = Instant::now() + EVENT_DEADLINE;
        loop {
            let run = mongoark(&[&["doctor", "--uri", uri, "--json", "--quiet"], more].concat());
            let found = Self(serde_json::from_slice(&run.stdout).unwrap());
            if found.all(check).iter().all(|finding| finding["level"] == level) {
                run.expect(code);
                return found;
            }
            assert!(Instant::now() < deadline, "{:#}", found.0);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn all(&self, check: &str) -> Vec<&Value> {
        let findings = self.0["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["check"] == check).collect()
    }

    /// Fails unless this check has one finding, of this level, that says this.
    #[track_caller]
    fn expect(&self, check: &str, level: &str, what: &str) -> &Self {
        let [finding] = self.all(check)[..] else { panic!("{check}: {:#}", self.0) };
        self.matches(finding, level, what)
    }

    /// The same of one member.
    #[track_caller]
    fn expect_member(&self, address: &str, level: &str, what: &str) -> &Self {
        let members = self.all("member");
        let finding = members.iter().find(|finding| finding["subject"] == address);
        self.matches(finding.unwrap_or_else(|| panic!("{address}: {:#}", self.0)), level, what)
    }

    #[track_caller]
    fn matches(&self, finding: &Value, level: &str, what: &str) -> &Self {
        assert_eq!(finding["level"], level, "{finding:#}");
        assert!(finding["what"].as_str().unwrap().contains(what), "no {what:?} in {finding:#}");
        assert_eq!(finding["remedy"].is_null(), level == "ok", "{finding:#}");
        self
    }
}

async fn fill(client: &Client, db: &str) {
    let documents = (0..2000).map(|n| doc! { "_id": n, "text": "x".repeat(500) });
    client.database(db).collection("c").insert_many(documents).await.unwrap();
}

async fn create_user(admin: &Client, name: &str, roles: &[&str]) {
    let command = doc! { "createUser": name, "pwd": "sesame", "roles": roles };
    admin.database("admin").run_command(command).await.unwrap();
}

fn uri_of(set: &ReplicaSet, user: &str) -> String {
    set.anonymous_uri().replace("mongodb://", &format!("mongodb://{user}:sesame@")) + "&authSource=admin"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_set_is_ok_in_every_line() {
    let set = ReplicaSet::single().await;
    fill(&set.client().await, "shop").await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let run = mongoark(&["doctor", "--uri", &set.uri(), "--out", arg(&archive)]).expect(0);
    let text = run.text();
    for line in text.lines() {
        assert!(line.starts_with("ok       "), "{text}");
    }
    for part in [
        format!("ok       deployment               replica set rs0, MongoDB {}", Binary::default_version()),
        format!("ok       member {}   primary; MongoDB", set.address(0)),
        format!("1 of 1 vote up, the primary is {}", set.address(0)),
        "the only member that can be read".to_owned(),
        "writeConcernMajorityJournalDefault is true".to_owned(),
        "wiredTiger".to_owned(),
        "in 1 collection of 1 database".to_owned(),
        "all there is".to_owned(),
        "when it is full".to_owned(),
        format!("at {} for 1.", folder.path().canonicalize().unwrap().display()),
    ] {
        assert!(text.contains(&part), "no {part:?} in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_has_the_shape_that_the_page_describes() {
    let set = ReplicaSet::single().await;
    fill(&set.client().await, "shop").await;
    let Findings(found) = Findings::of(&set.uri(), &[], 0);
    assert_eq!(found["level"], "ok");
    assert_eq!(found["deployment"]["topology"], "replica set rs0");
    assert_eq!(found["deployment"]["serverVersion"], Binary::default_version());
    assert_eq!(found["deployment"]["member"]["address"], set.address(0));
    let member = &found["members"][0];
    assert_eq!((&member["state"], &member["lagSeconds"]), (&"primary".into(), &0.0.into()));
    assert_eq!((&member["votes"], &member["hidden"]), (&true.into(), &false.into()));
    let figures = &found["figures"];
    assert!(figures["dataBytes"].as_u64().unwrap() > 1_000_000, "{figures}");
    assert!(figures["sampledBytes"].as_u64().unwrap() > 1_000_000, "{figures}");
    for number in ["dumpSeconds", "sampledSeconds", "oplogSeconds", "oplogSecondsWhenFull", "freeBytes"] {
        assert!(figures[number].is_number(), "{number}: {figures}");
    }
    let checks: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|f| f["check"].as_str().unwrap()).collect();
    assert_eq!(
        checks,
        [
            "deployment",
            "member",
            "majority",
            "versions",
            "read-from",
            "majority-journal",
            "storage-engine",
            "journaling",
            "fcv",
            "transactions",
            "permissions",
            "restore-rights",
            "data",
            "dump-time",
            "oplog-window",
            "free-space",
        ]
    );
    // Without a sample there is no estimate, and nothing is made up in its place.
    let found = Findings::of(&set.uri(), &["--sample", "0"], 0);
    assert!(found.all("dump-time").is_empty() && found.0["figures"]["dumpSeconds"].is_null());
    found.expect("oplog-window", "ok", "how long a dump takes is not known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_has_no_moment_and_perhaps_no_journal() {
    let server = Server::builder().arg("--nojournal").start().await;
    fill(&server.client().await, "shop").await;
    let found = Findings::of(&server.uri(), &[], 3);
    found.expect("deployment", "warning", "no oplog").expect("journaling", "warning", "off");
    found.expect("permissions", "ok", "asks nobody").expect("restore-rights", "ok", "everybody");
    assert!(found.all("oplog-window").is_empty() && found.all("member").is_empty());
}

#[test]
fn a_server_that_cannot_be_reached_is_the_one_problem() {
    let found = Findings::of(NOBODY, &[], 1);
    found.expect("reachable", "problem", "127.0.0.1:9");
    assert_eq!(found.0["findings"].as_array().unwrap().len(), 1);
    assert!(found.0["deployment"].is_null() && found.0["figures"].is_null());
    assert!(!found.0.to_string().contains("sesame"), "{}", found.0);
    let run = mongoark(&["doctor", "--uri", NOBODY]).expect(1);
    assert!(run.text().starts_with("problem  reachable"), "{}", run.text());
    assert!(run.text().contains("\n         remedy: start the server"), "{}", run.text());
    mongoark(&["doctor", "--uri", NOBODY, "--watch"]).expect(1);
}

#[test]
fn wrong_usage_ends_with_two() {
    mongoark(&["doctor"]).expect(2);
    mongoark(&["doctor", "--uri", NOBODY, "--interval", "2"]).expect(2).says("--watch");
    mongoark(&["doctor", "--uri", NOBODY, "--watch", "--out", "/tmp"]).expect(2);
    mongoark(&["doctor", "--uri", NOBODY, "--read-preference", "anybody"]).expect(2).says("nearest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_down_and_one_that_lags_are_named() {
    let mut set = ReplicaSet::builder().members(3).priorities([3.0, 1.0, 1.0]).hidden(2).start().await;
    let [primary, lagging, hidden] = [0, 1, 2].map(|member| set.address(member));
    let more = ["--sample", "0", "--max-lag", "2"];
    let client = set.client().await;
    fill(&client, "shop").await;
    let found = Findings::of(&set.uri(), &["--sample", "0"], 0);
    found.expect_member(&primary, "ok", "primary; ").expect_member(&lagging, "ok", " s behind");
    found.expect_member(&hidden, "ok", "hidden").expect("majority", "ok", "3 of 3 votes up");
    found.expect("read-from", "ok", &lagging);

    set_fail_point(&set.member_client(1).await, "rsSyncApplyStop", "alwaysOn", doc! {}).await;
    let since = Instant::now();
    for n in 0.. {
        let write = doc! { "insert": "d", "documents": [{ "_id": n }], "writeConcern": { "w": 1 } };
        client.database("shop").run_command(write).await.unwrap();
        if since.elapsed() > Duration::from_secs(4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let found = Findings::of(&set.uri(), &more, 3);
    found.expect_member(&lagging, "warning", "s behind").expect("read-from", "warning", &lagging);

    set.kill(2);
    let found = Findings::until(&set.uri(), &more, 3, "majority", "warning").await;
    found.expect_member(&hidden, "warning", "does not answer");
    found.expect("majority", "warning", "2 of 3 votes up").expect("majority", "warning", "one more failure");

    set.kill(0);
    let found = Findings::until(&set.uri(), &more, 1, "majority", "problem").await;
    found.expect_member(&primary, "warning", "does not answer");
    found.expect("majority", "problem", "no primary");
    Findings::of(&set.uri(), &["--sample", "0", "--read-preference", "primary"], 1).expect(
        "read-from",
        "problem",
        "no member satisfies",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_be_read_is_told_as_far_as_the_user_may_ask() {
    let set = ReplicaSet::builder().members(2).priorities([2.0, 1.0]).auth("root", "right").start().await;
    create_user(&set.client().await, "keeper", &["backup"]).await;
    let secondary = set.member_client(1).await;
    secondary.database("admin").run_command(doc! { "replSetMaintenance": true }).await.unwrap();
    let found = Findings::of(&set.uri(), &["--sample", "0"], 3);
    found.expect_member(&set.address(1), "warning", "RECOVERING").expect("read-from", "ok", &set.address(0));
    assert_eq!(found.0["members"][1]["state"], "recovering");
    let found = Findings::of(&uri_of(&set, "keeper"), &["--sample", "0"], 3);
    found.expect_member(&set.address(1), "warning", "neither primary nor secondary");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_would_take_long_is_stopped_and_its_time_estimated() {
    // Room for what is loaded here many times over: the oplog is young, and its rate is that of the loading.
    let set = ReplicaSet::builder().oplog_mb(2000).start().await;
    let client = set.client().await;
    let text = "x".repeat(1000);
    let documents = (0..30_000).map(|n| doc! { "_id": n, "text": &text });
    client.database("shop").collection("c").insert_many(documents).await.unwrap();
    FailCommand::new(["getMore"])
        .block(Duration::from_millis(700))
        .app_name("mongoark")
        .enable(&client)
        .await;
    let found = Findings::of(&set.uri(), &["--sample", "1"], 0);
    found.expect("dump-time", "ok", "about ");
    let figure = |name: &str| found.0["figures"][name].as_f64().unwrap();
    assert!(figure("sampledBytes") > 0.0 && figure("sampledBytes") < figure("dataBytes"), "{}", found.0);
    assert!(figure("dumpSeconds") > figure("sampledSeconds"), "{}", found.0);
    FailCommand::disable(&client).await;

    // One collection that cannot be read is what a dump would lack.
    let refused = FailCommand::new(["getMore"]).error_code(13).app_name("mongoark").namespace("shop.c");
    refused.enable(&client).await;
    Findings::of(&set.uri(), &["--sample", "1"], 1).expect("dump-time", "problem", "shop.c");
}

#[tokio::test(flavor = "multi_thread")]
async fn role_backup_is_enough_to_dump_and_leaves_questions_open() {
    let set = ReplicaSet::builder().auth("root", "right").start().await;
    let admin = set.client().await;
    fill(&admin, "shop").await;
    create_user(&admin, "keeper", &["backup"]).await;
    create_user(&admin, "watcher", &["backup", "clusterMonitor", "restore"]).await;

    let found = Findings::of(&uri_of(&set, "keeper"), &[], 3);
    found.expect("permissions", "ok", "keeper@admin may read all").expect(
        "restore-rights",
        "ok",
        "cannot restore",
    );
    found.expect("majority-journal", "warning", "priorities and hidden members");
    let remedy = &found.all("majority-journal")[0]["remedy"];
    assert_eq!(*remedy, "grant role 'clusterMonitor'");
    for check in ["storage-engine", "journaling", "fcv", "transactions", "data", "dump-time", "oplog-window"]
    {
        found.expect(check, "ok", "");
    }
    assert!(found.0["members"][0]["priority"].is_null());
    assert!(!found.0.to_string().contains("sesame"), "{}", found.0);

    Findings::of(&uri_of(&set, "watcher"), &[], 0).expect("restore-rights", "ok", "may restore too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_told_what_is_refused_and_the_role_to_ask_for() {
    let set = ReplicaSet::builder().auth("root", "right").start().await;
    let admin = set.client().await;
    fill(&admin, "shop").await;
    create_user(&admin, "nobody", &[]).await;
    create_user(&admin, "reader", &["readAnyDatabase"]).await;

    let found = Findings::of(&uri_of(&set, "nobody"), &[], 1);
    let refused: Vec<&str> =
        found.all("permissions").iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    let expected = [
        "list all databases",
        "read local.oplog.rs",
        "read config.transactions",
        "read admin.system.users",
        "read admin.system.roles",
    ];
    assert_eq!(refused, expected);
    for finding in found.all("permissions") {
        found.matches(finding, "problem", "cannot ");
        assert_eq!(finding["remedy"], "grant role 'backup' to nobody@admin");
    }
    found.expect("oplog-window", "warning", "unknown: the user may not ask");

    let found = Findings::of(&uri_of(&set, "reader"), &[], 1);
    assert!(found.all("permissions").iter().any(|finding| finding["subject"] == "read local.oplog.rs"));
    let found = Findings::of(&set.anonymous_uri(), &[], 1);
    let remedy = found.all("permissions")[0]["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains("nobody is signed in"), "{remedy}");
    let wrong = uri_of(&set, "nobody").replace("sesame", "mellon");
    let found = Findings::of(&wrong, &[], 1);
    found.expect("reachable", "problem", "check user, password");
    assert!(!found.0.to_string().contains("mellon"), "{}", found.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_fcv_and_a_prepared_transaction_are_warnings_and_a_changing_fcv_a_problem() {
    let set = ReplicaSet::single().await;
    let client = set.client().await;
    fill(&client, "shop").await;
    let admin = client.database("admin");
    let mut session = client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let collection = client.database("shop").collection::<Document>("c");
    collection.insert_one(doc! { "_id": "open" }).session(&mut session).await.unwrap();
    let prepare = doc! { "prepareTransaction": 1, "writeConcern": { "w": "majority" } };
    admin.run_command(prepare).session(&mut session).await.unwrap();
    let found = Findings::of(&set.uri(), &["--sample", "0"], 3);
    found.expect("transactions", "warning", "1 transaction prepared").expect("fcv", "ok", "as the server");
    session.abort_transaction().await.unwrap();

    let (version, older) = match Binary::default_version().as_str() {
        version if version.starts_with("4.4") => ("4.4", "4.2"),
        version if version.starts_with("5.0") => ("5.0", "4.4"),
        _ => ("6.0", "5.0"),
    };
    admin.run_command(doc! { "setFeatureCompatibilityVersion": older }).await.unwrap();
    let found = Findings::of(&set.uri(), &["--sample", "0"], 3);
    found.expect("fcv", "warning", &format!("{older}, and the server is {version}"));
    found.expect("transactions", "ok", "none");

    set_fail_point(&client, "failUpgrading", "alwaysOn", doc! {}).await;
    admin.run_command(doc! { "setFeatureCompatibilityVersion": version }).await.unwrap_err();
    Findings::of(&set.uri(), &["--sample", "0"], 1).expect(
        "fcv",
        "problem",
        &format!("from {older} to {version}"),
    );
}

/// A running `--watch`, and its lines as they come.
struct Watch {
    child: Child,
    lines: Receiver<Value>,
}

impl Watch {
    fn start(uri: &str, more: &[&str]) -> Self {
        let mut command = program();
        command.args(["doctor", "--uri", uri, "--watch", "--json", "--interval", "1"]).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines() {
                if sender.send(serde_json::from_str(&line.unwrap()).unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for an event of this kind; what came before it is passed over.
    #[track_caller]
    fn expect(&self, event: &str) -> Value {
        let deadline = Instant::now() + EVENT_DEADLINE;
        let mut passed = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line["event"] == event {
                assert!(line["time"].is_string() && line["level"].is_string(), "{line}");
                return line;
            }
            passed.push(line);
        }
        panic!("no {event} after {passed:?}");
    }

    fn end(self, signal: &str) -> Run {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        support::finished(self.child)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_primary_and_its_return_are_reported() {
    let mut set = ReplicaSet::builder().members(3).priorities([1.0, 1.0, 0.0]).start().await;
    let primary = set.primary().await;
    let address = set.address(primary);
    let watch = Watch::start(&set.uri(), &[]);
    let first = watch.expect("following");
    assert!(first["what"].as_str().unwrap().contains(&format!("{address} primary")), "{first}");

    set.kill(primary);
    let down = watch.expect("member-down");
    assert_eq!(down["member"], address);
    let next = set.primary().await;
    // The election may fall between two looks, and then there was never none.
    set.restart(primary).await;
    let up = watch.expect("member-up");
    assert_eq!(up["member"], address);
    assert_ne!(next, primary);
    watch.end("-INT").expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_without_a_primary_says_so_until_there_is_one() {
    let mut set = ReplicaSet::builder().members(2).priorities([2.0, 0.0]).start().await;
    let watch = Watch::start(&set.uri(), &[]);
    watch.expect("following");
    set.kill(0);
    let lost = watch.expect("primary-lost");
    assert_eq!((&lost["member"], &lost["level"]), (&set.address(0).into(), &"problem".into()));
    set.restart(0).await;
    let elected = watch.expect("primary");
    assert_eq!((&elected["member"], &elected["level"]), (&set.address(0).into(), &"ok".into()));
    // A member that only stops is down too, and nobody waits for it when the watch is to end.
    set.pause(1);
    assert_eq!(watch.expect("member-down")["member"], set.address(1));
    watch.end("-TERM").expect(0);
    set.resume(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sets_are_followed() {
    let server = Server::standalone().await;
    mongoark(&["doctor", "--uri", &server.uri(), "--watch"]).expect(2).says("replica sets");
}
