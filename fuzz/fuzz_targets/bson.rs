//! BSON as bytes: documents are split, walked, checked and shown as Extended JSON, which is read back; and Extended JSON as
//! a query has it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_bson_bytes::{DEPTH_MAX, Elements, get, has_zero_timestamp, split_documents, validate};
use mongoark_bson_text::{parse, write_canonical, write_relaxed};

fn walk(elements: Elements<'_>, depth: usize) {
    if depth > 200 {
        return;
    }
    for element in elements {
        let Ok(element) = element else { return };
        let _ = (element.key_str(), element.as_str(), element.as_i64_lossless(), element.as_binary());
        let _ = (element.as_code_with_scope(), element.as_timestamp(), element.as_object_id());
        let inner = element.as_document().or(element.as_array()).map(Elements::new);
        if let Some(Ok(inner)) = inner {
            walk(inner, depth + 1);
        }
    }
}

fn document(document: &[u8]) {
    if let Ok(elements) = Elements::new(document) {
        walk(elements, 0);
    }
    let _ = (get(document, "_id"), has_zero_timestamp(document));
    let mut text = Vec::new();
    let shown = write_canonical(document, &mut text);
    if validate(document, DEPTH_MAX).is_ok() && shown.is_ok() {
        // Text that is not UTF-8 is shown in another way, and keys may be taken for Extended JSON's own.
        let _ = std::str::from_utf8(&text).map(parse);
    }
    let _ = write_relaxed(document, &mut Vec::new());
}

fuzz_target!(|data: &[u8]| {
    let mut len = 0;
    for found in split_documents(data) {
        let Ok(found) = found else { break };
        len += found.len();
        document(found);
    }
    assert!(len <= data.len());
    // The length of a single one is mended, so that the walker gets to its elements.
    let mut mended = data.to_vec();
    mended.extend([0; 5]);
    let len = u32::try_from(mended.len()).unwrap_or(5).to_le_bytes();
    mended[..4].copy_from_slice(&len);
    document(&mended);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse(text);
    }
});
