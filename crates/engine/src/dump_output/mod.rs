//! The way into a dump of mongodump's format: documents of any namespace go in as chunks, and come out as the files
//! of a folder, as one archive, or as bare documents. Needs no server.
//!
//! Who sends a chunk gives it its place; a pool compresses it where that is asked for ([`pack`]), and one thread, which
//! alone touches files, writes in that order ([`writer`]). A chunk holds its share of the memory budget until
//! it is written.

mod dispatch;
mod entry;
mod form;
mod framing;
mod layout;
mod pack;
mod sinks;
mod writer;

pub use entry::{Entry, data_collection};
pub use form::{Form, Settings};

use crate::archive::OpenChunk;
use crate::pool::{Budget, Buffers};
use crate::{Error, Result};
use dispatch::Dispatch;
use mongoark_bson_bytes::split_documents;
use mongoark_dump_format::Crc;
use mongoark_monitor::Monitor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use writer::{Slot, Writing};

/// Bytes of documents in a chunk, beyond which the next document begins another: enough for gzip to lose nothing by a
/// member for each.
pub const CHUNK_BYTES: usize = 2 * 1024 * 1024;

/// The entrance of a dump that is being written; clones share it. A stream is the place of its entry among those
/// that the dump began with.
#[derive(Clone)]
pub struct DumpOutput {
    inner: Arc<Inner>,
}

struct Inner {
    dispatch: Mutex<Dispatch>,
    locations: Vec<String>,
    /// Whether documents are summed up.
    is_archive: bool,
    budget: Budget,
    buffers: Buffers,
    writing: Mutex<Option<Writing>>,
}

impl std::fmt::Debug for DumpOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DumpOutput").field("streams", &self.inner.locations.len()).finish_non_exhaustive()
    }
}

impl DumpOutput {
    /// Begins a dump of these namespaces: writes the archive's prelude, or the metadata files.
    ///
    /// # Errors
    /// A name that is no file's, metadata that no archive can hold. What cannot be written is told by
    /// [`Self::finish`].
    pub fn begin(form: Form, settings: Settings, entries: Vec<Entry>, monitor: &Monitor) -> Result<Self> {
        let budget = Budget::new(settings.memory_bytes);
        let buffers = Buffers::default();
        let locations = form.locations(&settings, &entries);
        let is_archive = form.is_archive();
        let (mut dispatch, writing) = Dispatch::start(form, settings, entries, &buffers, monitor)?;
        dispatch.begin()?;
        let (dispatch, writing) = (Mutex::new(dispatch), Mutex::new(Some(writing)));
        Ok(Self { inner: Arc::new(Inner { dispatch, locations, is_archive, budget, buffers, writing }) })
    }

    /// Where the documents of a stream go, in the words of mongodump's log lines.
    pub fn location(&self, stream: usize) -> &str {
        self.inner.locations.get(stream).map_or("", String::as_str)
    }

    /// Begins a stream.
    pub fn open(&self, stream: usize) -> Result<()> {
        self.dispatch().open(stream)
    }

    /// Appends whole documents, a copy of them, once the memory budget has room.
    pub async fn write(&self, stream: usize, documents: &[u8]) -> Result<()> {
        let mut chunk = self.open_chunk().await?;
        for document in split_documents(documents) {
            let document = document.map_err(|source| self.no_document(stream, source))?;
            if chunk.is_full_for(document.len()) {
                self.send(stream, chunk)?;
                chunk = self.open_chunk().await?;
            }
            chunk.push(document);
        }
        self.send(stream, chunk)
    }

    fn no_document(&self, stream: usize, source: mongoark_bson_bytes::Error) -> Error {
        let source = mongoark_dump_format::Error::Bson { part: "documents".to_owned(), source };
        Error::Format { what: self.location(stream).to_owned(), source }
    }

    /// An empty chunk, once the memory budget has room for it.
    pub(crate) async fn open_chunk(&self) -> Result<OpenChunk> {
        let share = self.inner.budget.share(CHUNK_BYTES).await?;
        Ok(OpenChunk::new(self.inner.buffers.take(), CHUNK_BYTES, share))
    }

    /// Gives a chunk its place.
    pub(crate) fn send(&self, stream: usize, chunk: OpenChunk) -> Result<()> {
        let (bytes, share) = chunk.into_parts();
        let crc = if self.inner.is_archive { Crc::of(&bytes) } else { Crc::default() };
        self.dispatch().documents(stream, bytes, crc, share)
    }

    /// Takes back all documents of a stream; false where some are in the midst of an archive or a pipe already.
    pub(crate) fn take_back(&self, stream: usize) -> Result<bool> {
        self.dispatch().take_back(stream)
    }

    /// Ends a stream, and waits until all of it is written.
    pub async fn end(&self, stream: usize) -> Result<()> {
        let (tell, told) = oneshot::channel();
        {
            let mut dispatch = self.dispatch();
            dispatch.end(stream)?;
            dispatch.put(Slot::Reached(tell))?;
        }
        told.await.map_err(|_| Error::PipelineClosed("the dump's writer"))
    }

    /// Writes what comes last, and waits until everything is written. Returns the bytes of all files.
    ///
    /// # Errors
    /// The first that could not be written, by its name.
    pub async fn finish(&self) -> Result<u64> {
        let last = self.dispatch().finish();
        crate::error::cause_of(last, self.close().await).map(|((), written)| written)
    }

    /// Waits until everything that was sent is written. The dump is not whole.
    ///
    /// # Errors
    /// As [`Self::finish`]: the cause, where a writing error ended the run.
    pub async fn close(&self) -> Result<u64> {
        self.dispatch().close();
        let writing = self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writing) = writing else { return Err(Error::PipelineClosed("the dump's writer")) };
        let joined = tokio::task::spawn_blocking(move || writing.join()).await;
        match joined {
            Ok(Ok(written)) => written,
            _ => Err(Error::PipelineClosed("the dump's writer")),
        }
    }

    fn dispatch(&self) -> MutexGuard<'_, Dispatch> {
        self.inner.dispatch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl crate::scan::ChunkSink for DumpOutput {
    type Stream = usize;

    async fn open_chunk(&self) -> Result<OpenChunk> {
        Self::open_chunk(self).await
    }

    fn send(&self, stream: usize, _part: usize, chunk: OpenChunk) -> Result<()> {
        Self::send(self, stream, chunk)
    }
}
