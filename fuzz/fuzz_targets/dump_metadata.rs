//! The texts and the file names of a dump: what is read can be written, and is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_dump_format::names::{STEM_BYTES_MAX, classify, collection_of, stem};
use mongoark_dump_format::{Metadata, Prelude};

fn metadata(data: &[u8]) {
    let Ok(metadata) = Metadata::parse(data) else { return };
    let text = metadata.to_json().expect("what came from a text can be written as one");
    assert_eq!(Metadata::parse(&text).expect("what was written can be read"), metadata);
}

fn prelude(data: &[u8]) {
    let Ok(prelude) = Prelude::parse(data) else { return };
    assert_eq!(Prelude::parse(&prelude.to_json()).expect("what was written can be read"), prelude);
}

fn names(name: &str) {
    let _ = (classify(name, false), classify(name, true), collection_of(name));
    let stem = stem(name);
    assert!(stem.len() <= STEM_BYTES_MAX);
    match collection_of(&stem).expect("an escaped name is well escaped") {
        Some(back) => assert_eq!(back, name),
        None => assert_eq!(stem.len(), STEM_BYTES_MAX),
    }
}

fuzz_target!(|data: &[u8]| {
    metadata(data);
    prelude(data);
    if let Ok(name) = std::str::from_utf8(data) {
        names(name);
    }
});
