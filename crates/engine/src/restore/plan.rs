//! What a restore will do, decided before anything is written: names on the target, what exists
//! there, and what is created.

use super::{Existing, RestoreOptions, RestoreReport, RestoredNamespace};
use crate::quote::counted;
use crate::reading::{Catalog, CatalogEntry};
use crate::rename::renamed;
use crate::restore::tally::Tally;
use crate::select::is_restored;
use crate::{Error, Result, Stop, together};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{Builder, Elements};
use mongoark_deployment::{ErrorKind, Target};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace, TopologyKind};
use mongoark_monitor::Monitor;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// Create commands in flight at once.
const CREATE_JOBS: usize = 16;

/// The option of a collection that says after how long its documents expire.
const EXPIRES: &str = "expireAfterSeconds";

/// One namespace of the archive and what becomes of it.
#[derive(Clone)]
pub(super) struct Planned {
    /// Its number in the archive.
    pub(super) stream: u32,
    /// Its name in the archive.
    pub(super) from: Namespace,
    /// What to make on the target, under its new name.
    pub(super) metadata: CollectionMetadata,
    /// Documents that the archive's index says it has; 0 where a pipe does not say.
    pub(super) documents: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// What stood there before anything was written.
    pub(super) there: Option<CollectionMetadata>,
    /// Whether an earlier run has made it.
    pub(super) is_made: bool,
    /// Whether somebody else has made it since an earlier run began.
    pub(super) is_foreign: bool,
    /// Whether what an earlier run wrote down about it counts no longer.
    pub(super) is_restarted: bool,
    /// What happened to its documents so far.
    pub(super) tally: Arc<Mutex<Tally>>,
}

impl Planned {
    /// Whether the target would hold documents against a validator: the archive's, or its own. To pass one by takes a right of
    /// its own, which is asked for nowhere else.
    pub(super) fn has_validator(&self) -> bool {
        let has_one = |metadata: &CollectionMetadata| !matches!(metadata.options.get("validator"), Ok(None));
        has_one(&self.metadata) || self.there.as_ref().is_some_and(has_one)
    }

    /// Whether it was on the target before and stays, so that documents are added to it.
    pub(super) fn stays(&self, existing: Existing) -> bool {
        self.there.is_some() && (existing != Existing::Drop || is_merged_always(&self.metadata))
    }

    /// After how long its documents expire by its own options, as the kind and the value of a BSON element; nothing where the
    /// target's own collection stays.
    pub(super) fn expires(&self, existing: Existing) -> Option<(u8, Vec<u8>)> {
        let after = mongoark_bson_bytes::get(self.metadata.options.as_bytes(), EXPIRES).ok().flatten();
        after.filter(|_| !self.stays(existing)).map(|after| (after.kind, after.value.to_vec()))
    }

    /// What it is at the source, under its name there.
    pub(super) fn source(&self) -> CollectionMetadata {
        CollectionMetadata { namespace: self.from.clone(), ..self.metadata.clone() }
    }
}

/// The plan of a whole restore, in the archive's order.
pub(super) struct Plan {
    pub(super) namespaces: Vec<Planned>,
}

/// Plans a restore; what exists is in the way unless it `goes_on` behind what an earlier run has made.
pub(super) async fn plan(
    target: &Target,
    catalog: &Catalog,
    options: &RestoreOptions,
    goes_on: bool,
    monitor: &Monitor,
) -> Result<Plan> {
    let mut namespaces = wanted(catalog, options, monitor);
    if namespaces.is_empty() && options.selection.is_partial() {
        return Err(Error::Usage(
            "nothing in the archive is selected; 'mongoark ls' shows what it holds".to_owned(),
        ));
    }
    refuse_collisions(&namespaces)?;
    refuse_places(target, &namespaces, options)?;
    refuse_haystack(target, &namespaces)?;
    refuse_buckets(target, catalog, &namespaces)?;
    let there = existing(target, &namespaces).await?;
    for planned in &mut namespaces {
        planned.there = there.get(&planned.metadata.namespace).cloned();
    }
    if options.existing == Existing::Fail && !goes_on {
        refuse_existing(&namespaces, &there)?;
    }
    monitor.step(format!(
        "{} to restore into {}",
        counted(namespaces.len() as u64, "namespace", "namespaces"),
        target.topology()
    ));
    Ok(Plan { namespaces })
}

