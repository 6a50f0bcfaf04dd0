//! What must be decided in the order in which chunks come: their place in a file, and what stands between them.

use super::entry::Entry;
use super::form::{Form, Settings, archive_file};
use super::framing::Framing;
use super::layout::Layout;
use super::pack::{self, PackJob, Packer};
use super::sinks::Sinks;
use super::writer::{self, Queue, Slot, Writing};
use crate::pool::{Buffers, Share};
use crate::{Error, Result};
use mongoark_dump_format::archive::{ArchiveHeader, ArchivePrelude};
use mongoark_dump_format::{Crc, Prelude};
use mongoark_monitor::Monitor;

/// The version of the archive's format.
const ARCHIVE_VERSION: &str = "0.1";
/// The number of the one file that an archive or bare documents go to.
const ONLY_FILE: usize = 0;
/// Documents of fewer bytes are put together with what comes before and after them in an archive.
const SMALL_BYTES: usize = 64 * 1024;
/// From this size on what was put together is written.
const PENDING_BYTES: usize = 1024 * 1024;

/// How streams become files.
enum Place {
    Folder(Layout),
    Archive,
    Documents,
}

/// The order of everything that is written.
pub(super) struct Dispatch {
    place: Place,
    settings: Settings,
    entries: Vec<Entry>,
    queue: Queue,
    packer: Option<Packer>,
    framing: Framing,
    /// What an archive gets before anything else.
    pending: Vec<u8>,
    /// Streams of which documents were sent.
    sent: Vec<bool>,
}

impl Dispatch {
    /// Starts the threads behind it.
    pub(super) fn start(
        form: Form,
        settings: Settings,
        entries: Vec<Entry>,
        buffers: &Buffers,
        monitor: &Monitor,
    ) -> Result<(Self, Writing)> {
        let mut opened = None;
        let (place, sinks) = match form {
            Form::Directory(root) => {
                entries.iter().try_for_each(check_names)?;
                (Place::Folder(Layout::new(&root, settings.gzip)), Sinks::default())
            }
            Form::Archive(path) => {
                opened = Some(archive_file(&path, settings.gzip));
                (Place::Archive, Sinks::default())
            }
            Form::ArchiveStream(stream) => (Place::Archive, of_stream(stream)),
            Form::Documents(stream) => (Place::Documents, of_stream(stream)),
        };
        let packer = settings.gzip.then(|| pack::start(settings.threads.max(1), buffers));
        let (queue, writing) = writer::start(sinks, buffers, monitor);
        let (framing, sent) = (Framing::new(entries.len()), vec![false; entries.len()]);
        let dispatch = Self { place, settings, entries, queue, packer, framing, pending: Vec::new(), sent };
        if let Some(path) = opened {
            dispatch.put(Slot::Open { file: ONLY_FILE, path })?;
        }
        Ok((dispatch, writing))
    }

    /// The prelude, or the metadata files.
    pub(super) fn begin(&mut self) -> Result<()> {
        match &self.place {
            Place::Archive => {
                let prelude = self.archive_prelude()?;
                self.bytes(ONLY_FILE, prelude, None)?;
            }
            Place::Folder(layout) => {
                for entry in &self.entries {
                    if let Some(text) = &entry.metadata {
                        self.whole_file(layout.metadata(entry), text.clone())?;
                    }
                }
            }
            Place::Documents => {}
        }
        // Metadata may be large, and is not needed any more.
        self.entries.iter_mut().for_each(|entry| entry.metadata = None);
        Ok(())
    }

    pub(super) fn open(&self, stream: usize) -> Result<()> {
        match (&self.place, self.entry(stream)?) {
            (Place::Folder(layout), entry) if entry.has_file => {
                self.put(Slot::Open { file: stream, path: layout.data(entry) })
            }
            _ => Ok(()),
        }
    }

