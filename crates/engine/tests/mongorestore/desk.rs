//! A server, a folder, and a restore whose log lines are kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use mongoark_dump_format::Crc;
use mongoark_dump_format::archive::{
    ArchiveHeader, ArchivePrelude, NamespaceEntry, TERMINATOR, block_header, namespace_end,
};
use mongoark_engine::Stop;
use mongoark_engine::deployment::{ConnectionString, Target, TargetOptions};
use mongoark_engine::mongorestore::{self, Input, Options, Report};
use mongoark_monitor::{Monitor, Notice, Observer};
use mongoark_test_support::{connect, fresh_database_name, shared};
use mongodb::Client;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Keeps what is always printed.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Observer for Lines {
    fn notice(&self, notice: &Notice) {
        if let Notice::Step(line) = notice {
            self.0.lock().unwrap().push(line.clone());
        }
    }
}

/// A restore that has ended.
pub struct Run {
    pub report: Report,
    pub lines: Vec<String>,
}

impl Run {
    /// The error that it ended with; empty if there was none.
    pub fn error(&self) -> String {
        self.report.error.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, restored: u64, failed: u64) -> Self {
        assert_eq!(self.error(), "", "{:#?}", self.lines);
        assert_eq!((self.report.restored, self.report.failed), (restored, failed), "{:#?}", self.lines);
        self
    }

    #[track_caller]
    pub fn expect_error(self, parts: &[&str]) -> Self {
        let error = self.error();
        assert!(!error.is_empty() && parts.iter().all(|part| error.contains(part)), "{error}");
        self
    }

    #[track_caller]
    pub fn says(self, line: &str) -> Self {
        assert!(self.lines.iter().any(|found| found.contains(line)), "{line}\n{:#?}", self.lines);
        self
    }
}

/// A database of its own on a server, and a folder.
pub struct Desk {
    pub client: Client,
    pub uri: String,
    pub db: String,
    pub folder: TempDir,
}

impl Desk {
    /// On the server that the tests of a file share.
    pub async fn shared() -> Self {
        Self::at(shared::replica_set().await).await
    }

    pub async fn at(uri: String) -> Self {
        let client = connect(&uri).await;
        let db = fresh_database_name("tools");
        Self { client, uri, db, folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of a dump in this desk's folder `dump`.
    pub fn write(&self, file: &str, bytes: &[u8]) {
        let folder = self.path("dump").join(&self.db);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), bytes).unwrap();
    }

    pub async fn restore(&self, options: &Options) -> Run {
        self.restore_from(Input::Path(self.path("dump")), options).await
    }

    pub async fn restore_archive(&self, bytes: Vec<u8>, options: &Options) -> Run {
        self.restore_from(Input::ArchiveStream(Box::new(Cursor::new(bytes))), options).await
    }

    pub async fn restore_from(&self, input: Input, options: &Options) -> Run {
        let uri = ConnectionString::new(self.uri.clone());
        let target = Target::connect(&uri, &TargetOptions::default()).await.unwrap();
        let lines = Lines::default();
        let monitor = Monitor::new(lines.clone());
        let report = mongorestore::restore(&target, input, options, &monitor, &Stop::default()).await;
        let lines = lines.0.lock().unwrap().clone();
        Run { report, lines }
    }

    pub async fn count(&self, collection: &str) -> u64 {
        let collection = self.client.database(&self.db).collection::<bson::Document>(collection);
        collection.count_documents(bson::doc! {}).await.unwrap()
    }

    /// An archive of these collections of this desk's database: the blocks in the order given, then the ends.
    pub fn archive(&self, blocks: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
        let mut names: Vec<&str> = blocks.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        let entry = |name: &&str| NamespaceEntry {
            db: self.db.clone(),
            collection: (*name).to_owned(),
            metadata: String::new(),
            size: 0,
            kind: "collection".to_owned(),
        };
        let header = ArchiveHeader {
            concurrent_collections: 4,
            version: "0.1".to_owned(),
            server_version: "6.0.5".to_owned(),
            tool_version: "100.18.0".to_owned(),
        };
        let prelude = ArchivePrelude { header, namespaces: names.iter().map(entry).collect() };
        let mut out = prelude.encode().unwrap();
        for (name, documents) in blocks {
            out.extend([block_header(&self.db, name), documents.concat(), TERMINATOR.to_vec()].concat());
        }
        for name in names {
            let of_it = blocks.iter().filter(|(block, _)| *block == name);
            let documents: Vec<u8> = of_it.flat_map(|(_, documents)| documents.concat()).collect();
            out.extend(namespace_end(&self.db, name, Crc::of(&documents).value));
        }
        out
    }
}

/// `{_id: n, x: text}` as bytes.
pub fn document(n: i32, text: &str) -> Vec<u8> {
    mongoark_bson_bytes::Builder::new().i32("_id", n).str("x", text).finish()
}
