//! What a dump in mongodump's format holds, against what the server holds: every form, cursors that are lost, and what
//! happens to collections while the dump runs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use mongoark_bson_bytes::split_documents;
use mongoark_deployment::{ConnectionString, Source, SourceOptions};
use mongoark_dump_format::archive::{ArchivePrelude, Demultiplexer, Part};
use mongoark_dump_format::{Metadata, gzip, names};
use mongoark_engine::mongodump::{Form, Options, Report, dump};
use mongoark_engine::{Error, Stop};
use mongoark_monitor::{Monitor, Notice, Observer};
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{ReplicaSet, connect, corpus, fresh_database_name, shared};
use mongodb::Client;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

/// Raw documents by `db.collection` of their data.
type Contents = BTreeMap<String, Vec<Vec<u8>>>;

/// A stream that keeps what it is given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn options(db: Option<&str>, output: Form) -> Options {
    Options {
        db: db.map(ToOwned::to_owned),
        collection: None,
        query: None,
        excluded_collections: Vec::new(),
        excluded_prefixes: Vec::new(),
        views_as_collections: false,
        users_and_roles: false,
        oplog: false,
        gzip: false,
        output,
        parallel_collections: 0,
        jobs: 0,
        tool_version: "100.18.0".to_owned(),
    }
}

async fn source(uri: &str) -> Source {
    Source::connect(&ConnectionString::new(uri), &SourceOptions::default()).await.unwrap()
}

async fn dumped(uri: &str, options: Options) -> Report {
    dump(&source(uri).await, options, &Monitor::silent(), &Stop::default()).await.unwrap()
}

/// What the server holds in these databases, as `find` gives it.
async fn on_server(client: &Client, dbs: &[String]) -> Contents {
    let mut contents = Contents::new();
    for db in dbs {
        let mut names = Vec::new();
        let mut listed = client.database(db).list_collections().await.unwrap();
        while listed.advance().await.unwrap() {
            let info = listed.deserialize_current().unwrap();
            let is_view = info.collection_type != mongodb::results::CollectionType::Collection;
            let is_kept = !info.name.starts_with("system.")
                || info.name == "system.js"
                || info.name.starts_with("system.buckets.")
                || db == "admin" && info.name != "system.keys";
            if !is_view && is_kept && !info.name.contains('$') {
                names.push(info.name);
            }
        }
        for name in names {
            let collection = client.database(db).collection::<RawDocumentBuf>(&name);
            let mut cursor = collection.find(doc! {}).await.unwrap();
            let mut documents = Vec::new();
            while cursor.advance().await.unwrap() {
                documents.push(cursor.current().as_bytes().to_vec());
            }
            documents.sort();
            contents.insert(format!("{db}.{name}"), documents);
        }
    }
    contents
}

fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    split_documents(bytes).map(|document| document.unwrap().to_vec()).collect()
}

fn plain(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if !gzip::is_gzip(&bytes) {
        return bytes;
    }
    let mut out = Vec::new();
    gzip::reader(io::Cursor::new(bytes)).read_to_end(&mut out).unwrap();
    out
}

/// What a folder holds, each collection's documents sorted.
fn in_folder(root: &Path) -> Contents {
    let mut contents = Contents::new();
    for db in std::fs::read_dir(root).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(db.path()).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            let Some(stem) = name.strip_suffix(".gz").unwrap_or(&name).strip_suffix(".bson") else {
                continue;
            };
            let collection = names::collection_of(stem).unwrap().unwrap_or_else(|| {
                let gz = name.strip_suffix(".gz").map_or("", |_| ".gz");
                let metadata = plain(&db.path().join(format!("{stem}.metadata.json{gz}")));
                Metadata::parse(&metadata).unwrap().collection_name.unwrap()
            });
            let mut documents = cut(&plain(&file.path()));
            documents.sort();
            contents.insert(format!("{}.{collection}", db.file_name().into_string().unwrap()), documents);
        }
    }
    contents
}

