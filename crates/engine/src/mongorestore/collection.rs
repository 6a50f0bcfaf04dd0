//! One collection: dropped where that was asked for, created, and filled by several inserts at once.

use super::Context;
use super::definition::Definition;
use super::plan::dotted;
use super::preflight::Existing;
use super::tally::Tally;
use crate::dump_input::{Batch, Documents};
use crate::pool::cores;
use crate::quote::{counted, quoted};
use crate::{Error, Result, Stop};
use mongoark_bson_bytes::{self as bytes, DEPTH_MAX};
use mongoark_deployment::{CreateOptions, InsertOutcome, Inserter};
use mongoark_model::{CollectionKind, Namespace};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Codes of refusals that a restore goes on from: a duplicate key, a document that a validator refuses.
const SURVIVABLE: [i32; 2] = [11000, 121];

/// What the collections of a run share.
pub(super) struct Shared {
    pub(super) context: Context,
    pub(super) existing: Existing,
    /// Inserts in flight at once, over all collections.
    pub(super) inserts: Arc<Semaphore>,
    /// Set where a collection has failed: the others end at their next batch.
    pub(super) abort: Stop,
}

/// Inserts that serve one collection where nothing else is said.
pub(super) fn default_workers() -> usize {
    cores().clamp(4, 16)
}

/// Restores one collection, and tells what came of it.
pub(super) async fn restore(
    shared: &Arc<Shared>,
    definition: &Definition,
    documents: Documents,
) -> Result<()> {
    let tally = Arc::new(Tally::default());
    let result = restore_counted(shared, definition, documents, &tally).await;
    let (restored, failed) = (tally.restored(), tally.failed());
    shared.context.tally.add(restored, failed);
    shared.context.monitor.step(format!(
        "finished restoring {} ({}, {})",
        definition.shown(),
        counted(restored, "document", "documents"),
        counted(failed, "failure", "failures")
    ));
    result
}

async fn restore_counted(
    shared: &Arc<Shared>,
    definition: &Definition,
    documents: Documents,
    tally: &Arc<Tally>,
) -> Result<()> {
    prepare(shared, definition).await?;
    let Some(location) = &definition.data else { return Ok(()) };
    let namespace = data_namespace(shared, definition);
    let (name, from) = (quoted(&dotted(&namespace)), quoted(location));
    shared.context.monitor.step(format!("restoring {name} from {from}"));
    let progress = Progress::start(&shared.context.monitor, &namespace, definition.bytes);
    let filling = Filling {
        shared: Arc::clone(shared),
        inserter: inserter(shared, definition, namespace),
        progress,
        tally: Arc::clone(tally),
        offset: 0,
    };
    let filled = filling.fill(documents, workers(shared, definition)).await;
    filled.map_err(|source| Error::Restoring {
        namespace: dotted(&definition.metadata.namespace),
        action: format!("error restoring from {location}"),
        source: Box::new(source),
    })
}

/// Makes room for the collection and creates it.
async fn prepare(shared: &Shared, definition: &Definition) -> Result<()> {
    let (context, namespace) = (&shared.context, &definition.metadata.namespace);
    let (name, options) = (definition.shown(), &shared.context.options);
    let mut exists = shared.existing.contains(namespace);
    if exists && !options.drop {
        context.monitor.step(format!("restoring to existing collection {name} without dropping"));
    } else if exists && namespace.is_system() {
        context.monitor.step(format!("cannot drop system collection {name}, skipping"));
    } else if exists {
        context.monitor.step(format!("dropping collection {name} before restoring"));
        context.target.drop(namespace).await.map_err(|error| failed(definition, "error dropping", error))?;
        exists = false;
    }
    if exists {
        context.monitor.detail(format!("collection {name} already exists - skipping collection create"));
        return Ok(());
    }
    let how = CreateOptions {
        without_options: options.no_options_restore,
        keep_index_version: options.keep_index_version,
        uuid: definition.metadata.uuid.filter(|_| options.preserve_uuid),
    };
    if options.preserve_uuid && definition.has_metadata && how.uuid.is_none() {
        context
            .monitor
            .step(format!("--preserveUUID used but no UUID found for {name}, generating new UUID"));
    }
    context.monitor.detail(format!("creating collection {name}"));
    let created = context.target.create_as(&definition.metadata, how).await;
    created.map_err(|error| failed(definition, "error creating collection", error))
}

fn failed(definition: &Definition, action: &str, error: mongoark_deployment::Error) -> Error {
    let namespace = dotted(&definition.metadata.namespace);
    Error::Restoring { action: format!("{action} {namespace}"), namespace, source: Box::new(error.into()) }
}

/// Where the documents go.
fn data_namespace(shared: &Shared, definition: &Definition) -> Namespace {
    if shared.context.target.has_raw_data() {
        definition.metadata.namespace.clone()
    } else {
        definition.metadata.data_namespace()
    }
}

