//! Every way in which an archive can be damaged, by name, with the error that it must give.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{block, end, prelude, take_apart};
use mongoark_bson_bytes::Builder;
use mongoark_dump_format::Error;
use mongoark_dump_format::archive::{ArchivePrelude, MAGIC, TERMINATOR};
use std::io::Cursor;

/// `{a: true}`
const A: [u8; 9] = [9, 0, 0, 0, 8, b'a', 0, 1, 0];
const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

/// Two collections, mixed, and a view, piece by piece: between any two of them something whole has ended.
fn pieces() -> Vec<Vec<u8>> {
    let mut pieces = vec![MAGIC.to_vec()];
    let whole = prelude_bytes();
    let mut rest = &whole[4..];
    while !rest.starts_with(&TERMINATOR) {
        let (document, after) = rest.split_at(mongoark_bson_bytes::document_len(rest).unwrap());
        pieces.push(document.to_vec());
        rest = after;
    }
    pieces.push(TERMINATOR.to_vec());
    for (block, documents) in [
        (block("x", &[]), vec![&A[..], &EMPTY]),
        (block("y", &[]), vec![&EMPTY[..]]),
        (end("x", &[&A, &EMPTY]), vec![]),
        (block("v", &[]), vec![]),
        (end("v", &[]), vec![]),
        (end("y", &[&EMPTY]), vec![]),
    ] {
        let (header, terminator) = block.split_at(block.len() - 4);
        pieces.push(header.to_vec());
        pieces.extend(documents.into_iter().map(<[u8]>::to_vec));
        pieces.push(terminator.to_vec());
    }
    pieces
}

fn names() -> ArchivePrelude {
    prelude(&[("x", "collection"), ("y", "collection"), ("v", "view")])
}

fn prelude_bytes() -> Vec<u8> {
    names().encode().unwrap()
}

/// Reads it whole; the error's text.
#[track_caller]
fn refusal(archive: &[u8]) -> String {
    take_apart(archive, 100).unwrap_err().to_string()
}

#[test]
fn the_undamaged_archive_is_read() {
    let taken = take_apart(pieces().concat().as_slice(), 100).unwrap();
    assert_eq!(taken.documents.len(), 3);
    assert_eq!(taken.documents[&("d".to_owned(), "x".to_owned())], [&A[..], &EMPTY].concat());
}

#[test]
fn an_archive_that_is_cut_anywhere_is_refused_where_the_cut_piece_begins() {
    let (pieces, mut at) = (pieces(), 0);
    let whole = pieces.concat();
    for piece in &pieces {
        for cut in at..at + piece.len() {
            let error = take_apart(&whole[..cut], 100).unwrap_err();
            let offset = match &error {
                Error::Truncated { offset, available } => {
                    assert_eq!(*available, cut - at, "{error}");
                    *offset
                }
                Error::Structure { offset, .. } | Error::Unfinished { offset, .. } if cut == at => *offset,
                Error::NoArchive { found } if at == 0 => {
                    assert_eq!(found, &whole[..cut]);
                    0
                }
                other => panic!("cut at {cut}: {other}"),
            };
            assert_eq!(offset, at as u64, "cut at {cut}: {error}");
        }
        at += piece.len();
    }
    assert!(take_apart(whole.as_slice(), 100).is_ok());
}

#[test]
fn a_cut_at_the_end_of_a_block_names_what_has_not_ended() {
    let archive = [prelude_bytes(), block("y", &[&A]), end("y", &[&A])].concat();
    let expected = format!(
        "the archive ends at offset {}, but d.x and 1 other namespaces have not ended",
        archive.len()
    );
    assert_eq!(refusal(&archive), expected);
}

#[test]
fn every_flipped_bit_of_a_document_is_noticed() {
    let (before, document, after) = (
        [prelude_bytes(), block("x", &[])].concat(),
        A,
        [&TERMINATOR[..], &end("x", &[&A]), &end("y", &[]), &end("v", &[])].concat(),
    );
    let before = &before[..before.len() - 4];
    assert!(take_apart([before, &document, &after].concat().as_slice(), 100).is_ok());
    for bit in 0..document.len() * 8 {
        let mut damaged = document;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = take_apart([before, &damaged, &after].concat().as_slice(), 100).unwrap_err();
        let expected = matches!(
            error,
            Error::Checksum { .. }
                | Error::Length { .. }
                | Error::Unterminated { .. }
                | Error::Truncated { .. }
                | Error::Header { .. }
        );
        assert!(expected, "bit {bit}: {error}");
    }
}

