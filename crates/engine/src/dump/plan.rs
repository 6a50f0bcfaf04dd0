//! What a dump takes: every selected collection with its options, indexes and estimated size.

use super::DumpOptions;
use crate::scan::indexes_where_it_is;
use crate::select::{is_dumped, is_dumped_database};
use crate::{Error, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use mongoark_deployment::{CollectionStats, ErrorKind, Source, catalog};
use mongoark_model::{CollectionKind, CollectionMetadata};
use mongoark_monitor::Monitor;
use std::collections::HashSet;

/// Catalog commands in flight at once: these wait for the server, they do not work it.
const CATALOG_JOBS: usize = 16;

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
}

impl Plan {
    /// The number of the oplog's stream: behind all collections.
    pub(super) fn oplog_stream(&self) -> u32 {
        self.collections.last().map_or(0, |planned| planned.stream) + 1
    }

    /// The collections, by the UUIDs that the oplog knows them by.
    pub(super) fn uuids(&self) -> HashSet<[u8; 16]> {
        self.collections.iter().filter_map(|planned| planned.metadata.uuid).collect()
    }
}

pub(super) async fn plan(source: &Source, options: &DumpOptions, monitor: &Monitor) -> Result<Plan> {
    let mut selected = select(source, options, monitor).await?;
    selected.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    if options.filter.is_some() && selected.len() != 1 {
        let message = format!("--query needs a selection of one collection; {} are selected", selected.len());
        return Err(Error::Usage(message));
    }
    let described: Vec<(CollectionMetadata, CollectionStats)> = stream::iter(selected)
        .map(|metadata| describe(source, metadata, monitor))
        .buffered(CATALOG_JOBS)
        .try_filter_map(|described| async { Ok(described) })
        .try_collect()
        .await?;
    let planned = |(stream, (metadata, stats))| Planned { stream, metadata, stats };
    Ok(Plan { collections: (1..).zip(described).map(planned).collect() })
}

async fn select(
    source: &Source,
    options: &DumpOptions,
    monitor: &Monitor,
) -> Result<Vec<CollectionMetadata>> {
    let databases = catalog::databases(source).await?;
    let wanted =
        databases.into_iter().filter(|db| is_dumped_database(db) && options.selection.may_take_in(db));
    let listed: Vec<Vec<CollectionMetadata>> = stream::iter(wanted)
        .map(|db| async move { catalog::collections(source, &db).await })
        .buffered(CATALOG_JOBS)
        .try_collect()
        .await?;
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

/// Buckets travel as their time series; without one nothing would carry them.
fn name_orphaned_buckets(collections: &[CollectionMetadata], options: &DumpOptions, monitor: &Monitor) {
    let series: HashSet<&str> = collections
        .iter()
        .filter(|metadata| metadata.kind == CollectionKind::TimeSeries)
        .map(|metadata| metadata.namespace.collection.as_str())
        .collect();
    for metadata in collections {
        let name = metadata.namespace.collection.strip_prefix("system.buckets.");
        if name.is_some_and(|name| !series.contains(name)) && options.selection.takes(&metadata.namespace) {
            monitor.fail(
                metadata.namespace.to_string(),
                "buckets without their time series are not dumped",
                0,
            );
        }
    }
}

/// Indexes and size; nothing where the collection is gone by now.
async fn describe(
    source: &Source,
    mut metadata: CollectionMetadata,
    monitor: &Monitor,
) -> Result<Option<(CollectionMetadata, CollectionStats)>> {
    let Some(indexes) = indexes_where_it_is(source, &metadata).await? else {
        monitor.warn(metadata.namespace.to_string(), "dropped before it could be read");
        return Ok(None);
    };
    metadata.indexes = indexes;
    if metadata.kind == CollectionKind::View {
        return Ok(Some((metadata, CollectionStats::default())));
    }
    let stats = match CollectionStats::read(source, &metadata.data_namespace()).await {
        Ok(stats) => stats,
        // An estimate is for progress and batch sizes: a dump goes on without.
        Err(error) if error.kind() == ErrorKind::Unauthorized || error.code().is_some() => {
            CollectionStats::default()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some((metadata, stats)))
}
