//! What each of the server's roles is enough for. A command that a role is enough for does its work whole; any other fails, and
//! says that a privilege is missing. None ends with exit code 0 and a part.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::{ReplicaSet, connect};
use mongodb::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Run, arg, mongoark};
use tempfile::TempDir;

/// What is done with the rights of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    DumpAll,
    DumpAllWithoutOplog,
    DumpDb,
    DumpDbWithoutOplog,
    /// Of an archive of database `app`, into `app`.
    RestoreDb,
}
use Work::{DumpAll, DumpAllWithoutOplog, DumpDb, DumpDbWithoutOplog, RestoreDb};

const WORKS: [Work; 5] = [DumpAll, DumpAllWithoutOplog, DumpDb, DumpDbWithoutOplog, RestoreDb];

/// Each role, the database that it is granted on, and what it is enough for.
const ROLES: [(&str, &str, &[Work]); 8] = [
    ("root", "admin", &WORKS),
    ("backup", "admin", &[DumpAll, DumpAllWithoutOplog, DumpDb, DumpDbWithoutOplog]),
    ("restore", "admin", &[RestoreDb]),
    ("read", "app", &[DumpDbWithoutOplog]),
    ("readWrite", "app", &[DumpDbWithoutOplog, RestoreDb]),
    ("dbOwner", "app", &[DumpDbWithoutOplog, RestoreDb]),
    // Neither may see users and roles, which belong to everything.
    ("readAnyDatabase", "admin", &[DumpDbWithoutOplog]),
    ("readWriteAnyDatabase", "admin", &[DumpDbWithoutOplog, RestoreDb]),
];

/// Documents of `app.c`.
const DOCUMENTS: u64 = 20;
const ROOT: &str = "root";
const PASSWORD: &str = "secret";

/// Two sets whose users have one role each, and a place for archives.
struct Desk {
    source: ReplicaSet,
    target: ReplicaSet,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let set = || ReplicaSet::builder().auth(ROOT, PASSWORD).start();
        let (source, target) = tokio::join!(set(), set());
        let client = connect(&source.uri()).await;
        for (db, documents) in [("app", DOCUMENTS), ("other", 3)] {
            let documents = (0..documents).map(|n| doc! { "_id": i64::try_from(n).unwrap(), "x": 1 });
            client.database(db).collection("c").insert_many(documents).await.unwrap();
        }
        let index = doc! { "createIndexes": "c", "indexes": [{ "key": { "x": 1 }, "name": "x_1" }] };
        client.database("app").run_command(index).await.unwrap();
        let desk = Self { source, target, folder: tempfile::tempdir().unwrap() };
        for set in [&desk.source, &desk.target] {
            let client = connect(&set.uri()).await;
            // The test's own user is the one of role root.
            for (role, db, _) in ROLES.into_iter().filter(|(role, _, _)| *role != ROOT) {
                let granted = doc! { "role": role, "db": db };
                let user = doc! { "createUser": user(role), "pwd": PASSWORD, "roles": [granted] };
                client.database("admin").run_command(user).await.unwrap();
            }
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, user: &str, flags: &[&str], archive: &Path) -> Run {
        let uri = uri(&self.source, user);
        mongoark(
            &[&["dump", "--no-encryption", "--overwrite", "--uri", &uri][..], flags, &[arg(archive)]]
                .concat(),
        )
    }

    /// What is wrong with what a role was let do, or not let do; nothing where the table is right.
    async fn fault(
        &self,
        role: &str,
        work: Work,
        is_enough: bool,
        whole: &Expected,
        client: &Client,
    ) -> Option<String> {
        let archive = self.path("archive");
        std::fs::remove_file(&archive).ok();
        let (run, is_whole) = match work {
            RestoreDb => {
                client.database("app").drop().await.unwrap();
                let (uri, from) = (uri(&self.target, &user(role)), self.path("of-app"));
                let run = mongoark(&["restore", "--no-oplog", "--uri", &uri, arg(&from)]);
                let collection = client.database("app").collection::<Document>("c");
                let count = collection.count_documents(doc! {}).await.unwrap();
                let indexes = collection.list_index_names().await.unwrap_or_default();
                (run, count == DOCUMENTS && indexes.contains(&"x_1".to_owned()))
            }
            work => {
                let (flags, expected): (&[&str], _) = match work {
                    DumpAll => (&[], &whole.all),
                    DumpAllWithoutOplog => (&["--no-oplog"], &whole.all),
                    DumpDb => (&["--db", "app"], &whole.app),
                    _ => (&["--db", "app", "--no-oplog"], &whole.app),
                };
                let run = self.dump(&user(role), flags, &archive);
                let is_whole = archive.exists() && listed(&archive) == *expected;
                (run, is_whole)
            }
        };
        let is_told = ["privilege", "role", "right"].iter().any(|word| run.stderr.contains(word));
        let is_right = match run.code {
            0 => is_enough && is_whole,
            _ => !is_enough && is_told,
        };
        let is_whole = if is_whole { "whole" } else { "not whole" };
        (!is_right).then(|| format!("{role}, {work:?}: exit code {}, {is_whole}\n{}", run.code, run.stderr))
    }
}

/// What archives of everything and of `app` hold.
struct Expected {
    all: BTreeMap<String, u64>,
    app: BTreeMap<String, u64>,
}

fn user(role: &str) -> String {
    if role == ROOT { ROOT.to_owned() } else { format!("with-{role}") }
}

fn uri(set: &ReplicaSet, user: &str) -> String {
    format!("mongodb://{user}:{PASSWORD}@{}/?authSource=admin", set.address(0))
}

/// Namespaces and their documents.
fn listed(archive: &Path) -> BTreeMap<String, u64> {
    let json = mongoark(&["ls", "--json", arg(archive)]).expect(0);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let namespaces = json["namespaces"].as_array().unwrap().iter().map(|entry| {
        let [db, collection] = ["db", "collection"].map(|field| entry[field].as_str().unwrap());
        (format!("{db}.{collection}"), entry["documents"].as_u64().unwrap())
    });
    namespaces.filter(|(name, _)| !name.starts_with("config.")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_is_enough_for_what_the_table_says_and_nothing_ends_in_part() {
    let desk = Desk::new().await;
    let of_app = desk.path("of-app");
    desk.dump(ROOT, &["--db", "app"], &of_app).expect(0);
    desk.dump(ROOT, &[], &desk.path("of-all")).expect(0);
    let whole = Expected { all: listed(&desk.path("of-all")), app: listed(&of_app) };
    assert_eq!(whole.app.get("app.c"), Some(&DOCUMENTS), "{:?}", whole.app);
    assert!(whole.all.contains_key("admin.system.users"), "{:?}", whole.all);
    let client = connect(&desk.target.uri()).await;
    let mut faults = Vec::new();
    for (role, _, enough_for) in ROLES {
        for work in WORKS {
            let is_enough = enough_for.contains(&work);
            faults.extend(desk.fault(role, work, is_enough, &whole, &client).await);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
