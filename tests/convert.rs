//! Dumps of mongodump become archives and archives become dumps, and nothing is lost on the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc, rawdoc};
use mongoark_test_support::compare;
use mongoark_test_support::golden::{self, Golden, Options};
use mongoark_test_support::{Binary, ReplicaSet, connect, corpus, fresh_database_name, shared, wipe};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::tools::contents;
use support::{Run, arg, mongoark, program, run};
use tempfile::TempDir;

/// A folder with a key in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        mongoark(&["key", "generate", arg(&desk.path("key"))]).expect(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `mongoark` with the key, the arguments after it taken as names in this folder where they have no dash.
    fn run(&self, command: &str, arguments: &[&str]) -> Run {
        let named = |argument: &&str| match argument.strip_prefix('@') {
            Some(name) => arg(&self.path(name)).to_owned(),
            None => (*argument).to_owned(),
        };
        let arguments: Vec<String> = arguments.iter().map(named).collect();
        run(program().args([command, "--key-file", arg(&self.path("key"))]).args(arguments))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A dump of mongodump; its name in this folder.
    fn golden(&self, form: &str) -> (Golden, PathBuf) {
        let mut goldens = golden::for_server(&Binary::default_version()).into_iter();
        let golden = goldens.find(|golden| golden.form == form).unwrap();
        let folder = self.path(form);
        fs::create_dir(&folder).unwrap();
        let dump = golden.unpack(&folder);
        (golden, dump)
    }
}

/// All files below a folder, decompressed; `admin.system.version` but for what it is: the server's own.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = arg(path.strip_prefix(root).unwrap()).trim_end_matches(".gz").to_owned();
            if !name.starts_with("admin/system.version.") {
                found.insert(name, contents(&path));
            }
        }
    }
    found
}