#[test]
fn archive_checksum_flipped() {
    let mut archive = [prelude_bytes(), block("x", &[&A])].concat();
    let at = archive.len();
    archive.extend(end("x", &[&A]));
    let last = archive.len() - 6; // the last byte of the CRC: before it ends the header, and before the terminator
    archive[last] ^= 0x80;
    let error = take_apart(archive.as_slice(), 100).unwrap_err();
    let Error::Checksum { offset, namespace, stated, actual } = error else { panic!("{error}") };
    assert_eq!((offset, namespace.as_str()), (at as u64, "d.x"));
    assert_eq!(stated ^ actual, 0x80 << 56);
}

/// An archive whose body begins with `body`, and the text of the refusal, `@` standing for the body's offset.
struct Defect {
    name: &'static str,
    body: Vec<u8>,
    /// Where in the body the error is.
    at: usize,
    text: String,
}

fn defect(name: &'static str, body: Vec<u8>, at: usize, text: impl Into<String>) -> Defect {
    Defect { name, body, at, text: text.into() }
}

fn header(fill: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut doc = Builder::new();
    fill(&mut doc);
    doc.finish()
}

fn length(stated: i32) -> Vec<u8> {
    [&stated.to_le_bytes()[..], &[0; 20]].concat()
}

fn body_defects() -> Vec<Defect> {
    let x = block("x", &[]).len() - 4;
    let open = || block("x", &[&A])[..x + A.len()].to_vec();
    let max = 16 * 1024 * 1024 + 16 * 1024;
    let header_max = 64 * 1024;
    let in_header = |fault: &str| format!("the archive's header at offset @ is wrong: {fault}");
    let of_length = |stated: i64, max: usize| {
        format!("the document at offset @ states a length of {stated} bytes; 5 to {max} are possible")
    };
    let unknown = header(|doc| _ = doc.str("db", "d").str("collection", "x").i32("Size", 1));
    let kind = header(|doc| _ = doc.str("db", "d").str("collection", "x").i32("EOF", 1));
    let unnamed = header(|doc| _ = doc.str("db", "d"));
    let mut inner = block("x", &[]);
    inner[8] = 0xff;
    vec![
        defect(
            "terminator_instead_of_a_block",
            TERMINATOR.to_vec(),
            0,
            "at offset @ the archive must have the header of a block",
        ),
        defect("header_with_an_unknown_field", unknown, 0, in_header("it has the unknown field 'Size'")),
        defect("header_with_a_wrong_type", kind, 0, in_header("its field 'EOF' must be a boolean")),
        defect("header_without_a_collection", unnamed, 0, in_header("it names no collection")),
        defect("header_that_is_no_bson", inner, 0, in_header("invalid BSON at byte ")),
        defect("header_of_four_bytes", length(4), 0, of_length(4, header_max)),
        defect("header_of_a_gigabyte", length(1 << 30), 0, of_length(1 << 30, header_max)),
        defect(
            "block_of_an_unknown_namespace",
            block("z", &[&A]),
            0,
            "the block at offset @ is of d.z, which the archive's prelude does not name",
        ),
        defect(
            "end_of_an_unknown_namespace",
            end("z", &[]),
            0,
            "the block at offset @ is of d.z, which the archive's prelude does not name",
        ),
        defect(
            "namespace_ends_twice",
            [end("x", &[]), end("x", &[])].concat(),
            end("x", &[]).len(),
            "the block at offset @ is of d.x, which has ended before",
        ),
        defect(
            "documents_after_the_end",
            [end("x", &[]), block("x", &[&A])].concat(),
            end("x", &[]).len(),
            "the block at offset @ is of d.x, which has ended before",
        ),
        defect(
            "documents_within_the_end",
            [&end("x", &[])[..end("x", &[]).len() - 4], &A].concat(),
            end("x", &[]).len() - 4,
            "at offset @ the archive must have ff ff ff ff, for here a namespace has ended",
        ),
        defect("document_of_four_bytes", [open(), length(4)].concat(), x + 9, of_length(4, max)),
        defect("document_of_minus_two_bytes", [open(), length(-2)].concat(), x + 9, of_length(-2, max)),
        defect(
            "document_of_two_gigabytes",
            [open(), length(i32::MAX)].concat(),
            x + 9,
            of_length(i32::MAX.into(), max),
        ),
        defect(
            "document_without_its_last_zero",
            [open(), vec![5, 0, 0, 0, 1], TERMINATOR.to_vec()].concat(),
            x + 9,
            "the document at offset @ does not end with a zero byte",
        ),
        defect(
            "document_cut_by_the_end_of_the_file",
            [open(), vec![9, 0, 0, 0, 8]].concat(),
            x + 9,
            "the file ends within the document at offset @, after 5 bytes of it",
        ),
        defect(
            "no_terminator_after_a_block",
            open(),
            x + 9,
            "at offset @ the archive must have ff ff ff ff, but the file ends within a block",
        ),
    ]
}

