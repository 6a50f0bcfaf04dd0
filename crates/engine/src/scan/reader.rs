//! Reading one cursor's part of a collection to its end, whatever happens to cursor and collection meanwhile: another
//! cursor goes on where one was lost, under the collection's new name where it was renamed.

use super::{ChunkSink, Filler, Reading, Whereabouts, is_lost_cursor, whereabouts};
use crate::{Error, Result};
use mongoark_deployment::{self as deployment, ErrorKind, Patience, Scan, Source};
use mongoark_model::{CollectionMetadata, Counts, Namespace};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// What a reader needs of the run it belongs to.
pub(crate) trait ReadContext: Send + Sync + 'static {
    /// Where documents go.
    type Sink: ChunkSink;

    fn source(&self) -> &Source;
    fn sink(&self) -> &Self::Sink;
    fn monitor(&self) -> &Monitor;
    /// Cursors that may be read at once.
    fn cursors(&self) -> &Semaphore;
    /// An error once the run is to end.
    fn check(&self) -> Result<()>;
}

/// Opens the cursors of a collection where it is now; nothing where it is gone.
pub(crate) async fn open_where_it_is(reading: Reading<'_>, monitor: &Monitor) -> Result<Option<Vec<Scan>>> {
    let mut namespace = reading.namespace.clone();
    loop {
        let scans = Reading { namespace: &namespace, ..reading }.open(monitor).await?;
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

/// Reads one cursor's part of a collection.
pub(crate) struct Reader<C> {
    pub(crate) context: Arc<C>,
    pub(crate) metadata: CollectionMetadata,
    /// The collection of the documents, by its name when the run began.
    pub(crate) data: Namespace,
    /// Set where the collection turns out to be dropped.
    pub(crate) gone: Arc<AtomicBool>,
}

impl<C: ReadContext> Reader<C> {
    /// One cursor's documents into chunks, until it ends.
    pub(crate) async fn part(
        &self,
        mut scan: Scan,
        stream: <C::Sink as ChunkSink>::Stream,
        item: &Item,
    ) -> Result<Counts> {
        let context = &self.context;
        let _cursor = context.cursors().acquire().await.map_err(|_| Error::PipelineClosed("the cursors"))?;
        let mut filler = Filler::new(context.sink(), stream);
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
            let namespace = match whereabouts(self.context.source(), &self.metadata).await? {
                Whereabouts::Gone => return Ok(false),
                Whereabouts::Here => self.data.clone(),
                Whereabouts::Renamed(to) => to,
            };
            if !error.is_passing() && !is_lost {
                return Err(error.into());
            }
            let text = format!("{namespace}: another cursor goes on where one was lost: {error}");
            self.context.monitor().detail(text);
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
