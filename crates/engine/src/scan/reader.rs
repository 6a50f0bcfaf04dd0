//! Reading one cursor's part of a collection to its end, whatever happens to cursor and collection meanwhile: another
//! cursor goes on where one was lost, under the collection's new name where it was renamed.

use super::whereabouts::by_uuid;
use super::{
    ChunkSink, Filler, Reading, Rest, Run, Whereabouts, is_for_the_collection, is_lost_cursor, lost_task,
    sum, whereabouts,
};
use crate::{Error, Result};
use mongoark_deployment::{self as deployment, Collection, ErrorKind, Incarnation, Patience, Scan};
use mongoark_model::{CollectionMetadata, Counts, Namespace};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// Opens the cursors of a collection where it is now; nothing where it is gone.
pub(crate) async fn open_where_it_is(reading: Reading<'_>, monitor: &Monitor) -> Result<Option<Vec<Scan>>> {
    if let Some(collection) = by_uuid(reading.source, reading.metadata, reading.namespace) {
        match reading.open(&collection, monitor).await {
            Ok(scans) => return Ok(Some(scans)),
            Err(error) if is_for_the_collection(&error) && !is_lost_cursor(&error) => {
                monitor.detail(format!("{} is not read by its UUID: {error}", reading.namespace));
            }
            Err(error) => return Err(error.into()),
        }
    }
    by_name(&reading, monitor).await
}

/// The same without the right to use UUIDs. Between its opening and the look at who has its name, a collection may be
/// renamed to and fro.
async fn by_name(reading: &Reading<'_>, monitor: &Monitor) -> Result<Option<Vec<Scan>>> {
    let mut namespace = reading.namespace.clone();
    loop {
        let scans = reading.open(&Collection::named(&namespace), monitor).await?;
        // A cursor on a name that does not exist is empty, and one on a name that was given anew reads something
        // else; neither is an error to the server.
        match whereabouts(reading.source, reading.metadata).await? {
            Whereabouts::Gone => return Ok(None),
            Whereabouts::Here if namespace == *reading.namespace => return Ok(Some(scans)),
            Whereabouts::Here => namespace = reading.namespace.clone(),
            Whereabouts::Renamed(to) if to == namespace => return Ok(Some(scans)),
            Whereabouts::Renamed(to) => namespace = to,
        }
    }
}

/// What was read of a collection.
pub(crate) struct Read {
    pub(crate) counts: Counts,
    /// Whether it was dropped before its end.
    pub(crate) is_gone: bool,
}

/// Reads a collection's cursors to their ends, all at once; each comes with the number of its part. All are
/// of this life of the member. What they leave behind, if anything, is read when all have ended.
pub(crate) async fn to_the_end<S: ChunkSink>(
    run: &Arc<Run<S>>,
    incarnation: Option<Incarnation>,
    reading: Reading<'_>,
    scans: Vec<(usize, Scan)>,
    rest: Option<Rest>,
    stream: S::Stream,
    item: &Item,
) -> Result<Read> {
    let is_gone = Arc::new(AtomicBool::new(false));
    let reader = || Reader {
        run: Arc::clone(run),
        metadata: reading.metadata.clone(),
        data: reading.namespace.clone(),
        is_gone: Arc::clone(&is_gone),
        incarnation: incarnation.clone(),
    };
    let mut parts: JoinSet<Result<Counts>> = JoinSet::new();
    for (part, scan) in scans {
        let (reader, item) = (reader(), item.clone());
        parts.spawn(async move { reader.part(scan, stream, part, &item).await });
    }
    let mut counts = Ok(Counts::default());
    while let Some(ended) = parts.join_next().await {
        counts = sum(counts, ended.unwrap_or_else(|_| Err(lost_task())));
    }
    let mut counts = counts?;
    if let Some(rest) = rest.filter(|_| !is_gone.load(Ordering::Relaxed)) {
        match rest.open(run, &reading, incarnation.as_ref()).await? {
            Some(scan) => counts += reader().part(scan, stream, rest.part, item).await?,
            None => is_gone.store(true, Ordering::Relaxed),
        }
    }
    Ok(Read { counts, is_gone: is_gone.load(Ordering::Relaxed) })
}

/// Reads one cursor's part of a collection.
struct Reader<S> {
    run: Arc<Run<S>>,
    metadata: CollectionMetadata,
    /// The collection of the documents, by its name when the run began.
    data: Namespace,
    /// Set where the collection turns out to be dropped.
    is_gone: Arc<AtomicBool>,
    /// The life of the member in which it is read.
    incarnation: Option<Incarnation>,
}

impl<S: ChunkSink> Reader<S> {
    /// One cursor's documents into chunks, until it ends.
    async fn part(&self, mut scan: Scan, stream: S::Stream, part: usize, item: &Item) -> Result<Counts> {
        let run = &self.run;
        let _cursor = run.cursors.acquire().await.map_err(|_| Error::PipelineClosed("the cursors"))?;
        let mut filler = Filler::new(&run.sink, stream, part);
        let mut patience = Patience::default();
        let mut is_gone = false;
        loop {
            run.check()?;
            match scan.next().await {
                Ok(Some(batch)) => {
                    filler.take(&batch, item).await?;
                    filler.tell_place(&scan)?;
                    patience = Patience::default();
                }
                Ok(None) => break,
                Err(error) => {
                    if !self.go_on(&mut scan, error, &mut patience).await? {
                        self.is_gone.store(true, Ordering::Relaxed);
                        is_gone = true;
                        break;
                    }
                }
            }
        }
        // A part that ended because its collection is gone is not done: who goes on with it finds that out anew.
        filler.finish(!is_gone)
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
            if !error.may_pass() && !is_lost && !matches!(error.kind(), ErrorKind::Command(_)) {
                return Err(error.into());
            }
            let namespace = match whereabouts(&self.run.source, &self.metadata).await? {
                Whereabouts::Gone => return Ok(false),
                Whereabouts::Here => self.data.clone(),
                Whereabouts::Renamed(to) => to,
            };
            if !error.may_pass() && !is_lost {
                return Err(error.into());
            }
            let text = format!("{namespace}: another cursor goes on where one was lost: {error}");
            self.run.monitor.detail(text);
            let lost = error.to_string();
            patience.wait(error).await?;
            self.run.check()?;
            if !self.run.is_still(self.incarnation.as_ref()).await? {
                return Err(another_life(&namespace, &lost));
            }
            match scan.reopen(&namespace).await {
                Ok(true) => return Ok(true),
                Ok(false) => return Err(cannot_go_on(&namespace, &lost)),
                Err(another) => error = another,
            }
        }
    }
}

/// A member that was restarted or rolled back: places are good no longer.
pub(crate) fn another_life(namespace: &Namespace, lost: &str) -> Error {
    let message = format!("its place is lost, since the member was restarted or rolled back: {lost}");
    deployment::Error::new(ErrorKind::AnotherLife, format!("read {namespace}"), message).into()
}

/// A cursor without a place to go on: only from the start, where that can be.
fn cannot_go_on(namespace: &Namespace, lost: &str) -> Error {
    let message = format!("its cursor was lost and names no place to go on: {lost}");
    deployment::Error::new(ErrorKind::Network, format!("read {namespace}"), message).into()
}
