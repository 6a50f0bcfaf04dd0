//! What `mongodump` is to do, from its flags; refused where they exclude each other. The words are those of the tool.

use crate::personality::Refusal;
use crate::personality::go_text::Errno;
use crate::personality::settle::Settled;
use crate::personality::stdio;
use bson::RawDocumentBuf;
use mongoark_engine::mongodump::{Form, Options};
use std::io;
use std::path::PathBuf;

/// The name that stands for standard output.
const DASH: &str = "-";
/// The folder where nothing else is said.
const FOLDER: &str = "dump";
const BUCKETS: &str = "system.buckets.";

/// A dump that was asked for.
pub struct Job {
    /// Everything that was given.
    pub settled: Settled,
}

/// Why a dump cannot be made as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Flags that exclude each other.
    #[error("bad option: {0}")]
    BadOption(&'static str),
    /// The file with the query.
    #[error("error reading queryFile: open {}: {}", path.display(), Errno(source))]
    QueryFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The query is no document.
    #[error("error parsing query as Extended JSON: {0}")]
    Query(String),
    /// Standard output is closed.
    #[error("cannot write standard output: {}", Errno(.0))]
    Output(io::Error),
}

impl Job {
    /// Takes the flags; `others` are arguments that are neither flags nor a connection string.
    pub fn new(settled: Settled, others: &[String]) -> Result<Self, Refusal> {
        if !others.is_empty() {
            return Err(Refusal::Arguments(
                "provide only one MongoDB connection string. \
                 Connection strings must begin with mongodb:// or mongodb+srv:// schemes",
            ));
        }
        Ok(Self { settled })
    }

    /// What the engine is to do. Opens standard output where it goes there.
    pub fn options(&self) -> Result<Options, JobError> {
        if let Some(message) = self.broken_rule() {
            return Err(JobError::BadOption(message));
        }
        let (typed, names) = (&self.settled.typed.dump, &self.settled.typed.namespace);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Options {
            db: some(&names.db),
            collection: some(&names.collection),
            query: self.query()?,
            excluded_collections: typed.exclude_collection.clone(),
            excluded_prefixes: typed.exclude_prefix.clone(),
            views_as_collections: typed.views_as_collections,
            users_and_roles: typed.users_and_roles,
            oplog: typed.oplog,
            gzip: typed.gzip,
            output: self.output().map_err(JobError::Output)?,
            parallel_collections: typed
                .parallel_collections
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or_default(),
            jobs: 0,
            tool_version: crate::personality::tool::VERSION.to_owned(),
        })
    }

    fn output(&self) -> io::Result<Form> {
        let typed = &self.settled.typed.dump;
        Ok(match (typed.archive.as_str(), typed.out.as_str()) {
            ("", DASH) => Form::Documents(Box::new(stdio::output()?)),
            ("", "") => Form::Directory(FOLDER.into()),
            ("", folder) => Form::Directory(folder.into()),
            (DASH, _) => Form::ArchiveStream(Box::new(stdio::output()?)),
            (file, _) => Form::Archive(file.into()),
        })
    }

    fn query(&self) -> Result<Option<RawDocumentBuf>, JobError> {
        let typed = &self.settled.typed.dump;
        let text = match (typed.query.as_str(), typed.query_file.as_str()) {
            ("", "") => return Ok(None),
            ("", file) => {
                let path = PathBuf::from(file);
                std::fs::read_to_string(&path).map_err(|source| JobError::QueryFile { path, source })?
            }
            (text, _) => text.to_owned(),
        };
        let document =
            mongoark_bson_text::parse(&text).map_err(|error| JobError::Query(error.to_string()))?;
        let document =
            RawDocumentBuf::from_bytes(document).map_err(|error| JobError::Query(error.to_string()));
        document.map(Some)
    }

    /// What is said of the first rule that the flags break, in the order of the tool.
    fn broken_rule(&self) -> Option<&'static str> {
        let (dump, names) = (&self.settled.typed.dump, &self.settled.typed.namespace);
        let (db, collection) = (!names.db.is_empty(), !names.collection.is_empty());
        let (query, query_file) = (!dump.query.is_empty(), !dump.query_file.is_empty());
        let (excludes, prefixes) = (!dump.exclude_collection.is_empty(), !dump.exclude_prefix.is_empty());
        let to_stdout = dump.out == DASH;
        let rules = [
            (to_stdout && !collection, "can only dump a single collection to stdout"),
            (!db && collection, "cannot dump a collection without a specified database"),
            (query && !collection, "cannot dump using a query without a specified collection"),
            (query_file && !collection, "cannot dump using a queryFile without a specified collection"),
            (query && query_file, "either query or queryFile can be specified as a query option, not both"),
            (query && dump.table_scan, "cannot use --forceTableScan when specifying --query"),
            (dump.users_and_roles && !db, "must specify a database when running with dumpDbUsersAndRoles"),
            (
                dump.users_and_roles && collection,
                "cannot specify a collection when running with dumpDbUsersAndRoles",
            ),
            (
                names.collection.starts_with(BUCKETS),
                "cannot specify a system.buckets collection in --collection. Specifying the timeseries collection \
                 will dump the system.buckets collection",
            ),
            (dump.oplog && db, "--oplog mode only supported on full dumps"),
            (excludes && collection, "--collection is not allowed when --excludeCollection is specified"),
            (
                prefixes && collection,
                "--collection is not allowed when --excludeCollectionsWithPrefix is specified",
            ),
            (excludes && !db, "--db is required when --excludeCollection is specified"),
            (prefixes && !db, "--db is required when --excludeCollectionsWithPrefix is specified"),
            (
                !dump.out.is_empty() && !dump.archive.is_empty(),
                "--out not allowed when --archive is specified",
            ),
            (
                to_stdout && dump.gzip,
                "compression can't be used when dumping a single collection to standard output",
            ),
            (
                dump.parallel_collections.is_some_and(|number| number <= 0),
                "numParallelCollections must be positive",
            ),
        ];
        rules.iter().find(|(broken, _)| *broken).map(|(_, message)| *message)
    }
}
