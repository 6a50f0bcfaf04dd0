//! Documents that an archive or a target may hold, changed: whatever reads them says no, and never panics. The fuzz targets
//! `catalog` and `checkpoint` try the same for longer, and from the same documents.

use crate::catalog::{DeploymentEntry, Summary, decode_collection, decode_oplog};
use std::path::Path;

/// Changes of each document besides those of single bytes.
const CHANGES: u32 = 4_000;

fn documents(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// Numbers that look random: `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

/// The document with each byte changed, cut at each place, and with several changes at once.
fn each_change(document: &[u8], mut read: impl FnMut(&[u8])) {
    let mut changed = document.to_vec();
    for place in 0..document.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, document[place] ^ 1, document[place].wrapping_add(1)] {
            changed[place] = value;
            read(&changed);
        }
        changed[place] = document[place];
        read(&document[..place]);
    }
    let mut random = Random(document.len() as u64);
    for _ in 0..CHANGES {
        let mut changed = document.to_vec();
        for _ in 0..=random.below(6) {
            let (at, from) = (random.below(changed.len()), random.below(document.len()));
            match random.below(4) {
                0 => changed[at] = u8::try_from(random.below(256)).unwrap(),
                1 => _ = changed.splice(at..at, document[from..].iter().copied().take(8)),
                2 => drop(changed.drain(at..(at + 4).min(changed.len()))),
                _ => changed[at] = document[from],
            }
            if changed.is_empty() {
                break;
            }
        }
        // Its length is right, so that its elements are looked at.
        if let (Ok(len), 4..) = (i32::try_from(changed.len()), changed.len()) {
            changed[..4].copy_from_slice(&len.to_le_bytes());
        }
        read(&changed);
    }
}

#[test]
fn a_changed_document_of_a_catalog_is_read_or_refused() {
    let mut read = 0;
    for document in documents("catalog") {
        each_change(&document, |changed| {
            read += u32::from(decode_collection(changed).is_ok());
            read += u32::from(decode_oplog(changed).is_ok());
            read += u32::from(DeploymentEntry::decode(changed).is_ok());
            read += u32::from(Summary::decode(changed).is_ok());
        });
    }
    assert!(read > 0, "nothing came through to where it is understood");
}

#[test]
fn a_changed_checkpoint_or_note_is_read_or_refused() {
    let documents = documents("checkpoint");
    assert!(documents.len() > 3);
    for document in documents {
        each_change(&document, |changed| {
            crate::dump::fuzz_checkpoint(changed);
            crate::restore::fuzz_notes(changed);
        });
    }
}
