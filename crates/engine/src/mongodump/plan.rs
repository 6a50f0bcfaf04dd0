//! What a run dumps: every selected collection with its metadata, its size, and what is asked of it.

use super::query;
use super::select::{Choice, choose, is_internal};
use super::wanted::Wanted;
use crate::dump_output::{Entry, data_collection};
use crate::quote::{quoted, quoted_namespace};
use crate::scan::indexes_where_it_is;
use crate::{Error, Result, together};
use bson::{RawDocumentBuf, rawdoc};
use mongoark_bson_bytes::{Builder, Elements};
use mongoark_deployment::{CollectionStats, ErrorKind, Source, catalog};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};
use mongoark_monitor::Monitor;

/// Catalog commands in flight at once: these wait for the server, they do not work it.
const CATALOG_JOBS: usize = 16;
/// The first version that keeps a time series' buckets under its own name.
const RAW_DATA: [i32; 2] = [8, 3];

/// How a stream is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// With the others, the largest first.
    Collection,
    /// `admin.system.users`, `.roles` and `.version`: before all others, one after the other.
    Accounts,
    /// The same of one database, without lines in the log.
    AccountsOfDatabase,
}

/// Something to dump.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its place among the output's entries.
    pub(super) stream: usize,
    pub(super) part: Part,
    pub(super) metadata: CollectionMetadata,
    /// The collection that its documents are read from.
    pub(super) data: Namespace,
    pub(super) stats: CollectionStats,
    pub(super) filter: Option<RawDocumentBuf>,
    /// Whether documents are read at all: a view has none, unless it is dumped as a collection.
    pub(super) is_read: bool,
    /// The buckets of a time series under its own name.
    pub(super) raw_data: bool,
}

/// All that is dumped.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    pub(super) planned: Vec<Planned>,
    /// The oplog's stream.
    pub(super) oplog: Option<usize>,
}

/// Plans a run; `only` is the one collection that the user named.
pub(super) async fn plan(
    source: &Source,
    wanted: &Wanted,
    only: Option<CollectionMetadata>,
    monitor: &Monitor,
) -> Result<Plan> {
    let mut selected = match only {
        Some(only) => vec![only],
        None => select(source, wanted, monitor).await?,
    };
    selected.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    let described = selected.into_iter().map(|metadata| describe(source, wanted, metadata, monitor));
    let described = together::all(CATALOG_JOBS, described).await?;
    let (accounts, collections): (Vec<_>, Vec<_>) =
        described.into_iter().flatten().partition(|(metadata, _)| is_accounts(&metadata.namespace));
    let mut plan = Plan::default();
    for (metadata, stats) in collections {
        plan.add(source, wanted, Part::Collection, metadata, stats)?;
    }
    if wanted.oplog {
        plan.oplog = Some(plan.entries.len());
        plan.entries.push(Entry::oplog());
    }
    for what in ["system.users", "system.roles", "system.version"] {
        for (metadata, stats) in accounts.iter().filter(|(found, _)| found.namespace.collection == what) {
            plan.add(source, wanted, Part::Accounts, metadata.clone(), *stats)?;
        }
    }
    if let Some(db) = wanted.db.as_deref().filter(|db| wanted.users_and_roles && *db != "admin") {
        plan.add_accounts_of(db);
    }
    Ok(plan)
}

impl Plan {
    fn add(
        &mut self,
        source: &Source,
        wanted: &Wanted,
        part: Part,
        metadata: CollectionMetadata,
        stats: CollectionStats,
    ) -> Result<()> {
        let version = &source.info().server_version;
        let is_read = metadata.kind != CollectionKind::View || wanted.views_as_collections;
        let mut entry = Entry::of(&metadata, version)?;
        entry.has_file = is_read;
        if wanted.is_bare {
            entry.metadata = None;
        }
        let filter = match &wanted.query {
            Some(query) if metadata.kind == CollectionKind::TimeSeries => {
                Some(query::on_buckets(query, &metadata)?)
            }
            query => query.clone(),
        };
        let data = Namespace::new(metadata.namespace.db.clone(), data_collection(&metadata, version));
        let raw_data = metadata.kind == CollectionKind::TimeSeries && has_raw_data(source);
        let stream = self.entries.len();
        self.entries.push(entry);
        self.planned.push(Planned { stream, part, metadata, data, stats, filter, is_read, raw_data });
        Ok(())
    }

