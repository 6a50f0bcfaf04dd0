//! The few file-system operations that make an archive durable, behind a trait so that tests can fail each of them.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::Error;

/// Writing, syncing, renaming.
pub(crate) trait Fs: Send {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize>;
    fn sync_data(&mut self, file: &File) -> io::Result<()>;
    fn sync_all(&mut self, file: &File) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
}

/// The real one.
pub(crate) struct Disk;

impl Fs for Disk {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync_data(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_all(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    /// Makes a rename durable. Only Unix opens directories for that.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }
}

/// Opens a file to read it. What is no regular file cannot be read by offset, and opening a pipe may wait for ever.
///
/// # Errors
/// `NotAFile`, `Io`.
pub fn open_file(path: &Path) -> Result<File, Error> {
    let found = path.metadata().map_err(Error::file("open", path))?;
    if !found.is_file() {
        return Err(Error::NotAFile { path: path.to_path_buf() });
    }
    File::open(path).map_err(Error::file("open", path))
}

/// A file written through an [`Fs`].
pub(crate) struct Through<'a> {
    pub(crate) fs: &'a mut dyn Fs,
    pub(crate) file: &'a mut File,
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fs.write(self.file, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the file's advisory lock, which lasts until the file is closed.
pub(crate) fn lock(file: &File, path: &Path) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: path.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(Error::File { op: "lock", path: path.to_path_buf(), source }),
    }
}

/// The directory that a path's entry lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Syncs the directory that a path's entry lies in.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    let dir = parent(path);
    Disk.sync_dir(dir).map_err(Error::file("sync directory", dir))
}
