//! Reading every planned collection into the output: several collections at once, a large one through several
//! cursors. A cursor that is lost is opened again where it was; a collection that is renamed is followed.

use super::plan::{Part, Plan, Planned, dropped};
use crate::dump_output::{CHUNK_BYTES, DumpOutput};
use crate::quote::{counted, quoted, quoted_namespace};
use crate::scan::{self, Filler, Reading, Whereabouts, is_lost_cursor, whereabouts};
use crate::{Error, Result, Stop};
use mongoark_deployment::{self as deployment, ErrorKind, Patience, Scan, Source};
use mongoark_model::{Counts, Namespace};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How often a collection is begun anew after its cursor was lost.
const RESTARTS: u32 = 3;
/// The document behind which a cursor was to go on is gone.
const KEY_NOT_FOUND: i32 = 211;

/// What every reading task needs.
pub(super) struct Context {
    pub(super) source: Source,
    pub(super) output: DumpOutput,
    pub(super) monitor: Monitor,
    pub(super) stop: Stop,
    /// Set when one failure ends the run, so that the others end too.
    pub(super) abort: Stop,
    /// Cursors of one collection at most.
    pub(super) parts_max: usize,
    /// Cursors that may be read at once.
    pub(super) cursors: Semaphore,
    /// Whether bare documents are written, which the tools tell in other words.
    pub(super) is_bare: bool,
    /// Whether there is one archive, which has a place for views too.
    pub(super) is_archive: bool,
}

impl Context {
    fn check(&self) -> Result<()> {
        self.stop.check()?;
        self.abort.check_consequence()
    }
}

/// Reads all: accounts first, then the rest, `parallel` at once.
pub(super) async fn all(context: &Arc<Context>, plan: Plan, parallel: usize) -> Result<Counts> {
    let mut planned = plan.planned;
    // The largest first, so that the last to end is small; by name where sizes are equal.
    planned.sort_by_key(|planned| match planned.part {
        Part::Collection => (true, std::cmp::Reverse(planned.stats.bytes)),
        Part::Accounts | Part::AccountsOfDatabase => (false, std::cmp::Reverse(0)),
    });
    let mut counts = Ok(Counts::default());
    let mut running: JoinSet<Result<Counts>> = JoinSet::new();
    for planned in planned {
        let at_once = if planned.part == Part::Collection { parallel.max(1) } else { 1 };
        while running.len() >= at_once {
            counts = settle(&mut running, counts).await;
        }
        if counts.is_err() || context.stop.is_requested() {
            break;
        }
        let context = Arc::clone(context);
        running.spawn(async move { collection(&context, &planned).await });
    }
    while !running.is_empty() {
        if counts.is_err() {
            // Dropping a driver future in mid-flight is unsafe: the others end at their next batch.
            context.abort.request();
        }
        counts = settle(&mut running, counts).await;
    }
    context.stop.check()?;
    counts
}

async fn settle(running: &mut JoinSet<Result<Counts>>, counts: Result<Counts>) -> Result<Counts> {
    match running.join_next().await {
        Some(ended) => scan::sum(counts, ended.unwrap_or_else(|_| Err(scan::lost_task()))),
        None => counts,
    }
}

/// One collection, with its lines in the log.
async fn collection(context: &Arc<Context>, planned: &Planned) -> Result<Counts> {
    let tells = planned.part != Part::AccountsOfDatabase && (planned.is_read || context.is_archive);
    let name = quoted_namespace(&planned.data);
    if tells && context.is_bare {
        context.monitor.step(format!("writing {name} to stdout"));
    } else if tells {
        let location = quoted(context.output.location(planned.stream));
        context.monitor.step(format!("writing {name} to {location}"));
    }
    context.output.open(planned.stream)?;
    let counts = if planned.is_read { read(context, planned).await? } else { Counts::default() };
    context.output.end(planned.stream).await?;
    let documents = counted(counts.documents, "document", "documents");
    if tells && context.is_bare {
        context.monitor.step(format!("dumped {documents}"));
    } else if tells {
        context.monitor.step(format!("done dumping {name} ({documents})"));
    }
    Ok(counts)
}

/// All documents of a collection; from the start again where the output can take back what was written.
async fn read(context: &Arc<Context>, planned: &Planned) -> Result<Counts> {
    let mut restarts = 0;
    let mut patience = Patience::default();
    loop {
        let stats = planned.stats;
        let item = context.monitor.item(planned.metadata.namespace.to_string(), stats.documents, stats.bytes);
        let ended = documents(context, planned, &item).await;
        context.monitor.finish(&item);
        let error = match ended {
            Ok(counts) => return Ok(counts),
            Err(Error::Deployment(error)) => error,
            Err(error) => return Err(error),
        };
        let is_lost = error.is_passing() || is_lost_cursor(&error) || error.is_code(KEY_NOT_FOUND);
        if !is_lost || restarts == RESTARTS || !context.output.take_back(planned.stream)? {
            return Err(error.into());
        }
        context.check()?;
        restarts += 1;
        let name = planned.metadata.namespace.to_string();
        context.monitor.warn(name, format!("read again from its start: {error}"));
        patience.wait(error).await?;
    }
}

