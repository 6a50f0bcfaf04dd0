//! How much room there is where an archive will go.

use mongoark_engine::doctor::Space;
use std::io;
use std::path::{Path, PathBuf};

/// Room in the folder of `path`, or in the nearest one above it that exists; nothing where the system does not tell.
pub fn at(path: &Path) -> Option<Space> {
    let folder = folder_of(path);
    let free_bytes = free_bytes(&folder).ok()?;
    let shown = folder.canonicalize().unwrap_or(folder);
    Some(Space { path: shown, free_bytes })
}

fn folder_of(path: &Path) -> PathBuf {
    let existing = path.ancestors().find(|above| above.is_dir());
    match existing {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What this user may still write.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> io::Result<u64> {
    use std::ffi::CString;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    let folder = CString::new(folder.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a NUL, and the system fills the structure where it answers 0.
    let stat = unsafe {
        if libc::statvfs(folder.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat.assume_init()
    };
    Ok(wide(stat.f_bavail).saturating_mul(wide(stat.f_frsize)))
}

/// These fields differ in width from system to system.
#[cfg(unix)]
fn wide(field: impl Into<u64>) -> u64 {
    field.into()
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_will_be_written_is_in_the_folder_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [folder.path().to_owned(), folder.path().join("archive"), folder.path().join("a/b/c")] {
            assert_eq!(folder_of(&path), folder.path());
        }
        assert_eq!(folder_of(Path::new("archive")), Path::new("."));
        assert!(at(folder.path()).expect("room").free_bytes > 0);
    }
}
