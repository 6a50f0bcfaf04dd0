//! Changing who can open an archive, in place: new slots and a new MAC, one copy of the header after the other.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::entropy::OsEntropy;
use crate::fs::{Disk, Fs};
use crate::header::{WriteSecrets, seal_header};
use crate::locate::{Headers, locate};
use crate::positioned::Positioned;
use crate::{Error, Limits, Secret};

/// Replaces all slots of an archive by slots for `new`. Any secret of `old` that opens it will do. The data is not
/// touched. Interrupted at any moment, the archive in the file opens with the old or with the new secrets.
///
/// # Errors
/// `NotEncrypted`, `WrongSecret`, `Misuse` without new secrets, `Busy`, `Io`, and whatever keeps END from being found.
pub fn rotate(path: &Path, old: &[Secret], new: &WriteSecrets, limits: &Limits) -> Result<(), Error> {
    rotate_on(&mut Disk, path, old, new, limits)
}

/// [`rotate`] on a given file system.
pub(crate) fn rotate_on(
    fs: &mut dyn Fs,
    path: &Path,
    old: &[Secret],
    new: &WriteSecrets,
    limits: &Limits,
) -> Result<(), Error> {
    if new.secrets.is_empty() {
        return Err(Error::misuse("no new secret was given: an encrypted archive needs at least one"));
    }
    let open = || OpenOptions::new().read(true).write(true).open(path).map_err(Error::file("open", path));
    let mut file = open()?;
    crate::fs::lock(&file, path)?;
    let reading = Positioned::from_file(open()?, path)?;
    let unlocked = Headers::read(&reading, limits)?.unlock(old, limits)?;
    if !unlocked.header.is_encrypted() {
        return Err(Error::NotEncrypted);
    }
    let located = locate(&reading, unlocked.header.archive_id(), limits)?;
    let header = seal_header(unlocked.header.preamble(), &unlocked.keys, new, &mut OsEntropy)?;

    // The copy that opened stays whole until the other one is safely on disk.
    let mut places = [located.tail_offset(), 0];
    if !unlocked.is_first {
        places.reverse();
    }
    for place in places {
        file.seek(SeekFrom::Start(place)).map_err(Error::file("seek in", path))?;
        let mut sink = crate::fs::Through { fs: &mut *fs, file: &mut file };
        sink.write_all(&header).map_err(Error::file("write", path))?;
        fs.sync_all(&file).map_err(Error::file("sync", path))?;
    }
    Ok(())
}
