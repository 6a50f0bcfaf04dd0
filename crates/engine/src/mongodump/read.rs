//! Reading every planned collection into the output: several collections at once, a large one through several
//! cursors. A cursor that is lost is opened again where it was; a collection that is renamed is followed.

use super::plan::{Part, Plan, Planned, dropped};
use crate::dump_output::{CHUNK_BYTES, DumpOutput};
use crate::quote::{counted, quoted, quoted_namespace};
use crate::scan::{self, ReadContext, Reader, Reading, is_lost_cursor, open_where_it_is};
use crate::{Error, Result, Stop};
use mongoark_deployment::{Patience, Source};
use mongoark_model::Counts;
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

impl ReadContext for Context {
    type Sink = DumpOutput;

    fn source(&self) -> &Source {
        &self.source
    }

    fn sink(&self) -> &DumpOutput {
        &self.output
    }

    fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn cursors(&self) -> &Semaphore {
        &self.cursors
    }

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
    let reading = Reading {
        source: &context.source,
        metadata: &planned.metadata,
        namespace: &planned.data,
        filter: planned.filter.as_deref(),
        stats: planned.stats,
        parts_max: context.parts_max,
        batch_bytes: CHUNK_BYTES,
        raw_data: planned.raw_data,
    };
    let scans = match planned.part {
        // Every database's accounts are in the one collection, which nobody renames.
        Part::AccountsOfDatabase => Some(reading.open(&context.monitor).await?),
        Part::Collection | Part::Accounts => open_where_it_is(reading, &context.monitor).await?,
    };
    let Some(scans) = scans else {
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
