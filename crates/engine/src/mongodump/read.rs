//! Reading every planned collection into the output: several collections at once, a large one through several
//! cursors. A cursor that is lost is opened again where it was; a collection that is renamed is followed.

use super::plan::{Part, Plan, Planned, dropped};
use crate::dump_output::{CHUNK_BYTES, DumpOutput};
use crate::quote::{counted, quoted, quoted_namespace};
use crate::scan::{self, RESTARTS, Reading, Rest, Run, is_lost_place, open_where_it_is};
use crate::{Error, Result};
use mongoark_deployment::{Collection, Patience, Place, Scan};
use mongoark_model::Counts;
use mongoark_monitor::Item;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What every reading task needs.
pub(super) struct Context {
    pub(super) run: Arc<Run<DumpOutput>>,
    /// Whether bare documents are written, which the tools tell in other words.
    pub(super) is_bare: bool,
    /// Whether the oplog goes along, and tells what is stored meanwhile.
    pub(super) has_oplog: bool,
    /// Whether there is one archive, which has a place for views too.
    pub(super) is_archive: bool,
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
        if counts.is_err() || context.run.stop.is_requested() {
            break;
        }
        let context = Arc::clone(context);
        running.spawn(async move { collection(&context, &planned).await });
    }
    while !running.is_empty() {
        if counts.is_err() {
            // Dropping a driver future in mid-flight is unsafe: the others end at their next batch.
            context.run.abort.request();
        }
        counts = settle(&mut running, counts).await;
    }
    context.run.stop.check()?;
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
        context.run.monitor.step(format!("writing {name} to stdout"));
    } else if tells {
        let location = quoted(context.run.sink.location(planned.stream));
        context.run.monitor.step(format!("writing {name} to {location}"));
    }
    context.run.sink.open(planned.stream)?;
    let counts = if planned.is_read { read(context, planned).await? } else { Counts::default() };
    context.run.sink.end(planned.stream).await?;
    let documents = counted(counts.documents, "document", "documents");
    if tells && context.is_bare {
        context.run.monitor.step(format!("dumped {documents}"));
    } else if tells {
        context.run.monitor.step(format!("done dumping {name} ({documents})"));
    }
    Ok(counts)
}

/// All documents of a collection; from the start again where the output can take back what was written.
async fn read(context: &Arc<Context>, planned: &Planned) -> Result<Counts> {
    let mut restarts = 0;
    let mut patience = Patience::default();
    loop {
        let stats = planned.stats;
        let item =
            context.run.monitor.item(planned.metadata.namespace.to_string(), stats.documents, stats.bytes);
        let ended = documents(context, planned, &item).await;
        context.run.monitor.finish(&item);
        let error = match ended {
            Ok(counts) => return Ok(counts),
            Err(Error::Deployment(error)) => error,
            Err(error) => return Err(error),
        };
        let is_lost = error.may_pass() || is_lost_place(&error);
        if !is_lost
            || error.is_final()
            || restarts == RESTARTS
            || !context.run.sink.take_back(planned.stream)?
        {
            return Err(error.into());
        }
        context.run.check()?;
        restarts += 1;
        let name = planned.metadata.namespace.to_string();
        context.run.monitor.warn(name, format!("read again from its start: {error}"));
        patience.wait(error).await?;
    }
}

/// One attempt at all documents. A collection that is dropped meanwhile ends there, and is named.
async fn documents(context: &Arc<Context>, planned: &Planned, item: &Item) -> Result<Counts> {
    let reading = Reading {
        source: &context.run.source,
        metadata: &planned.metadata,
        namespace: &planned.data,
        filter: planned.filter.as_deref(),
        stats: planned.stats,
        parts_max: context.run.parts_max,
        batch_bytes: CHUNK_BYTES,
        raw_data: planned.raw_data,
        places: &[],
    };
    let life = context.run.incarnation();
    let scans = match planned.part {
        // Every database's accounts are in the one collection, which nobody renames.
        Part::AccountsOfDatabase => {
            Some(reading.open(&Collection::named(&planned.data), &context.run.monitor).await?)
        }
        Part::Collection | Part::Accounts => open_where_it_is(reading, &context.run.monitor).await?,
    };
    let Some(scans) = scans else {
        context.run.monitor.warn("", dropped(&planned.metadata.namespace));
        return Ok(Counts::default());
    };
    let places: Vec<Option<Place>> = scans.iter().map(Scan::place).collect();
    let rest = if context.has_oplog { None } else { Rest::behind(places.iter().map(Option::as_ref)) };
    let scans = scans.into_iter().enumerate().collect();
    let read = scan::to_the_end(&context.run, life, reading, scans, rest, planned.stream, item).await?;
    if read.is_gone {
        context.run.monitor.warn("", dropped(&planned.metadata.namespace));
    }
    Ok(read.counts)
}
