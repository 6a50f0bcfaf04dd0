//! The way out of an archive: stored records are read by one thread, opened on the pool, and handed
//! out in the archive's order. A file's end and index are authenticated before anything else; a
//! pipe is checked as it comes, to its last byte.

use crate::catalog::{
    DEPLOYMENT_STREAM, DeploymentEntry, Summary, decode_collection, decode_oplog, is_oplog,
};
use crate::oplog::Origin;
use crate::pool::{Budget, Buffers, Pool, Share, cores};
use crate::{Error, Result, Stop};
use mongoark_container::{
    ArchiveId, Chunk, Error as ContainerError, FileReader, Header, IndexEntry, Limits, OpenScratch, Opener,
    Record, RecordKind, RecordMeta, Retract, Secret, StoredRecord, StreamReader, Tag, Verifier, open_file,
};
use mongoark_model::{CollectionMetadata, Counts, Namespace};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tokio::sync::oneshot;

/// Bytes of opened chunks under way at once.
const BUDGET_BYTES: usize = 32 * 1024 * 1024;
/// A record's share of the budget where its raw length is not known before it is opened.
const UNKNOWN_BYTES: usize = crate::archive::CHUNK_BYTES;
/// Namespaces that an archive may hold; more are no honest catalog.
const CATALOG_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// An archive that is open and whose key is known.
#[derive(Debug)]
pub enum Archive {
    /// In a file: authenticated ahead, read by offset.
    File(Box<FileReader>),
    /// From a pipe, or a file read from its first byte to its last.
    Stream(Box<StreamReader<Box<dyn Read + Send>>>, ArchiveId),
}

/// Where the secrets for an archive come from, once its header tells which it needs.
pub type Unlock<'a> = &'a dyn Fn(&Header) -> Result<Vec<Secret>>;

impl Archive {
    /// Opens a file and authenticates its header, end and index.
    pub fn open_file(path: &Path, unlock: Unlock<'_>, limits: &Limits) -> Result<Self> {
        let header = FileReader::header_of(path, limits)?;
        let reader = FileReader::open(path, &unlock(&header)?, limits)?;
        Ok(Self::File(Box::new(reader)))
    }

    /// Opens a file to read every byte of it in order.
    pub fn open_whole(path: &Path, unlock: Unlock<'_>, limits: &Limits) -> Result<Self> {
        let file = open_file(path)?;
        Self::open_stream(Box::new(file), unlock, limits)
    }

    /// Opens what comes from a pipe.
    pub fn open_stream(input: Box<dyn Read + Send>, unlock: Unlock<'_>, limits: &Limits) -> Result<Self> {
        let mut input: Box<dyn Read + Send> = Box::new(BufReader::with_capacity(1 << 20, input));
        let header = Header::read(&mut input, limits)?;
        let keys = header.unlock(&unlock(&header)?, limits)?;
        let id = header.archive_id();
        Ok(Self::Stream(Box::new(StreamReader::with_limits(input, header, &keys, limits.clone())?), id))
    }

    /// Whether it is encrypted, and so authentic; anybody can have written one that is not.
    pub fn is_encrypted(&self) -> bool {
        match self {
            Self::File(reader) => reader.header().is_encrypted(),
            Self::Stream(reader, _) => reader.header().is_encrypted(),
        }
    }

    /// Whether the archive is known to be whole before its first document is read.
    pub fn is_verified_ahead(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// The archive's own id.
    pub(crate) fn id(&self) -> ArchiveId {
        match self {
            Self::File(reader) => reader.header().archive_id(),
            Self::Stream(_, id) => *id,
        }
    }

    /// What is wrong with a file, but did not keep it from being opened.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::File(reader) => reader.warnings().iter().map(ToString::to_string).collect(),
            Self::Stream(..) => Vec::new(),
        }
    }
}

