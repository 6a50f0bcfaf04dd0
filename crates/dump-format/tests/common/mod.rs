//! Taking archives apart and putting them together, for the tests of this crate.
#![expect(dead_code, reason = "each test file uses a part of it")]

use mongoark_dump_format::archive::{
    ArchiveHeader, ArchivePrelude, BlockReader, Demultiplexer, NamespaceEntry, Part, Piece, TERMINATOR,
    block_header, namespace_end,
};
use mongoark_dump_format::{Crc, Result};
use std::collections::BTreeMap;
use std::io::Read;

/// Database and collection, as blocks name them.
pub(crate) type Name = (String, String);

/// What an archive holds: its prelude, and the documents of each namespace that has ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) prelude: ArchivePrelude,
    pub(crate) documents: BTreeMap<Name, Vec<u8>>,
}

/// Reads a whole archive, so many bytes of documents at once.
pub(crate) fn take_apart(mut archive: impl Read, bytes_max: usize) -> Result<Taken> {
    let prelude = ArchivePrelude::read(&mut archive)?;
    let mut parts = Demultiplexer::new(archive, &prelude);
    let (mut open, mut ended) = (BTreeMap::<Name, Vec<u8>>::new(), BTreeMap::new());
    let mut buffer = Vec::new();
    while let Some(part) = parts.next(&mut buffer, bytes_max)? {
        match part {
            Part::Documents { db, collection, documents } => {
                let split = mongoark_bson_bytes::split_documents(&buffer);
                assert_eq!(split.count(), documents as usize, "{db}.{collection}");
                open.entry((db, collection)).or_default().extend_from_slice(&buffer);
            }
            Part::End { db, collection } => {
                let name = (db, collection);
                let documents = open.remove(&name).unwrap_or_default();
                assert_eq!(ended.insert(name, documents), None, "a namespace ends once");
            }
        }
    }
    assert!(open.is_empty(), "documents of a namespace that has not ended: {:?}", open.keys());
    Ok(Taken { prelude, documents: ended })
}

/// Reads an archive block by block, and writes the same blocks anew.
pub(crate) fn rebuild(mut archive: &[u8]) -> Result<Vec<u8>> {
    let prelude = ArchivePrelude::read(&mut archive)?;
    let mut out = prelude.encode()?;
    let mut blocks = BlockReader::new(archive, out.len() as u64);
    let (mut buffer, mut closes) = (Vec::new(), false);
    while let Some(piece) = blocks.next(&mut buffer, 1 << 20)? {
        match piece {
            Piece::Begin { db, collection } => out.extend(block_header(&db, &collection)),
            Piece::Documents(_) => out.extend_from_slice(&buffer),
            // The end of a namespace is written together with its terminator.
            Piece::Terminator if closes => closes = false,
            Piece::Terminator => out.extend(TERMINATOR),
            Piece::NamespaceEnd { db, collection, crc } => {
                out.extend(namespace_end(&db, &collection, crc));
                closes = true;
            }
        }
    }
    Ok(out)
}

/// A prelude of collections in the database `d`, each with its type.
pub(crate) fn prelude(collections: &[(&str, &str)]) -> ArchivePrelude {
    let header = ArchiveHeader {
        concurrent_collections: 4,
        version: "0.1".to_owned(),
        server_version: "6.0.5".to_owned(),
        tool_version: "100.18.0".to_owned(),
    };
    let entry = |(collection, kind): &(&str, &str)| NamespaceEntry {
        db: "d".to_owned(),
        collection: (*collection).to_owned(),
        metadata: r#"{"indexes":[]}"#.to_owned(),
        size: 0,
        kind: (*kind).to_owned(),
    };
    ArchivePrelude { header, namespaces: collections.iter().map(entry).collect() }
}

/// A block of documents of a collection in `d`.
pub(crate) fn block(collection: &str, documents: &[&[u8]]) -> Vec<u8> {
    [&block_header("d", collection)[..], &documents.concat(), &TERMINATOR].concat()
}

/// The end of a collection in `d` that has these documents.
pub(crate) fn end(collection: &str, documents: &[&[u8]]) -> Vec<u8> {
    namespace_end("d", collection, Crc::of(&documents.concat()).value)
}