/// One attempt at all documents. A collection that is dropped meanwhile ends there, and is named.
async fn documents(context: &Arc<Context>, planned: &Planned, item: &Item) -> Result<Counts> {
    let Some(scans) = open(context, planned).await? else {
        context.monitor.warn("", dropped(&planned.metadata.namespace));
        return Ok(Counts::default());
    };
    let gone = Arc::new(AtomicBool::new(false));
    let mut parts: JoinSet<Result<Counts>> = JoinSet::new();
    for scan in scans {
        let reader = Reader {
            context: Arc::clone(context),
            metadata: planned.metadata.clone(),
            data: planned.data.clone(),
            gone: Arc::clone(&gone),
        };
        let (stream, item) = (planned.stream, item.clone());
        parts.spawn(async move { reader.part(scan, stream, &item).await });
    }
    let mut counts = Ok(Counts::default());
    while let Some(ended) = parts.join_next().await {
        counts = scan::sum(counts, ended.unwrap_or_else(|_| Err(scan::lost_task())));
    }
    if counts.is_ok() && gone.load(Ordering::Relaxed) {
        context.monitor.warn("", dropped(&planned.metadata.namespace));
    }
    counts
}

/// Opens the cursors of a collection where it is now; nothing where it is gone.
async fn open(context: &Context, planned: &Planned) -> Result<Option<Vec<Scan>>> {
    let mut namespace = planned.data.clone();
    loop {
        let reading = Reading {
            source: &context.source,
            metadata: &planned.metadata,
            namespace: &namespace,
            filter: planned.filter.as_deref(),
            stats: planned.stats,
            parts_max: context.parts_max,
            batch_bytes: CHUNK_BYTES,
            raw_data: planned.raw_data,
        };
        let scans = reading.open(&context.monitor).await?;
        if planned.part == Part::AccountsOfDatabase {
            return Ok(Some(scans));
        }
        // A cursor on a name that does not exist is empty, and one on a name that was given anew reads something
        // else; neither is an error to the server.
        match place_of(context, planned).await? {
            None => return Ok(None),
            Some(now) if now == namespace => return Ok(Some(scans)),
            Some(now) => namespace = now,
        }
    }
}

/// Where the documents of a planned collection are now.
async fn place_of(context: &Context, planned: &Planned) -> Result<Option<Namespace>> {
    Ok(match whereabouts(&context.source, &planned.metadata).await? {
        Whereabouts::Here => Some(planned.data.clone()),
        Whereabouts::Renamed(to) => Some(to),
        Whereabouts::Gone => None,
    })
}

/// Reads one cursor's part of a collection.
struct Reader {
    context: Arc<Context>,
    metadata: mongoark_model::CollectionMetadata,
    data: Namespace,
    /// Set where the collection turns out to be dropped.
    gone: Arc<AtomicBool>,
}

impl Reader {
    /// One cursor's documents into chunks, until it ends.
    async fn part(&self, mut scan: Scan, stream: usize, item: &Item) -> Result<Counts> {
        let context = &self.context;
        let _cursor = context.cursors.acquire().await.map_err(|_| Error::PipelineClosed("the cursors"))?;
        let mut filler = Filler::new(&context.output, stream);
        let mut patience = Patience::default();
        loop {
            context.check()?;
            match scan.next().await {
                Ok(Some(batch)) => {
                    filler.take(&batch, item).await?;
                    patience = Patience::default();
                }
                Ok(None) => break,
                Err(error) => {
                    if !self.go_on(&mut scan, error, &mut patience).await? {
                        self.gone.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
        filler.finish()
    }

    /// Opens another cursor behind the last document, after `error` ended the one before. False where the collection
    /// is gone.
    async fn go_on(
        &self,
        scan: &mut Scan,
        mut error: deployment::Error,
        patience: &mut Patience,
    ) -> Result<bool> {
        loop {
            let is_lost = is_lost_cursor(&error);
            if !error.is_passing() && !is_lost && !matches!(error.kind(), ErrorKind::Command(_)) {
                return Err(error.into());
            }
            let namespace = match whereabouts(&self.context.source, &self.metadata).await? {
                Whereabouts::Gone => return Ok(false),
                Whereabouts::Here => self.data.clone(),
                Whereabouts::Renamed(to) => to,
            };
            if !error.is_passing() && !is_lost {
                return Err(error.into());
            }
            let text = format!("{namespace}: another cursor goes on where one was lost: {error}");
            self.context.monitor.detail(text);
            let lost = error.to_string();
            patience.wait(error).await?;
            self.context.check()?;
            match scan.reopen(&namespace).await {
                Ok(true) => return Ok(true),
                Ok(false) => return Err(cannot_go_on(&namespace, &lost)),
                Err(another) => error = another,
            }
        }
    }
}

/// A cursor without a place to go on: only from the start, where that can be.
fn cannot_go_on(namespace: &Namespace, lost: &str) -> Error {
    let message = format!("its cursor was lost and names no place to go on: {lost}");
    deployment::Error::new(ErrorKind::Network, format!("read {namespace}"), message).into()
}