    /// Places documents, whose checksum is `crc` where this is an archive.
    pub(super) fn documents(&mut self, stream: usize, bytes: Vec<u8>, crc: Crc, share: Share) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(sent) = self.sent.get_mut(stream) {
            *sent = true;
        }
        match self.place {
            Place::Folder(_) => self.bytes(stream, bytes, Some(share)),
            Place::Documents => self.bytes(ONLY_FILE, bytes, Some(share)),
            Place::Archive => {
                let entry = self.entries.get(stream).ok_or(Error::PipelineClosed("a stream"))?;
                self.framing.documents(stream, entry, crc, &mut self.pending);
                if bytes.len() < SMALL_BYTES {
                    self.pending.extend_from_slice(&bytes);
                    return self.flush_from(PENDING_BYTES);
                }
                self.flush_from(1)?;
                self.bytes(ONLY_FILE, bytes, Some(share))
            }
        }
    }

    /// Takes back what was sent of a stream; false where that cannot be.
    pub(super) fn take_back(&mut self, stream: usize) -> Result<bool> {
        let Some(sent) = self.sent.get_mut(stream) else { return Ok(false) };
        if !*sent {
            return Ok(true);
        }
        if !matches!(self.place, Place::Folder(_)) {
            return Ok(false);
        }
        *sent = false;
        self.put(Slot::Empty { file: stream }).map(|()| true)
    }

    pub(super) fn end(&mut self, stream: usize) -> Result<()> {
        let entry = self.entries.get(stream).ok_or(Error::PipelineClosed("a stream"))?;
        match self.place {
            Place::Folder(_) if entry.has_file => {
                if self.packer.is_some() && !self.sent.get(stream).is_some_and(|sent| *sent) {
                    // No bytes are no gzip file: an empty one has a member of nothing.
                    self.bytes(stream, Vec::new(), None)?;
                }
                self.put(Slot::Close { file: stream })
            }
            Place::Archive => {
                self.framing.end(stream, entry, &mut self.pending);
                // Small members compress badly; plain bytes need not wait.
                self.flush_from(if self.packer.is_some() { PENDING_BYTES } else { 1 })
            }
            _ => Ok(()),
        }
    }

    /// What comes last: `prelude.json` where there is a folder for it, or what an archive still holds back.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Place::Folder(layout) = &self.place else { return self.flush_from(1) };
        let path = layout.prelude(self.settings.db.as_deref());
        let has_folder = !self.entries.is_empty() || path.parent().is_some_and(std::path::Path::is_dir);
        if has_folder {
            let prelude = Prelude {
                server_version: self.settings.server_version.clone(),
                tool_version: self.settings.tool_version.clone(),
            };
            self.whole_file(path, prelude.to_json())?;
        }
        Ok(())
    }

    /// Lets the writer end once it has written what it was given.
    pub(super) fn close(&self) {
        self.queue.close();
    }

    pub(super) fn put(&self, slot: Slot) -> Result<()> {
        self.queue.try_send(slot).map_err(|_| Error::PipelineClosed("the dump's writer"))
    }

    fn entry(&self, stream: usize) -> Result<&Entry> {
        self.entries.get(stream).ok_or(Error::PipelineClosed("a stream"))
    }

    /// A file of these bytes alone.
    fn whole_file(&self, path: std::path::PathBuf, bytes: Vec<u8>) -> Result<()> {
        let file = self.entries.len();
        self.put(Slot::Open { file, path })?;
        self.bytes(file, bytes, None)?;
        self.put(Slot::Close { file })
    }

    /// Appends bytes to a file, compressed where all is.
    fn bytes(&self, file: usize, bytes: Vec<u8>, share: Option<Share>) -> Result<()> {
        match &self.packer {
            Some(packer) => {
                let packing = packer.submit(PackJob { bytes, share })?;
                self.put(Slot::Packed { file, packing })
            }
            None => self.put(Slot::Plain { file, bytes, share }),
        }
    }

    /// Sends on what is pending once it has this many bytes.
    fn flush_from(&mut self, bytes_min: usize) -> Result<()> {
        if self.pending.len() < bytes_min {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.bytes(ONLY_FILE, pending, None)
    }

    fn archive_prelude(&self) -> Result<Vec<u8>> {
        let header = ArchiveHeader {
            concurrent_collections: self.settings.parallel_collections,
            version: ARCHIVE_VERSION.to_owned(),
            server_version: self.settings.server_version.clone(),
            tool_version: self.settings.tool_version.clone(),
        };
        let namespaces = self.entries.iter().map(Entry::in_archive).collect::<Result<_>>()?;
        let prelude = ArchivePrelude { header, namespaces };
        prelude.encode().map_err(|source| Error::Format { what: "the archive's prelude".to_owned(), source })
    }
}

fn of_stream(stream: Box<dyn std::io::Write + Send>) -> Sinks {
    Sinks::of_stream(ONLY_FILE, stream, "to standard output")
}

/// A database's name is that of a folder: it must not lead out of the dump.
fn check_names(entry: &Entry) -> Result<()> {
    let leads_away = entry.db.contains(['/', '\\', '\0']) || matches!(entry.db.as_str(), "." | "..");
    if leads_away {
        let message = format!("database {:?} has a name that no folder can have", entry.db);
        return Err(Error::Usage(message));
    }
    Ok(())
}
