//! Dumps that mongodump made, each with the state that a restore of it must give.
//!
//! They are in `fixtures/dumps/<server>/<form>/`: `dump.tar.gz`, which unpacks to `dump/`, `dump.archive` or
//! `dump.archive.gz`, and `expected.json`. mongodump 100.18.0 made them on replica sets of one member without access
//! control. The plain forms hold the edge corpus, and their expected state was read from the server before it was
//! dumped. The `oplog-*` forms were dumped with `--oplog` while a writer ran; what they hold is the state at the
//! last oplog entry of the dump.
//!
//! [`all`] lists them, [`differences`] compares a server with an `expected.json`. [`crate::compare`] reads the server;
//! what is here knows how such a file writes things down.

mod difference;
mod expected;
mod found;
mod state;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use mongodb::Client;

/// What to compare beyond the content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Collections must have the UUIDs of the dump, as after a restore with `--preserveUUID`.
    pub uuids: bool,
    /// An index of version 1 must not have become one of version 2, as it does without `--keepIndexVersion`.
    pub keep_index_version: bool,
    /// The server is of a later release of the series than the one that was dumped: what such a release makes by itself
    /// is not compared, the validators behind time series and the expiry that the index of a clustered collection
    /// shows.
    pub later_release: bool,
}

/// One dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    /// Version of the server that was dumped, such as `6.0.5`.
    pub server: String,
    /// How it was dumped, such as `oplog-archive`.
    pub form: String,
    folder: PathBuf,
}

/// All dumps, by server and form.
///
/// # Panics
/// When there is none, or one lacks a file.
pub fn all() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dumps");
    let mut goldens = Vec::new();
    for server in names_in(&root) {
        for form in names_in(&root.join(&server)) {
            let folder = root.join(&server).join(&form);
            goldens.push(Golden { server: server.clone(), form, folder });
        }
    }
    assert!(!goldens.is_empty(), "no dumps in {}", root.display());
    goldens
}

/// The dumps that a server of this version must restore: those of the same version or, if there are none, of the
/// same release series.
///
/// # Panics
/// When there is none of the series either.
pub fn for_server(version: &str) -> Vec<Golden> {
    let series = |version: &str| version.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
    let mut goldens = all();
    let is_known = goldens.iter().any(|golden| golden.server == version);
    goldens
        .retain(|golden| golden.server == version || !is_known && series(&golden.server) == series(version));
    assert!(!goldens.is_empty(), "no dumps of a server like {version}");
    goldens
}

impl Golden {
    /// Unpacks the dump into this folder; the path of what came out, a folder or an archive file.
    pub fn unpack(&self, into: &Path) -> PathBuf {
        let packed = self.folder.join("dump.tar.gz");
        let file = fs::File::open(&packed).unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
        let unpacked = tar::Archive::new(GzDecoder::new(file)).unpack(into);
        unpacked.unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
        into.join(match (self.is_archive(), self.is_gzip()) {
            (true, true) => "dump.archive.gz",
            (true, false) => "dump.archive",
            (false, _) => "dump",
        })
    }

    /// The state that a restore must give.
    pub fn expected_path(&self) -> PathBuf {
        self.folder.join("expected.json")
    }

    /// Whether it was made with `--gzip`.
    pub fn is_gzip(&self) -> bool {
        self.form.ends_with("-gzip")
    }

    /// Whether it is one file, made with `--archive`.
    pub fn is_archive(&self) -> bool {
        self.form.split('-').any(|part| part == "archive")
    }

    /// Whether it was made with `--oplog`; it needs `--oplogReplay`.
    pub fn has_oplog(&self) -> bool {
        self.form.starts_with("oplog-")
    }
}

/// A line for each thing that this server has otherwise than the `expected.json` at this path; none if it agrees.
///
/// Compared are type, count, documents, options and indexes of each namespace but those in `local` and `config`,
/// the natural order of capped collections, users with their credentials, and roles.
///
/// # Panics
/// When the file or the server cannot be read.
pub async fn differences(client: &Client, expected: &Path, options: Options) -> Vec<String> {
    let text = fs::read_to_string(expected).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
    let expected = expected::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
    let found = found::read(client).await.expect("a server that can be read");
    difference::lines(&expected, &found, options)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("a readable folder").file_name().into_string().expect("a name in UTF-8")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dump_unpacks_to_what_its_form_says() {
        for golden in all() {
            let folder = tempfile::tempdir().unwrap();
            let dump = golden.unpack(folder.path());
            assert_eq!(dump.is_file(), golden.is_archive(), "{golden:?}");
            assert!(
                golden.is_archive() || dump.join("oplog.bson").is_file() == golden.has_oplog(),
                "{golden:?}"
            );
            assert!(golden.expected_path().is_file(), "{golden:?}");
        }
    }

    #[test]
    fn a_server_is_given_the_dumps_of_its_series() {
        let of = |version| for_server(version).into_iter().map(|golden| golden.server).collect::<Vec<_>>();
        assert_eq!(of("6.0.5"), ["6.0.5"; 7]);
        assert_eq!(of("6.0.27"), ["6.0.5"; 7]);
        assert_eq!(of("4.4.2"), ["4.4.2"; 6]);
    }
}