#[test]
fn damage_of_the_body_is_named_with_its_offset() {
    let before = prelude_bytes();
    for Defect { name, body, at, text } in body_defects() {
        let found = refusal(&[&before[..], &body].concat());
        let expected = text.replace('@', &(before.len() + at).to_string());
        assert!(found.starts_with(&expected), "{name}:\n{found}\n{expected}");
    }
}

#[test]
fn data_after_the_last_end_is_refused() {
    for (more, expected) in [
        (vec![0], "the file ends within the document at offset @, after 1 bytes of it"),
        (vec![0; 16], "the document at offset @ states a length of 0 bytes; 5 to 65536 are possible"),
        (block("y", &[&A]), "the block at offset @ is of d.y, which has ended before"),
        (prelude_bytes(), "the document at offset @ states a length of -2120621459 bytes"),
    ] {
        let whole = pieces().concat();
        let found = refusal(&[&whole[..], &more].concat());
        let expected = expected.replace('@', &whole.len().to_string());
        assert!(found.starts_with(&expected), "{found}\n{expected}");
    }
}

#[test]
fn damage_of_the_prelude_is_named_with_its_offset() {
    let entry = |fill: &dyn Fn(&mut Builder)| {
        let mut doc = Builder::new();
        fill(&mut doc);
        let nothing = ArchivePrelude { namespaces: Vec::new(), ..names() }.encode().unwrap();
        let (before, terminator) = nothing.split_at(nothing.len() - 4);
        ([before, &doc.finish(), terminator].concat(), before.len())
    };
    for (name, (bytes, at), text) in [
        (
            "no_archive",
            (b"{\"a\":1}".to_vec(), 0),
            "this is not an archive of mongodump: it begins with [7b, 22",
        ),
        ("empty_file", (Vec::new(), 0), "this is not an archive of mongodump"),
        (
            "no_header",
            ([&MAGIC[..], &TERMINATOR].concat(), 4),
            "at offset @ the archive must have its header",
        ),
        (
            "header_with_a_wrong_type",
            ([&MAGIC[..], &header(|doc| _ = doc.i32("version", 1))].concat(), 4),
            "the archive's header at offset @ is wrong: its field 'version' must be a string in UTF-8",
        ),
        (
            "entry_without_a_collection",
            entry(&|doc| _ = doc.str("db", "d")),
            "the archive's header at offset @ is wrong: it names no collection",
        ),
        (
            "entry_with_a_number_as_metadata",
            entry(&|doc| _ = doc.str("collection", "x").i32("metadata", 1)),
            "the archive's header at offset @ is wrong: its field 'metadata' must be a string in UTF-8",
        ),
        (
            "entry_that_is_not_utf_8",
            entry(&|doc| _ = doc.str("collection", [0xff])),
            "the archive's header at offset @ is wrong: its field 'collection' must be a string in UTF-8",
        ),
        (
            "entry_of_two_gigabytes",
            ([&MAGIC[..], &length(i32::MAX)].concat(), 4),
            "the document at offset @ states a length of 2147483647 bytes; 5 to 16793600 are possible",
        ),
    ] {
        let error = ArchivePrelude::read(&mut bytes.as_slice()).unwrap_err().to_string();
        let text = text.replace('@', &at.to_string());
        assert!(error.starts_with(&text), "{name}: {error}");
    }
}

/// A prelude without an end, entry after entry.
struct Endless {
    entry: Vec<u8>,
    at: usize,
}

impl std::io::Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.entry[self.at % self.entry.len()..];
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

#[test]
fn a_prelude_without_an_end_is_refused_at_its_limit() {
    // Small entries are counted by what they take in memory: 2 million, not 20 million, fill the limit.
    for (unknown_bytes, offsets) in [(4 << 20, 500_u64 << 20..513 << 20), (0, 40 << 20..80 << 20)] {
        let mut entry = Builder::new();
        // Of the kind that keeps no memory: the text is in a field that is passed over.
        let entry = entry.str("collection", "x").str("unknown", "x".repeat(unknown_bytes)).finish();
        let start = ArchivePrelude { namespaces: Vec::new(), ..names() }.encode().unwrap();
        let start = Cursor::new(start[..start.len() - 4].to_vec());
        let mut input = std::io::Read::chain(start, Endless { entry, at: 0 });
        let error = ArchivePrelude::read(&mut input).unwrap_err();
        let at = matches!(error, Error::PreludeTooLarge { offset, .. } if offsets.contains(&offset));
        assert!(at, "{error}");
    }
}
