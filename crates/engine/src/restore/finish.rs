//! What comes after the documents: views, then indexes, each collection's in one command.

use super::expiry::{self, Suspended, Ttl};
use super::plan::{Planned, is_refusal};
use super::write::locked;
use super::{RestoreOptions, RestoreReport, RestoredNamespace};
use crate::catalog::Summary;
use crate::replay::{CollectionIndexes, IndexCatalog, Replayed};
use crate::{Error, Result, Stop, together};
use bson::RawDocumentBuf;
use mongoark_deployment::{Target, indexes};
use mongoark_model::{CollectionKind, Counts, Namespace};
use mongoark_monitor::Monitor;
use std::collections::HashMap;

/// A restore whose documents are written.
pub(super) struct Written {
    /// Each namespace, and the raw documents where it holds users or roles.
    pub(super) namespaces: Vec<(Planned, Vec<Vec<u8>>)>,
    pub(super) summary: Option<Summary>,
    pub(super) read: Counts,
}

/// What was built at the end.
#[derive(Default)]
pub(super) struct Built {
    /// How many indexes each collection got.
    pub(super) indexes: HashMap<Namespace, u64>,
    /// What does not expire until it is armed again.
    pub(super) suspended: Vec<Suspended>,
}

impl Written {
    /// What was done, with the number of indexes that each namespace has now.
    pub(super) fn report(
        self,
        Built { indexes: mut built, suspended }: Built,
        replayed: Option<Replayed>,
    ) -> RestoreReport {
        let mut restored = |(planned, _): (Planned, Vec<Vec<u8>>)| {
            let tally = locked(&planned.tally);
            RestoredNamespace {
                indexes: built.remove(&planned.metadata.namespace).unwrap_or_default(),
                from: planned.from,
                to: planned.metadata.namespace,
                kind: planned.metadata.kind,
                inserted: tally.counts.inserted,
                identical: tally.counts.identical,
                superseded: tally.superseded(),
                failed: tally.failed(),
            }
        };
        let mut namespaces: Vec<RestoredNamespace> = self.namespaces.into_iter().map(&mut restored).collect();
        // What the oplog made, or gave another name.
        namespaces.extend(built.into_iter().map(|(namespace, indexes)| RestoredNamespace {
            from: namespace.clone(),
            to: namespace,
            kind: CollectionKind::Collection,
            inserted: 0,
            identical: 0,
            superseded: 0,
            failed: 0,
            indexes,
        }));
        RestoreReport { namespaces, replayed, suspended, summary: self.summary, read: self.read }
    }
}

/// Tells which of the documents that could not be inserted the oplog has not made right: another one stands in their place.
pub(super) fn settle(written: &Written, replayed: Option<&Replayed>, monitor: &Monitor) {
    for (planned, _) in &written.namespaces {
        let mut tally = locked(&planned.tally);
        let unsettled = match replayed {
            Some(replayed) => replayed.unsettled.get(&planned.stream).cloned().unwrap_or_default(),
            None => tally.disputed(),
        };
        if let Some((text, documents)) = tally.settle(&unsettled) {
            monitor.fail(planned.metadata.namespace.to_string(), text, documents);
        }
    }
}

/// Creates the views. A view may precede its base, so a refusal by one that depends on another's
/// options is tried again after the others.
pub(super) async fn views(
    target: &Target,
    written: &mut Written,
    options: &RestoreOptions,
    monitor: &Monitor,
) -> Result<()> {
    let is_new = |planned: &Planned| !planned.is_made && !planned.stays(options.existing);
    let mut waiting: Vec<&Planned> = written
        .namespaces
        .iter()
        .map(|(planned, _)| planned)
        .filter(|planned| planned.metadata.kind == CollectionKind::View && is_new(planned))
        .collect();
    loop {
        let before = waiting.len();
        let mut refused = Vec::new();
        for planned in waiting {
            match target.create(&planned.metadata).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => refused.push((planned, error)),
                Err(error) => return Err(error.into()),
            }
        }
        if refused.is_empty() || refused.len() == before {
            for (planned, error) in refused {
                monitor.fail(planned.metadata.namespace.to_string(), error.to_string(), 0);
                // What the oplog says of it is lost with it.
                locked(&planned.tally).refuse_all();
            }
            return Ok(());
        }
        waiting = refused.into_iter().map(|(planned, _)| planned).collect();
    }
}

