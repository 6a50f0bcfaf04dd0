//! The folder of a dump: which file is what, by its name alone.

use super::{Entry, files};
use crate::quote::quoted;
use crate::{Error, Result};
use mongoark_dump_format::archive::{BUCKETS_PREFIX, OPLOG_COLLECTION};
use mongoark_dump_format::names::{self, FileKind};
use mongoark_dump_format::{Metadata, Prelude};
use mongoark_model::Namespace;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Bytes of the longest prelude that is read.
const PRELUDE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the longest name of a database.
const DB_BYTES_MAX: usize = 63;

/// The files of one entry.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) data: Option<PathBuf>,
    pub(super) metadata: Option<PathBuf>,
}

/// What a folder holds.
pub(super) struct Found {
    /// Where a prelude is looked for.
    pub(super) root: PathBuf,
    pub(super) entries: Vec<(Entry, Files)>,
    pub(super) unknown: Vec<String>,
}

/// The folder of a whole dump.
pub(super) fn whole(path: &Path, gzip: bool) -> Result<Found> {
    let root = clean(path);
    let mut found = Found { root: root.clone(), entries: Vec::new(), unknown: Vec::new() };
    for name in names_in(&root)? {
        let path = root.join(&name);
        if path.is_dir() {
            let db = name.to_str().filter(|db| is_database(db)).ok_or_else(|| {
                Error::Refused(format!("invalid database name {}", quoted(&name.to_string_lossy())))
            })?;
            found.add_database(&path, db, gzip)?;
        } else if name.to_str() == Some(names::OPLOG_FILE) {
            let entry = entry(Namespace::new("", OPLOG_COLLECTION), Some(&path), None);
            found.entries.push((entry, Files { data: Some(path), metadata: None }));
        } else {
            found.add_unknown("file", &path);
        }
    }
    Ok(found)
}

/// The folder of one database, read as `db`.
pub(super) fn database(path: &Path, db: &str, gzip: bool) -> Result<Found> {
    let root = clean(path);
    let mut found = Found { root: root.clone(), entries: Vec::new(), unknown: Vec::new() };
    found.add_database(&root, db, gzip)?;
    Ok(found)
}

