//! The file of `--report`: its owner's alone, since a report names namespaces, members and the `_id`s of documents that failed.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Empties the report of an earlier run, which would tell of this one until it has ended; refuses a name that no report
/// may be written to.
pub fn prepare(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        // Emptied, not removed: its place and its owner are the user's.
        Ok(found) if found.is_file() => open(path).map(drop),
        Ok(found) if found.is_symlink() => check_link(path),
        _ => Ok(()),
    }
}

/// Writes the report in the place of what the file held.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = open(path)?;
    file.write_all(text.as_bytes())?;
    file.flush()
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link {
        check_link(path)?;
        options.append(true);
    } else {
        // Nobody puts a link in its place meanwhile.
        options.custom_flags(libc::O_NOFOLLOW);
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    if found.is_file() && is_link && !is_descriptor(path) {
        return Err(is_a_link());
    }
    if found.is_file() && !is_link {
        if found.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
        file.set_len(0)?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// A link may lead to a device or a pipe, as `/dev/stdout` does. One to a file, or to nothing yet, may have been put there by
/// somebody else, for the report to go over a file of theirs choosing.
fn check_link(path: &Path) -> io::Result<()> {
    let leads_to = path.metadata();
    if is_descriptor(path) || leads_to.is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Ok(());
    }
    Err(is_a_link())
}

/// Whether the name stands for a descriptor of this process, wherever its caller has sent that.
fn is_descriptor(path: &Path) -> bool {
    let folders = ["/dev/fd", "/proc/self/fd"];
    path == Path::new("/dev/stdout")
        || path == Path::new("/dev/stderr")
        || path.parent().is_some_and(|parent| folders.iter().any(|folder| parent == Path::new(folder)))
}

fn is_a_link() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link; name the file that it leads to")
}
