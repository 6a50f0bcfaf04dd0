//! mongodump's dump: a deployment, a database or a collection into a folder, an archive or a stream of
//! documents, with the tools' own selection, order, files and log lines.
//!

pub use crate::dump_output::Form;

use crate::{Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::Source;
use mongoark_monitor::Monitor;

/// What to dump, and how. The flags' own checks (a query needs a collection, `--oplog` no database, ..) are the
/// caller's.
#[derive(Debug)]
pub struct Options {
    /// Only this database.
    pub db: Option<String>,
    /// Only this collection of it.
    pub collection: Option<String>,
    /// Only documents that match; empty or none: all.
    pub query: Option<RawDocumentBuf>,
    /// Collections that are left out, by their whole name.
    pub excluded_collections: Vec<String>,
    /// Collections that are left out, by how their name begins.
    pub excluded_prefixes: Vec<String>,
    /// Only views, and these as collections with the documents that they show.
    pub views_as_collections: bool,
    /// The users and roles of `db` too.
    pub users_and_roles: bool,
    /// What is written while the dump runs too.
    pub oplog: bool,
    /// Compress every file, or the archive.
    pub gzip: bool,
    /// Where it goes.
    pub output: Form,
    /// Collections read at once; 0: 4.
    pub parallel_collections: usize,
    /// Cursors read at once; 0: as many as serve this machine.
    pub jobs: usize,
    /// The version that the dump names as its tool's.
    pub tool_version: String,
}

/// What a dump has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Documents written, without oplog entries.
    pub documents: u64,
    /// Their bytes of BSON.
    pub bytes: u64,
    /// Collections, views and time series written.
    pub namespaces: usize,
    /// Oplog entries written.
    pub oplog_entries: u64,
}

/// Dumps what the options say. A namespace that does not exist is told and is no error.
///
/// # Errors
/// What keeps the dump from being whole, naming the namespace or the file. What is written by then stays.
pub async fn dump(source: &Source, options: Options, monitor: &Monitor, stop: &Stop) -> Result<Report> {
    _ = (source, options, monitor, stop);
    todo!()
}
