//! Which file of a folder holds what.

use super::entry::Entry;
use mongoark_dump_format::names::{OPLOG_FILE, PRELUDE_FILE, stem};
use std::path::{Component, Path, PathBuf};

/// A dump's folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    gzip: bool,
}

impl Layout {
    pub(super) fn new(root: &Path, gzip: bool) -> Self {
        Self { root: tidy(root), gzip }
    }

    /// The file of an entry's documents. The oplog's never gains `.gz`, and accounts of one database have names that
    /// are not escaped.
    pub(super) fn data(&self, entry: &Entry) -> PathBuf {
        if entry.db.is_empty() {
            return self.root.join(OPLOG_FILE);
        }
        let name =
            if entry.is_accounts { entry.data_collection.clone() } else { stem(&entry.data_collection) };
        self.file(&entry.db, format!("{name}.bson"))
    }

    /// The file of an entry's metadata.
    pub(super) fn metadata(&self, entry: &Entry) -> PathBuf {
        self.file(&entry.db, format!("{}.metadata.json", stem(&entry.collection)))
    }

    /// The prelude's file, which is in the folder of the one database that is dumped.
    pub(super) fn prelude(&self, db: Option<&str>) -> PathBuf {
        self.file(db.unwrap_or_default(), PRELUDE_FILE.to_owned())
    }

    fn file(&self, db: &str, mut name: String) -> PathBuf {
        if self.gzip {
            name.push_str(".gz");
        }
        self.root.join(db).join(name)
    }
}

/// Without `.` in its midst and slashes at its end, as the tools show it.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(db: &str, collection: &str, metadata: Option<&str>) -> Entry {
        Entry {
            db: db.to_owned(),
            collection: collection.to_owned(),
            data_collection: collection.to_owned(),
            metadata: metadata.map(|text| text.as_bytes().to_vec()),
            kind: String::new(),
            has_file: true,
            is_accounts: false,
        }
    }

    #[test]
    fn files_have_the_names_of_mongodump() {
        let layout = Layout::new(Path::new("./a//b/"), true);
        let shown = |path: PathBuf| path.to_string_lossy().into_owned();
        let plain = entry("d", "a b/$", Some("{}"));
        assert_eq!(shown(layout.data(&plain)), "a/b/d/a+b%2F%24.bson.gz");
        assert_eq!(shown(layout.metadata(&plain)), "a/b/d/a+b%2F%24.metadata.json.gz");
        assert_eq!(shown(layout.data(&Entry::accounts("d", "users"))), "a/b/d/$admin.system.users.bson.gz");
        assert_eq!(shown(layout.data(&Entry::oplog())), "a/b/oplog.bson");
        assert_eq!(shown(layout.prelude(None)), "a/b/prelude.json.gz");
        assert_eq!(shown(layout.prelude(Some("d"))), "a/b/d/prelude.json.gz");
        let here = Layout::new(Path::new("."), false);
        assert_eq!(shown(here.data(&plain)), "d/a+b%2F%24.bson");
    }
}
