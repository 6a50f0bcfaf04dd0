//! mongodump's dump: a deployment, a database or a collection into a folder, an archive or a stream of
//! documents, with the tools' own selection, order, files and log lines.
//!
//! [`plan`] finds out what there is to dump, [`read`] hands documents to [`crate::dump_output`], [`oplog`]
//! captures what is written meanwhile.

mod forbidden;
mod oplog;
mod plan;
mod query;
mod read;
mod select;
mod wanted;

pub use crate::dump_output::Form;

use crate::dump_output::{CHUNK_BYTES, DumpOutput, Settings};
use crate::error::cause_of;
use crate::oplog::Beginning;
use crate::pool::cores;
use crate::quote::quoted;
use crate::scan::Run;
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::{Source, catalog, why_no_accounts};
use mongoark_model::{CollectionMetadata, Counts, Namespace, TopologyKind};
use mongoark_monitor::Monitor;
use oplog::DumpedOplog;
use plan::Plan;
use read::Context;
use std::sync::Arc;
use std::time::Instant;
use wanted::Wanted;

/// What to dump, and how. The flags' own checks (a query needs a collection, `--oplog` no database, ..) are the
/// caller's.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, as the user typed it")]
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
    let (wanted, output) = Wanted::of(options);
    let only = match named(source, &wanted).await? {
        Named::Nothing => None,
        Named::Found(metadata) => Some(metadata),
        Named::Missing(namespace) => {
            let (db, collection) = (quoted(&namespace.db), quoted(&namespace.collection));
            monitor.step(format!("namespace with DB {db} and collection {collection} does not exist"));
            return Ok(Report::default());
        }
    };
    check(source, &wanted).await?;
    let beginning = if wanted.oplog { Some(Beginning::find(source).await?) } else { None };
    let since = Instant::now();
    let plan = plan::plan(source, &wanted, only, monitor).await?;
    monitor.stage("catalog", since);
    stop.check()?;
    let since = Instant::now();
    let report = write(source, &wanted, output, plan, beginning, monitor, stop).await;
    monitor.stage("documents", since);
    report
}

/// What became of the collection that the user named.
enum Named {
    Nothing,
    Found(CollectionMetadata),
    Missing(Namespace),
}

async fn named(source: &Source, wanted: &Wanted) -> Result<Named> {
    let (Some(db), Some(collection)) = (&wanted.db, &wanted.collection) else { return Ok(Named::Nothing) };
    let namespace = Namespace::new(db.clone(), collection.clone());
    let found = catalog::collection(source, &namespace).await?;
    Ok(found.map_or(Named::Missing(namespace), Named::Found))
}

/// Refuses what this deployment does not offer.
async fn check(source: &Source, wanted: &Wanted) -> Result<()> {
    if wanted.oplog && source.info().topology == TopologyKind::Sharded {
        let message = "can't use --oplog option when dumping from a mongos";
        return Err(Error::Refused(message.to_owned()));
    }
    if wanted.users_and_roles
        && let Some(reason) = why_no_accounts(source).await?
    {
        let message = format!("error getting auth schema version for dumpDbUsersAndRoles: {reason}");
        return Err(Error::Refused(message));
    }
    Ok(())
}

/// Writes what was planned.
async fn write(
    source: &Source,
    wanted: &Wanted,
    output: Form,
    mut plan: Plan,
    beginning: Option<Beginning>,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Report> {
    let namespaces = plan.planned.len();
    tell_accounts(wanted, monitor);
    let settings = settings(source, wanted);
    let entries = std::mem::take(&mut plan.entries);
    let output = DumpOutput::begin(output, settings, entries, monitor)?;
    let incarnation = source.incarnation().await?;
    let context = Arc::new(Context {
        run: Arc::new(Run::new(source, incarnation, output.clone(), wanted.jobs, monitor, stop)),
        is_bare: wanted.is_bare,
        has_oplog: beginning.is_some(),
        is_archive: wanted.is_archive,
    });
    let read = contents(&context, plan, wanted.parallel, beginning).await;
    let closed = if read.is_ok() { output.finish().await } else { output.close().await };
    let ((counts, oplog_entries), _) = cause_of(read, closed)?;
    Ok(Report { documents: counts.documents, bytes: counts.bytes, namespaces, oplog_entries })
}

/// Documents, and behind them the oplog of their time.
async fn contents(
    context: &Arc<Context>,
    plan: Plan,
    parallel: usize,
    beginning: Option<Beginning>,
) -> Result<(Counts, u64)> {
    let capture = match (beginning, plan.oplog) {
        (Some(beginning), Some(stream)) => Some(DumpedOplog::begin(context, beginning, stream)?),
        _ => None,
    };
    let at_once = parallel.min(plan.planned.len());
    context.run.monitor.detail(format!("dumping up to {at_once} collections in parallel"));
    let read = read::all(context, plan, parallel).await;
    let Some(capture) = capture else { return read.map(|counts| (counts, 0)) };
    match read {
        Ok(counts) => Ok((counts, capture.finish(context).await?)),
        // Where the oplog's reader ended the run, its error is the cause.
        Err(error) => Err(capture.abandon().await.unwrap_or(error)),
    }
}

fn settings(source: &Source, wanted: &Wanted) -> Settings {
    let threads = cores();
    // A chunk for each cursor, some for the threads behind them, one for the oplog.
    let chunks = wanted.jobs + 2 * threads + 3;
    Settings {
        gzip: wanted.gzip,
        server_version: source.info().server_version.clone(),
        tool_version: wanted.tool_version.clone(),
        parallel_collections: i32::try_from(wanted.parallel).unwrap_or(i32::MAX),
        db: wanted.db.clone(),
        threads,
        memory_bytes: chunks * CHUNK_BYTES,
    }
}

/// The lines for the users and roles of one database.
fn tell_accounts(wanted: &Wanted, monitor: &Monitor) {
    let Some(db) = wanted.db.as_deref().filter(|_| wanted.users_and_roles) else { return };
    monitor.step(format!("dumping users and roles for {}", quoted(db)));
    if db == "admin" {
        monitor.step("skipping users/roles dump, already dumped admin database");
    }
}
