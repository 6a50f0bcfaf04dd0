//! Where a dump is, and in which form.

use mongoark_model::Namespace;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

/// Where a dump is.
pub enum Place {
    /// The folder that `mongodump --out` made: a folder a database, perhaps `oplog.bson` and `prelude.json`.
    Folder(PathBuf),
    /// The folder of one database, whatever its name; read as this database.
    Database {
        /// The folder.
        path: PathBuf,
        /// The database.
        db: String,
    },
    /// A `.bson` file; read as this collection, with the metadata beside it.
    File {
        /// The file.
        path: PathBuf,
        /// The collection.
        namespace: Namespace,
    },
    /// Documents from a pipe; read as this collection, without metadata.
    Documents {
        /// The pipe.
        reader: Box<dyn Read + Send>,
        /// The collection.
        namespace: Namespace,
    },
    /// A file that `mongodump --archive` made, or the folder that holds it as `archive` or `archive.gz`.
    Archive(PathBuf),
    /// An archive from a pipe.
    ArchiveStream(Box<dyn Read + Send>),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Database { path, db } => f.debug_tuple("Database").field(path).field(db).finish(),
            Self::File { path, namespace } => f.debug_tuple("File").field(path).field(namespace).finish(),
            Self::Documents { namespace, .. } => f.debug_tuple("Documents").field(namespace).finish(),
            Self::Archive(path) => f.debug_tuple("Archive").field(path).finish(),
            Self::ArchiveStream(_) => f.write_str("ArchiveStream"),
        }
    }
}