/// What is selected, but for what no restore writes, which is told.
fn wanted(catalog: &Catalog, options: &RestoreOptions, monitor: &Monitor) -> Vec<Planned> {
    let asks = options.selection.asks_for_config();
    let selected = catalog.collections.iter().filter(|it| options.selection.takes(&it.metadata.namespace));
    let (restored, left): (Vec<&CatalogEntry>, Vec<&CatalogEntry>) =
        selected.partition(|entry| is_restored(&entry.metadata.namespace, entry.metadata.kind, asks));
    let (config, others): (Vec<&CatalogEntry>, Vec<&CatalogEntry>) =
        left.into_iter().partition(|entry| entry.metadata.namespace.db == "config");
    if !config.is_empty() {
        let names: Vec<&str> = config.iter().map(|it| it.metadata.namespace.collection.as_str()).collect();
        let message = format!(
            "not restored: the state of the cluster that the archive was taken from ({}). To restore it all the same, name it \
             with --include config",
            names.join(", ")
        );
        monitor.warn("config", message);
    }
    for entry in others {
        let name = entry.metadata.namespace.to_string();
        let message = "was not restored: it belongs to the server that the archive was taken from";
        if entry.metadata.namespace.is_system() {
            monitor.warn(name, message);
        } else {
            monitor.fail(name, message, entry.documents);
        }
    }
    restored.into_iter().map(|entry| planned(entry, options)).collect()
}

/// Nothing is written to where nothing is restored to, under another name neither.
fn refuse_places(target: &Target, namespaces: &[Planned], options: &RestoreOptions) -> Result<()> {
    let asks = options.selection.asks_for_config();
    for planned in namespaces {
        let to = &planned.metadata.namespace;
        if !is_restored(to, planned.metadata.kind, asks) {
            return Err(Error::Usage(format!(
                "{} would be restored as {to}, which belongs to the server itself; choose another name",
                planned.from
            )));
        }
        if to.db == "config" && *target.topology() == TopologyKind::Sharded {
            return Err(Error::Usage(format!(
                "{to} is the state of a cluster, and is never restored into one: this target is a cluster. Leave it out"
            )));
        }
    }
    Ok(())
}

fn planned(entry: &CatalogEntry, options: &RestoreOptions) -> Planned {
    let from = entry.metadata.namespace.clone();
    let mut metadata = entry.metadata.clone();
    if !metadata.kind.is_accounts() {
        metadata.namespace = renamed(&from, &options.renames);
    }
    let tally = Arc::new(Mutex::new(Tally::default()));
    Planned {
        stream: entry.stream,
        from,
        metadata,
        documents: entry.documents,
        bytes: entry.bytes,
        there: None,
        is_made: false,
        is_foreign: false,
        is_restarted: false,
        tally,
    }
}

fn refuse_collisions(namespaces: &[Planned]) -> Result<()> {
    let mut seen: HashMap<&Namespace, &Namespace> = HashMap::new();
    for planned in namespaces {
        if let Some(other) = seen.insert(&planned.metadata.namespace, &planned.from) {
            let to = &planned.metadata.namespace;
            return Err(Error::Usage(format!("{other} and {} would both be restored as {to}", planned.from)));
        }
    }
    Ok(())
}

/// Servers from 4.9 on have no geoHaystack indexes: better to know before anything is written.
fn refuse_haystack(target: &Target, namespaces: &[Planned]) -> Result<()> {
    if !target.is_at_least(4, 9) {
        return Ok(());
    }
    let has_haystack = |planned: &&Planned| {
        planned.metadata.indexes.iter().any(|index| {
            let keys = index.get_document("key").into_iter().flat_map(|key| key.iter());
            keys.flatten().any(|(_, value)| value.as_str() == Some("geoHaystack"))
        })
    };
    match namespaces.iter().find(has_haystack) {
        Some(planned) => Err(Error::Usage(format!(
            "{} has a geoHaystack index, which servers from 4.9 on do not know (this one is {}); leave it out with \
             --exclude, or drop the index at the source",
            planned.from,
            target.server_version()
        ))),
        None => Ok(()),
    }
}