/// Whether documents must go in one after the other.
fn is_ordered(shared: &Shared, definition: &Definition) -> bool {
    shared.context.options.maintain_insertion_order || definition.metadata.is_capped()
}

fn workers(shared: &Shared, definition: &Definition) -> usize {
    let options = &shared.context.options;
    if is_ordered(shared, definition) {
        return 1;
    }
    match (options.insertion_workers, options.parallel_collections) {
        // With one collection the number of collections at once would be good for nothing.
        (Some(0 | 1), Some(parallel)) if options.collection.is_some() => parallel.max(1),
        (Some(workers), _) => workers.max(1),
        (None, _) => default_workers(),
    }
}

fn inserter(shared: &Shared, definition: &Definition, namespace: Namespace) -> Inserter {
    let (options, is_series) =
        (&shared.context.options, definition.metadata.kind == CollectionKind::TimeSeries);
    let inserter = Inserter::new(&shared.context.target, namespace)
        .bypass_validation(options.bypass_document_validation && !is_series)
        .ordered(is_ordered(shared, definition))
        .stop_at_error(options.maintain_insertion_order);
    match options.batch_size {
        Some(documents) => inserter.batch_documents(documents),
        None => inserter,
    }
}

/// A collection's progress, which ends with it.
struct Progress {
    item: Item,
    monitor: Monitor,
}

impl Progress {
    fn start(monitor: &Monitor, namespace: &Namespace, bytes: u64) -> Arc<Self> {
        Arc::new(Self { item: monitor.item(dotted(namespace), 0, bytes), monitor: monitor.clone() })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.monitor.finish(&self.item);
    }
}

/// A collection being filled.
struct Filling {
    shared: Arc<Shared>,
    inserter: Inserter,
    progress: Arc<Progress>,
    tally: Arc<Tally>,
    /// Bytes of the collection's documents that came so far.
    offset: u64,
}

impl Filling {
    /// Inserts all documents, `workers` batches at once. An insert that is under way is always waited for.
    async fn fill(mut self, mut documents: Documents, workers: usize) -> Result<()> {
        let mut running: JoinSet<Result<()>> = JoinSet::new();
        let read = self.spread(&mut documents, &mut running, workers).await;
        // Whoever reads ahead may stop: nothing more is taken.
        drop(documents);
        let mut inserted = Ok(());
        while let Some(ended) = running.join_next().await {
            inserted = inserted.and(flat(ended));
        }
        crate::error::cause_of(inserted, read).map(drop)
    }

    async fn spread(
        &mut self,
        documents: &mut Documents,
        running: &mut JoinSet<Result<()>>,
        workers: usize,
    ) -> Result<()> {
        while let Some(batch) = documents.next().await? {
            self.shared.abort.check().map_err(|_| Error::PipelineClosed("another collection"))?;
            self.shared.context.stop.check()?;
            if self.shared.context.options.objcheck {
                self.check(&batch)?;
            }
            self.offset += batch.bytes.len() as u64;
            while running.len() >= workers {
                running.join_next().await.map_or(Ok(()), flat)?;
            }
            running.spawn(self.insert(batch));
        }
        Ok(())
    }

    /// `--objcheck`: every element of every document can be walked.
    fn check(&self, batch: &Batch) -> Result<()> {
        let mut offset = self.offset;
        for document in bytes::split_documents(&batch.bytes) {
            let checked = document
                .and_then(|document| bytes::validate(document, DEPTH_MAX).map(|()| document.len() as u64));
            offset += checked.map_err(|error| {
                Error::Refused(format!("the document at offset {offset} is damaged: {error}"))
            })?;
        }
        Ok(())
    }

    fn insert(&self, batch: Batch) -> impl Future<Output = Result<()>> + use<> {
        let (shared, inserter) = (Arc::clone(&self.shared), self.inserter.clone());
        let (progress, tally) = (Arc::clone(&self.progress), Arc::clone(&self.tally));
        async move {
            let permit = shared.inserts.acquire().await;
            let _permit = permit.map_err(|_| Error::PipelineClosed("the inserts"))?;
            let outcome = inserter.insert(&batch.bytes).await?;
            progress.item.add(u64::from(batch.documents), batch.bytes.len() as u64);
            book(&shared.context, &tally, outcome)
        }
    }
}

fn flat(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.unwrap_or(Err(Error::PipelineClosed("an insert")))
}

/// Counts what became of a batch. Each refusal is looked at by itself: one that can be survived hides no other.
fn book(context: &Context, tally: &Tally, outcome: InsertOutcome) -> Result<()> {
    tally.add(outcome.inserted + outcome.identical, outcome.rejected.len() as u64);
    let mut result = Ok(());
    for rejected in outcome.rejected {
        if !context.options.stop_on_error && SURVIVABLE.contains(&rejected.code) {
            context.monitor.step(format!("continuing through error: {}", rejected.message));
        } else if result.is_ok() {
            result = Err(Error::Refused(rejected.message));
        }
    }
    result
}
