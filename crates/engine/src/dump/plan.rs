//! What a dump takes: every selected collection with its options, indexes and estimated size.

use super::DumpOptions;
use crate::scan::{bucket_indexes, indexes_where_it_is, is_for_the_collection};
use crate::select::{is_dumped, is_dumped_database};
use crate::{Error, Result, together};
use mongoark_deployment::{self as deployment, CollectionStats, ErrorKind, Source, catalog};
use mongoark_model::{CollectionKind, CollectionMetadata};
use mongoark_monitor::Monitor;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::sleep;

/// Catalog commands in flight at once: these wait for the server, they do not work it.
const CATALOG_JOBS: usize = 16;

/// What a server does to a time series in two steps is done by then, however busy it is.
const SETTLES_WITHIN_MS: [u64; 4] = [100, 400, 1_500, 3_000];

/// A collection to dump.
#[derive(Clone)]
pub(super) struct Planned {
    /// Its number in the archive.
    pub(super) stream: u32,
    pub(super) metadata: CollectionMetadata,
    pub(super) stats: CollectionStats,
}

/// All that is to be dumped, by name.
pub(super) struct Plan {
    pub(super) collections: Vec<Planned>,
    /// Streams that an earlier run has read.
    pub(super) is_read: HashSet<u32>,
}

impl Plan {
    /// The number of the oplog's stream: behind all collections.
    pub(super) fn oplog_stream(&self) -> u32 {
        self.collections.last().map_or(0, |planned| planned.stream) + 1
    }

    /// What is still to be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Planned> {
        self.collections.iter().filter(|planned| !self.is_read.contains(&planned.stream))
    }

    /// The collections, by the UUIDs that the oplog knows them by.
    pub(super) fn uuids(&self) -> HashSet<[u8; 16]> {
        self.collections.iter().filter_map(|planned| planned.metadata.uuid).collect()
    }
}

pub(super) async fn plan(
    source: &Source,
    options: &DumpOptions,
    has_oplog: bool,
    monitor: &Monitor,
) -> Result<Plan> {
    let mut selected = select(source, options, monitor).await?;
    selected.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    if options.filter.is_some() && selected.len() != 1 {
        let message = format!("--query needs a selection of one collection; {} are selected", selected.len());
        return Err(Error::Usage(message));
    }
    let described = selected.into_iter().map(|metadata| describe(source, metadata, has_oplog, monitor));
    let described = together::all(CATALOG_JOBS, described).await?.into_iter().flatten();
    let planned = |(stream, (metadata, stats))| Planned { stream, metadata, stats };
    Ok(Plan { collections: (1..).zip(described).map(planned).collect(), is_read: HashSet::new() })
}

/// What an earlier run planned, with sizes as they are now.
pub(super) async fn again(
    source: &Source,
    collections: Vec<(u32, CollectionMetadata)>,
    is_read: HashSet<u32>,
) -> Result<Plan> {
    let sized = |(stream, metadata): (u32, CollectionMetadata)| {
        let is_read = &is_read;
        async move {
            let stats = match metadata.kind {
                _ if is_read.contains(&stream) => CollectionStats::default(),
                CollectionKind::View => CollectionStats::default(),
                _ => size(source, &metadata).await?,
            };
            Ok::<_, Error>(Planned { stream, metadata, stats })
        }
    };
    let collections = together::all(CATALOG_JOBS, collections.into_iter().map(sized)).await?;
    Ok(Plan { collections, is_read })
}

