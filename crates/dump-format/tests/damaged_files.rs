//! Every way in which a file of documents, a compressed file, a metadata text or a file name can be damaged, by name,
//! with the error that it must give.

use mongoark_dump_format::names::collection_of;
use mongoark_dump_format::{DocumentReader, Error, Metadata, Prelude, Result, gzip};
use std::io::Cursor;

/// `{a: true}`
const A: [u8; 9] = [9, 0, 0, 0, 8, b'a', 0, 1, 0];

#[test]
fn a_stated_length_takes_no_memory_before_its_bytes_come() {
    let mut out = Vec::new();
    let claim = (16 * 1024 * 1024_i32).to_le_bytes();
    let error = DocumentReader::new(&claim[..]).read(&mut out, 1 << 20).unwrap_err();
    assert!(matches!(error, Error::Truncated { offset: 0, available: 4 }), "{error}");
    assert!(out.capacity() < 1 << 20, "{}", out.capacity());
}

fn read_file(file: impl std::io::Read) -> Result<usize> {
    let (mut reader, mut out) = (DocumentReader::new(file), Vec::new());
    while reader.read(&mut out, 0)? > 0 {}
    Ok(out.len())
}

#[test]
fn damage_of_a_compressed_file_is_named_with_the_document() {
    let (mut compressor, mut bytes) = (gzip::Compressor::new(), Vec::new());
    compressor.member(&A, &mut bytes).unwrap();
    let first = bytes.len();
    compressor.member(&A, &mut bytes).unwrap();
    let refusal =
        |bytes: &[u8]| read_file(gzip::reader(Cursor::new(bytes.to_vec()))).unwrap_err().to_string();
    assert_eq!(read_file(gzip::reader(Cursor::new(bytes.clone()))).unwrap(), 18);

    let mut flipped = bytes.clone();
    flipped[bytes.len() - 8] ^= 1;
    let long_ago = b"text behind the last member";
    for (name, damaged, text) in [
        ("gzip_cut_within_a_member", &bytes[..bytes.len() - 1], "cannot read the document at offset 18: "),
        ("gzip_cut_within_a_header", &bytes[..first + 4], "cannot read the document at offset 9: "),
        ("gzip_checksum_flipped", &flipped, "cannot read the document at offset 18: "),
        ("gzip_garbage_behind", &[&bytes[..], long_ago].concat(), "cannot read the document at offset 18: "),
        ("gzip_missing", &A, "cannot read the document at offset 0: "),
        ("gzip_empty", &[], "cannot read the document at offset 0: "),
    ] {
        let found = refusal(damaged);
        assert!(found.starts_with(text), "{name}: {found}");
    }
}

#[test]
fn damage_of_metadata_is_named() {
    let deep = format!("{{\"options\":{}", "{\"a\":".repeat(100_000));
    let deep_array = format!("{{\"indexes\":{}", "[".repeat(100_000));
    for (name, text, expected) in [
        (
            "metadata_of_one_brace",
            "{",
            "cannot read the metadata: invalid Extended JSON in line 1, column 2: ",
        ),
        ("metadata_of_bson", "\u{10}\0\0\0", "cannot read the metadata: invalid Extended JSON in line 1"),
        (
            "metadata_with_more_behind",
            "{}{}",
            "cannot read the metadata: invalid Extended JSON in line 1, column 3",
        ),
        ("metadata_with_an_array", "[]", "cannot read the metadata: "),
        ("metadata_cut", r#"{"indexes":[{"v":{"$numberInt":"#, "cannot read the metadata: "),
        ("metadata_options_text", r#"{"options":"x"}"#, "the metadata must have a document as options"),
        (
            "metadata_indexes_object",
            r#"{"indexes":{}}"#,
            "the metadata must have an array of documents as indexes",
        ),
        (
            "metadata_index_number",
            r#"{"indexes":[2]}"#,
            "the metadata must have an array of documents as indexes",
        ),
        (
            "metadata_name_number",
            r#"{"collectionName":2}"#,
            "the metadata must have a string as collectionName",
        ),
        (
            "metadata_nested_deeply",
            &deep,
            "cannot read the metadata: invalid Extended JSON in line 1, column ",
        ),
        (
            "metadata_nested_arrays",
            &deep_array,
            "cannot read the metadata: invalid Extended JSON in line 1, column ",
        ),
    ] {
        let error = Metadata::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    let error = Metadata::parse(b"{\"a\":\"\xff\"}").unwrap_err();
    assert!(matches!(error, Error::NotUtf8 { at: 6, .. }), "{error}");
    let error = Metadata::parse(&vec![b' '; Metadata::TEXT_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
}

#[test]
fn a_text_nested_as_deeply_as_a_document_may_be_is_read() {
    let levels =
        |depth: usize| format!("{{\"options\":{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth + 1));
    assert!(Metadata::parse(levels(150).as_bytes()).is_ok());
    let deepest = (150..400).rev().find_map(|depth| Metadata::parse(levels(depth).as_bytes()).ok());
    let text = deepest.unwrap().to_json().unwrap();
    assert!(Metadata::parse(&text).is_ok());
}

#[test]
fn damage_of_a_directory_is_named() {
    for text in ["", "{", "[]", r#"{"ServerVersion":6}"#, r#"{"ToolVersion":["100.18.0"]}"#] {
        let error = Prelude::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("prelude.json"), "{error}");
    }
    let error = collection_of("a%2").unwrap_err().to_string();
    assert_eq!(error, "the file name 'a%2' is not validly escaped at byte 1");
}
