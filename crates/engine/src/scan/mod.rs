//! Reading one collection: how many cursors, which failures concern it alone, and the one copy of each document from a
//! reply into a chunk.

mod reader;
mod rest;
mod run;
mod whereabouts;

pub(crate) use reader::{another_life, open_where_it_is, to_the_end};
pub(crate) use rest::Rest;
pub(crate) use run::Run;
pub(crate) use whereabouts::{Whereabouts, bucket_indexes, indexes_where_it_is, whereabouts};

use crate::archive::OpenChunk;
use crate::{Error, Result};
use bson::RawDocument;
use futures_util::future::join_all;
use mongoark_deployment::{
    self as deployment, Batch, Collection, CollectionStats, ErrorKind, Place, Scan, Source,
};
use mongoark_model::{CollectionKind, CollectionMetadata, Counts, Namespace, TopologyKind};
use mongoark_monitor::{Item, Monitor};

/// From this size on a collection is read through several cursors.
const SPLIT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that each of several cursors gets at least.
const PART_BYTES: u64 = 32 * 1024 * 1024;
/// Documents below which sampling says nothing.
const SPLIT_DOCUMENTS: u64 = 5_000;

/// What is to be read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source,
    pub(crate) metadata: &'a CollectionMetadata,
    /// The collection of the documents.
    pub(crate) namespace: &'a Namespace,
    pub(crate) filter: Option<&'a RawDocument>,
    pub(crate) stats: CollectionStats,
    /// Cursors at most.
    pub(crate) parts_max: usize,
    /// Bytes a reply is asked to hold: a batch fills a chunk.
    pub(crate) batch_bytes: usize,
    /// The buckets of a time series under its own name.
    pub(crate) raw_data: bool,
    /// Where other scans of it had come to, which are gone on with; none: it is read from its start.
    pub(crate) places: &'a [Place],
}

impl Reading<'_> {
    /// Opens the cursors that together read every document of a collection once.
    pub(crate) async fn open(
        &self,
        collection: &Collection,
        monitor: &Monitor,
    ) -> deployment::Result<Vec<Scan>> {
        let batch_documents = self.batch_documents();
        if !self.places.is_empty() {
            let scans = self
                .places
                .iter()
                .map(|place| Scan::from_place(self.source, collection, place, batch_documents));
            // All of them to their ends: a request under way cannot be dropped.
            return join_all(scans).await.into_iter().collect();
        }
        let parts = self.parts();
        if parts > 1 {
            let name = &collection.namespace;
            match deployment::open_parts(self.source, collection, parts, batch_documents).await {
                Ok(Some(scans)) => return Ok(scans),
                Ok(None) => monitor.detail(format!("{name} cannot be split; one cursor reads it")),
                // Sampling is a help: whatever is really wrong, one cursor will meet it too.
                Err(error) => monitor.detail(format!("{name} is not split: {error}")),
            }
        }
        let (source, filter) = (self.source, self.filter);
        let one = match filter {
            _ if self.metadata.kind == CollectionKind::View => {
                Scan::view(source, collection, filter, batch_documents).await?
            }
            None if self.can_go_on() => {
                Scan::resumable(source, collection, self.raw_data, batch_documents).await?
            }
            _ => Scan::open(source, collection, filter, batch_documents).await?,
        };
        Ok(vec![one])
    }

    /// Documents that a reply is asked to hold.
    fn batch_documents(&self) -> u32 {
        self.stats.documents_in(self.batch_bytes as u64)
    }

    /// Whether a cursor can name the place where another one goes on.
    fn can_go_on(&self) -> bool {
        self.metadata.kind != CollectionKind::View && self.source.info().topology != TopologyKind::Sharded
    }

    /// How many cursors serve.
    fn parts(&self) -> usize {
        let can_split = self.filter.is_none()
            && self.can_go_on()
            && matches!(self.metadata.kind, CollectionKind::Collection)
            && !self.metadata.is_capped()
            && !self.metadata.is_clustered();
        let is_large = self.stats.bytes >= SPLIT_BYTES && self.stats.documents >= SPLIT_DOCUMENTS;
        if !can_split || !is_large {
            return 1;
        }
        usize::try_from(self.stats.bytes / PART_BYTES).unwrap_or(usize::MAX).min(self.parts_max)
    }
}