#[track_caller]
fn expect_same_files(expected: &Path, found: &Path) {
    let (expected, found) = (tree(expected), tree(found));
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&expected), names(&found));
    for (name, bytes) in &expected {
        assert!(bytes == &found[name], "{name} differs: {} and {} bytes", bytes.len(), found[name].len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dump_of_mongodump_becomes_an_archive_that_restores_it() {
    let set = ReplicaSet::single().await;
    let client = connect(&set.uri()).await;
    let plain = golden::for_server(&Binary::default_version()).into_iter();
    for golden in plain.filter(|golden| !golden.has_oplog()) {
        let desk = Desk::new();
        let dump = golden.unpack(desk.folder.path());
        desk.run("convert", &[arg(&dump), "@archive"]).expect(0).says("converted to");
        desk.run("verify", &["@archive"]).expect(0);
        wipe(&client).await;
        desk.run("restore", &["--uri", &set.uri(), "@archive"]).expect(0);
        let later_release = golden.server != Binary::default_version();
        let options = Options { keep_index_version: true, later_release, ..Options::default() };
        let lines = golden::differences(&client, &golden.expected_path(), options).await;
        assert!(lines.is_empty(), "{}:\n{}", golden.form, lines.join("\n"));
    }
}

#[test]
fn a_folder_comes_back_byte_for_byte() {
    for (form, gzip) in [("directory", false), ("directory-gzip", true), ("oplog-directory", false)] {
        let desk = Desk::new();
        let (_, dump) = desk.golden(form);
        desk.run("convert", &[arg(&dump), "@archive"]).expect(0);
        let more: &[&str] = if gzip { &["--gzip"] } else { &[] };
        desk.run("convert", &[more, &["@archive", "@back"]].concat()).expect(0);
        expect_same_files(&dump, &desk.path("back"));
        assert_eq!(desk.path("back/prelude.json.gz").exists(), gzip);
    }
}

#[test]
fn an_archive_of_mongodump_comes_back_with_all_it_holds() {
    for form in ["archive", "archive-gzip", "archive-interleaved", "oplog-archive"] {
        if form == "archive-interleaved" && Binary::default_version() != "6.0.5" {
            continue; // There is one for this server alone.
        }
        let desk = Desk::new();
        let (golden, dump) = desk.golden(form);
        desk.run("convert", &[arg(&dump), "@one"]).expect(0);
        desk.run("convert", &["@one", "@folder"]).expect(0);
        // Once more through an archive of mongodump.
        let to = ["--to", "mongodump-archive", "--gzip", "@one", "@again.archive"];
        desk.run("convert", &to).expect(0);
        desk.run("convert", &["@again.archive", "@two"]).expect(0);
        desk.run("convert", &["@two", "@folder.again"]).expect(0);
        expect_same_files(&desk.path("folder"), &desk.path("folder.again"));
        assert_eq!(desk.path("folder/oplog.bson").exists(), golden.has_oplog());
    }
}

#[test]
fn the_folder_of_one_database_is_understood_with_its_accounts() {
    let desk = Desk::new();
    let (golden, dump) = desk.golden("directory");
    // As `mongodump --db accounts --dumpDbUsersAndRoles` leaves it.
    let one = desk.path("one");
    fs::create_dir(&one).unwrap();
    fs::rename(dump.join("accounts"), one.join("accounts")).unwrap();
    fs::rename(dump.join("prelude.json"), one.join("accounts/prelude.json")).unwrap();
    for what in ["users", "roles", "version"] {
        let (from, to) = (format!("admin/system.{what}.bson"), format!("$admin.system.{what}.bson"));
        fs::rename(dump.join(from), one.join("accounts").join(to)).unwrap();
    }
    let mut listings = Vec::new();
    for (input, output) in [("@one", "@first"), ("@one/accounts", "@second")] {
        desk.run("convert", &[input, output]).expect(0);
        let listing: Value =
            serde_json::from_str(&desk.run("ls", &["--json", output]).expect(0).text()).unwrap();
        assert_eq!(listing["deployment"]["serverVersion"], golden.server);
        assert_eq!(listing["deployment"]["dumpTool"], "100.18.0");
        listings.push(listing["namespaces"].clone());
    }
    assert_eq!(listings[0], listings[1]);
    let shown = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        (text("db"), text("collection"), text("type"), entry["documents"].as_u64().unwrap() > 0)
    };
    let found: Vec<_> = listings[0].as_array().unwrap().iter().map(shown).collect();
    let entry = |db: &str, collection: &str, kind: &str| (db.into(), collection.into(), kind.into(), true);
    let expected = [
        entry("accounts", "items", "collection"),
        entry("accounts", "system.js", "collection"),
        entry("admin", "system.roles", "roles"),
        entry("admin", "system.users", "users"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn pipes_carry_what_files_do() {
    let desk = Desk::new();
    let (_, dump) = desk.golden("archive-gzip");
    let key = desk.path("key");
    let mut first = program()
        .args(["convert", "--key-file", arg(&key), "-", "-"])
        .stdin(fs::File::open(&dump).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut second = program()
        .args(["convert", "--key-file", arg(&key), "-", "-"])
        .stdin(first.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut third = program();
    third.args(["convert", "--no-encryption", "-", arg(&desk.path("archive"))]);
    run(third.stdin(second.stdout.take().unwrap())).expect(0);
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());

    mongoark(&["convert", arg(&desk.path("archive")), arg(&desk.path("one"))]).expect(0);
    desk.run("convert", &[arg(&dump), "@direct"]).expect(0);
    // As a shell completes a folder's name.
    desk.run("convert", &["@direct", "@two/"]).expect(0);
    expect_same_files(&desk.path("one"), &desk.path("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_archive_becomes_a_dump_and_an_archive_again() {
    let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
    let (client, other) = (connect(&source.uri()).await, connect(&target.uri()).await);
    corpus::edge::load(&client, corpus::Options::default()).await.unwrap();
    let desk = Desk::new();
    desk.run("dump", &["--uri", &source.uri(), "@native"]).expect(0);
    desk.run("convert", &["@native", "@dump"]).expect(0);
    assert!(desk.path("dump/admin/system.version.bson").exists(), "the schema of the accounts");
    desk.run("convert", &["@dump", "@archive"]).expect(0);
    desk.run("restore", &["--uri", &target.uri(), "@archive"]).expect(0);
    let (expected, found) =
        (compare::capture(&client).await.unwrap(), compare::capture(&other).await.unwrap());
    assert!(expected.documents() > 0);
    let differences = expected.differences(&found, &compare::Options::default());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_text_cannot_carry_is_left_behind_by_name() {
    let (uri, db) = (shared::replica_set().await, fresh_database_name("convert"));
    let database = connect(&uri).await.database(&db);
    database.collection::<Document>("c").insert_one(doc! { "_id": 1 }).await.unwrap();
    let literal = rawdoc! { "$set": { "a": { "$literal": { "$oid": "x" } } } };
    let view = rawdoc! { "create": "v", "viewOn": "c", "pipeline": [literal] };
    database.run_raw_command(view).await.unwrap();
    let desk = Desk::new();
    desk.run("dump", &["--uri", &uri, "--db", &db, "@native"]).expect(0);
    desk.run("convert", &["@native", "@dump"]).expect(3).says(&format!("{db}.v: left behind"));
    assert_eq!(tree(&desk.path("dump")).len(), 4, "the collection's two files, the prelude and the oplog");
    database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_is_carried_or_left_behind_but_never_forgotten() {
    let desk = Desk::new();
    let (golden, dump) = desk.golden("oplog-directory");
    desk.run("convert", &[arg(&dump), "@archive"]).expect(0).says("oplog entries");
    let listed = desk.run("ls", &["@archive"]).expect(0).text();
    assert!(listed.contains("with the oplog of its time"), "{listed}");
    desk.run("verify", &["@archive"]).expect(0);
    let set = ReplicaSet::single().await;
    desk.run("restore", &["--uri", &set.uri(), "@archive"]).expect(0).says("oplog entries replayed");
    let client = set.client().await;
    // What is expected was read behind mongorestore, which makes indexes of version 1 ones of version 2.
    let version = "\"idx.plain\": index \"v1_1\": v differs";
    let lines = golden::differences(&client, &golden.expected_path(), golden::Options::default()).await;
    assert!(lines.iter().all(|line| line.starts_with(version)), "{}", lines.join("\n"));
    let again = ["--uri", &set.uri(), "--existing", "drop", "--no-oplog", "@archive"];
    desk.run("restore", &again).says("not replayed");

    let without = desk.run("convert", &["--without-oplog", arg(&dump), "@without"]).expect(3);
    assert!(without.stderr.contains("oplog: left behind"), "{}", without.stderr);
    assert!(!desk.run("ls", &["@without"]).expect(0).text().contains("with the oplog"));
    desk.run("convert", &["--without-oplog", "@archive", "@folder"]).expect(3).says("oplog: left behind");
    assert!(!desk.path("folder/oplog.bson").exists());
}

#[test]
fn a_damaged_dump_is_named_with_its_offset_and_leaves_nothing() {
    let desk = Desk::new();
    let (_, folder) = desk.golden("directory");
    let (_, archive) = desk.golden("archive");
    let file = folder.join("accounts/items.bson");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let run = desk.run("convert", &[arg(&folder), "@out"]).expect(1);
    assert!(
        run.stderr.contains("accounts/items.bson: the file ends within the document at offset"),
        "{}",
        run.stderr
    );

    let bytes = fs::read(&archive).unwrap();
    for (cut, text) in [(bytes.len() - 3, "the file ends within the document at offset"), (100, "offset 4")] {
        fs::write(&archive, &bytes[..cut]).unwrap();
        let run = desk.run("convert", &[arg(&archive), "@out"]).expect(1);
        assert!(run.stderr.contains("dump.archive`: ") && run.stderr.contains(text), "{}", run.stderr);
    }
    let mut flipped = bytes.clone();
    let end = flipped.len() - 12; // within the last checksum
    flipped[end] ^= 1;
    fs::write(&archive, &flipped).unwrap();
    desk.run("convert", &[arg(&archive), "@out"]).expect(1).says("their checksum is");
    assert!(!desk.path("out").exists());
}

#[test]
fn a_damaged_archive_leaves_no_dump() {
    let desk = Desk::new();
    let (_, dump) = desk.golden("archive");
    desk.run("convert", &[arg(&dump), "@whole"]).expect(0);
    let before = desk.names();
    let bytes = fs::read(desk.path("whole")).unwrap();
    // A document, which shows only when it is reached; and the account of them all, which shows before.
    for at in [bytes.len() / 2, bytes.len() - 1300] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(desk.path("damaged"), damaged).unwrap();
        for to in [&["@damaged", "@dump"][..], &["--to", "mongodump-archive", "@damaged", "@dump"]] {
            desk.run("convert", to).expect(1);
            assert!(!desk.path("dump").exists());
        }
        fs::remove_file(desk.path("damaged")).unwrap();
    }
    let left: Vec<String> = desk.names().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(left.iter().all(|name| name == "dump.partial"), "{left:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    let (_, dump) = desk.golden("directory");
    fs::write(desk.path("text"), "no dump at all").unwrap();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.run("convert", &[arg(&dump), "@good"]).expect(0);
    let dump = arg(&dump);
    for (code, arguments, text) in [
        (1, &["@text", "@out"][..], "is neither an archive of mongoark nor one of mongodump"),
        (1, &["@empty", "@out"], "is no dump"),
        (1, &["@nowhere", "@out"], "nowhere"),
        (2, &["--to", "mongodump", dump, "@out"], "is a dump of mongodump already"),
        (2, &["--gzip", dump, "@out"], "--gzip is for dumps"),
        (2, &["--to", "archive", "@good", "@out"], "is an archive of mongoark already"),
        (2, &["--compression", "none", "@good", "@out"], "are for archives of mongoark"),
        (2, &["--to", "mongodump", "@good", "-"], "a folder cannot go to standard output"),
        (2, &["@good", "@empty"], "exists"),
        (2, &[dump, "@good"], "exists; give --overwrite"),
    ] {
        desk.run("convert", arguments).expect(code).says(text);
        assert!(!desk.path("out").exists() && !desk.path("out.partial").exists(), "{arguments:?}");
    }
    desk.run("convert", &["--overwrite", dump, "@good"]).expect(0);
}
