//! A file that gets its name only when it is whole: `name.partial`, then fsync, rename, fsync of the directory.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::fs::{Disk, Fs, lock, open_or_create_own, open_own, parent};

/// What to do with a file that has the final name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Refuse, before anything is written and again at the end.
    #[default]
    Refuse,
    /// Replace it, when the new file is whole.
    Overwrite,
}

/// A file sink with mode 0600, locked while it lives. Dropping it leaves the `.partial` file in place.
pub struct PartialFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    existing: Existing,
    fs: Box<dyn Fs>,
}

impl PartialFile {
    /// Opens `path` + `.partial` for writing. One that an aborted run left behind is emptied and used.
    ///
    /// # Errors
    /// `Busy` when another process is writing it, `Foreign` when another user has made it, `Exists` when `path` is there
    /// and must stay, `Io`.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, Error> {
        Self::create_on(Box::new(Disk), path, existing)
    }

    pub(crate) fn create_on(fs: Box<dyn Fs>, path: &Path, existing: Existing) -> Result<Self, Error> {
        refuse_existing(path, existing)?;
        let partial = partial_path(path);
        let file = open_or_create_own(&partial)?;
        lock(&file, &partial)?;
        // Whoever held the lock until now may have renamed the file that we opened: it is no longer ours to empty.
        if !still_there(&file, &partial) {
            return Err(Error::Busy { path: partial });
        }
        file.set_len(0).map_err(Error::file("empty", &partial))?;
        make_private(&file).map_err(Error::file("set the mode of", &partial))?;
        Ok(Self { file, partial, path: path.to_path_buf(), existing, fs })
    }

    /// Opens `path` + `.partial` as it is, to go on with it; nothing where there is none.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub fn reopen(path: &Path, existing: Existing) -> Result<Option<Self>, Error> {
        refuse_existing(path, existing)?;
        let partial = partial_path(path);
        let file = match open_own(&partial) {
            Ok(file) => file,
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        lock(&file, &partial)?;
        if !still_there(&file, &partial) {
            return Err(Error::Busy { path: partial });
        }
        Ok(Some(Self { file, partial, path: path.to_path_buf(), existing, fs: Box::new(Disk) }))
    }

    /// Another handle on the same file, to read what is there or to sync it beside the writing. The two share one
    /// place in it.
    ///
    /// # Errors
    /// `Io`.
    pub fn handle(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(Error::file("open", &self.partial))
    }

    /// Cuts the file off at this offset, and goes on writing there.
    pub(crate) fn cut(&mut self, offset: u64) -> Result<(), Error> {
        self.file.set_len(offset).map_err(Error::file("cut off", &self.partial))?;
        self.file.seek(SeekFrom::Start(offset)).map_err(Error::file("seek in", &self.partial))?;
        Ok(())
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name while it is being written.
    pub fn partial_path(&self) -> &Path {
        &self.partial
    }

    /// Makes what was written so far durable: for a checkpoint.
    ///
    /// # Errors
    /// `Io`.
    pub fn sync_data(&mut self) -> Result<(), Error> {
        self.fs.sync_data(&self.file).map_err(Error::file("sync", &self.partial))
    }

    /// Makes the file durable and gives it its final name.
    ///
    /// # Errors
    /// `Exists` when a file of that name has appeared and must stay; `Io`. The `.partial` file then remains.
    pub fn commit(mut self) -> Result<(), Error> {
        self.fs.sync_all(&self.file).map_err(Error::file("sync", &self.partial))?;
        refuse_existing(&self.path, self.existing)?;
        let renamed = match self.existing {
            Existing::Overwrite => self.fs.rename(&self.partial, &self.path),
            Existing::Refuse => self.fs.rename_new(&self.partial, &self.path),
        };
        renamed.map_err(|source| match (self.existing, source.kind()) {
            (Existing::Refuse, io::ErrorKind::AlreadyExists) => Error::Exists { path: self.path.clone() },
            _ => Error::File { op: "rename to", path: self.path.clone(), source },
        })?;
        let dir = parent(&self.path);
        self.fs.sync_dir(dir).map_err(Error::file("sync directory", dir))
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fs.write(&mut self.file, bytes).map_err(|source| match source.kind() {
            io::ErrorKind::Interrupted => source,
            kind => io::Error::new(kind, format!("cannot write {}: {source}", self.partial.display())),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for PartialFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartialFile").field("partial", &self.partial).finish_non_exhaustive()
    }
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn refuse_existing(path: &Path, existing: Existing) -> Result<(), Error> {
    let path = || path.to_path_buf();
    match path().symlink_metadata() {
        // A device, a pipe or a link that is renamed over is gone.
        Ok(found) if !found.is_file() => Err(Error::NotAFile { path: path() }),
        Ok(_) if existing == Existing::Refuse => Err(Error::Exists { path: path() }),
        Ok(_) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::File { op: "look at", path: path(), source }),
    }
}

#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the Unix twin can fail")]
fn make_private(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(ours), Ok(theirs)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
}

#[cfg(not(unix))]
fn still_there(_file: &File, path: &Path) -> bool {
    path.exists()
}
