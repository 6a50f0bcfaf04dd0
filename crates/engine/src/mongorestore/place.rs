//! From what was typed to where the dump is.

use super::{Input, Options};
use crate::dump_input::Place;
use crate::quote::quoted;
use crate::{Error, Result};
use mongoark_dump_format::names::{self, FileKind};
use mongoark_model::Namespace;
use std::path::Path;

/// Where the dump is, and the line that tells how it is read.
pub(super) fn of(input: Input, options: &Options) -> Result<(Place, String)> {
    let whole = "preparing collections to restore from".to_owned();
    match input {
        Input::Archive(path) if !path.exists() => Err(missing(&path, "")),
        Input::Archive(path) => Ok((Place::Archive(path), whole)),
        Input::ArchiveStream(reader) => Ok((Place::ArchiveStream(reader), whole)),
        Input::DocumentStream(reader) => {
            let (Some(db), Some(collection)) = (&options.db, &options.collection) else {
                let message = "cannot restore from stdin without a specified collection";
                return Err(Error::Usage(message.to_owned()));
            };
            let line = "setting up a collection to be read from standard input".to_owned();
            Ok((Place::Documents { reader, namespace: Namespace::new(db, collection) }, line))
        }
        Input::Path(path) => of_path(&path, options, whole),
    }
}

fn of_path(path: &Path, options: &Options, whole: String) -> Result<(Place, String)> {
    let path = path.to_owned();
    let shown = quoted(&path.components().collect::<std::path::PathBuf>().display().to_string());
    if !path.exists() {
        let shown = path.display().to_string();
        return Err(missing(&path, &format!("mongorestore target '{shown}' invalid: ")));
    }
    if path.is_dir() {
        return match (&options.db, &options.collection) {
            (Some(db), None) => {
                let line = format!("building a list of collections to restore from {shown} dir");
                Ok((Place::Database { path, db: db.clone() }, line))
            }
            (Some(db), Some(collection)) => {
                let namespace = Namespace::new(db, collection);
                Ok((Place::File { path, namespace }, format!("checking for collection data in {shown}")))
            }
            (None, _) => Ok((Place::Folder(path), whole)),
        };
    }
    let namespace = inferred(&path, options)?;
    Ok((Place::File { path, namespace }, format!("checking for collection data in {shown}")))
}

fn missing(path: &Path, what: &str) -> Error {
    Error::Usage(format!("{what}stat {}: no such file or directory", path.display()))
}

/// The collection of a file, where the flags do not name it.
fn inferred(path: &Path, options: &Options) -> Result<Namespace> {
    let collection = match &options.collection {
        Some(collection) => collection.clone(),
        None => collection_of(path, options.gzip)?,
    };
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let db = options.db.as_deref().or(folder).unwrap_or("test");
    Ok(Namespace::new(db, collection))
}

fn collection_of(path: &Path, gzip: bool) -> Result<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let FileKind::Data(stem) = names::classify(&name, gzip) else {
        let path = quoted(&path.display().to_string());
        return Err(Error::Usage(format!("file {path} does not have .bson extension")));
    };
    crate::dump_input::collection_of(&stem, path.parent().unwrap_or(Path::new("")), gzip)
}