async fn select(
    source: &Source,
    options: &DumpOptions,
    monitor: &Monitor,
) -> Result<Vec<CollectionMetadata>> {
    // Databases that are named are asked for by their names: a server may leave out of its list what the user may not see.
    let databases = match options.selection.databases() {
        Some(named) => named.into_iter().collect(),
        None => catalog::all_databases(source).await?,
    };
    let wanted =
        databases.into_iter().filter(|db| is_dumped_database(db) && options.selection.may_take_in(db));
    let listings = wanted.map(|db| async move { listed(source, &db).await });
    let listed = together::all(CATALOG_JOBS, listings).await?;
    let mut selected = Vec::new();
    for collections in listed {
        name_orphaned_buckets(&collections, options, monitor);
        selected.extend(collections.into_iter().filter(|metadata| {
            is_dumped(&metadata.namespace, metadata.kind) && options.selection.takes(&metadata.namespace)
        }));
    }
    for pattern in
        options.selection.include.iter().filter(|p| !selected.iter().any(|m| p.matches(&m.namespace)))
    {
        monitor.warn("", format!("nothing on the deployment matches {pattern}"));
    }
    Ok(selected)
}

/// The collections of a database. A server makes the buckets of a time series before the series, and drops them after it:
/// what is seen in between is looked at again.
async fn listed(source: &Source, db: &str) -> deployment::Result<Vec<CollectionMetadata>> {
    for wait in SETTLES_WITHIN_MS {
        let collections = catalog::collections(source, db).await?;
        if orphaned_buckets(&collections).next().is_none() {
            return Ok(collections);
        }
        sleep(Duration::from_millis(wait)).await;
    }
    catalog::collections(source, db).await
}

fn orphaned_buckets(collections: &[CollectionMetadata]) -> impl Iterator<Item = &CollectionMetadata> {
    let series: HashSet<&str> = collections
        .iter()
        .filter(|metadata| metadata.kind == CollectionKind::TimeSeries)
        .map(|metadata| metadata.namespace.collection.as_str())
        .collect();
    collections.iter().filter(move |metadata| {
        let name = metadata.namespace.collection.strip_prefix("system.buckets.");
        name.is_some_and(|name| !series.contains(name))
    })
}

/// Buckets travel as their time series; without one nothing would carry them.
fn name_orphaned_buckets(collections: &[CollectionMetadata], options: &DumpOptions, monitor: &Monitor) {
    for metadata in orphaned_buckets(collections).filter(|it| options.selection.takes(&it.namespace)) {
        let name = metadata.namespace.to_string();
        monitor.fail(name, "buckets without their time series are not dumped", 0);
    }
}

/// Indexes and size; nothing where the collection is gone by now.
async fn describe(
    source: &Source,
    mut metadata: CollectionMetadata,
    has_oplog: bool,
    monitor: &Monitor,
) -> Result<Option<(CollectionMetadata, CollectionStats)>> {
    let Some(indexes) = indexes_where_it_is(source, &metadata, has_oplog).await? else {
        monitor.warn(metadata.namespace.to_string(), "dropped before it could be read");
        return Ok(None);
    };
    metadata.indexes = indexes;
    if metadata.kind == CollectionKind::TimeSeries {
        metadata.bucket_indexes = match bucket_indexes(source, &metadata, has_oplog).await {
            Err(error) if is_for_the_collection(&error) => {
                let name = metadata.namespace.to_string();
                monitor.fail(
                    name,
                    format!("indexes made on its buckets, if there are any, are missing: {error}"),
                    0,
                );
                Vec::new()
            }
            listed => listed?,
        };
    }
    if metadata.kind == CollectionKind::View {
        return Ok(Some((metadata, CollectionStats::default())));
    }
    let stats = size(source, &metadata).await?;
    Ok(Some((metadata, stats)))
}

/// An estimate, for progress and batch sizes: a dump goes on without.
async fn size(source: &Source, metadata: &CollectionMetadata) -> Result<CollectionStats> {
    match CollectionStats::read(source, &metadata.data_namespace()).await {
        Ok(stats) => Ok(stats),
        Err(error) if error.kind() == ErrorKind::Unauthorized || error.code().is_some() => {
            Ok(CollectionStats::default())
        }
        Err(error) => Err(error.into()),
    }
}
