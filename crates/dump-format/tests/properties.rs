//! What holds for every dump: whatever is written is read again, in whatever pieces it comes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bson::RawDocumentBuf;
use common::{Name, Taken, rebuild, take_apart};
use flate2::read::MultiGzDecoder;
use mongoark_bson_bytes::Builder;
use mongoark_dump_format::archive::{
    ArchiveHeader, ArchivePrelude, NamespaceEntry, TERMINATOR, block_header, namespace_end,
};
use mongoark_dump_format::names::{STEM_BYTES_MAX, collection_of, stem};
use mongoark_dump_format::{Crc, DocumentReader, Error, Metadata, gzip};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Cursor, Read};

/// Gives its bytes in pieces of these lengths, over and over.
struct Dribble {
    bytes: Cursor<Vec<u8>>,
    pieces: Vec<usize>,
    next: usize,
}

impl Dribble {
    fn new(bytes: Vec<u8>, pieces: Vec<usize>) -> Self {
        Self { bytes: Cursor::new(bytes), pieces, next: 0 }
    }
}

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = self.pieces[self.next % self.pieces.len()].min(out.len());
        self.next += 1;
        self.bytes.read(&mut out[..len])
    }
}

/// A document of a length that the test chooses.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 200..3000)];
    bytes.prop_map(|bytes| Builder::new().binary("b", 0, &bytes).finish())
}

/// Names of collections: any text without a zero, up to the 255 bytes that a server takes.
fn name() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => any::<char>(),
        2 => prop::char::range(' ', '~'),
        1 => prop::sample::select(vec!['/', '%', '+', ' ', '$', '.', '\n', 'é']),
    ];
    let characters = vec(character.prop_filter("no zero", |character| *character != '\0'), 1..255);
    characters.prop_map(|characters| {
        let mut name = String::new();
        let fits = characters.into_iter().take_while(|character| {
            name.push(*character);
            name.len() <= 255
        });
        let count = fits.count();
        name.chars().take(count).collect()
    })
}

/// Namespaces with their documents, and the order in which their blocks come.
#[derive(Debug)]
struct Plan {
    namespaces: BTreeMap<Name, Vec<Vec<u8>>>,
    /// Which of the open namespaces comes next, and how many of its documents.
    turns: Vec<(prop::sample::Index, usize)>,
    pieces: Vec<usize>,
    bytes_max: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let namespaces = btree_map(("[a-z]{1,3}", name()), vec(document(), 0..20), 0..8);
    let turns = vec((any::<prop::sample::Index>(), 0..6_usize), 1..60);
    (namespaces, turns, vec(1..5000_usize, 1..6), 1..4000_usize)
        .prop_map(|(namespaces, turns, pieces, bytes_max)| Plan { namespaces, turns, pieces, bytes_max })
}

impl Plan {
    fn prelude(&self) -> ArchivePrelude {
        let header = ArchiveHeader {
            concurrent_collections: 4,
            version: "0.1".to_owned(),
            server_version: "6.0.5".to_owned(),
            tool_version: "100.18.0".to_owned(),
        };
        let entry = |(db, collection): &Name| NamespaceEntry {
            db: db.clone(),
            collection: collection.clone(),
            metadata: format!("{{\"collectionName\":{collection:?}}}"),
            size: 0,
            kind: "collection".to_owned(),
        };
        ArchivePrelude { header, namespaces: self.namespaces.keys().map(entry).collect() }
    }

    /// The archive: blocks by turns, each namespace's end behind its last document.
    fn archive(&self) -> Vec<u8> {
        let mut out = self.prelude().encode().unwrap();
        let mut open: Vec<(&Name, VecDeque<&Vec<u8>>, Crc)> =
            self.namespaces.iter().map(|(name, all)| (name, all.iter().collect(), Crc::default())).collect();
        let mut turns = self.turns.iter().cycle();
        while let (false, Some((which, count))) = (open.is_empty(), turns.next()) {
            let which = which.index(open.len());
            let (name, rest, crc) = &mut open[which];
            if rest.is_empty() {
                out.extend(namespace_end(&name.0, &name.1, crc.value));
                open.swap_remove(which);
                continue;
            }
            out.extend(block_header(&name.0, &name.1));
            let count = (*count).max(usize::from(self.turns.iter().all(|(_, count)| *count == 0)));
            for document in rest.drain(..count.min(rest.len())) {
                out.extend_from_slice(document);
                *crc = crc.then(Crc::of(document));
            }
            out.extend(TERMINATOR);
        }
        out
    }

    fn documents(&self) -> BTreeMap<Name, Vec<u8>> {
        self.namespaces.iter().map(|(name, documents)| (name.clone(), documents.concat())).collect()
    }
}