/// Servers from 5.2 on compress the buckets of time series, and older ones cannot read those: they take them, and every look at
/// the series fails.
fn refuse_buckets(target: &Target, catalog: &Catalog, namespaces: &[Planned]) -> Result<()> {
    let version = catalog.deployment.as_ref().map_or([0; 3], |deployment| deployment.info.version);
    if target.is_at_least(5, 2) || version < [5, 2, 0] {
        return Ok(());
    }
    match namespaces.iter().find(|planned| planned.metadata.kind == CollectionKind::TimeSeries) {
        Some(planned) => Err(Error::Usage(format!(
            "{} is a time series of a server {}.{}, which this one ({}) cannot read: leave it out with --exclude, or restore into a \
             server from 6.0 on",
            planned.from,
            version[0],
            version[1],
            target.server_version()
        ))),
        None => Ok(()),
    }
}

/// What exists on the target under the planned names, buckets of time series included.
async fn existing(target: &Target, namespaces: &[Planned]) -> Result<HashMap<Namespace, CollectionMetadata>> {
    let databases: BTreeSet<String> =
        namespaces.iter().map(|planned| planned.metadata.namespace.db.clone()).collect();
    let listings = databases.iter().map(|db| target.collections(db));
    let listed = together::all(CREATE_JOBS, listings).await?;
    Ok(listed.into_iter().flatten().map(|metadata| (metadata.namespace.clone(), metadata)).collect())
}

/// System collections are the server's or the operator's own: they are merged, not counted here.
fn refuse_existing(namespaces: &[Planned], there: &HashMap<Namespace, CollectionMetadata>) -> Result<()> {
    let mut found: Vec<&Namespace> = namespaces
        .iter()
        .filter(|planned| !is_merged_always(&planned.metadata))
        .filter(|planned| {
            there.contains_key(&planned.metadata.namespace)
                || there.contains_key(&planned.metadata.data_namespace())
        })
        .map(|planned| &planned.metadata.namespace)
        .collect();
    found.sort();
    let Some(first) = found.first() else { return Ok(()) };
    let others = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
    Err(Error::Exists { namespace: (*first).clone(), others })
}

/// Whether documents are added to what exists, whatever `--existing` says.
pub(super) fn is_merged_always(metadata: &CollectionMetadata) -> bool {
    metadata.kind.is_accounts() || metadata.namespace.is_system() || metadata.namespace.db == "config"
}

/// Drops what is to be dropped.
pub(super) async fn prepare(
    target: &Target,
    plan: &Plan,
    options: &RestoreOptions,
    stop: &Stop,
) -> Result<()> {
    if options.existing == Existing::Drop { drop_existing(target, plan, stop).await } else { Ok(()) }
}

/// Creates every collection and time series; views come after the data. One that cannot be created is a failure of its
/// own, named, and its documents are counted.
pub(super) async fn create(
    target: &Target,
    plan: Plan,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Plan> {
    if options.existing == Existing::Merge {
        plan.namespaces.iter().for_each(|planned| tell_other_definition(planned, monitor));
    }
    let created = plan.namespaces.into_iter().map(|planned| async move {
        stop.check()?;
        create_one(target, planned, options.existing, monitor).await
    });
    Ok(Plan { namespaces: together::all(CREATE_JOBS, created).await? })
}

/// Takes down which collection each one is on the target: a name may be another's by the time that a later run looks.
pub(super) async fn take_uuids(target: &Target, plan: &Plan) -> Result<()> {
    let there = existing(target, &plan.namespaces).await?;
    for planned in &plan.namespaces {
        let uuid = there.get(&planned.metadata.namespace).and_then(|metadata| metadata.uuid);
        planned.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).uuid = uuid;
    }
    Ok(())
}

/// What exists is kept as it is when merging; where it is something else than the archive's, that is
/// not carried over.
fn tell_other_definition(planned: &Planned, monitor: &Monitor) {
    let Some(there) = planned.there.as_ref().filter(|_| !is_merged_always(&planned.metadata)) else { return };
    let (wanted, name) = (&planned.metadata, planned.metadata.namespace.to_string());
    if there.kind != wanted.kind {
        let message = format!("is a {} on the target, not a {}; it was kept", there.kind, wanted.kind);
        monitor.fail(name, message, 0);
        planned.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).refuse_all();
    } else if !same_options(wanted.options.as_bytes(), there.options.as_bytes()) {
        monitor.fail(name, "exists on the target with other options, which were kept", 0);
    }
}

