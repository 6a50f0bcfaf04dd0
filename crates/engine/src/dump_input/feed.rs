//! The way of documents out of a dump: threads read, a budget bounds what is read ahead, and each collection has a
//! queue of its own.
//!
//! An archive mixes its collections as it likes. One thread takes it apart, and every collection that begins is
//! handed out at once; so whatever holds memory is in the hands of somebody who writes it, and the thread can go on.

use super::archive::{self, Blocks};
use super::files::{self, BATCH_BYTES, Source};
use super::folder::Files;
use crate::pool::{Budget, Share};
use crate::{Error, Result, Stop};
use mongoark_dump_format::archive::Part;
use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of documents read ahead of those who write them.
const BUDGET_BYTES: usize = 32 * 1024 * 1024;

/// Collections as their documents come. Whoever takes one from [`Self::next`] must read it to its end or drop it, and
/// go on calling `next` meanwhile: an archive has its collections mixed.
pub struct Feed {
    queue: async_channel::Receiver<Result<Documents>>,
}

impl Feed {
    /// The next collection that has documents, or has ended without any; none when all have come, and an
    /// archive was found whole to its last byte.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub async fn next(&mut self) -> Result<Option<Documents>> {
        self.queue.recv().await.ok().transpose()
    }
}

impl Feed {
    /// Takes no more: whoever reads ends, and so do [`Documents`] that have not come to their end.
    pub fn close(&self) {
        discard(&self.queue);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

/// The documents of one entry, in order.
pub struct Documents {
    entry: usize,
    /// Whether all else that is wanted has come.
    last: bool,
    queue: async_channel::Receiver<Result<Message>>,
    /// A reader's slot, free for the next collection when this one is done with.
    _slot: Option<OwnedSemaphorePermit>,
}

impl Documents {
    /// Which of [`DumpInput::entries`](super::DumpInput::entries).
    pub fn entry(&self) -> usize {
        self.entry
    }

    /// Whether everything else that was wanted had come from the dump when this entry began, so that it may be left
    /// to wait: nothing behind it is held up.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// The next batch; none at the end of the collection.
    ///
    /// # Errors
    /// Damage in the collection's own file. In an archive [`Error::PipelineClosed`]; [`Feed::next`] tells why.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        match self.queue.recv().await {
            Ok(Ok(Message::Batch(batch))) => Ok(Some(batch)),
            Ok(Ok(Message::End)) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::PipelineClosed("the dump's reader")),
        }
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        discard(&self.queue);
    }
}

/// Throws away what is queued: it holds memory that a reader may be waiting for.
fn discard<T>(queue: &async_channel::Receiver<T>) {
    queue.close();
    while queue.try_recv().is_ok() {}
}

/// Whole documents, and their share of the memory budget.
pub struct Batch {
    /// Their bytes, one behind the other.
    pub bytes: Vec<u8>,
    /// How many.
    pub documents: u32,
    _share: Share,
}

enum Message {
    Batch(Batch),
    End,
}

type Sender = async_channel::Sender<Result<Message>>;
type Announce = async_channel::Sender<Result<Documents>>;

/// What reading threads share.
#[derive(Clone)]
struct Reading {
    budget: Budget,
    runtime: Handle,
    stop: Stop,
}

impl Reading {
    fn new(stop: &Stop) -> Self {
        Self { budget: Budget::new(BUDGET_BYTES), runtime: Handle::current(), stop: stop.clone() }
    }

    /// Waits for memory and hands a batch over; whether somebody takes it.
    fn send(&self, bytes: Vec<u8>, documents: u32, to: &Sender) -> bool {
        if to.is_closed() {
            return false;
        }
        let Ok(share) = self.runtime.block_on(self.budget.share(bytes.len())) else { return false };
        // The queue has no bound of its own: the budget is the bound.
        to.try_send(Ok(Message::Batch(Batch { bytes, documents, _share: share }))).is_ok()
    }

    /// Reads one file or pipe to its end.
    fn drain(&self, source: Result<Source>, to: &Sender) {
        let result = source.and_then(|mut source| self.copy(&mut source, to));
        // Nobody who waits for it is no error.
        _ = to.try_send(result.map(|()| Message::End));
    }

    fn copy(&self, source: &mut Source, to: &Sender) -> Result<()> {
        loop {
            self.stop.check()?;
            let mut bytes = Vec::new();
            match source.read(&mut bytes)? {
                0 => return Ok(()),
                documents => {
                    if !self.send(bytes, documents, to) {
                        return Err(Error::PipelineClosed("who writes the documents"));
                    }
                }
            }
        }
    }
}