/// A namespace in an archive.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// Its number in the archive.
    pub stream: u32,
    /// What it is.
    pub metadata: CollectionMetadata,
    /// Its documents, by the index of a file; 0 in a pipe, which tells at its end.
    pub documents: u64,
    /// Their raw bytes, likewise.
    pub bytes: u64,
    /// Bytes that its chunks take in the archive, likewise.
    pub stored_bytes: u64,
}

/// What an archive holds.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The deployment it was taken from.
    pub deployment: Option<DeploymentEntry>,
    /// Its namespaces, in the archive's order.
    pub collections: Vec<CatalogEntry>,
    /// The oplog of the time of the dump, or the slice of one that the archive is.
    pub oplog: Option<OplogEntry>,
}

/// The oplog in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OplogEntry {
    /// Its number in the archive.
    pub stream: u32,
    /// Where it comes from, and begins.
    pub origin: Origin,
    /// Its entries, by the index of a file; 0 in a pipe, which tells at its end.
    pub documents: u64,
    /// Their raw bytes, likewise.
    pub bytes: u64,
}

impl Catalog {
    fn add(&mut self, stream: u32, body: &[u8]) -> Result<()> {
        if stream == DEPLOYMENT_STREAM {
            self.deployment = Some(DeploymentEntry::decode(body)?);
            return Ok(());
        }
        if is_oplog(body) {
            let oplog = OplogEntry { stream, origin: decode_oplog(body)?, ..OplogEntry::default() };
            return match self.oplog.replace(oplog) {
                None => Ok(()),
                Some(_) => Err(Error::Catalog("it has two oplogs".to_owned())),
            };
        }
        let metadata = decode_collection(body)?;
        self.collections.push(CatalogEntry { stream, metadata, documents: 0, bytes: 0, stored_bytes: 0 });
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let mut names: HashSet<&Namespace> = HashSet::new();
        let mut streams: HashSet<u32> = self.oplog.iter().map(|oplog| oplog.stream).collect();
        for entry in &self.collections {
            if !names.insert(&entry.metadata.namespace) || !streams.insert(entry.stream) {
                return Err(Error::Catalog(format!("{} stands in it twice", entry.metadata.namespace)));
            }
        }
        Ok(())
    }

    fn count(&mut self, entries: &[IndexEntry]) {
        let mut sums: HashMap<u32, (u64, u64, u64)> = HashMap::new();
        let chunks = entries.iter().filter(|e| matches!(e.kind, RecordKind::Data | RecordKind::Oplog));
        for entry in chunks {
            let sum = sums.entry(entry.stream).or_default();
            sum.0 += u64::from(entry.documents);
            sum.1 += u64::from(entry.raw_len);
            sum.2 += u64::from(entry.length);
        }
        for entry in &mut self.collections {
            (entry.documents, entry.bytes, entry.stored_bytes) =
                sums.get(&entry.stream).copied().unwrap_or_default();
        }
        if let Some(oplog) = &mut self.oplog {
            (oplog.documents, oplog.bytes, _) = sums.get(&oplog.stream).copied().unwrap_or_default();
        }
    }

    /// The numbers of the collections, not of the oplog.
    pub(crate) fn streams(&self) -> HashSet<u32> {
        self.collections.iter().map(|entry| entry.stream).collect()
    }
}

/// Something that comes out of an archive.
pub(crate) enum Piece {
    /// Documents, or entries of the oplog, their share of the memory budget, and what tells the chunk from any other.
    Chunk(Chunk, Share, ChunkName),
    /// No more documents of this stream.
    StreamEnd(u32),
    /// Documents that came before do not count.
    Retract(Retracted),
    /// The archive is whole, and all of it (or of what was selected) came out.
    End(Option<Summary>),
}

/// What a chunk is, whoever reads it and from where: its record's number and tag. Never its place among those that a reader
/// happens to get, since a pipe gives chunks that a file's index leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkName {
    pub(crate) seq: u64,
    pub(crate) tag: Tag,
}

impl From<&RecordMeta> for ChunkName {
    fn from(meta: &RecordMeta) -> Self {
        Self { seq: meta.seq, tag: meta.tag }
    }
}

