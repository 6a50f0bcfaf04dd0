//! The way into an archive: chunks are given their place, sealed on the pool, and appended in that
//! order by one thread, which alone touches the sink.

mod place;
mod syncer;

pub(crate) use place::PartPlace;

use crate::pool::{Budget, Buffers, Pool, Share};
use crate::{Error, Result};
use mongoark_container::{
    ArchiveId, Chunk, ChunkKind, Codec, Existing, Header, Interrupted, Limits, PartialFile, SealScratch,
    SealedChunk, Sealer, Secret, Sequencer, Ticket, WriteOptions, Writer,
};
use mongoark_deployment::Place;
use mongoark_monitor::Monitor;
use place::StreamPlace;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use syncer::Syncer;
use tokio::sync::oneshot;

/// Bytes of documents in a chunk, beyond which the next document begins another. A document that is
/// larger has a chunk of its own.
pub const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Where an archive goes.
pub enum Output {
    /// A file, which gets its name only once it is whole.
    File {
        /// Its final name.
        path: PathBuf,
        /// Whether a file of that name may be replaced.
        overwrite: bool,
    },
    /// A pipe, or anything else that takes bytes.
    Stream(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "File({})", path.display()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What became of an archive that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The archive's id.
    pub archive_id: ArchiveId,
    /// Its length, bytes.
    pub bytes: u64,
    /// Its name; none where it went to a stream.
    pub path: Option<PathBuf>,
}

enum Sink {
    File(PartialFile, PathBuf),
    Stream(Box<dyn Write + Send>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

struct SealJob {
    ticket: Ticket,
    chunk: Chunk,
    share: Share,
}

type Sealed = (Result<SealedChunk, mongoark_container::Error>, Share);

enum Slot {
    Chunk(oneshot::Receiver<Sealed>),
    Catalog { ticket: Ticket, stream: u32, body: Vec<u8> },
    StreamEnd { ticket: Ticket, stream: u32 },
    Retract { ticket: Ticket, stream: u32, first_seq: u64, last_seq: u64 },
    Checkpoint { ticket: Ticket, body: Vec<u8> },
}

struct Dispatch {
    sequencer: Sequencer,
    streams: HashMap<u32, StreamPlace>,
    slots: async_channel::Sender<Slot>,
    pool: Pool<SealJob, Sealed>,
}

/// The entrance: any task may send chunks; clones share it.
#[derive(Clone)]
pub(crate) struct ArchiveInput {
    dispatch: Arc<Mutex<Dispatch>>,
    budget: Budget,
    buffers: Buffers,
    /// Bytes of the archive so far.
    written: Arc<AtomicU64>,
    /// How often cursors were asked for their places.
    asked: Arc<AtomicU64>,
    /// The file until it has its name.
    partial: Option<PathBuf>,
}

/// A chunk that is being filled with whole documents.
pub(crate) struct OpenChunk {
    bytes: Vec<u8>,
    /// Beyond this the next document begins another.
    bytes_max: usize,
    documents: u32,
    share: Share,
}

impl OpenChunk {
    /// An empty chunk with its share of the budget.
    pub(crate) fn new(mut bytes: Vec<u8>, bytes_max: usize, share: Share) -> Self {
        // Doubled as it fills up, a buffer would take nearly twice its share.
        bytes.reserve_exact(bytes_max);
        Self { bytes, bytes_max, documents: 0, share }
    }

    /// A chunk that is full already.
    pub(crate) fn whole(bytes: Vec<u8>, documents: u32, share: Share) -> Self {
        Self { bytes_max: bytes.len(), bytes, documents, share }
    }

    /// Its documents' bytes, and the share that is to be held as long as they are.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Share) {
        (self.bytes, self.share)
    }

    /// Whether another document of this length belongs into the next chunk.
    pub(crate) fn is_full_for(&self, length: usize) -> bool {
        !self.bytes.is_empty() && self.bytes.len() + length > self.bytes_max
    }

    /// Copies a document in: the only copy on its way from the reply to the compressor.
    pub(crate) fn push(&mut self, document: &[u8]) {
        self.bytes.extend_from_slice(document);
        self.documents += 1;
    }
}

impl ArchiveInput {
    /// An empty chunk, once the memory budget has room for it.
    pub(crate) async fn open_chunk(&self) -> Result<OpenChunk> {
        let share = self.budget.share(CHUNK_BYTES).await?;
        Ok(OpenChunk::new(self.buffers.take(), CHUNK_BYTES, share))
    }

