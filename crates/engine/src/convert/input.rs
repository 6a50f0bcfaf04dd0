//! What an input is, told by its first bytes or by what a folder holds.

use crate::dump_input::Place;
use crate::{Error, Result};
use mongoark_container::{MAGIC, open_file};
use mongoark_dump_format::archive::MAGIC as DUMP_MAGIC;
use mongoark_dump_format::gzip::is_gzip;
use mongoark_dump_format::names::{FileKind, OPLOG_FILE, classify};
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// What an input is.
pub enum Input {
    /// An archive of mongoark, in the file that was named.
    ArchiveFile(PathBuf),
    /// An archive of mongoark from a pipe.
    ArchiveStream(Box<dyn Read + Send>),
    /// A dump of mongodump.
    Dump(Dump),
}

/// A dump of mongodump.
#[derive(Debug)]
pub struct Dump {
    /// Where it is, and in which form.
    pub(super) place: Place,
    /// Whether it is compressed.
    pub(super) gzip: bool,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ArchiveFile(path) => f.debug_tuple("ArchiveFile").field(path).finish(),
            Self::ArchiveStream(_) => f.write_str("ArchiveStream"),
            Self::Dump(dump) => dump.fmt(f),
        }
    }
}

/// What the first bytes are.
enum First {
    Archive,
    Dump { gzip: bool },
}

impl Input {
    /// Looks at a file or a folder.
    ///
    /// # Errors
    /// What cannot be read, or is neither an archive of mongoark nor a dump.
    pub fn of_file(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return folder(path).map(Self::Dump);
        }
        let wrong = |source| Error::Read { path: path.to_owned(), source };
        let file = open_file(path)?;
        match first(&beginning(file).map_err(wrong)?, &path.display().to_string())? {
            First::Archive => Ok(Self::ArchiveFile(path.to_owned())),
            First::Dump { gzip } => Ok(Self::Dump(Dump { place: Place::Archive(path.to_owned()), gzip })),
        }
    }

    /// Looks at the first bytes of a pipe. Blocks until they come.
    ///
    /// # Errors
    /// As [`Self::of_file`].
    pub fn of_stream(mut stream: Box<dyn Read + Send>) -> Result<Self> {
        let wrong = |source| Error::Read { path: "standard input".into(), source };
        let begins = beginning(&mut stream).map_err(wrong)?;
        let first = first(&begins, "standard input")?;
        let whole = Box::new(Cursor::new(begins).chain(stream));
        Ok(match first {
            First::Archive => Self::ArchiveStream(whole),
            First::Dump { gzip } => Self::Dump(Dump { place: Place::ArchiveStream(whole), gzip }),
        })
    }
}

/// As many bytes as the longest magic has, or all there are.
fn beginning(input: impl Read) -> std::io::Result<Vec<u8>> {
    let mut begins = Vec::with_capacity(MAGIC.len());
    input.take(MAGIC.len() as u64).read_to_end(&mut begins).map(|_| begins)
}

fn first(begins: &[u8], name: &str) -> Result<First> {
    if begins == MAGIC {
        Ok(First::Archive)
    } else if begins.starts_with(&DUMP_MAGIC) {
        Ok(First::Dump { gzip: false })
    } else if is_gzip(begins) {
        Ok(First::Dump { gzip: true })
    } else {
        Err(Error::Refused(format!(
            "{name} is neither an archive of mongoark nor one of mongodump: it begins with {begins:02x?}"
        )))
    }
}

/// A dump's folder, or that of one database, which has the files of collections in itself.
fn folder(path: &Path) -> Result<Dump> {
    if let Some(gzip) = files_of_collections(path)? {
        for below in entries(path)?.iter().filter(|below| below.is_dir()) {
            if files_of_collections(below)?.is_some() {
                return Err(Error::Refused(format!(
                    "{} has files of collections, as the folder of one database has, and so has the folder {} in it: \
                     move away what does not belong there",
                    path.display(),
                    below.display()
                )));
            }
        }
        let name = path.canonicalize().ok();
        let db = name.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let db = db.ok_or_else(|| Error::Refused(format!("{} is no name of a database", path.display())))?;
        return Ok(Dump { place: Place::Database { path: path.to_owned(), db: db.to_owned() }, gzip });
    }
    for below in entries(path)? {
        if below.is_dir()
            && let Some(gzip) = files_of_collections(&below)?
        {
            return Ok(Dump { place: Place::Folder(path.to_owned()), gzip });
        }
    }
    let message =
        format!("{} is no dump: no file in it, or one folder below, is of a collection", path.display());
    Err(Error::Refused(message))
}

/// Whether this folder holds files of collections, and whether they are compressed.
fn files_of_collections(path: &Path) -> Result<Option<bool>> {
    let is_of = |name: &str, gzip| {
        matches!(classify(name, gzip), FileKind::Data(_) | FileKind::Metadata(_)) && name != OPLOG_FILE
    };
    let mut found = None;
    for file in entries(path)?.iter().filter(|path| path.is_file()) {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
        if is_of(name, false) {
            return Ok(Some(false));
        }
        if is_of(name, true) {
            found = Some(true);
        }
    }
    Ok(found)
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |source| Error::Read { path: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(wrong)?.map(|entry| entry.map(|entry| entry.path()));
    entries.collect::<std::io::Result<_>>().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(bytes: &'static [u8]) -> Result<Input> {
        Input::of_stream(Box::new(bytes))
    }

    #[test]
    fn a_pipe_is_known_by_its_first_bytes() {
        let Ok(Input::ArchiveStream(mut whole)) = stream(b"\x89MAK\r\n\x1a\nmore") else { panic!() };
        let mut bytes = Vec::new();
        whole.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"\x89MAK\r\n\x1a\nmore");
        assert!(matches!(stream(b"\x6d\xe2\x99\x81"), Ok(Input::Dump(Dump { gzip: false, .. }))));
        assert!(matches!(stream(b"\x1f\x8b\x08"), Ok(Input::Dump(Dump { gzip: true, .. }))));
        let error = stream(b"PK").unwrap_err().to_string();
        assert!(error.ends_with("it begins with [50, 4b]"), "{error}");
        assert!(stream(b"").is_err());
    }

    #[test]
    fn a_folder_is_known_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        put("empty/README");
        put("empty/oplog.bson");
        assert!(Input::of_file(&root.path().join("empty")).is_err());
        for (file, expected) in [("a.bson", false), ("a.metadata.json", false), ("a.bson.gz", true)] {
            put(&format!("{file}-dump/shop/{file}"));
            let dump = root.path().join(format!("{file}-dump"));
            let Ok(Input::Dump(Dump { place: Place::Folder(_), gzip })) = Input::of_file(&dump) else {
                panic!()
            };
            assert_eq!(gzip, expected, "{file}");
            let one = Input::of_file(&dump.join("shop"));
            assert!(
                matches!(one, Ok(Input::Dump(Dump { place: Place::Database { db, .. }, .. })) if db == "shop")
            );
        }
    }
}
