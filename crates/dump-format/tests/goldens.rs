//! The dumps that mongodump made, read and written again: what it wrote is understood to the last document, and what
//! this crate writes in its place has the same bytes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Name, rebuild, take_apart};
use mongoark_dump_format::archive::{OPLOG_COLLECTION, OPLOG_DB};
use mongoark_dump_format::names::{FileKind, OPLOG_FILE, classify, collection_of, stem};
use mongoark_dump_format::{DocumentReader, Metadata, Prelude, gzip};
use mongoark_model::{CollectionKind, Namespace};
use mongoark_test_support::golden::{Golden, all};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

/// A dump in memory, whatever its form.
#[derive(Debug, Default)]
struct Dump {
    documents: BTreeMap<Name, Vec<u8>>,
    /// Metadata texts, by the name of the view or the collection.
    metadata: BTreeMap<Name, String>,
}

/// Each file below a dump's folder, decompressed: its folder's name (empty at the top), its name, its bytes.
fn files(dump: &Path, is_gzip: bool) -> Vec<(String, String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dump).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let below = self::files(&entry.path(), is_gzip).into_iter();
            files.extend(below.map(|(_, file, bytes)| (name.clone(), file, bytes)));
        } else {
            files.push((String::new(), name, content(&entry.path(), is_gzip)));
        }
    }
    files
}

fn content(path: &Path, is_gzip: bool) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(gzip::is_gzip(&bytes), is_gzip, "{}", path.display());
    if !is_gzip {
        return bytes;
    }
    let mut out = Vec::new();
    gzip::reader(std::io::Cursor::new(bytes)).read_to_end(&mut out).unwrap();
    out
}

/// All documents of a `.bson` file, through the reader.
fn documents(bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut out) = (DocumentReader::new(bytes), Vec::new());
    while reader.read(&mut out, 0).unwrap() > 0 {}
    assert_eq!(reader.offset(), bytes.len() as u64);
    out
}

fn read_archive(bytes: &[u8]) -> Dump {
    let taken = take_apart(bytes, 100_000).unwrap();
    let with_text = taken.prelude.namespaces.into_iter().filter(|entry| !entry.metadata.is_empty());
    let metadata = with_text.map(|entry| ((entry.db, entry.collection), entry.metadata)).collect();
    Dump { documents: taken.documents, metadata }
}

/// Reads a dump's folder by its file names alone, and checks that each is the name this crate would give.
fn read_directory(golden: &Golden, dump: &Path) -> Dump {
    let mut out = Dump::default();
    let mut cut: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    for (db, file, bytes) in files(dump, golden.is_gzip()) {
        match classify(&file, golden.is_gzip()) {
            FileKind::Prelude => check_prelude(golden, &bytes),
            FileKind::Metadata(stem) => {
                let text = String::from_utf8(bytes).unwrap();
                let name = Metadata::parse(text.as_bytes()).unwrap().collection_name.unwrap();
                check_stem(&stem, &name);
                out.metadata.insert((db, name), text);
            }
            FileKind::Data(_) if db == OPLOG_DB && file == OPLOG_FILE => {
                let name = (OPLOG_DB.to_owned(), OPLOG_COLLECTION.to_owned());
                out.documents.insert(name, documents(&bytes));
            }
            FileKind::Data(stem) => match collection_of(&stem).unwrap() {
                Some(name) => {
                    check_stem(&stem, &name);
                    out.documents.insert((db, name), documents(&bytes));
                }
                None => _ = cut.insert((db, stem), documents(&bytes)),
            },
            FileKind::Unknown => panic!("{golden:?}: {db}/{file}"),
        }
    }
    for (db, name) in out.metadata.keys() {
        if let Some(bytes) = cut.remove(&(db.clone(), stem(name))) {
            out.documents.insert((db.clone(), name.clone()), bytes);
        }
    }
    assert!(cut.is_empty(), "no metadata names {:?}", cut.keys());
    out
}

fn check_stem(found: &str, name: &str) {
    assert_eq!(stem(name), found);
}

fn check_prelude(golden: &Golden, text: &[u8]) {
    let prelude = Prelude::parse(text).unwrap();
    assert_eq!(prelude.server_version, golden.server);
    assert_eq!(prelude.to_json(), text);
}