impl From<&IndexEntry> for ChunkName {
    fn from(entry: &IndexEntry) -> Self {
        Self { seq: entry.seq, tag: entry.tag }
    }
}

/// What a pipe takes back; a file's index leaves it out ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retracted {
    pub(crate) stream: u32,
    /// Which record numbers it covers, both included.
    pub(crate) seqs: (u64, u64),
    /// Documents and bytes of the chunks that count no longer.
    pub(crate) counts: Counts,
    /// Whether that is all there was of the stream.
    pub(crate) is_all: bool,
}

type Opened = oneshot::Receiver<Result<Record, ContainerError>>;
type Queue = async_channel::Receiver<Result<(Opened, Share)>>;

/// Pieces in order. Reading runs ahead by what the memory budget allows.
pub(crate) struct Feed {
    form: Form,
    queue: Option<Queue>,
    buffers: Buffers,
    stop: Stop,
    summary: Option<Summary>,
    /// Records of a file that are still to come: a queue that closes before is no end.
    left: usize,
    ended: bool,
}

enum Form {
    /// Reads only the streams that are taken; the index has bound each record already.
    File(Arc<FileReader>),
    /// Reads everything, and keeps the account of everything.
    Stream { verifier: Box<Verifier>, pending: VecDeque<(Record, Share)>, given: Given },
}

/// The chunks of streams under way that count: their record numbers, and what is in each.
#[derive(Default)]
struct Given(HashMap<u32, BTreeMap<u64, Counts>>);

impl Given {
    fn chunk(&mut self, seq: u64, chunk: &Chunk) {
        let counts = Counts::new(u64::from(chunk.documents), chunk.bytes.len() as u64);
        self.0.entry(chunk.stream).or_default().insert(seq, counts);
    }

    fn retract(&mut self, retract: &Retract) -> Retracted {
        let chunks = self.0.entry(retract.stream).or_default();
        let seqs = (retract.first_seq, retract.last_seq);
        let mut counts = Counts::default();
        // The verifier has seen that the first is not behind the last.
        while let Some(seq) = chunks.range(seqs.0..=seqs.1).next().map(|(seq, _)| *seq) {
            counts += chunks.remove(&seq).unwrap_or_default();
        }
        Retracted { stream: retract.stream, seqs, counts, is_all: chunks.is_empty() }
    }
}

impl Feed {
    /// Begins to read. From a pipe everything comes; from a file nothing before
    /// [`take_only`](Self::take_only) says what.
    pub(crate) fn start(archive: Archive, stop: &Stop) -> Self {
        let buffers = Buffers::default();
        let (form, queue) = match archive {
            Archive::File(reader) => (Form::File(Arc::new(*reader)), None),
            Archive::Stream(reader, id) => {
                let verifier = Box::new(Verifier::new(id));
                let queue = read_stream(*reader, &buffers);
                (Form::Stream { verifier, pending: VecDeque::new(), given: Given::default() }, Some(queue))
            }
        };
        Self { form, queue, buffers, stop: stop.clone(), summary: None, left: 0, ended: false }
    }

