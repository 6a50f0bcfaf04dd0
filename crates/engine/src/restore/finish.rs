//! What comes after the documents: views, then indexes, each collection's in one command.

use super::plan::{Planned, is_refusal};
use super::write::locked;
use super::{Existing, RestoreOptions, RestoreReport, RestoredNamespace};
use crate::catalog::Summary;
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::{Target, indexes};
use mongoark_model::{CollectionKind, Counts};
use mongoark_monitor::Monitor;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A restore whose documents are written.
pub(super) struct Written {
    /// Each namespace, and the raw documents where it holds users or roles.
    pub(super) namespaces: Vec<(Planned, Vec<Vec<u8>>)>,
    pub(super) summary: Option<Summary>,
    pub(super) read: Counts,
}

impl Written {
    pub(super) fn report(self) -> RestoreReport {
        let restored = |(planned, _): (Planned, Vec<Vec<u8>>)| {
            let tally = locked(&planned.tally);
            RestoredNamespace {
                from: planned.from,
                to: planned.metadata.namespace,
                kind: planned.metadata.kind,
                inserted: tally.inserted,
                identical: tally.identical,
                failed: tally.rejected,
                indexes: tally.indexes,
            }
        };
        RestoreReport {
            namespaces: self.namespaces.into_iter().map(restored).collect(),
            summary: self.summary,
            read: self.read,
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
    let is_new = |planned: &Planned| planned.there.is_none() || options.existing == Existing::Drop;
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
            }
            return Ok(());
        }
        waiting = refused.into_iter().map(|(planned, _)| planned).collect();
    }
}

/// Builds the indexes of every collection, several collections at once.
pub(super) async fn indexes(
    target: &Target,
    written: &mut Written,
    jobs: usize,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<()> {
    let slots = Arc::new(Semaphore::new(jobs));
    let mut running: JoinSet<Result<()>> = JoinSet::new();
    for (planned, _) in &written.namespaces {
        let wanted = indexes::to_build(&planned.metadata);
        if wanted.is_empty() || planned.metadata.kind.is_accounts() || locked(&planned.tally).refuses() {
            continue;
        }
        let slot = Arc::clone(&slots)
            .acquire_owned()
            .await
            .map_err(|_| Error::PipelineClosed("the index builds"))?;
        stop.check()?;
        let (target, planned, monitor) = (target.clone(), planned.clone(), monitor.clone());
        running.spawn(async move {
            let built = build(&target, &planned, &wanted, &monitor).await;
            drop(slot);
            built
        });
    }
    let mut first = Ok(());
    while let Some(ended) = running.join_next().await {
        first = first.and(ended.unwrap_or(Err(Error::PipelineClosed("an index build"))));
    }
    first
}

async fn build(
    target: &Target,
    planned: &Planned,
    wanted: &[RawDocumentBuf],
    monitor: &Monitor,
) -> Result<()> {
    let metadata = &planned.metadata;
    let collated = matches!(metadata.options.get("collation"), Ok(Some(_)));
    let item = monitor.item(format!("{} (indexes)", metadata.namespace), wanted.len() as u64, 0);
    let together = target.build_indexes(&metadata.namespace, wanted, collated).await;
    let built = match together {
        Ok(()) => {
            item.add(wanted.len() as u64, 0);
            Ok(wanted.len() as u64)
        }
        // One that fails takes the others with it: each by itself tells which it was.
        Err(error) if is_refusal(&error) => one_by_one(target, planned, wanted, collated, monitor).await,
        Err(error) => Err(error.into()),
    };
    monitor.finish(&item);
    locked(&planned.tally).indexes = built?;
    Ok(())
}

async fn one_by_one(
    target: &Target,
    planned: &Planned,
    wanted: &[RawDocumentBuf],
    collated: bool,
    monitor: &Monitor,
) -> Result<u64> {
    let namespace = &planned.metadata.namespace;
    let mut built = 0;
    for index in wanted {
        match target.build_indexes(namespace, std::slice::from_ref(index), collated).await {
            Ok(()) => built += 1,
            Err(error) if is_refusal(&error) => {
                monitor.fail(namespace.to_string(), format!("index {}: {error}", indexes::name(index)), 0);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(built)
}