/// Whether what is there is what a restore makes of this, before it sets after how long documents expire.
pub(super) fn is_same_definition(wanted: &CollectionMetadata, there: &CollectionMetadata) -> bool {
    let options = |metadata| without_expiry(metadata).map(|it| it.options);
    match (options(wanted), options(there)) {
        (Ok(one), Ok(other)) => wanted.kind == there.kind && same_options(one.as_bytes(), other.as_bytes()),
        _ => false,
    }
}

/// Options are the same whatever the order of their top-level fields.
fn same_options(one: &[u8], other: &[u8]) -> bool {
    let sorted = |options| {
        let mut fields: Vec<(u8, Vec<u8>, Vec<u8>)> = mongoark_bson_bytes::Elements::new(options)
            .into_iter()
            .flatten()
            .flatten()
            .map(|field| (field.kind, field.key.to_vec(), field.value.to_vec()))
            .collect();
        fields.sort();
        fields
    };
    sorted(one) == sorted(other)
}

/// Views first: a view that is left would show what is half restored.
async fn drop_existing(target: &Target, plan: &Plan, stop: &Stop) -> Result<()> {
    let droppable = |planned: &&Planned| planned.there.is_some() && !is_merged_always(&planned.metadata);
    let (views, others): (Vec<&Planned>, Vec<&Planned>) =
        plan.namespaces.iter().filter(droppable).partition(|planned| {
            planned.there.as_ref().is_some_and(|there| there.kind == CollectionKind::View)
        });
    for planned in views.into_iter().chain(others) {
        stop.check()?;
        target.drop(&planned.metadata.namespace).await?;
    }
    Ok(())
}

async fn create_one(
    target: &Target,
    planned: Planned,
    existing: Existing,
    monitor: &Monitor,
) -> Result<Planned> {
    let metadata = &planned.metadata;
    let left = existing == Existing::Merge || is_merged_always(metadata);
    if metadata.kind.is_accounts()
        || metadata.kind == CollectionKind::View
        || (planned.there.is_some() && left)
        || planned.is_made
    {
        return Ok(planned);
    }
    match target.create(&without_expiry(metadata)?).await {
        Ok(()) => Ok(planned),
        Err(error) if is_refusal(&error) => {
            monitor.fail(planned.metadata.namespace.to_string(), error.to_string(), 0);
            planned.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).refuse_all();
            Ok(planned)
        }
        Err(error) => Err(error.into()),
    }
}

/// A collection is made without the time after which its documents expire, which is set last: the target would remove documents
/// before they are all there, and before the oplog changes them.
fn without_expiry(metadata: &CollectionMetadata) -> Result<CollectionMetadata> {
    let unusable = |error: &dyn std::fmt::Display| Error::Catalog(format!("{}: {error}", metadata.namespace));
    let mut options = Builder::new();
    for option in Elements::new(metadata.options.as_bytes()).map_err(|error| unusable(&error))? {
        let option = option.map_err(|error| unusable(&error))?;
        if option.key != EXPIRES.as_bytes() {
            options.element(&option);
        }
    }
    let options = RawDocumentBuf::from_bytes(options.finish()).map_err(|error| unusable(&error))?;
    Ok(CollectionMetadata { options, ..metadata.clone() })
}

/// Whether a failure is about this namespace alone.
pub(super) fn is_refusal(error: &mongoark_deployment::Error) -> bool {
    matches!(error.kind(), ErrorKind::Command(_) | ErrorKind::Unauthorized)
}

impl Plan {
    /// Those that stand on the target and stay.
    pub(super) fn there(&self, existing: Existing) -> HashSet<u32> {
        let there = self.namespaces.iter().filter(|planned| planned.stays(existing));
        there.map(|planned| planned.stream).collect()
    }

    /// What a run would do, told to the monitor.
    pub(super) fn dry_report(self, monitor: &Monitor) -> RestoreReport {
        let mut report = RestoreReport::default();
        for planned in self.namespaces {
            let (from, to) = (planned.from, planned.metadata.namespace);
            let renamed = if from == to { String::new() } else { format!(" as {to}") };
            let exists = if planned.there.is_some() { " (exists)" } else { "" };
            let kind = planned.metadata.kind;
            monitor.step(format!(
                "would restore {kind} {from}{renamed}{exists}: {} documents",
                planned.documents
            ));
            report.namespaces.push(RestoredNamespace {
                from,
                to,
                kind,
                inserted: 0,
                identical: 0,
                superseded: 0,
                failed: 0,
                indexes: 0,
            });
        }
        report
    }
}