    /// What the archive holds. From a pipe this reads up to the first documents.
    pub(crate) async fn catalog(&mut self) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        if let Form::File(reader) = &self.form {
            for found in reader.catalogs()? {
                catalog.add(found.stream, &found.body)?;
            }
            catalog.count(reader.entries());
            self.summary = Some(Summary::decode(&reader.end().summary)?);
        } else {
            self.stream_catalog(&mut catalog).await?;
        }
        catalog.check()?;
        Ok(catalog)
    }

    async fn stream_catalog(&mut self, catalog: &mut Catalog) -> Result<()> {
        let mut bytes = 0;
        loop {
            let (record, share) =
                self.receive().await?.ok_or(Error::PipelineClosed("the archive's reader"))?;
            match record {
                Record::Epoch { .. } => {}
                Record::Catalog { stream, body, .. } => {
                    bytes += body.len();
                    if bytes > CATALOG_BYTES_MAX {
                        return Err(Error::Catalog(format!("it is longer than {CATALOG_BYTES_MAX} bytes")));
                    }
                    catalog.add(stream, &body)?;
                }
                other => {
                    if let Form::Stream { pending, .. } = &mut self.form {
                        pending.push_back((other, share));
                    }
                    return Ok(());
                }
            }
        }
    }

    /// From a file: begins to read the chunks of these streams. A pipe goes on giving everything.
    pub(crate) fn take_only(&mut self, streams: HashSet<u32>) {
        self.take_behind(&streams.into_iter().map(|stream| (stream, None)).collect());
    }

    /// The same, without the chunks of each up to a record number. A pipe gives them all the same.
    pub(crate) fn take_behind(&mut self, streams: &HashMap<u32, Option<u64>>) {
        let Form::File(reader) = &self.form else { return };
        let is_wanted = |entry: &IndexEntry| match (entry.kind, streams.get(&entry.stream)) {
            (RecordKind::Data | RecordKind::Oplog, Some(last)) => last.is_none_or(|last| entry.seq > last),
            (RecordKind::StreamEnd, Some(_)) => true,
            _ => false,
        };
        let entries = reader.entries().iter().enumerate();
        let wanted: Vec<usize> =
            entries.filter(|(_, entry)| is_wanted(entry)).map(|(place, _)| place).collect();
        self.left = wanted.len();
        self.queue = Some(read_file(Arc::clone(reader), wanted, &self.buffers));
    }

    /// The chunks of documents that count, by stream and in their order; nothing of a pipe, which has not come by yet.
    pub(crate) fn chunks(&self) -> Option<HashMap<u32, Vec<ChunkName>>> {
        let Form::File(reader) = &self.form else { return None };
        let mut chunks: HashMap<u32, Vec<ChunkName>> = HashMap::new();
        for entry in reader.entries().iter().filter(|entry| entry.kind == RecordKind::Data) {
            chunks.entry(entry.stream).or_default().push(ChunkName::from(entry));
        }
        Some(chunks)
    }

    /// Another feed from the same file, from its beginning; a pipe comes by once.
    pub(crate) fn again(&self) -> Option<Self> {
        let Form::File(reader) = &self.form else { return None };
        let form = Form::File(Arc::clone(reader));
        let (buffers, stop) = (self.buffers.clone(), self.stop.clone());
        Some(Self { form, queue: None, buffers, stop, summary: None, left: 0, ended: false })
    }

    /// What the end says, where it is known before the documents: of a file, once its catalog was read.
    pub(crate) fn summary_ahead(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Gives the memory of a chunk back for the next.
    pub(crate) fn recycle(&self, bytes: Vec<u8>) {
        self.buffers.give(bytes);
    }

    /// The next piece; after [`Piece::End`] there is none.
    pub(crate) async fn next(&mut self) -> Result<Piece> {
        loop {
            self.stop.check()?;
            let pending = match &mut self.form {
                Form::Stream { pending, .. } => pending.pop_front(),
                Form::File(_) => None,
            };
            let next = match pending {
                Some(next) => Some(next),
                None => self.receive().await?,
            };
            let Some((record, share)) = next else { return self.finish() };
            if let Some(piece) = self.piece(record, share)? {
                return Ok(piece);
            }
        }
    }

    fn finish(&mut self) -> Result<Piece> {
        let is_whole = match &self.form {
            Form::Stream { verifier, .. } => verifier.is_complete(),
            Form::File(_) => self.left == 0,
        };
        if !is_whole {
            return Err(Error::PipelineClosed("the archive's reader"));
        }
        if std::mem::replace(&mut self.ended, true) {
            return Err(Error::PipelineClosed("the archive's reader"));
        }
        Ok(Piece::End(self.summary.take()))
    }

    fn piece(&mut self, record: Record, share: Share) -> Result<Option<Piece>> {
        match record {
            Record::Chunk { meta, chunk } => {
                if let Form::Stream { given, .. } = &mut self.form {
                    given.chunk(meta.seq, &chunk);
                }
                Ok(Some(Piece::Chunk(chunk, share, ChunkName::from(&meta))))
            }
            Record::StreamEnd { totals, .. } => {
                if let Form::Stream { given, .. } = &mut self.form {
                    given.0.remove(&totals.stream);
                }
                Ok(Some(Piece::StreamEnd(totals.stream)))
            }
            Record::Retract { retract, .. } => match &mut self.form {
                Form::Stream { given, .. } => Ok(Some(Piece::Retract(given.retract(&retract)))),
                Form::File(_) => Ok(None),
            },
            Record::Catalog { stream, .. } => {
                Err(Error::Catalog(format!("stream {stream} is described only after the first documents")))
            }
            Record::End { end, .. } => {
                self.summary = Some(Summary::decode(&end.summary)?);
                Ok(None)
            }
            // Checkpoints serve a dump that resumes; the index serves readers of files.
            _ => Ok(None),
        }
    }

    /// The next record, opened and, from a pipe, checked against all before it.
    async fn receive(&mut self) -> Result<Option<(Record, Share)>> {
        let Some(queue) = &self.queue else { return Ok(None) };
        let Ok(next) = queue.recv().await else { return Ok(None) };
        let (opened, share) = next?;
        let record = opened.await.map_err(|_| Error::PipelineClosed("the opening pool"))??;
        match &mut self.form {
            Form::Stream { verifier, .. } => verifier.accept(&record)?,
            Form::File(_) => self.left = self.left.saturating_sub(1),
        }
        Ok(Some((record, share)))
    }
}