    /// Memory for the documents of a chunk that is made elsewhere; its content does not matter.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.buffers.take()
    }

    /// Gives a chunk of a stream that one reader fills its place in the archive and hands it to the pool. A stream holds
    /// documents or oplog entries.
    pub(crate) fn send_as(&self, kind: ChunkKind, stream: u32, chunk: OpenChunk) -> Result<()> {
        self.send_part(kind, stream, 0, chunk)
    }

    fn send_part(&self, kind: ChunkKind, stream: u32, part: usize, chunk: OpenChunk) -> Result<()> {
        let OpenChunk { bytes, documents, share, .. } = chunk;
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = dispatch.sequencer.chunk()?;
        let place = dispatch.streams.entry(stream).or_default();
        let stream_seq = place.next;
        place.sent(part, ticket.seq());
        let chunk = Chunk { kind, stream, stream_seq, documents, bytes };
        let sealed = dispatch.pool.submit(SealJob { ticket, chunk, share })?;
        dispatch.enqueue(Slot::Chunk(sealed))
    }

    /// Bytes of the archive so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The file until it has its name; none of a stream.
    pub(crate) fn partial_path(&self) -> Option<PathBuf> {
        self.partial.clone()
    }

    /// Appends a catalog record.
    pub(crate) fn catalog(&self, stream: u32, body: Vec<u8>) -> Result<()> {
        self.control(|ticket| Slot::Catalog { ticket, stream, body })
    }

    /// Appends a stream's end, behind all its chunks.
    pub(crate) fn stream_end(&self, stream: u32) -> Result<()> {
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        dispatch.streams.remove(&stream);
        let ticket = dispatch.sequencer.control()?;
        dispatch.enqueue(Slot::StreamEnd { ticket, stream })
    }

    /// Takes back all that was sent of a stream so far.
    pub(crate) fn retract(&self, stream: u32) -> Result<()> {
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((first_seq, last_seq)) = dispatch.streams.get_mut(&stream).and_then(StreamPlace::take_back)
        else {
            return Ok(());
        };
        let ticket = dispatch.sequencer.control()?;
        dispatch.enqueue(Slot::Retract { ticket, stream, first_seq, last_seq })
    }

    /// Takes back single chunks of a stream.
    pub(crate) fn retract_chunks(&self, stream: u32, seqs: &[u64]) -> Result<()> {
        for &seq in seqs {
            self.control(|ticket| Slot::Retract { ticket, stream, first_seq: seq, last_seq: seq })?;
        }
        Ok(())
    }

    /// From now on a stream is read by so many cursors, from these places.
    pub(crate) fn begin_parts(&self, stream: u32, parts: Vec<PartPlace>) {
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        dispatch.streams.entry(stream).or_default().begin(parts);
    }