/// Runs over every dump: what it is, and what it holds.
fn each(mut check: impl FnMut(&Golden, Dump)) {
    for golden in all() {
        let folder = tempfile::tempdir().unwrap();
        let path = golden.unpack(folder.path());
        let dump = if golden.is_archive() {
            read_archive(&content(&path, golden.is_gzip()))
        } else {
            read_directory(&golden, &path)
        };
        check(&golden, dump);
    }
}

#[test]
fn every_archive_is_written_again_byte_for_byte() {
    let mut archives = 0;
    for golden in all().into_iter().filter(Golden::is_archive) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = content(&golden.unpack(folder.path()), golden.is_gzip());
        assert!(rebuild(&bytes).unwrap() == bytes, "{golden:?}");
        archives += 1;
    }
    assert_eq!(archives, 3 * 3 + 1);
}

#[test]
fn every_metadata_text_is_written_again_byte_for_byte() {
    each(|golden, dump| {
        assert!(!dump.metadata.is_empty());
        for ((db, collection), text) in &dump.metadata {
            let metadata = Metadata::parse(text.as_bytes()).unwrap();
            assert_eq!(metadata.collection_name.as_ref(), Some(collection));
            let written = String::from_utf8(metadata.to_json().unwrap()).unwrap();
            assert_eq!(&written, text, "{golden:?} {db}");
            let described = metadata.clone().into_collection(Namespace::new(db, collection)).unwrap();
            assert_eq!(Metadata::of(&described), metadata);
        }
    });
}

#[test]
fn every_namespace_has_its_metadata_and_its_documents() {
    each(|golden, dump| {
        for ((db, collection), text) in &dump.metadata {
            let metadata = Metadata::parse(text.as_bytes()).unwrap();
            let kind = metadata.into_collection(Namespace::new(db, collection)).unwrap().kind;
            let data = match kind {
                CollectionKind::TimeSeries => format!("system.buckets.{collection}"),
                _ => collection.clone(),
            };
            // In a folder a view has no data file; in an archive it has an end.
            let has_data = kind != CollectionKind::View || golden.is_archive();
            let found = dump.documents.contains_key(&(db.clone(), data));
            assert_eq!(found, has_data, "{golden:?} {db}.{collection}");
        }
        assert_eq!(dump.documents.contains_key(&(String::new(), "oplog".to_owned())), golden.has_oplog());
    });
}

#[test]
fn the_documents_are_those_that_the_server_had() {
    each(|golden, dump| {
        if golden.has_oplog() {
            return; // Its state is that after the oplog.
        }
        let mut compared = BTreeSet::new();
        for (db, collections) in databases(golden) {
            for (collection, expected) in collections.as_object().unwrap() {
                let stored = expected["type"] == "collection" && collection != "system.views";
                if stored {
                    let name = (db.clone(), collection.clone());
                    let documents = dump.documents.get(&name).unwrap_or_else(|| panic!("no {name:?}"));
                    assert_eq!(
                        digest(documents),
                        expected["sha256"].as_str().unwrap(),
                        "{golden:?} {name:?}"
                    );
                    compared.insert(name);
                }
            }
        }
        let others = dump.documents.keys().filter(|name| !compared.contains(*name) && name.0 != "admin");
        for name in others {
            assert!(dump.documents[name].is_empty(), "{golden:?} {name:?}");
        }
    });
}

fn databases(golden: &Golden) -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(golden.expected_path()).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    match file["databases"].take() {
        Value::Object(databases) => databases,
        other => panic!("databases: {other}"),
    }
}

/// SHA-256 over the documents in the order of their bytes, in hexadecimal digits.
fn digest(documents: &[u8]) -> String {
    let mut split: Vec<&[u8]> = mongoark_bson_bytes::split_documents(documents).map(Result::unwrap).collect();
    split.sort_unstable();
    let digest = split.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn a_compressed_archive_is_compressed_again_to_what_reads_the_same() {
    for golden in all().into_iter().filter(|golden| golden.is_archive() && golden.is_gzip()) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = content(&golden.unpack(folder.path()), true);
        let (mut compressor, mut out) = (gzip::Compressor::new(), Vec::new());
        bytes.chunks(70_001).for_each(|part| compressor.member(part, &mut out).unwrap());
        let mut back = Vec::new();
        gzip::reader(std::io::Cursor::new(out)).read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{golden:?}");
    }
}
