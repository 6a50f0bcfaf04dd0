//! Collecting the facts: the set first, then the member that a dump would read, then a piece of a dump.

use super::facts::{Chosen, Data, Facts, Space};
use super::pace;
use crate::select::{is_dumped, is_dumped_database};
use crate::{Result, Stop};
use futures_util::{StreamExt, stream};
use mongoark_deployment::health::{self, Health};
use mongoark_deployment::{CollectionStats, ConnectionString, ErrorKind, Source, SourceOptions, catalog};
use mongoark_model::{CollectionKind, CollectionMetadata, TopologyKind};
use std::time::Duration;

/// Catalog commands in flight at once.
const CATALOG_JOBS: usize = 16;

/// What to examine, and how.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The deployment.
    pub uri: ConnectionString,
    /// How a dump would choose its member.
    pub source: SourceOptions,
    /// How long to dump for the estimate; zero: not at all.
    pub sample: Duration,
    /// Room for the archive, where it is known.
    pub space: Option<Space>,
}

/// Asks the deployment all there is to know. It only reads.
///
/// # Errors
/// Nobody answers, or the run was asked to stop. What else fails is a fact.
pub async fn examine(examination: Examination, stop: &Stop) -> Result<Facts> {
    let health = Health::open(&examination.uri).await?;
    let topology = health.topology();
    let (config, members) = match topology {
        TopologyKind::ReplicaSet(_) => {
            let config = health.configuration().await;
            let members = health.members(config.as_ref().ok()).await;
            (Some(config), members)
        }
        _ => (None, Vec::new()),
    };
    stop.check()?;
    let chosen = match health.source(&examination.source).await {
        Ok(source) => Ok(chosen(&source, examination.sample, stop).await),
        Err(error) => Err(error),
    };
    stop.check()?;
    Ok(Facts { topology, config, members, chosen, space: examination.space })
}

async fn chosen(source: &Source, sample: Duration, stop: &Stop) -> Chosen {
    let info = source.info().clone();
    let is_server = info.topology != TopologyKind::Sharded;
    let is_set = matches!(info.topology, TopologyKind::ReplicaSet(_));
    let databases = databases(source).await;
    let known = databases.as_ref().map_or(&[][..], |(known, _)| known.as_slice());
    let mut chosen = Chosen {
        info,
        storage: None,
        compatibility: None,
        prepared: None,
        oplog: None,
        user: health::user(source).await,
        rights: health::reads(source, known).await,
        data: Ok(Data::default()),
        pace: None,
    };
    if is_server {
        chosen.storage = Some(health::storage(source).await);
        chosen.compatibility = Some(health::compatibility(source).await);
    }
    if is_set {
        chosen.prepared = Some(health::prepared(source).await);
        chosen.oplog = Some(health::oplog_window(source).await);
    }
    chosen.data = match databases {
        Ok((databases, is_all)) => Ok(Data { is_part: !is_all, ..data(source, &databases).await }),
        Err(error) => Err(error),
    };
    if !sample.is_zero() && !stop.is_requested() {
        chosen.pace = Some(pace::measure(source, sample, stop).await);
    }
    chosen
}

/// The databases that a dump would take, and whether these are all of them: a user may see a part alone.
async fn databases(source: &Source) -> Result<(Vec<String>, bool)> {
    let (names, is_all) = match catalog::all_databases(source).await {
        Err(error) if error.kind() == ErrorKind::Unauthorized => (catalog::databases(source).await?, false),
        all => (all?, true),
    };
    Ok((names.into_iter().filter(|name| is_dumped_database(name)).collect(), is_all))
}

/// How much of these databases a dump would take, by the server's own count.
async fn data(source: &Source, databases: &[String]) -> Data {
    let mut data = Data::default();
    let listed = stream::iter(databases).map(|db| catalog::collections(source, db)).buffered(CATALOG_JOBS);
    let mut taken: Vec<CollectionMetadata> = Vec::new();
    for collections in listed.collect::<Vec<_>>().await {
        match collections {
            Ok(collections) => {
                let before = taken.len();
                taken.extend(collections.into_iter().filter(has_dumped_documents));
                data.databases += usize::from(taken.len() > before);
            }
            Err(_) => data.unknown += 1,
        }
    }
    data.collections = taken.len();
    let sizes = stream::iter(&taken)
        .map(|metadata| async { CollectionStats::read(source, &metadata.data_namespace()).await });
    for size in sizes.buffered(CATALOG_JOBS).collect::<Vec<_>>().await {
        match size {
            Ok(stats) => data.bytes += stats.bytes,
            Err(_) => data.unknown += 1,
        }
    }
    data
}

fn has_dumped_documents(metadata: &CollectionMetadata) -> bool {
    metadata.kind != CollectionKind::View && is_dumped(&metadata.namespace, metadata.kind)
}
