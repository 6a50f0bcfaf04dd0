//! The worked bytes of `docs/dump-format.md` are those of the archive that mongodump made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::take_apart;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/dump-format.md")).unwrap()
}

/// The bytes between the marks; `# offset: ..` begins a part.
fn worked() -> Vec<u8> {
    let page = page();
    let (_, rest) = page.split_once("<!-- worked-bytes -->").unwrap();
    let (listing, _) = rest.split_once("<!-- /worked-bytes -->").unwrap();
    let mut bytes = Vec::new();
    for line in listing.lines().filter(|line| !line.is_empty() && !line.starts_with("```")) {
        if let Some(part) = line.strip_prefix("# ") {
            let offset = part.split_once(':').unwrap().0;
            assert_eq!(offset, bytes.len().to_string(), "{part}");
        } else {
            bytes.extend(line.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        }
    }
    bytes
}

#[test]
fn the_page_shows_what_mongodump_wrote() {
    let archive = fs::read(root().join("fixtures/fuzz/dump_archive/collection.archive")).unwrap();
    assert_eq!(worked(), archive);
    let taken = take_apart(archive.as_slice(), 100).unwrap();
    let text = &taken.prelude.namespaces[0].metadata;
    assert!(page().contains(text.as_str()), "{text}");
    assert_eq!(taken.documents.values().map(Vec::len).sum::<usize>(), 22 + 23 + 24 + 25 + 26);
}
