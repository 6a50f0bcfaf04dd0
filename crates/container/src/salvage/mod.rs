//! What can still be read of an archive that is damaged, cut short or was never finished. Nothing is written here, and
//! nothing that is not authentic comes out.

mod scan;
mod survey;

pub use survey::{Missing, SalvagedChunk, SalvagedStream};

use std::collections::HashMap;
use std::fs::TryLockError;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use crate::cipher::EpochKey;
use crate::file_reader::read_entry;
use crate::header::Header;
use crate::locate::{Headers, Unlocked};
use crate::opener::{OpenScratch, Opener};
use crate::positioned::Positioned;
use crate::{Catalog, Chunk, End, Error, Limits, Record, Secret, open_file};
use scan::Scan;
use survey::Survey;

/// A damaged archive, read once from its first byte to its last. `Send` and `Sync`.
pub struct Salvage {
    file: Positioned,
    header: Header,
    secrets: Vec<Secret>,
    limits: Limits,
    keys: HashMap<u16, Arc<EpochKey>>,
    survey: Survey,
}

impl Salvage {
    /// Reads the file, authenticates every record and opens every chunk; one that is not sound does not count. While this
    /// lives, no dump goes on with the file. `progress` hears how many bytes were read, and says whether to go on; nothing
    /// comes when it says no.
    ///
    /// # Errors
    /// `Busy` when another process is writing the file; `Damaged` or `Truncated` when neither copy of the header is whole;
    /// those of [`Header::unlock`]; `NotAFile`, `Io`.
    pub fn open(
        path: &Path,
        secrets: &[Secret],
        limits: &Limits,
        is_sound: &dyn Fn(&Chunk) -> bool,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, Error> {
        let file = open_file(path)?;
        // Where the file system knows no locks, nobody can be asked.
        if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
            return Err(Error::Busy { path: path.to_path_buf() });
        }
        let file = Positioned::from_file(file, path)?;
        let Unlocked { header, keys, .. } = Headers::read(&file, limits)?.unlock_either(secrets, limits)?;
        let scan = Scan::new(&file, &keys, limits, is_sound);
        let Some(mut scanned) = scan.run(progress)? else { return Ok(None) };
        let epoch_keys = std::mem::take(&mut scanned.keys);
        let survey = Survey::of(scanned);
        let opens = |secret: &&Secret| header.unlock(slice::from_ref(*secret), limits).is_ok();
        let secrets =
            if header.is_encrypted() { secrets.iter().filter(opens).cloned().collect() } else { vec![] };
        Ok(Some(Self { file, header, secrets, limits: limits.clone(), keys: epoch_keys, survey }))
    }

    /// The header that opened.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Those of the given secrets that open it; none where it is not encrypted.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The catalog documents that are left, in the order of the archive.
    pub fn catalogs(&self) -> &[Catalog] {
        &self.survey.catalogs
    }

    /// Whether these are known to be all.
    pub fn has_whole_catalog(&self) -> bool {
        self.survey.has_whole_catalog
    }

    /// The chunks that are left and count, in the order of the archive.
    pub fn chunks(&self) -> &[SalvagedChunk] {
        &self.survey.chunks
    }

    /// What is known of each stream, whether anything of it is left or not.
    pub fn streams(&self) -> &[SalvagedStream] {
        &self.survey.streams
    }

    /// The archive's last record; nothing where it is lost.
    pub fn end(&self) -> Option<&End> {
        self.survey.end.as_ref()
    }

    /// Length of the file, bytes.
    pub fn file_bytes(&self) -> u64 {
        self.file.len()
    }

    /// Reads a chunk and decompresses it.
    ///
    /// # Errors
    /// Those of [`Opener::open`], where the file has changed since.
    pub fn open_chunk(&self, chunk: &SalvagedChunk, scratch: &mut OpenScratch) -> Result<Chunk, Error> {
        let Some(key) = self.keys.get(&chunk.epoch) else {
            return Err(Error::misuse("a chunk of another archive was asked for"));
        };
        let buffer = scratch.take_stored();
        let stored = read_entry(&self.file, &chunk.entry, key, &self.limits, buffer)?;
        match Opener::new(self.header.codec(), self.limits.clone()).open(stored, scratch)? {
            Record::Chunk { chunk, .. } => Ok(chunk),
            _ => Err(Error::misuse("a record that is no chunk was asked for")),
        }
    }
}

impl std::fmt::Debug for Salvage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Salvage").field("header", &self.header).finish_non_exhaustive()
    }
}