/// Builds the indexes, and then lets documents expire, or not until the operator says so.
pub(super) async fn indexes(
    target: &Target,
    mut catalog: IndexCatalog,
    written: &Written,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Built> {
    let expiring = expiry::of_collections(&catalog);
    let suspended = match options.ttl {
        Ttl::Keep => Vec::new(),
        Ttl::Suspend => {
            let stays = written.namespaces.iter().map(|(planned, _)| planned);
            let stays = stays.filter(|planned| planned.stays(options.existing));
            let there = stays.map(|planned| planned.metadata.namespace.clone()).collect();
            let whole = expiring.iter().map(|(namespace, after)| expiry::suspended(namespace.clone(), after));
            whole.chain(expiry::suspend(&mut catalog, &there, expiry::longest(target))).collect()
        }
    };
    let indexes = build_all(target, catalog, options.jobs, monitor, stop).await?;
    if options.ttl == Ttl::Keep {
        for (namespace, (kind, value)) in &expiring {
            match target.set_expiry(namespace, *kind, value).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => monitor.fail(namespace.to_string(), error.to_string(), 0),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Built { indexes, suspended })
}

/// Builds the indexes of every collection, several collections at once. Returns how many each got.
async fn build_all(
    target: &Target,
    catalog: IndexCatalog,
    jobs: usize,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<HashMap<Namespace, u64>> {
    let mut wanted = Vec::new();
    for (namespace, mut indexes) in catalog {
        // The server makes these by itself.
        let is_own = |spec: &RawDocumentBuf| {
            indexes::is_default_id(spec) || spec.get_bool("clustered").unwrap_or(false)
        };
        indexes.specs.retain(|spec| !is_own(spec));
        if indexes.specs.is_empty() {
            continue;
        }
        wanted.push((namespace, indexes));
    }
    let builds = wanted.into_iter().map(|(namespace, indexes)| async move {
        stop.check()?;
        let built = build(target, &namespace, &indexes, monitor).await?;
        Ok::<_, Error>((namespace, built))
    });
    Ok(together::all(jobs, builds).await?.into_iter().collect())
}

async fn build(
    target: &Target,
    namespace: &Namespace,
    indexes: &CollectionIndexes,
    monitor: &Monitor,
) -> Result<u64> {
    let wanted = indexes.specs.len() as u64;
    let item = monitor.item(format!("{namespace} (indexes)"), wanted, 0);
    let together = target.build_indexes(namespace, &indexes.specs, indexes.collated).await;
    let built = match together {
        Ok(()) => {
            item.add(wanted, 0);
            Ok(wanted)
        }
        // One that fails takes the others with it: each by itself tells which it was.
        Err(error) if is_refusal(&error) => one_by_one(target, namespace, indexes, monitor).await,
        Err(error) => Err(error.into()),
    };
    monitor.finish(&item);
    built
}

async fn one_by_one(
    target: &Target,
    namespace: &Namespace,
    indexes: &CollectionIndexes,
    monitor: &Monitor,
) -> Result<u64> {
    let mut built = 0;
    for index in &indexes.specs {
        match target.build_indexes(namespace, std::slice::from_ref(index), indexes.collated).await {
            Ok(()) => built += 1,
            Err(error) if is_refusal(&error) => {
                monitor.fail(namespace.to_string(), format!("index {}: {error}", indexes::name(index)), 0);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(built)
}
