//! The few file-system operations that make an archive durable, behind a trait so that tests can fail each of them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::Error;

/// Writing, syncing, renaming.
pub(crate) trait Fs: Send {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize>;
    fn sync_data(&mut self, file: &File) -> io::Result<()>;
    fn sync_all(&mut self, file: &File) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Fails with `AlreadyExists` where something has the new name.
    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()>;
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

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        rename_new(from, to)
    }

    /// Makes a rename durable. Only Unix opens directories for that.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }
}

/// Renames a file or folder, but never onto something that is there: on Linux in one step, so that nothing can appear
/// in between. Where the system or the file system has no such step, it looks first.
///
/// # Errors
/// `AlreadyExists`, and those of [`std::fs::rename`].
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_noreplace(from, to) {
        Some(renamed) => renamed,
        None if to.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        None => std::fs::rename(from, to),
    }
}

/// None where it cannot be done here.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn rename_noreplace(from: &Path, to: &Path) -> Option<io::Result<()>> {
    use std::os::unix::ffi::OsStrExt;
    let name = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes()).ok();
    let (from, to) = (name(from)?, name(to)?);
    // SAFETY: both names end in a zero and live through the call.
    let done = unsafe {
        libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE)
    };
    if done == 0 {
        return Some(Ok(()));
    }
    let error = io::Error::last_os_error();
    // An old kernel, or a file system that does not know the flag.
    let is_unknown = matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP));
    (!is_unknown).then_some(Err(error))
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn rename_noreplace(_from: &Path, _to: &Path) -> Option<io::Result<()>> {
    None
}

/// Opens a file of this user's own to read and write it. Links are not followed, and a file that another user has made
/// beforehand, or can reach by another name, is refused: they could read or change what is written to it.
///
/// # Errors
/// `Foreign`, `NotAFile`, `Io`, where there is none with `NotFound` as its source.
pub fn open_own(path: &Path) -> Result<File, Error> {
    let file = own_options().open(path).map_err(Error::file("open", path))?;
    refuse_foreign(&file, path)?;
    Ok(file)
}

/// [`open_own`], or a new file that only this user may read. Nothing is emptied: that has to wait for the lock.
///
/// # Errors
/// Those of [`open_own`].
pub fn open_or_create_own(path: &Path) -> Result<File, Error> {
    match own_options().create_new(true).open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_own(path),
        Err(source) => Err(Error::File { op: "create", path: path.to_path_buf(), source }),
    }
}

fn own_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe to write it would wait for a reader.
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    options
}

/// Looks at the open file, not at its name, which may have changed since.
#[cfg(unix)]
fn refuse_foreign(file: &File, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let found = file.metadata().map_err(Error::file("look at", path))?;
    if !found.is_file() {
        return Err(Error::NotAFile { path: path.to_path_buf() });
    }
    let foreign = |why| Err(Error::Foreign { path: path.to_path_buf(), why });
    if found.nlink() > 1 {
        return foreign("it has a second name (a hard link)");
    }
    // SAFETY: a plain call that cannot fail.
    let user = unsafe { libc::geteuid() };
    if found.uid() != user && found.uid() != uid_of_new_files(path)? {
        return foreign("it belongs to another user");
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_foreign(file: &File, path: &Path) -> Result<(), Error> {
    let found = file.metadata().map_err(Error::file("look at", path))?;
    if found.is_file() { Ok(()) } else { Err(Error::NotAFile { path: path.to_path_buf() }) }
}

/// Whom a file belongs to that is made beside this one: shares of NFS and SMB give this user's files to another one.
#[cfg(unix)]
fn uid_of_new_files(path: &Path) -> Result<u32, Error> {
    use std::os::unix::fs::MetadataExt;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".owner-{}", std::process::id()));
    let probe = std::path::PathBuf::from(name);
    let uid = own_options().create_new(true).open(&probe).and_then(|file| Ok(file.metadata()?.uid()));
    let uid = uid.map_err(Error::file("create", &probe))?;
    std::fs::remove_file(&probe).map_err(Error::file("remove", &probe))?;
    Ok(uid)
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