    /// The users and roles of one database, and the document about their schema.
    fn add_accounts_of(&mut self, db: &str) {
        for what in ["users", "roles", "version"] {
            let data = Namespace::new("admin", format!("system.{what}"));
            let metadata = CollectionMetadata {
                bucket_indexes: Vec::new(),
                namespace: data.clone(),
                kind: CollectionKind::Collection,
                options: RawDocumentBuf::new(),
                uuid: None,
                indexes: Vec::new(),
            };
            self.planned.push(Planned {
                stream: self.entries.len(),
                part: Part::AccountsOfDatabase,
                metadata,
                data,
                stats: CollectionStats::default(),
                filter: (what != "version").then(|| rawdoc! { "db": db }),
                is_read: true,
                raw_data: false,
            });
            self.entries.push(Entry::accounts(db, what));
        }
    }
}

fn is_accounts(namespace: &Namespace) -> bool {
    namespace.db == "admin"
        && matches!(namespace.collection.as_str(), "system.users" | "system.roles" | "system.version")
}

fn has_raw_data(source: &Source) -> bool {
    let version = source.info().version;
    [version[0], version[1]] >= RAW_DATA
}

/// The collections of the one database, or of all that are dumped.
async fn select(source: &Source, wanted: &Wanted, monitor: &Monitor) -> Result<Vec<CollectionMetadata>> {
    let databases = match &wanted.db {
        Some(db) => vec![db.clone()],
        None => databases(source, monitor).await?,
    };
    let listings = databases.into_iter().map(|db| async move { catalog::collections(source, &db).await });
    let listed = together::all(CATALOG_JOBS, listings).await?;
    let mut selected = Vec::new();
    for metadata in listed.into_iter().flatten() {
        match choose(wanted, &metadata) {
            Choice::Take => selected.push(metadata),
            Choice::Leave => {}
            Choice::LeaveForItsName => {
                let text =
                    "not dumped, because its name has a '$'; name it with --db and --collection to dump it";
                monitor.warn(metadata.namespace.to_string(), text);
            }
            Choice::Resharding => {
                let text = "detected resharding in progress. Cannot dump with --oplog while resharding";
                return Err(Error::Refused(text.to_owned()));
            }
        }
    }
    Ok(selected)
}

/// All databases but `local` and the server's own.
async fn databases(source: &Source, monitor: &Monitor) -> Result<Vec<String>> {
    let mut databases = catalog::databases(source).await?;
    databases.retain(|db| {
        if is_internal(db) {
            monitor.step(format!("excluding MongoDB internal database {}", quoted(db)));
        }
        !is_internal(db) && db != "local"
    });
    Ok(databases)
}

/// Indexes and size; nothing where the collection is gone by now.
async fn describe(
    source: &Source,
    wanted: &Wanted,
    mut metadata: CollectionMetadata,
    monitor: &Monitor,
) -> Result<Option<(CollectionMetadata, CollectionStats)>> {
    if wanted.views_as_collections {
        as_collection(&mut metadata)?;
    } else {
        let Some(indexes) = indexes_where_it_is(source, &metadata, wanted.oplog).await? else {
            monitor.warn("", dropped(&metadata.namespace));
            return Ok(None);
        };
        metadata.indexes = indexes;
    }
    if metadata.kind == CollectionKind::View {
        return Ok(Some((metadata, CollectionStats::default())));
    }
    let version = &source.info().server_version;
    let data = Namespace::new(metadata.namespace.db.clone(), data_collection(&metadata, version));
    let stats = match CollectionStats::read(source, &data).await {
        Ok(stats) => stats,
        // An estimate is for progress and batch sizes: a dump goes on without.
        Err(error) if error.kind() == ErrorKind::Unauthorized || error.code().is_some() => {
            CollectionStats::default()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some((metadata, stats)))
}

/// The line for a collection that was there when the dump began.
pub(super) fn dropped(namespace: &Namespace) -> String {
    let name = quoted_namespace(namespace);
    format!("the collection {name} appears to have been dropped after the dump started")
}

/// Takes what makes a view out of its options.
fn as_collection(metadata: &mut CollectionMetadata) -> Result<()> {
    let invalid =
        |error: String| Error::Refused(format!("the options of {} are no BSON: {error}", metadata.namespace));
    let mut options = Builder::new();
    for element in Elements::new(metadata.options.as_bytes()).map_err(|error| invalid(error.to_string()))? {
        let element = element.map_err(|error| invalid(error.to_string()))?;
        if !matches!(element.key, b"viewOn" | b"pipeline") {
            options.raw(element.kind, element.key, element.value);
        }
    }
    metadata.options =
        RawDocumentBuf::from_bytes(options.finish()).map_err(|error| invalid(error.to_string()))?;
    Ok(())
}
