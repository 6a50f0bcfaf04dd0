//! Whole archives of mongodump, as they are and with mended checksums; the same bytes as gzip, and as a file of documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_dump_format::archive::{
    ArchivePrelude, BlockReader, Demultiplexer, Piece, TERMINATOR, block_header, namespace_end,
};
use mongoark_dump_format::{Crc, DocumentReader, Error, Result, gzip};
use std::collections::HashMap;
use std::io::{Cursor, Read};

/// Bytes of documents asked for at once.
const PART_BYTES: usize = 100;
/// Decompressed bytes that are looked at; a small input may become a large one.
const INFLATED_BYTES_MAX: u64 = 1 << 20;

/// Reads it to its end: how many bytes of documents there are.
fn take_apart(mut archive: impl Read) -> Result<usize> {
    let prelude = ArchivePrelude::read(&mut archive)?;
    let mut parts = Demultiplexer::new(archive, &prelude);
    let (mut buffer, mut bytes) = (Vec::new(), 0);
    while parts.next(&mut buffer, PART_BYTES)?.is_some() {
        bytes += buffer.len();
    }
    Ok(bytes)
}

/// The same blocks, with the checksums that their documents have, and how many bytes of documents there are.
fn mend(mut archive: &[u8]) -> Result<(Vec<u8>, usize)> {
    let prelude = ArchivePrelude::read(&mut archive)?;
    let mut out = prelude.encode()?;
    let mut blocks = BlockReader::new(archive, out.len() as u64);
    let mut sums = HashMap::<(String, String), Crc>::new();
    let (mut buffer, mut name, mut closes, mut bytes) = (Vec::new(), None, false, 0);
    while let Some(piece) = blocks.next(&mut buffer, PART_BYTES)? {
        match piece {
            Piece::Begin { db, collection } => {
                out.extend(block_header(&db, &collection));
                name = Some((db, collection));
            }
            Piece::Documents(_) => {
                let name = name.clone().expect("documents come in a block");
                let sum = sums.entry(name).or_default();
                *sum = sum.then(Crc::of(&buffer));
                bytes += buffer.len();
                out.extend_from_slice(&buffer);
            }
            Piece::NamespaceEnd { db, collection, .. } => {
                let sum = sums.get(&(db.clone(), collection.clone())).map_or(0, |sum| sum.value);
                out.extend(namespace_end(&db, &collection, sum));
                closes = true;
            }
            Piece::Terminator if closes => closes = false,
            Piece::Terminator => out.extend(TERMINATOR),
        }
    }
    Ok((out, bytes))
}

fn check(data: &[u8]) {
    let read = take_apart(data);
    match mend(data) {
        Ok((mended, bytes)) => match take_apart(mended.as_slice()) {
            Ok(found) => assert_eq!(found, bytes, "every document comes out"),
            Err(Error::UnknownNamespace { .. } | Error::NamespaceEnded { .. } | Error::Unfinished { .. }) => {
            }
            Err(error) => panic!("mended, and refused: {error}"),
        },
        Err(_) => assert!(read.is_err(), "a body that is no sequence of blocks is read"),
    }
}

fn read_documents(file: impl Read) -> Result<()> {
    let (mut reader, mut out) = (DocumentReader::new(file), Vec::new());
    while reader.read(&mut out, PART_BYTES)? > 0 {
        out.clear();
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    check(data);
    let _ = read_documents(data);
    if gzip::is_gzip(data) {
        let inflate = || gzip::reader(Cursor::new(data.to_vec())).take(INFLATED_BYTES_MAX);
        let _ = read_documents(inflate());
        let _ = take_apart(inflate());
    }
});