proptest! {
    #[test]
    fn interleaved_namespaces_come_out_whole(plan in plan()) {
        let archive = plan.archive();
        let expected = Taken { prelude: plan.prelude(), documents: plan.documents() };
        let input = Dribble::new(archive.clone(), plan.pieces.clone());
        prop_assert_eq!(take_apart(input, plan.bytes_max).unwrap(), expected);
        prop_assert!(rebuild(&archive).unwrap() == archive);
    }

    #[test]
    fn an_archive_that_is_changed_anywhere_is_no_panic(
        plan in plan(), at in any::<prop::sample::Index>(), with in any::<u8>(), len in 0..3_usize,
    ) {
        let mut archive = plan.archive();
        let at = at.index(archive.len());
        archive.splice(at..(at + len).min(archive.len()), [with]);
        // Names and texts are not covered by any checksum, so it may still be read.
        drop(take_apart(archive.as_slice(), plan.bytes_max));
    }

    #[test]
    fn a_file_of_documents_is_read_in_any_pieces(
        documents in vec(document(), 0..60), pieces in vec(1..5000_usize, 1..6), bytes_max in 0..6000_usize,
    ) {
        let file = documents.concat();
        let mut reader = DocumentReader::new(Dribble::new(file.clone(), pieces));
        let (mut back, mut count, mut part) = (Vec::new(), 0, Vec::new());
        loop {
            part.clear();
            let read = reader.read(&mut part, bytes_max).unwrap();
            if read == 0 {
                break;
            }
            prop_assert!(read == 1 || part.len() <= bytes_max);
            back.extend_from_slice(&part);
            count += read as usize;
        }
        prop_assert_eq!((back, count), (file, documents.len()));
    }

    #[test]
    fn a_name_is_that_of_a_file_and_comes_back(name in name()) {
        let stem = stem(&name);
        prop_assert!(stem.len() <= STEM_BYTES_MAX);
        prop_assert!(stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte)));
        if let Some(back) = collection_of(&stem).unwrap() {
            prop_assert_eq!(back, name);
        } else {
            prop_assert_eq!(stem.len(), STEM_BYTES_MAX);
        }
    }

    #[test]
    fn any_stem_has_a_name_or_an_error(stem in "\\PC{0,260}") {
        match collection_of(&stem) {
            Ok(_) => {}
            Err(Error::Escape { at, .. }) => prop_assert!(at < stem.len()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn metadata_comes_back(
        options in fields(), indexes in vec(fields(), 0..4), uuid in any::<Option<[u8; 16]>>(),
        name in proptest::option::of(name()), kind in proptest::option::of("[a-z]{1,12}"),
    ) {
        let raw = |bytes: Vec<u8>| RawDocumentBuf::from_bytes(bytes).unwrap();
        let metadata = Metadata {
            options: raw(options), indexes: indexes.into_iter().map(raw).collect(), uuid,
            collection_name: name, kind,
        };
        let text = metadata.to_json().unwrap();
        prop_assert_eq!(Metadata::parse(&text).unwrap(), metadata);
    }

    #[test]
    fn any_text_is_metadata_or_an_error(text in any::<Vec<u8>>()) {
        drop(Metadata::parse(&text));
    }

    #[test]
    fn gzip_cut_into_any_members_is_read_by_another_gunzip(
        parts in vec(vec(any::<u8>(), 0..3000), 1..10), pieces in vec(1..5000_usize, 1..6),
    ) {
        let (mut compressor, mut members) = (gzip::Compressor::new(), Vec::new());
        for part in &parts {
            compressor.member(part, &mut members).unwrap();
        }
        let (mut other, mut own) = (Vec::new(), Vec::new());
        MultiGzDecoder::new(members.as_slice()).read_to_end(&mut other).unwrap();
        gzip::reader(Dribble::new(members, pieces)).read_to_end(&mut own).unwrap();
        prop_assert_eq!(&other, &parts.concat());
        prop_assert_eq!(own, other);
    }

    #[test]
    fn checksums_are_joined_at_any_cut(parts in vec(vec(any::<u8>(), 0..300), 0..10)) {
        let joined = parts.iter().fold(Crc::default(), |sum, part| sum.then(Crc::of(part)));
        prop_assert_eq!(joined, Crc::of(&parts.concat()));
    }
}

/// Documents that Extended JSON can carry: keys that begin with no `$`, text in UTF-8, no NaN.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>().prop_filter("no NaN", |number| !number.is_nan()).prop_map(Value::Double),
        name().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Date),
        any::<[u8; 12]>().prop_map(Value::ObjectId),
        (any::<u8>().prop_filter("not the old one", |kind| *kind != 2), any::<Vec<u8>>())
            .prop_map(|(kind, bytes)| Value::Binary(kind, bytes)),
        any::<(u32, u32)>().prop_map(|(time, ordinal)| Value::Timestamp(time, ordinal)),
        Just(Value::Null),
    ];
    let value = leaf.prop_recursive(3, 30, 5, |inner| keyed(inner).prop_map(Value::Document));
    keyed(value).prop_map(|fields| {
        let mut doc = Builder::new();
        append(&mut doc, &fields);
        doc.finish()
    })
}

#[derive(Clone, Debug)]
enum Value {
    Int32(i32),
    Int64(i64),
    Double(f64),
    Text(String),
    Bool(bool),
    Date(i64),
    ObjectId([u8; 12]),
    Binary(u8, Vec<u8>),
    Timestamp(u32, u32),
    Null,
    Document(Vec<(String, Value)>),
}

fn keyed(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    let key = "\\PC{0,8}".prop_filter("no operator", |key| !key.starts_with('$'));
    vec((key, value), 0..5)
}

fn append(doc: &mut Builder, fields: &[(String, Value)]) {
    for (key, value) in fields {
        match value {
            Value::Int32(number) => doc.i32(key, *number),
            Value::Int64(number) => doc.i64(key, *number),
            Value::Double(number) => doc.f64(key, *number),
            Value::Text(text) => doc.str(key, text),
            Value::Bool(truth) => doc.bool(key, *truth),
            Value::Date(ms) => doc.date(key, *ms),
            Value::ObjectId(id) => doc.object_id(key, *id),
            Value::Binary(kind, bytes) => doc.binary(key, *kind, bytes),
            Value::Timestamp(time, ordinal) => doc.timestamp(key, *time, *ordinal),
            Value::Null => doc.null(key),
            Value::Document(fields) => doc.nested(key, |inner| append(inner, fields)),
        };
    }
}
