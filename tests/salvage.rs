//! What `mongoark salvage` makes of archives that are cut, damaged or were never finished: a whole archive of what is
//! left, which names what is missing. That every cut and every damaged byte is told is shown in `crates/container`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, connect, shared, wipe};
use mongodb::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Run, arg, finished, mongoark, program, run};
use tempfile::TempDir;
use tokio::time::sleep;

/// Documents of `shop.orders`, of 4,000 bytes: several chunks.
const ORDERS: i32 = 3000;
/// Documents of `shop.users`.
const USERS: i32 = 20;

const CATALOG: u8 = 2;
const DATA: u8 = 3;
const OPLOG: u8 = 4;
const INDEX: u8 = 8;
const END: u8 = 9;
const HEADER_BYTES: usize = 1120;

/// An archive of a replica set, and a folder for what is made of it.
struct Desk {
    folder: TempDir,
    bytes: Vec<u8>,
    secrets: Vec<String>,
}

impl Desk {
    /// `shop.orders`, `shop.users` with an index, and a view, dumped with the oplog; with a key or without encryption.
    async fn new(is_encrypted: bool) -> Self {
        Self::make(is_encrypted, false).await
    }

    /// The same, with a key, and every order is changed while the dump runs: the oplog is full of that.
    async fn busy() -> Self {
        Self::make(true, true).await
    }

    async fn make(is_encrypted: bool, is_busy: bool) -> Self {
        let source = ReplicaSet::single().await;
        let shop = source.client().await.database("shop");
        let order = |id| doc! { "_id": id, "pad": format!("{id}").repeat(1000) };
        for some in (0..ORDERS).collect::<Vec<_>>().chunks(1000) {
            shop.collection::<Document>("orders").insert_many(some.iter().copied().map(order)).await.unwrap();
        }
        let users = (0..USERS).map(|id| doc! { "_id": id, "x": 1 });
        shop.collection::<Document>("users").insert_many(users).await.unwrap();
        let index = doc! { "createIndexes": "users", "indexes": [{ "key": { "x": 1 }, "name": "x_1" }] };
        shop.run_command(index).await.unwrap();
        shop.run_command(doc! { "create": "few", "viewOn": "users", "pipeline": [] }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        mongoark(&["key", "generate", arg(&key)]).expect(0);
        let (lock, secrets): (Vec<&str>, Vec<&str>) = if is_encrypted {
            (vec!["--key-file", arg(&key)], vec!["--key-file", arg(&key)])
        } else {
            (vec!["--no-encryption"], vec![])
        };
        let secrets = secrets.into_iter().map(ToOwned::to_owned).collect();
        let archive = folder.path().join("archive");
        let client = source.client().await;
        if is_busy {
            let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("shop.orders");
            slow.block(Duration::from_millis(300)).enable(&client).await;
        }
        let mut dump = program();
        dump.args(["dump", "--uri", &source.uri(), "--compression", "none"]).args(&lock).arg(&archive);
        let mut dump = dump.stderr(Stdio::piped()).spawn().unwrap();
        let mut round = 0;
        while is_busy && dump.try_wait().unwrap().is_none() {
            round += 1;
            let change = doc! { "$set": { "round": round } };
            client
                .database("shop")
                .collection::<Document>("orders")
                .update_many(doc! {}, change)
                .await
                .unwrap();
        }
        finished(dump).expect(0);
        Self { bytes: fs::read(&archive).unwrap(), folder, secrets }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Run {
        run(program().arg(command).args(&self.secrets).args(arguments))
    }

    /// Salvages these bytes into `out`, with this exit code.
    #[track_caller]
    fn salvage(&self, bytes: &[u8], code: i32) -> Run {
        let (damaged, out) = (self.path("damaged"), self.path("out"));
        fs::write(&damaged, bytes).unwrap();
        let report = self.path("report");
        let arguments = ["--overwrite", "--report", arg(&report), arg(&damaged), arg(&out)];
        let salvaged = self.run("salvage", &arguments).expect(code);
        assert_eq!(fs::read(&damaged).unwrap(), bytes, "what is damaged stays as it is");
        assert!(!self.path("out.partial").exists());
        if code != 1 {
            self.run("verify", &[arg(&out)]).expect(0);
        }
        salvaged
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("report")).unwrap()).unwrap()
    }

    /// What the archive that was made says of itself.
    fn listing(&self) -> Value {
        serde_json::from_str(&self.run("ls", &["--json", arg(&self.path("out"))]).expect(0).text()).unwrap()
    }

