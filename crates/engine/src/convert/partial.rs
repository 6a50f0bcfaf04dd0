//! Outputs that have their name only when they are whole: a folder or a file beside it with `.partial` at its end.

use crate::{Error, Result};
use mongoark_container::{Existing, PartialFile, rename_new};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A folder that is being filled. Dropped before [`Self::commit`], it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct PartialFolder {
    partial: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl PartialFolder {
    /// Makes the folder under its partial name.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Usage(format!("{} exists; a folder is never replaced", path.display())));
        }
        // Without the slash at its end, which would put what is beside it into it.
        let path: PathBuf = path.components().collect();
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        create_private(&partial).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Refused(format!(
                "{} is there, from a conversion that runs or did not end; remove it if none runs",
                partial.display()
            )),
            _ => wrong(&partial, source),
        })?;
        Ok(Self { partial, path, committed: false })
    }

    /// Its name until it is whole.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Makes all of it durable and gives it its name.
    pub(super) fn commit(mut self) -> Result<()> {
        sync(&self.partial)?;
        rename_new(&self.partial, &self.path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::Refused(format!("{} has appeared meanwhile", self.path.display()))
            }
            _ => wrong(&self.path, source),
        })?;
        self.committed = true;
        let above = self.path.parent().filter(|above| !above.as_os_str().is_empty());
        sync_one(above.unwrap_or(Path::new(".")))
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        if !self.committed {
            // What could not be removed is in nobody's way but the next conversion's, which names it.
            _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// For the owner alone, as an archive is: what comes out of one may have been encrypted.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Everything below, then the folder itself.
fn sync(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|source| wrong(folder, source))? {
        let path = entry.map_err(|source| wrong(folder, source))?.path();
        if path.is_dir() { sync(&path)? } else { sync_one(&path)? }
    }
    sync_one(folder)
}

fn sync_one(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| wrong(path, source))
}

fn wrong(path: &Path, source: io::Error) -> Error {
    Error::Write { what: path.display().to_string(), source }
}

/// A file that is being written; one clone is for whoever writes, the other gives it its name.
#[derive(Clone)]
pub(super) struct SharedFile(Arc<Mutex<PartialFile>>);

impl SharedFile {
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let existing = if overwrite { Existing::Overwrite } else { Existing::Refuse };
        Ok(Self(Arc::new(Mutex::new(PartialFile::create(path, existing)?))))
    }

    /// Removes it. One that cannot be removed is in nobody's way.
    pub(super) fn discard(&self) {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        _ = fs::remove_file(file.partial_path());
    }

    /// Makes it durable and gives it its name. The other clones must be gone.
    pub(super) fn commit(self) -> Result<()> {
        let file = Arc::into_inner(self.0).ok_or(Error::PipelineClosed("the dump's writer"))?;
        Ok(file.into_inner().unwrap_or_else(PoisonError::into_inner).commit()?)
    }
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_its_name_only_when_it_is_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("dump");
        let partial = PartialFolder::create(&path).unwrap();
        fs::create_dir(partial.partial().join("db")).unwrap();
        fs::write(partial.partial().join("db/c.bson"), "x").unwrap();
        assert!(!path.exists() && PartialFolder::create(&path).is_err());
        partial.commit().unwrap();
        assert_eq!(fs::read_to_string(path.join("db/c.bson")).unwrap(), "x");
        assert!(matches!(PartialFolder::create(&path), Err(Error::Usage(_))));
    }

    #[test]
    fn a_folder_that_appears_meanwhile_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("dump");
        let partial = PartialFolder::create(&path).unwrap();
        fs::write(partial.partial().join("oplog.bson"), "x").unwrap();
        // A plain rename would replace a folder that is empty.
        fs::create_dir(&path).unwrap();
        assert!(matches!(partial.commit(), Err(Error::Refused(_))));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_given_up_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let partial = PartialFolder::create(&root.path().join("dump")).unwrap();
        fs::write(partial.partial().join("oplog.bson"), "x").unwrap();
        drop(partial);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