fn documents(entry: usize, slot: Option<OwnedSemaphorePermit>) -> (Sender, Documents) {
    let (sender, queue) = async_channel::unbounded();
    (sender, Documents { entry, last: false, queue, _slot: slot })
}

/// Files one after another, `slots` at once.
pub(super) fn of_files(
    mut files: Vec<Files>,
    wanted: &[usize],
    slots: usize,
    gzip: bool,
    stop: &Stop,
) -> Feed {
    let (announce, queue) = async_channel::bounded(1);
    let mut take = |entry: &usize| Some((*entry, files.get_mut(*entry)?.data.take()));
    let wanted: Vec<(usize, Option<PathBuf>)> = wanted.iter().filter_map(&mut take).collect();
    let (reading, slots) = (Reading::new(stop), Arc::new(Semaphore::new(slots.max(1))));
    tokio::spawn(async move {
        for (entry, path) in wanted {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let (sender, documents) = documents(entry, Some(slot));
            match path {
                None => _ = sender.try_send(Ok(Message::End)),
                Some(path) => {
                    let reading = reading.clone();
                    thread::spawn(move || reading.drain(Source::open(&path, gzip), &sender));
                }
            }
            if announce.send(Ok(documents)).await.is_err() {
                return;
            }
        }
    });
    Feed { queue }
}

/// One file alone.
pub(crate) fn of_file(path: PathBuf, gzip: bool, stop: &Stop) -> Documents {
    let (sender, mut documents) = documents(0, None);
    documents.last = true;
    let reading = Reading::new(stop);
    thread::spawn(move || reading.drain(Source::open(&path, gzip), &sender));
    documents
}

/// The one collection of a pipe.
pub(super) fn of_pipe(reader: Box<dyn Read + Send>, wanted: &[usize], gzip: bool, stop: &Stop) -> Feed {
    let (announce, queue) = async_channel::unbounded();
    if wanted.contains(&0) {
        let (sender, documents) = documents(0, None);
        let reading = Reading::new(stop);
        thread::spawn(move || {
            let source = Source::of(files::plain(reader, gzip), "standard input".to_owned());
            reading.drain(Ok(source), &sender);
        });
        _ = announce.try_send(Ok(documents));
    }
    Feed { queue }
}

/// An archive, taken apart by one thread.
pub(super) fn of_archive(body: archive::Body, wanted: &[usize], stop: &Stop) -> Feed {
    let (announce, queue) = async_channel::unbounded();
    let mut taking = Taking {
        open: wanted.iter().map(|entry| (*entry, None)).collect(),
        reading: Reading::new(stop),
        announce,
    };
    thread::spawn(move || {
        let taken = taking.take_apart(body.into_blocks());
        if let Err(error) = taken {
            _ = taking.announce.try_send(Err(error));
        }
    });
    Feed { queue }
}

/// An archive being taken apart.
struct Taking {
    /// Of each entry that is wanted and has not ended: the way to whoever takes its documents, once it has begun.
    open: HashMap<usize, Option<Sender>>,
    reading: Reading,
    announce: Announce,
}

impl Taking {
    fn take_apart(&mut self, mut blocks: Blocks) -> Result<()> {
        let mut bytes = Vec::new();
        loop {
            self.reading.stop.check()?;
            if self.announce.is_closed() {
                return Ok(());
            }
            let part = blocks.demultiplexer.next(&mut bytes, BATCH_BYTES);
            let part = part.map_err(|source| Error::Dump { location: blocks.location.clone(), source })?;
            match part {
                None => return Ok(()),
                Some(Part::Documents { db, collection, documents }) => {
                    let place = blocks.places.get(&(db, collection)).copied();
                    if let Some(sender) = place.and_then(|place| self.sender(place)) {
                        // Who has failed takes no more; the others may, and the rest of the archive is checked.
                        self.reading.send(std::mem::take(&mut bytes), documents, &sender);
                    }
                }
                Some(Part::End { db, collection }) => {
                    let place = blocks.places.get(&(db, collection)).copied();
                    if let Some((place, sender)) = place.and_then(|place| Some((place, self.sender(place)?)))
                    {
                        _ = sender.try_send(Ok(Message::End));
                        self.open.remove(&place);
                    }
                }
            }
        }
    }

    /// The way to whoever takes this entry's documents, which is handed out where it begins.
    fn sender(&mut self, place: usize) -> Option<Sender> {
        let last = self.open.len() == 1;
        let open = self.open.get_mut(&place)?;
        if open.is_none() {
            let (sender, mut documents) = documents(place, None);
            documents.last = last;
            _ = self.announce.try_send(Ok(documents));
            *open = Some(sender);
        }
        open.clone()
    }
}