    /// Asks every cursor to send what it has, and to tell its place.
    pub(crate) fn ask_for_places(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends a checkpoint: `encode` gets the parts of all streams that can be gone on with.
    pub(crate) fn checkpoint(
        &self,
        encode: impl FnOnce(&BTreeMap<u32, Vec<PartPlace>>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            dispatch.streams.iter().filter_map(|(stream, place)| Some((*stream, place.parts()?.to_vec())));
        let body = encode(&known.collect())?;
        let ticket = dispatch.sequencer.control()?;
        dispatch.enqueue(Slot::Checkpoint { ticket, body })
    }

    fn control(&self, slot: impl FnOnce(Ticket) -> Slot) -> Result<()> {
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = dispatch.sequencer.control()?;
        dispatch.enqueue(slot(ticket))
    }
}

impl crate::scan::ChunkSink for ArchiveInput {
    type Stream = u32;

    async fn open_chunk(&self) -> Result<OpenChunk> {
        Self::open_chunk(self).await
    }

    fn send(&self, stream: u32, part: usize, chunk: OpenChunk) -> Result<()> {
        self.send_part(ChunkKind::Data, stream, part, chunk)
    }

    fn wants_place(&self, stream: u32, part: usize) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        let dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        dispatch.streams.get(&stream).is_some_and(|place| place.is_asked(part, asked))
    }

    fn tell_place(&self, stream: u32, part: usize, place: Option<Place>, is_done: bool) {
        let asked = self.asked.load(Ordering::Relaxed);
        let mut dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = dispatch.streams.get_mut(&stream) {
            stream.tell(part, place, is_done, asked);
        }
    }
}

impl Dispatch {
    fn enqueue(&self, slot: Slot) -> Result<()> {
        self.slots.try_send(slot).map_err(|_| Error::PipelineClosed("the archive's writer"))
    }
}

/// The writing thread, and what is needed to end it.
pub(crate) struct ArchiveTask {
    writer: thread::JoinHandle<Result<Writer<Sink>>>,
}

/// Begins an archive and starts its pool and its writer.
pub(crate) fn begin(
    output: Output,
    options: &WriteOptions,
    threads: usize,
    budget: Budget,
    monitor: &Monitor,
) -> Result<(ArchiveInput, ArchiveTask)> {
    let (sink, file) = match output {
        Output::File { path, overwrite } => {
            let file = PartialFile::create(&path, existing(overwrite))?;
            let twin = (file.handle()?, file.partial_path().to_owned());
            (Sink::File(file, path), Some(twin))
        }
        Output::Stream(stream) => (Sink::Stream(stream), None),
    };
    let parts = mongoark_container::create(sink, options)?;
    Ok(start(parts, HashMap::new(), file, threads, budget, monitor))
}

/// The file that `path` will be once it is whole, up to its last checkpoint; nothing where there is nothing to go on with.
pub(crate) fn interrupted(
    path: &Path,
    overwrite: bool,
    unlock: impl FnOnce(&Header) -> Result<Vec<Secret>>,
) -> Result<Option<Interrupted>> {
    Interrupted::open(path, existing(overwrite), unlock, &Limits::default())
}

/// Goes on with an archive behind its last checkpoint.
pub(crate) fn go_on(
    interrupted: Interrupted,
    path: PathBuf,
    codec: Codec,
    threads: usize,
    budget: Budget,
    monitor: &Monitor,
) -> Result<(ArchiveInput, ArchiveTask)> {
    let streams = interrupted.open_streams().into_iter().map(|kept| {
        let seqs: Vec<u64> = kept.chunks.iter().map(|chunk| chunk.seq).collect();
        (kept.stream, StreamPlace::going_on(kept.next_stream_seq, &seqs))
    });
    let streams = streams.collect();
    let mut twin = None;
    let parts = interrupted.go_on(codec, |file| {
        twin = Some((file.handle(), file.partial_path().to_owned()));
        Sink::File(file, path)
    })?;
    let file = twin.map(|(handle, partial)| handle.map(|handle| (handle, partial))).transpose()?;
    Ok(start(parts, streams, file, threads, budget, monitor))
}

/// Starts the pool and the writer. `file` is another handle on what is written, and its name.
fn start(
    (sequencer, sealer, writer): (Sequencer, Sealer, Writer<Sink>),
    streams: HashMap<u32, StreamPlace>,
    file: Option<(File, PathBuf)>,
    threads: usize,
    budget: Budget,
    monitor: &Monitor,
) -> (ArchiveInput, ArchiveTask) {
    let (handle, partial) = file.unzip();
    let syncer = Syncer::new(handle, partial.clone().unwrap_or_default());
    let buffers = Buffers::default();
    let pool = sealing_pool(threads, &sealer, &buffers);
    let (slots, queue) = async_channel::unbounded();
    let monitor = monitor.clone();
    let written = Arc::new(AtomicU64::new(writer.position()));
    let position = Arc::clone(&written);
    let writer = thread::spawn(move || {
        let appended = append_all(writer, syncer, &queue, &monitor, &position);
        if appended.is_err() {
            // What still waits holds shares of the budget that readers wait for.
            queue.close();
            while queue.try_recv().is_ok() {}
        }
        appended
    });
    let dispatch = Arc::new(Mutex::new(Dispatch { sequencer, streams, slots, pool }));
    let asked = Arc::new(AtomicU64::new(0));
    (ArchiveInput { dispatch, budget, buffers, written, asked, partial }, ArchiveTask { writer })
}

fn existing(overwrite: bool) -> Existing {
    if overwrite { Existing::Overwrite } else { Existing::Refuse }
}

fn sealing_pool(threads: usize, sealer: &Sealer, buffers: &Buffers) -> Pool<SealJob, Sealed> {
    let (sealer, buffers) = (sealer.clone(), buffers.clone());
    Pool::start(threads, move || {
        let (sealer, buffers, mut scratch) = (sealer.clone(), buffers.clone(), SealScratch::default());
        move |job: SealJob| {
            let outcome = sealer.seal(job.ticket, &job.chunk, &mut scratch);
            buffers.give(job.chunk.bytes);
            (outcome, job.share)
        }
    })
}

/// The writer's thread: slots in order until the entrance closes.
fn append_all(
    mut writer: Writer<Sink>,
    mut syncer: Syncer,
    queue: &async_channel::Receiver<Slot>,
    monitor: &Monitor,
    position: &AtomicU64,
) -> Result<Writer<Sink>> {
    let mut reported = position.load(Ordering::Relaxed);
    while let Ok(slot) = queue.recv_blocking() {
        match slot {
            Slot::Chunk(sealed) => {
                let (sealed, _share) =
                    sealed.blocking_recv().map_err(|_| Error::PipelineClosed("the sealing pool"))?;
                writer.append_chunk(sealed?)?;
            }
            Slot::Catalog { ticket, stream, body } => writer.append_catalog(ticket, stream, &body)?,
            Slot::StreamEnd { ticket, stream } => writer.append_stream_end(ticket, stream)?,
            Slot::Retract { ticket, stream, first_seq, last_seq } => {
                writer.append_retract(ticket, stream, first_seq, last_seq)?;
            }
            Slot::Checkpoint { ticket, body } => {
                writer.append_checkpoint(ticket, &body)?;
                syncer.begin()?;
            }
        }
        monitor.add_archive_bytes(writer.position() - reported);
        reported = writer.position();
        position.store(reported, Ordering::Relaxed);
    }
    syncer.settle()?;
    Ok(writer)
}

impl ArchiveTask {
    /// Waits until everything sent is appended, then writes the archive's end and gives the file
    /// its name. Without a summary the run has failed: the `.partial` stays, and the writer's own
    /// error, if it has one, is the cause.
    pub(crate) async fn finish(
        self,
        input: ArchiveInput,
        summary: Option<Vec<u8>>,
    ) -> Result<Option<Written>> {
        let dispatch = Arc::into_inner(input.dispatch).ok_or(Error::PipelineClosed("a reader"))?;
        let Dispatch { sequencer, slots, pool, .. } =
            dispatch.into_inner().unwrap_or_else(PoisonError::into_inner);
        drop((slots, pool));
        let finish = move || -> Result<Option<Written>> {
            let writer = self.writer.join().map_err(|_| Error::PipelineClosed("the archive's writer"))??;
            let Some(summary) = summary else { return Ok(None) };
            let archive_id = writer.archive_id();
            let (sink, stats) = writer.finish(sequencer, &summary)?;
            let path = match sink {
                Sink::File(file, path) => {
                    file.commit()?;
                    Some(path)
                }
                Sink::Stream(_) => None,
            };
            Ok(Some(Written { archive_id, bytes: stats.archive_bytes, path }))
        };
        tokio::task::spawn_blocking(finish)
            .await
            .map_err(|_| Error::PipelineClosed("the archive's writer"))?
    }
}

/// The compression an archive gets unless the user says otherwise.
pub fn default_codec() -> Codec {
    Codec::default()
}