/// One `.bson` file, read as `namespace`, and the metadata beside it.
pub(super) fn file(path: &Path, namespace: &Namespace, gzip: bool) -> Result<Found> {
    let path = clean(path);
    let shown = || quoted(&path.display().to_string());
    if path.is_dir() {
        return Err(Error::Refused(format!("file {} is a directory, not a bson file", shown())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let FileKind::Data(stem) = names::classify(&name, gzip) else {
        return Err(Error::Refused(format!("file {} does not have .bson or .bson.gz extension", shown())));
    };
    let is_buckets = stem.starts_with(BUCKETS_PREFIX);
    let logical = stem.strip_prefix(BUCKETS_PREFIX).unwrap_or(&stem);
    let metadata = path.with_file_name(metadata_name(logical, gzip));
    let metadata = metadata.is_file().then_some(metadata);
    let collection = namespace.collection.strip_prefix(BUCKETS_PREFIX).filter(|_| is_buckets);
    let namespace = Namespace::new(&namespace.db, collection.unwrap_or(&namespace.collection));
    if is_buckets && metadata.is_none() {
        let name = quoted(&format!("{}.{}", namespace.db, namespace.collection));
        let message = format!("could not find the timeseries collection metadata file for {name}");
        return Err(Error::Refused(message));
    }
    let mut entry = entry(namespace, Some(&path), metadata.as_deref());
    entry.is_buckets = is_buckets;
    let root = path.parent().map(Path::to_owned).unwrap_or_default();
    let files = Files { data: Some(path), metadata };
    Ok(Found { root, entries: vec![(entry, files)], unknown: Vec::new() })
}

/// `prelude.json` of the folder, or of the one that it is in.
pub(super) fn prelude(root: &Path, gzip: bool) -> Result<Option<Prelude>> {
    let name = if gzip { "prelude.json.gz" } else { names::PRELUDE_FILE };
    // The folder above `dump` is the one that is worked in.
    let above = root.parent().map(Path::to_owned);
    let candidates = [Some(root.join(name)), above.map(|above| above.join(name))];
    let Some(path) = candidates.into_iter().flatten().find(|path| path.is_file()) else { return Ok(None) };
    let text = files::text(&path, gzip, PRELUDE_BYTES_MAX)?;
    let location = path.display().to_string();
    Prelude::parse(&text).map(Some).map_err(|source| Error::Dump { location, source })
}

/// The collection that a file's stem names; where it was cut, its metadata tell.
pub(crate) fn collection_of(stem: &str, folder: &Path, gzip: bool) -> Result<String> {
    let path = folder.join(metadata_name(stem, gzip));
    let wrong = |source| Error::Dump { location: path.display().to_string(), source };
    if let Some(name) = names::collection_of(stem).map_err(|source| {
        let location = folder.join(stem).display().to_string();
        Error::Dump { location, source }
    })? {
        return Ok(name);
    }
    let text = files::text(&path, gzip, Metadata::TEXT_BYTES_MAX)?;
    let name = Metadata::parse(&text).map_err(wrong)?.collection_name.filter(|name| !name.is_empty());
    name.ok_or_else(|| {
        let path = quoted(&path.display().to_string());
        Error::Refused(format!("no collection name found in metadata file with truncated file name {path}"))
    })
}

impl Found {
    fn add_database(&mut self, folder: &Path, db: &str, gzip: bool) -> Result<()> {
        let mut places: HashMap<String, usize> = HashMap::new();
        for name in names_in(folder)? {
            let path = folder.join(&name);
            if path.is_dir() {
                let short = Path::new(folder.file_name().unwrap_or_default()).join(&name);
                self.add_unknown("subdirectory", &short);
                continue;
            }
            let name = name.to_string_lossy();
            let kind = names::classify(&name, gzip);
            if matches!(kind, FileKind::Data(_) | FileKind::Metadata(_)) && path.to_str().is_none() {
                let message = format!("{} names no collection: it is not UTF-8", path.display());
                return Err(Error::Refused(message));
            }
            match kind {
                // Only at the top is there a file that is compressed without saying so.
                FileKind::Data(_) if gzip && *name == *names::OPLOG_FILE => self.add_unknown("file", &path),
                FileKind::Data(stem) => {
                    // Buckets are named in full, even where that takes a cut: the metadata have the short name.
                    let collection = collection_of(&stem, folder, gzip)?;
                    let logical = collection.strip_prefix(BUCKETS_PREFIX);
                    let place = self.place(db, logical.unwrap_or(&collection), &mut places);
                    if let Some((entry, files)) = self.entries.get_mut(place) {
                        refuse_second(files.data.as_deref(), &path, &entry.namespace)?;
                        entry.is_buckets = logical.is_some();
                        entry.bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                        entry.data = Some(path.display().to_string());
                        files.data = Some(path);
                    }
                }
                FileKind::Metadata(stem) => {
                    let collection = collection_of(&stem, folder, gzip)?;
                    let logical = collection.strip_prefix(BUCKETS_PREFIX).unwrap_or(&collection);
                    let place = self.place(db, logical, &mut places);
                    if let Some((entry, files)) = self.entries.get_mut(place) {
                        refuse_second(files.metadata.as_deref(), &path, &entry.namespace)?;
                        entry.metadata = Some(path.display().to_string());
                        files.metadata = Some(path);
                    }
                }
                FileKind::Prelude | FileKind::Unknown => self.add_unknown("file", &path),
            }
        }
        Ok(())
    }

    /// The place of a collection among the entries; data and metadata share one.
    fn place(&mut self, db: &str, collection: &str, places: &mut HashMap<String, usize>) -> usize {
        let next = self.entries.len();
        let place = *places.entry(collection.to_owned()).or_insert(next);
        if place == next {
            self.entries.push((entry(Namespace::new(db, collection), None, None), Files::default()));
        }
        place
    }

    fn add_unknown(&mut self, what: &str, path: &Path) {
        let path = quoted(&path.display().to_string());
        self.unknown.push(format!("don't know what to do with {what} {path}, skipping..."));
    }
}

fn entry(namespace: Namespace, data: Option<&Path>, metadata: Option<&Path>) -> Entry {
    let shown = |path: &Path| path.display().to_string();
    let bytes = data.and_then(|path| fs::metadata(path).ok()).map_or(0, |metadata| metadata.len());
    Entry { namespace, is_buckets: false, data: data.map(shown), metadata: metadata.map(shown), bytes }
}

/// Two names can stand for one collection (`A.bson`, `%41.bson`): whichever were taken, the other would be lost.
fn refuse_second(first: Option<&Path>, second: &Path, namespace: &Namespace) -> Result<()> {
    let Some(first) = first else { return Ok(()) };
    let [first, second] = [first, second].map(|path| quoted(&path.display().to_string()));
    let name = quoted(&namespace.to_string());
    Err(Error::Refused(format!("{first} and {second} are both of collection {name}: move one of them away")))
}

fn metadata_name(stem: &str, gzip: bool) -> String {
    format!("{stem}.metadata.json{}", if gzip { ".gz" } else { "" })
}

/// The names in a folder, in the order of their bytes.
fn names_in(folder: &Path) -> Result<Vec<OsString>> {
    let wrong = |source| Error::Read { path: folder.to_owned(), source };
    let names = fs::read_dir(folder).map_err(wrong)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names: Vec<OsString> = names.collect::<std::io::Result<_>>().map_err(wrong)?;
    names.sort();
    Ok(names)
}

fn is_database(name: &str) -> bool {
    name.len() <= DB_BYTES_MAX && !name.contains(['/', '\\', '.', ' ', '"', '\0', '$'])
}

/// The path as messages show it: `./dump/` is `dump`.
fn clean(path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let clean: PathBuf = parts.collect();
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_without_detours() {
        for (path, shown) in [("./dump/", "dump"), ("dump//x", "dump/x"), (".", "."), ("/a/./b", "/a/b")] {
            assert_eq!(clean(Path::new(path)), PathBuf::from(shown));
        }
    }

    #[test]
    fn a_folder_is_known_by_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("shop");
        fs::create_dir_all(db.join("sub")).unwrap();
        for name in [
            "a+b.bson",
            "a+b.metadata.json",
            "system.buckets.t.bson",
            "t.metadata.json",
            "v.metadata.json",
            "x",
        ] {
            fs::write(db.join(name), "12345").unwrap();
        }
        fs::write(folder.path().join("oplog.bson"), "").unwrap();
        fs::write(folder.path().join("prelude.json"), r#"{"ServerVersion":"6.0.5"}"#).unwrap();
        let found = whole(folder.path(), false).unwrap();
        let shown: Vec<(String, bool, bool, bool)> = found
            .entries
            .iter()
            .map(|(e, _)| (e.namespace.to_string(), e.is_buckets, e.data.is_some(), e.metadata.is_some()))
            .collect();
        let expected = [
            (".oplog".to_owned(), false, true, false),
            ("shop.a b".to_owned(), false, true, true),
            ("shop.t".to_owned(), true, true, true),
            ("shop.v".to_owned(), false, false, true),
        ];
        assert_eq!(shown, expected);
        assert_eq!(found.unknown.len(), 3, "{:?}", found.unknown);
        assert!(found.unknown.iter().any(|line| line.contains("subdirectory `shop/sub`")));
        assert_eq!(prelude(&found.root, false).unwrap().unwrap().server_version, "6.0.5");
        assert_eq!(prelude(&db, false).unwrap().unwrap().server_version, "6.0.5");
    }

    #[test]
    fn two_files_of_one_collection_are_refused_by_their_names() {
        for (first, second) in [
            ("A.bson", "%41.bson"),
            ("a%20b.bson", "a+b.bson"),
            ("c.bin", "c.bson"),
            ("t.bson", "system.buckets.t.bson"),
            ("A.metadata.json", "%41.metadata.json"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let db = folder.path().join("shop");
            fs::create_dir(&db).unwrap();
            for name in [first, second] {
                fs::write(db.join(name), "").unwrap();
            }
            let error = whole(folder.path(), false).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(first) && error.contains(second) && error.contains("move one"), "{error}");
        }
    }

    #[test]
    fn a_database_with_a_name_that_none_has_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a.b")).unwrap();
        let error = whole(folder.path(), false).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "invalid database name `a.b`");
    }
}