    /// The bytes of every document of a namespace in what was salvaged.
    fn documents(&self, namespace: &str) -> Vec<Vec<u8>> {
        let raw = self.run("cat", &["--raw", arg(&self.path("out")), namespace]).expect(0).stdout;
        let documents = mongoark_bson_bytes::split_documents(&raw);
        documents.map(|document| document.unwrap().to_vec()).collect()
    }

    /// The records of a type.
    fn records(&self, kind: u8) -> Vec<Range<usize>> {
        let (mut start, mut found) = (HEADER_BYTES, Vec::new());
        loop {
            let body = u32::from_le_bytes(self.bytes[start + 16..start + 20].try_into().unwrap()) as usize;
            let (end, of_kind) = (start + body + 36, self.bytes[start + 4]);
            if of_kind == kind {
                found.push(start..end);
            }
            if of_kind == END {
                return found;
            }
            start = end;
        }
    }

    /// The archive with a bit of this record's body changed.
    fn without(&self, record: &Range<usize>) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[record.end - 30] ^= 4;
        bytes
    }

    /// The large chunks: those of `orders`.
    fn chunks_of_orders(&self) -> Vec<Range<usize>> {
        self.records(DATA).into_iter().filter(|record| record.len() > 100_000).collect()
    }
}

/// Every document of a database, by collection.
async fn contents(client: &Client, db: &str) -> BTreeMap<String, BTreeMap<i32, Document>> {
    let database = client.database(db);
    let mut found = BTreeMap::new();
    let names = database.list_collection_names().await.unwrap();
    for name in names.into_iter().filter(|name| !name.starts_with("system.")) {
        let mut cursor = database.collection::<Document>(&name).find(doc! {}).await.unwrap();
        let mut documents = BTreeMap::new();
        while cursor.advance().await.unwrap() {
            let document = cursor.deserialize_current().unwrap();
            assert!(documents.insert(document.get_i32("_id").unwrap(), document).is_none());
        }
        found.insert(name, documents);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_hurt_at_its_ends_is_carried_over_whole() {
    for is_encrypted in [true, false] {
        let desk = Desk::new(is_encrypted).await;
        let len = desk.bytes.len();
        let mut header = desk.bytes.clone();
        header[..HEADER_BYTES].fill(0);
        let cuts = [len, len - 1, len - 10, len - 48, len - 49, len - 500, len - 48 - HEADER_BYTES];
        let mut variants: Vec<Vec<u8>> = cuts.iter().map(|&cut| desk.bytes[..cut].to_vec()).collect();
        variants.push(header);
        variants.push([&desk.bytes[..], b"more"].concat());
        variants.push(desk.without(&desk.records(INDEX)[0]));
        for bytes in variants {
            let said = desk.salvage(&bytes, 0);
            said.says("salvaged 3,020 documents of ");
            assert_eq!(desk.report()["result"]["missing"], Value::Array(vec![]));
        }
        let listing = desk.listing();
        assert_eq!(listing["summary"]["consistency"], "point-in-time", "{listing:#}");
        assert_eq!(desk.documents("shop.orders").len(), 3000);
        // Without what opens the old one, the new one opens no more than that.
        if is_encrypted {
            mongoark(&["ls", arg(&desk.path("out"))]).expect(1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_a_damaged_chunk_are_counted_by_name_and_all_others_come_back() {
    for is_encrypted in [true, false] {
        let desk = Desk::new(is_encrypted).await;
        let chunk = desk.chunks_of_orders()[1].clone();
        let mut zeros = desk.bytes.clone();
        zeros[chunk.start - 10..chunk.start + 4086].fill(0);
        let mut header = desk.bytes.clone();
        header[chunk.start + 8] ^= 1;
        for bytes in [desk.without(&chunk), header] {
            desk.salvage(&bytes, 3).says("documents of shop.orders are missing");
            let report = desk.report();
            let missing = &report["result"]["missing"];
            assert_eq!(missing.as_array().unwrap().len(), 1, "{report:#}");
            assert_eq!(
                (&missing[0]["namespace"], &missing[0]["exact"]),
                (&"shop.orders".into(), &true.into())
            );
            let count = missing[0]["documents"].as_i64().unwrap();
            assert!((500..2000).contains(&count), "{report:#}");
            let left = i64::try_from(desk.documents("shop.orders").len()).unwrap();
            assert_eq!(left, i64::from(ORDERS) - count);
            let failures = desk.listing()["summary"]["failures"].to_string();
            assert!(failures.contains(&format!("shop.orders: {count} documents are missing")), "{failures}");
        }
        // A block of zeros takes two chunks' records with it, and the counts are still exact.
        desk.salvage(&zeros, 3);
        let exact = |lost: &Value| lost["exact"] == Value::Bool(true);
        assert!(desk.report()["result"]["missing"].as_array().unwrap().iter().all(exact));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_salvaged_is_restored_as_it_was_and_the_oplog_makes_up_nothing() {
    let desk = Desk::busy().await;
    let target = ReplicaSet::single().await;
    let client = target.client().await;
    let restore = || desk.run("restore", &["--uri", &target.uri(), arg(&desk.path("out"))]);
    desk.salvage(&desk.without(&desk.chunks_of_orders()[0]), 3);
    let lost = desk.report()["result"]["missing"][0]["documents"].as_u64().unwrap();
    assert_eq!(desk.listing()["summary"]["consistency"], "point-in-time");
    restore().expect(0);
    let found = contents(&client, "shop").await;
    assert_eq!(found["orders"].len() as u64, 3000 - lost);
    for (id, document) in &found["orders"] {
        assert_eq!(document.get_str("pad").unwrap(), format!("{id}").repeat(1000));
    }
    let failures = desk.listing()["summary"]["failures"].to_string();
    assert!(failures.contains("the oplog will not be replayed onto this collection"), "{failures}");
    assert_eq!((found["users"].len(), found["few"].len()), (20, 20));
    let users = client.database("shop").collection::<Document>("users");
    assert_eq!(users.list_index_names().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_is_not_whole_is_left_out_and_said_to_be() {
    let desk = Desk::busy().await;
    let record = desk.records(OPLOG)[0].clone();
    desk.salvage(&desk.without(&record), 3).says("oplog");
    let listing = desk.listing();
    assert_eq!(listing["summary"]["consistency"], "per-collection");
    assert_eq!(desk.documents("shop.orders").len(), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_end_an_archive_gives_what_came_before() {
    for is_encrypted in [true, false] {
        let desk = Desk::new(is_encrypted).await;
        let end = desk.records(END)[0].clone();
        let said = desk.salvage(&desk.without(&end), 3);
        said.says("the archive ends early").says("oplog: left out");
        assert_eq!(desk.documents("shop.orders").len(), 3000);
        assert_eq!(
            desk.report()["result"]["missing"],
            Value::Array(vec![]),
            "each stream's own end was there"
        );
        assert_eq!(desk.listing()["summary"]["consistency"], "per-collection");

        // In the middle of the second chunk of a collection.
        let chunk = desk.chunks_of_orders()[1].clone();
        desk.salvage(&desk.bytes[..chunk.end - 1000], 3).says("the archive ends early");
        let left = desk.documents("shop.orders").len();
        assert!((500..2000).contains(&left), "{left}");
        let report = desk.report();
        let missing = report["result"]["missing"].as_array().unwrap();
        assert!(missing.iter().any(|lost| lost["namespace"] == "shop.orders" && lost["exact"] == false));

        // Behind the catalog, and within it.
        let catalogs = desk.records(CATALOG);
        desk.salvage(&desk.bytes[..catalogs.last().unwrap().end], 3).says("salvaged 0 documents");
        desk.salvage(&desk.bytes[..catalogs[0].end], 1).says("nothing can be salvaged");
        desk.salvage(&desk.bytes[..HEADER_BYTES - 1], 1).says("cut short");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_whose_description_is_lost_is_counted() {
    for is_encrypted in [true, false] {
        let desk = Desk::new(is_encrypted).await;
        for record in desk.records(CATALOG) {
            let said = desk.salvage(&desk.without(&record), 3);
            let kept: BTreeMap<String, u64> = desk.listing()["namespaces"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| (entry["collection"].to_string(), entry["documents"].as_u64().unwrap()))
                .collect();
            let all: u64 = kept.values().sum();
            if all < 3020 {
                said.says(&format!("{} documents cannot be carried over", 3020 - all));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_is_cut_what_is_made_of_it_is_whole_and_true() {
    let desk = Desk::new(true).await;
    desk.salvage(&desk.bytes, 0);
    let originals = desk.documents("shop.orders");
    for cut in (0..40).map(|n| HEADER_BYTES + n * (desk.bytes.len() - HEADER_BYTES) / 40) {
        let damaged = self::salvaged(&desk, cut);
        if let Some(documents) = damaged {
            assert_eq!(documents, originals[..documents.len()], "cut at {cut}");
        }
    }
}

/// The documents of `shop.orders` that are left, where the archive is cut there.
fn salvaged(desk: &Desk, cut: usize) -> Option<Vec<Vec<u8>>> {
    let (damaged, out) = (desk.path("damaged"), desk.path("out"));
    fs::write(&damaged, &desk.bytes[..cut]).unwrap();
    let run = desk.run("salvage", &["--overwrite", arg(&damaged), arg(&out)]);
    assert!(matches!(run.code, 1 | 3), "cut at {cut}: {}", run.stderr);
    if run.code == 1 {
        return None;
    }
    desk.run("verify", &[arg(&out)]).expect(0);
    let listed = desk.run("ls", &["--json", arg(&out)]).expect(0).text();
    listed.contains("orders").then(|| desk.documents("shop.orders"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_dump_leaves_is_salvaged_and_never_while_it_runs() {
    let source = ReplicaSet::single().await;
    let client = source.client().await;
    let large = client.database("d").collection::<Document>("large");
    for some in (0..30_000).collect::<Vec<i32>>().chunks(10_000) {
        large.insert_many(some.iter().map(|id| doc! { "_id": id, "pad": "x".repeat(960) })).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    mongoark(&["key", "generate", arg(&path("key"))]).expect(0);
    let key = ["--key-file", arg(&path("key"))].map(ToOwned::to_owned);
    let slow = FailCommand::new(["getMore"]).app_name("mongoark").namespace("d.large");
    slow.block(Duration::from_millis(300)).enable(&client).await;
    let mut dump = program();
    dump.args(["dump", "--uri", &source.uri(), "--compression", "none", "--jobs", "1"]).args(&key);
    let mut dump = dump.arg(path("archive")).stderr(Stdio::piped()).spawn().unwrap();
    let partial = path("archive.partial");
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::metadata(&partial).map_or(0, |file| file.len()) < 6_000_000 {
        assert!(Instant::now() < deadline, "the dump does not get on");
        sleep(Duration::from_millis(20)).await;
    }
    let salvage = |out: &str| {
        let out = path(out);
        run(program().arg("salvage").args(&key).args([arg(&partial), arg(&out)]))
    };
    salvage("out").expect(1).says("is being written by another process");
    assert!(!path("out").exists());
    dump.kill().unwrap();
    assert_eq!(finished(dump).code, -1);
    FailCommand::disable(&client).await;
    let before = fs::read(&partial).unwrap();
    salvage("archive").expect(2).says("are the same file");
    assert_eq!(fs::read(&partial).unwrap(), before);
    salvage("out").expect(3).says("the archive ends early");
    salvage("out").expect(2).says("exists");
    let target = connect(&shared::replica_set().await).await;
    wipe(&target).await;
    let uri = shared::replica_set().await;
    run(program().args(["restore", "--uri", &uri]).args(&key).arg(path("out"))).expect(0);
    let found = contents(&target, "d").await;
    let left = found["large"].len();
    assert!((1000..30_000).contains(&left), "{left}");
    assert!(
        found["large"].iter().all(|(id, document)| *document == doc! { "_id": *id, "pad": "x".repeat(960) })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_salvaged_is_refused_and_nothing_is_made() {
    let desk = Desk::new(true).await;
    let (damaged, out) = (desk.path("damaged"), desk.path("out"));
    fs::write(&damaged, &desk.bytes[..desk.bytes.len() - 10]).unwrap();
    let other = desk.path("other");
    mongoark(&["key", "generate", arg(&other)]).expect(0);
    mongoark(&["salvage", "--key-file", arg(&other), arg(&damaged), arg(&out)])
        .expect(1)
        .says("none of the given secrets");
    mongoark(&["salvage", arg(&damaged), arg(&out)]).expect(1).says("no passphrase or key was given");
    desk.run("salvage", &[arg(&desk.path("key")), arg(&out)]).expect(1).says("not a mongoark archive");
    desk.run("salvage", &["-", arg(&out)]).expect(2);
    desk.run("salvage", &[arg(&damaged), "-"]).expect(2);
    desk.run("salvage", &["--overwrite", arg(&damaged), arg(&damaged)]).expect(2).says("are the same file");
    assert!(!out.exists() && !desk.path("out.partial").exists());
    // No other command takes what is damaged.
    for command in ["verify", "ls"] {
        desk.run(command, &[arg(&damaged)]).expect(1);
    }
    desk.run("restore", &["--uri", "mongodb://127.0.0.1:1", arg(&damaged)]).expect(1).says("cut short");
}