/// What an archive holds, in its order; checksums are checked on the way. Views are left out.
fn in_archive(bytes: &[u8]) -> Contents {
    let mut input = bytes;
    let prelude = ArchivePrelude::read(&mut input).unwrap();
    let version = prelude.header.server_version.clone();
    let entries = prelude.namespaces.iter().filter(|entry| entry.kind != "view");
    let mut contents: Contents = entries
        .map(|entry| (format!("{}.{}", entry.db, entry.data_collection(&version)), Vec::new()))
        .collect();
    let (mut parts, mut buffer) = (Demultiplexer::new(input, &prelude), Vec::new());
    while let Some(part) = parts.next(&mut buffer, 1 << 20).unwrap() {
        if let Part::Documents { db, collection, .. } = part {
            contents.get_mut(&format!("{db}.{collection}")).unwrap().extend(cut(&buffer));
        }
    }
    contents
}

fn sorted(mut contents: Contents) -> Contents {
    for documents in contents.values_mut() {
        documents.sort();
    }
    contents
}

/// Fails with the names of what differs: the documents themselves would fill pages.
fn expect_same(found: &Contents, expected: &Contents) {
    let keys = |contents: &Contents| contents.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected));
    let differ: Vec<_> = expected.iter().filter(|(name, documents)| found[*name] != **documents).collect();
    let names: Vec<_> =
        differ.iter().map(|(name, documents)| (name, documents.len(), found[*name].len())).collect();
    assert!(differ.is_empty(), "{names:?}");
}

/// Counts the cursors that went on where another was lost.
#[derive(Clone, Default)]
struct GoneOn(Arc<Mutex<u32>>);

impl Observer for GoneOn {
    fn notice(&self, notice: &Notice) {
        if matches!(notice, Notice::Detail(text) if text.contains("another cursor goes on")) {
            *self.0.lock().unwrap() += 1;
        }
    }
}

/// Dumps a database into an archive in memory; also how many cursors were lost on the way.
async fn archived(uri: &str, db: &str) -> (Contents, u32) {
    let (stream, gone_on) = (Kept::default(), GoneOn::default());
    let asked = options(Some(db), Form::ArchiveStream(Box::new(stream.clone())));
    dump(&source(uri).await, asked, &Monitor::new(gone_on.clone()), &Stop::default()).await.unwrap();
    let lost = *gone_on.0.lock().unwrap();
    (in_archive(&stream.bytes()), lost)
}