/// Whether a failure concerns this collection alone, so that the others are still worth reading.
pub(crate) fn is_for_the_collection(error: &deployment::Error) -> bool {
    matches!(error.kind(), ErrorKind::Command(_) | ErrorKind::Unauthorized | ErrorKind::Reply)
}

/// `CappedPositionLost`, `QueryPlanKilled`, `CursorNotFound`, `CursorKilled`.
pub(crate) fn is_lost_cursor(error: &deployment::Error) -> bool {
    matches!(error.code(), Some(136 | 175 | 43 | 237))
}

/// How often a collection is begun anew after its place was lost.
pub(crate) const RESTARTS: u32 = 3;

/// Whether only the start of the collection is left: the cursor is lost, or the document behind which another one was to go
/// on is gone (`KeyNotFound`).
pub(crate) fn is_lost_place(error: &deployment::Error) -> bool {
    is_lost_cursor(error) || error.is_code(211)
}

/// Takes chunks of a stream.
pub(crate) trait ChunkSink: Send + Sync + 'static {
    /// How it knows a stream.
    type Stream: Copy + Send + Sync + 'static;

    /// An empty chunk, once there is memory for it.
    fn open_chunk(&self) -> impl Future<Output = Result<OpenChunk>> + Send;

    /// Takes a chunk of one cursor's part of a stream.
    fn send(&self, stream: Self::Stream, part: usize, chunk: OpenChunk) -> Result<()>;

    /// Whether a part is to send what it has, and to tell its place.
    fn wants_place(&self, _stream: Self::Stream, _part: usize) -> bool {
        false
    }

    /// All that was sent of a part lies before this place; or the part is read to its end.
    fn tell_place(&self, _stream: Self::Stream, _part: usize, _place: Option<Place>, _is_done: bool) {}
}

/// Fills chunks with the documents of batches; one for each cursor.
pub(crate) struct Filler<'a, S: ChunkSink> {
    sink: &'a S,
    stream: S::Stream,
    part: usize,
    open: Option<OpenChunk>,
    counts: Counts,
}

impl<'a, S: ChunkSink> Filler<'a, S> {
    pub(crate) fn new(sink: &'a S, stream: S::Stream, part: usize) -> Self {
        Self { sink, stream, part, open: None, counts: Counts::default() }
    }

    /// Copies a batch's documents; full chunks go.
    pub(crate) async fn take(&mut self, batch: &Batch, item: &Item) -> Result<()> {
        let (mut documents, mut bytes) = (0, 0);
        for document in batch.documents()? {
            let document = document?;
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.sink.open_chunk().await?,
            };
            if open.is_full_for(document.len()) {
                self.sink.send(self.stream, self.part, open)?;
                open = self.sink.open_chunk().await?;
            }
            open.push(document);
            self.open = Some(open);
            documents += 1;
            bytes += document.len() as u64;
        }
        item.add(documents, bytes);
        self.counts += Counts::new(documents, bytes);
        Ok(())
    }

    /// Sends what it has, if the sink wants to know how far the scan has come, and tells that.
    pub(crate) fn tell_place(&mut self, scan: &Scan) -> Result<()> {
        if self.sink.wants_place(self.stream, self.part) {
            self.flush()?;
            self.sink.tell_place(self.stream, self.part, scan.place(), false);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.sink.send(self.stream, self.part, open)
    }

    /// Sends what is left, and tells how much there was.
    pub(crate) fn finish(mut self, is_done: bool) -> Result<Counts> {
        self.flush()?;
        if is_done {
            self.sink.tell_place(self.stream, self.part, None, true);
        }
        Ok(self.counts)
    }
}

/// The counts of cursors' tasks together, or the first failure that is a cause.
pub(crate) fn sum(sum: Result<Counts>, part: Result<Counts>) -> Result<Counts> {
    match (sum, part) {
        (Ok(mut sum), Ok(part)) => {
            sum += part;
            Ok(sum)
        }
        (Err(first), Err(second)) if first.is_consequence() => Err(second),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// What a cursor's task that ended without a result stands for.
pub(crate) fn lost_task() -> Error {
    Error::PipelineClosed("a cursor's task")
}