struct Opening {
    pool: Pool<StoredRecord, Result<Record, ContainerError>>,
    budget: Budget,
    runtime: tokio::runtime::Handle,
}

impl Opening {
    fn new(opener: &Opener, buffers: &Buffers) -> Self {
        let (opener, buffers) = (opener.clone(), buffers.clone());
        let pool = Pool::start(cores(), move || {
            let (opener, buffers, mut scratch) = (opener.clone(), buffers.clone(), OpenScratch::new());
            move |stored| {
                scratch.recycle(buffers.take());
                opener.open(stored, &mut scratch)
            }
        });
        Self { pool, budget: Budget::new(BUDGET_BYTES), runtime: tokio::runtime::Handle::current() }
    }

    /// Waits, on a thread that may block, for room.
    fn share(&self, bytes: usize) -> Result<Share> {
        self.runtime.block_on(self.budget.share(bytes))
    }
}

/// Reads everything in order on a thread of its own.
fn read_stream(mut reader: StreamReader<Box<dyn Read + Send>>, buffers: &Buffers) -> Queue {
    let opening = Opening::new(&reader.opener(), buffers);
    let (sender, queue) = async_channel::unbounded();
    thread::spawn(move || {
        loop {
            let next = opening.share(UNKNOWN_BYTES).and_then(|share| match reader.next_stored()? {
                Some(stored) => Ok(Some((opening.pool.submit(stored)?, share))),
                None => Ok(None),
            });
            let Some(next) = next.transpose() else { return };
            let failed = next.is_err();
            if sender.try_send(next).is_err() || failed {
                return;
            }
        }
    });
    queue
}

/// Reads records by the places of their index entries. A chunk takes no less memory than is stored of it, whatever its entry
/// says of its raw length.
fn read_file(reader: Arc<FileReader>, wanted: Vec<usize>, buffers: &Buffers) -> Queue {
    let opening = Opening::new(&reader.opener(), buffers);
    let (sender, queue) = async_channel::unbounded();
    thread::spawn(move || {
        for entry in wanted.into_iter().filter_map(|place| reader.entries().get(place)) {
            let bytes = entry.raw_len.max(entry.length) as usize;
            let next = opening.share(bytes).and_then(|share| {
                let stored = reader.read(entry)?;
                Ok((opening.pool.submit(stored)?, share))
            });
            let failed = next.is_err();
            if sender.try_send(next).is_err() || failed {
                return;
            }
        }
    });
    queue
}
