//! Whether two names are one file, by whatever spelling, link or unfinished name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name that stands for standard input or output.
const DASH: &str = "-";

/// A file that a run reads or writes, as a message calls it.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    role: &'a str,
    path: &'a Path,
    is_written: bool,
}

/// A file that is there, by what it is; or a name in a folder.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    File(Identity),
    Name(Identity, OsString),
}

impl<'a> Use<'a> {
    /// A file that is read.
    pub fn reads(role: &'a str, path: &'a Path) -> Self {
        Self { role, path, is_written: false }
    }

    /// A file that is written, and its `.partial` until then.
    pub fn writes(role: &'a str, path: &'a Path) -> Self {
        Self { role, path, is_written: true }
    }

    fn places(&self) -> Vec<Place> {
        if self.path.as_os_str() == DASH {
            let stream = if self.is_written { "/dev/stdout" } else { "/dev/stdin" };
            return file(Path::new(stream)).into_iter().collect();
        }
        let mut places = places(self.path);
        if self.is_written {
            places.extend(self::places(&partial(self.path)));
        }
        places
    }
}

/// Refuses a file that is written and named once more, before anything is done to it.
pub fn refuse_same(uses: &[Use<'_>]) -> Result<(), String> {
    for (place, one) in uses.iter().enumerate() {
        let mut others = uses[place + 1..].iter().filter(|other| one.is_written || other.is_written);
        if let Some(other) = others.find(|other| overlap(one, other)) {
            let (path, with) = (one.path.display(), other.path.display());
            return Err(format!(
                "{} {path} and {} {with} are the same file: give each a file of its own",
                one.role, other.role
            ));
        }
    }
    Ok(())
}

/// Whether a report of this name would go over what an argument names, or over its `.partial`.
pub fn is_named_by(argument: &Path, report: &Path) -> bool {
    let report = Use::reads("", report);
    overlap(&Use::writes("", argument), &report)
        || (argument.as_os_str() == DASH && overlap(&Use::reads("", argument), &report))
}

fn overlap(one: &Use<'_>, other: &Use<'_>) -> bool {
    let places = one.places();
    other.places().iter().any(|place| places.contains(place))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// What a path names: the file, where it is there, and its name, which counts where it is not.
fn places(path: &Path) -> Vec<Place> {
    let mut places: Vec<Place> = file(path).into_iter().collect();
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Some(Path::new(".")),
        folder => folder,
    };
    let folder = folder.and_then(identity);
    places.extend(folder.zip(path.file_name()).map(|(folder, name)| Place::Name(folder, name.to_owned())));
    places
}

/// A regular file: two names of one device or pipe overwrite nothing.
fn file(path: &Path) -> Option<Place> {
    path.metadata().is_ok_and(|found| found.is_file()).then(|| identity(path)).flatten().map(Place::File)
}

/// Device and inode.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
type Identity = PathBuf;

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.canonicalize().ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_known_by_each_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "b").unwrap();
        fs::create_dir(path("sub")).unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("soft")).unwrap();
        std::os::unix::fs::symlink(folder.path(), path("around")).unwrap();
        let refused = |one: &str, other: &str| {
            let (one, other) = (path(one), path(other));
            refuse_same(&[Use::writes("the output", &one), Use::reads("--key-file", &other)]).is_err()
        };
        for other in ["a", "./a", "sub/../a", "hard", "soft", "around/a"] {
            assert!(refused("a", other), "{other}");
        }
        for (one, other) in [("new", "around/new"), ("new", "new.partial"), ("new", "sub/../new.partial")] {
            assert!(refused(one, other), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("new", "newer"), ("new", "sub/new"), ("new.partial", "new")] {
            assert!(!refused(one, other), "{one} {other}");
        }
        let a = path("a");
        assert!(refuse_same(&[Use::reads("one", &a), Use::reads("other", &a)]).is_ok());
        assert!(refuse_same(&[Use::writes("one", Path::new("/dev/null"))]).is_ok());
    }
}