/// A collection of this many documents of this size.
async fn fill(client: &Client, db: &str, name: &str, documents: i32, bytes: usize) {
    let collection = client.database(db).collection::<Document>(name);
    let pad = "x".repeat(bytes);
    let all: Vec<Document> = (0..documents).map(|n| doc! { "_id": n, "pad": &pad }).collect();
    for part in all.chunks(2_000) {
        collection.insert_many(part).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_holds_what_the_server_holds() {
    let set = ReplicaSet::single().await;
    let client = set.client().await;
    corpus::edge::load(&client, corpus::Options::default()).await.unwrap();
    let mut dbs = client.list_database_names().await.unwrap();
    dbs.retain(|db| !matches!(db.as_str(), "local" | "config"));
    let expected = on_server(&client, &dbs).await;
    assert!(expected.len() > 40, "{}", expected.len());
    let folder = tempfile::tempdir().unwrap();
    for gzip in [false, true] {
        let files = folder.path().join(format!("files-{gzip}"));
        dumped(&set.uri(), Options { gzip, ..options(None, Form::Directory(files.clone())) }).await;
        expect_same(&in_folder(&files), &expected);
        let prelude = files.join(if gzip { "prelude.json.gz" } else { "prelude.json" });
        assert!(plain(&prelude).starts_with(b"{\"ServerVersion\":"));

        let archive = folder.path().join(format!("archive-{gzip}"));
        let report =
            dumped(&set.uri(), Options { gzip, ..options(None, Form::Archive(archive.clone())) }).await;
        expect_same(&sorted(in_archive(&plain(&archive))), &expected);
        assert_eq!(report.documents, expected.values().map(|documents| documents.len() as u64).sum::<u64>());

        let stream = Kept::default();
        let form = Form::ArchiveStream(Box::new(stream.clone()));
        dumped(&set.uri(), Options { gzip, jobs: 1, parallel_collections: 1, ..options(None, form) }).await;
        std::fs::write(&archive, stream.bytes()).unwrap();
        expect_same(&sorted(in_archive(&plain(&archive))), &expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_collection_is_whole_though_cursors_are_lost() {
    let set = ReplicaSet::single().await;
    let client = set.client().await;
    let db = fresh_database_name("large");
    fill(&client, &db, "c", 20_000, 4_500).await;
    let expected = on_server(&client, std::slice::from_ref(&db)).await;
    // A cursor that is not found, one that is killed, a member that steps down, a broken connection.
    for code in [None, Some(43), Some(175), Some(11_602), Some(0)] {
        if let Some(code) = code {
            let fail = FailCommand::new(["getMore"]).namespace(&format!("{db}.c")).times(3);
            let fail = if code == 0 { fail.close_connection() } else { fail.error_code(code) };
            fail.enable(&client).await;
        }
        let (found, lost) = archived(&set.uri(), &db).await;
        expect_same(&sorted(found), &expected);
        assert_eq!(lost > 0, code.is_some(), "{code:?}");
        FailCommand::disable(&client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capped_collection_keeps_its_order() {
    let set = ReplicaSet::single().await;
    let client = set.client().await;
    let db = fresh_database_name("capped");
    let create = doc! { "create": "c", "capped": true, "size": 100_000_000 };
    client.database(&db).run_command(create).await.unwrap();
    fill(&client, &db, "c", 20_000, 4_000).await;
    for code in [None, Some(43), Some(136)] {
        if let Some(code) = code {
            FailCommand::new(["getMore"])
                .error_code(code)
                .namespace(&format!("{db}.c"))
                .times(2)
                .enable(&client)
                .await;
        }
        let (contents, lost) = archived(&set.uri(), &db).await;
        assert_eq!(lost > 0, code.is_some(), "{code:?}");
        let ids: Vec<i32> = contents[&format!("{db}.c")]
            .iter()
            .map(|document| bson::RawDocument::from_bytes(document).unwrap().get_i32("_id").unwrap())
            .collect();
        assert_eq!(ids, (0..20_000).collect::<Vec<_>>());
    }
}

/// Tells when a line is said, and waits until it may go on.
struct Gate {
    line: String,
    reached: mpsc::Sender<()>,
    goes_on: Mutex<mpsc::Receiver<()>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Observer for Gate {
    fn notice(&self, notice: &Notice) {
        let line = match notice {
            Notice::Step(line) => line.clone(),
            Notice::Warning(warning) => warning.message.clone(),
            _ => return,
        };
        self.said.lock().unwrap().push(line.clone());
        if line.starts_with(&self.line) {
            self.reached.send(()).unwrap();
            self.goes_on.lock().unwrap().recv().unwrap();
        }
    }
}

/// Dumps, and does something to the server when the dump says `line`.
async fn dump_with(
    uri: &str,
    options: Options,
    line: &str,
    act: impl AsyncFnOnce(),
) -> (Result<Report, Error>, Vec<String>) {
    let ((reached, is_reached), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel());
    let said = Arc::new(Mutex::new(Vec::new()));
    let goes_on = Mutex::new(goes_on);
    let monitor = Monitor::new(Gate { line: line.to_owned(), reached, goes_on, said: Arc::clone(&said) });
    let source = source(uri).await;
    let dump = tokio::spawn(async move { dump(&source, options, &monitor, &Stop::default()).await });
    tokio::task::spawn_blocking(move || is_reached.recv()).await.unwrap().unwrap();
    act().await;
    go_on.send(()).unwrap();
    let ended = dump.await.unwrap();
    let said = said.lock().unwrap().clone();
    (ended, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_dropped_is_named_and_fails_nothing() {
    let uri = shared::replica_set().await;
    let (client, db) = (connect(&uri).await, fresh_database_name("dropped"));
    fill(&client, &db, "gone", 10, 10).await;
    fill(&client, &db, "stays", 5, 10).await;
    let folder = tempfile::tempdir().unwrap();
    let form = Form::Directory(folder.path().to_owned());
    let line = format!("writing `{db}.gone`");
    let (ended, said) = dump_with(&uri, options(Some(&db), form), &line, async || {
        client.database(&db).collection::<Document>("gone").drop().await.unwrap();
    })
    .await;
    assert_eq!(ended.unwrap().documents, 5);
    let expected = format!("the collection `{db}.gone` appears to have been dropped after the dump started");
    assert!(said.contains(&expected), "{said:?}");
    assert_eq!(in_folder(folder.path())[&format!("{db}.stays")].len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_renamed_is_followed_and_the_oplog_says_so() {
    let set = ReplicaSet::single().await;
    let (client, db) = (set.client().await, fresh_database_name("renamed"));
    for (archive, old, new) in [(false, "a", "b"), (true, "b", "c")] {
        client.database(&db).drop().await.unwrap();
        fill(&client, &db, old, 10, 10).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let form = if archive { Form::Archive(path.clone()) } else { Form::Directory(path.clone()) };
        let line = format!("writing `{db}.{old}`");
        let asked = Options { oplog: true, ..options(None, form) };
        let (ended, said) = dump_with(&set.uri(), asked, &line, async || {
            let (from, to) = (format!("{db}.{old}"), format!("{db}.{new}"));
            let rename = doc! { "renameCollection": &from, "to": &to };
            client.database("admin").run_command(rename).await.unwrap();
            fill(&client, &db, "later", 3, 10).await;
        })
        .await;
        let report = ended.unwrap();
        let (contents, oplog) = if archive {
            let mut contents = in_archive(&plain(&path));
            let oplog = contents.remove(".oplog").unwrap();
            (contents, oplog)
        } else {
            (in_folder(&path), cut(&plain(&path.join("oplog.bson"))))
        };
        assert_eq!(contents[&format!("{db}.{old}")].len(), 10);
        assert!(!contents.contains_key(&format!("{db}.later")));
        assert_eq!(report.oplog_entries, oplog.len() as u64);
        let entries: Vec<Document> =
            oplog.iter().map(|entry| Document::from_reader(&entry[..]).unwrap()).collect();
        let count = |is: &dyn Fn(&Document) -> bool| entries.iter().filter(|entry| is(entry)).count();
        let is_rename = |entry: &Document| entry.get_document("o").unwrap().contains_key("renameCollection");
        assert_eq!(count(&is_rename), 1);
        assert!(count(&|entry| entry.get_str("ns").unwrap() == format!("{db}.later")) > 0);
        assert!(said.contains(&"writing captured oplog to ``".to_owned()), "{said:?}");
        assert_eq!(said.last().unwrap(), &format!("\tdumped {} oplog entries", oplog.len()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_cannot_be_replayed_ends_the_dump() {
    let set = ReplicaSet::single().await;
    let (client, db) = (set.client().await, fresh_database_name("version"));
    fill(&client, &db, "c", 10, 10).await;
    let asked = Options { oplog: true, ..options(None, Form::ArchiveStream(Box::new(io::sink()))) };
    let (ended, _) = dump_with(&set.uri(), asked, &format!("writing `{db}.c`"), async || {
        let user = doc! { "createUser": "ann", "pwd": "pw", "roles": [] };
        client.database("admin").run_command(user).await.unwrap();
    })
    .await;
    let error = ended.unwrap_err().to_string();
    assert!(error.starts_with("cannot dump with oplog if admin.system.version is modified by {"), "{error}");
}

/// A stream whose reader goes away after some bytes.
struct Broken(usize);

impl Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_ends_the_dump_by_its_name() {
    let uri = shared::replica_set().await;
    let (client, db) = (connect(&uri).await, fresh_database_name("unwritten"));
    fill(&client, &db, "c", 20_000, 1_000).await;
    let source = source(&uri).await;
    for gzip in [false, true] {
        let stream = Form::ArchiveStream(Box::new(Broken(100_000)));
        let options = Options { gzip, ..options(Some(&db), stream) };
        let error = dump(&source, options, &Monitor::silent(), &Stop::default()).await.unwrap_err();
        assert!(
            matches!(&error, Error::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe),
            "{error}"
        );
        assert!(error.to_string().starts_with("cannot write to standard output: "), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(&db), "a file where a folder must be").unwrap();
    let options = options(Some(&db), Form::Directory(folder.path().to_owned()));
    let error = dump(&source, options, &Monitor::silent(), &Stop::default()).await.unwrap_err();
    let file = folder.path().join(&db).join("c.metadata.json").display().to_string();
    assert!(error.to_string().contains(&file), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_views_and_names_are_taken_as_mongodump_takes_them() {
    let uri = shared::replica_set().await;
    let (client, db) = (connect(&uri).await, fresh_database_name("taken"));
    let database = client.database(&db);
    let series = doc! { "create": "t", "timeseries": { "timeField": "at", "metaField": "who" } };
    database.run_command(series).await.unwrap();
    let points = ["a", "b", "b"].map(|who| doc! { "at": bson::DateTime::now(), "who": { "name": who } });
    database.collection::<Document>("t").insert_many(points).await.unwrap();
    fill(&client, &db, "c", 10, 10).await;
    let view = doc! { "create": "v", "viewOn": "c", "pipeline": [{ "$match": { "_id": { "$lt": 3 } } }] };
    database.run_command(view).await.unwrap();

    let count = async |collection: &str, query: RawDocumentBuf, views_as_collections: bool| {
        let stream = Kept::default();
        let asked = Options {
            collection: Some(collection.to_owned()),
            query: Some(query),
            views_as_collections,
            ..options(Some(&db), Form::Documents(Box::new(stream.clone())))
        };
        let report = dump(&source(&uri).await, asked, &Monitor::silent(), &Stop::default()).await;
        report.map(|report| (report.documents, cut(&stream.bytes()).len()))
    };
    assert_eq!(count("c", rawdoc! { "_id": { "$gte": 6 } }, false).await.unwrap(), (4, 4));
    assert_eq!(count("v", rawdoc! {}, true).await.unwrap(), (3, 3));
    assert_eq!(count("v", rawdoc! { "_id": 1 }, true).await.unwrap(), (1, 1));
    assert_eq!(count("t", rawdoc! { "who.name": "a" }, false).await.unwrap(), (1, 1));
    let refused = count("t", rawdoc! { "at": 1 }, false).await.unwrap_err().to_string();
    assert!(refused.contains("mongodump only processes queries on metadata fields"), "{refused}");
    assert_eq!(count("missing", rawdoc! {}, false).await.unwrap(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_may_be_stopped_between_two_batches() {
    let uri = shared::replica_set().await;
    let (client, db) = (connect(&uri).await, fresh_database_name("stopped"));
    fill(&client, &db, "c", 100, 10).await;
    let stop = Stop::default();
    stop.request();
    let form = Form::ArchiveStream(Box::new(io::sink()));
    let ended = dump(&source(&uri).await, options(Some(&db), form), &Monitor::silent(), &stop).await;
    assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
}
