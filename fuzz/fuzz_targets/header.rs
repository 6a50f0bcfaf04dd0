//! Headers: parsing, slots, and unlocking with a key file. Passphrases are left out: Argon2id would be all the work.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_container::{Header, KeyFile, Limits, Secret};

/// Makes the checksums of preamble and slots hold, so that the fuzzer gets behind them.
fn mend(bytes: &mut [u8]) {
    let mut place = |from: usize, len: usize| {
        if let Some(part) = bytes.get_mut(from..from + len) {
            let (covered, crc) = part.split_at_mut(len - 4);
            crc.copy_from_slice(&crc32fast::hash(covered).to_le_bytes());
        }
    };
    place(0, 64);
    for slot in 0..8 {
        place(64 + slot * 128, 128);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    let mut bytes = rest.to_vec();
    if mode & 1 == 1 {
        if let Some(magic) = bytes.get_mut(..8) {
            magic.copy_from_slice(b"\x89MAK\r\n\x1a\n");
        }
        mend(&mut bytes);
    }
    let limits = Limits::default();
    if let Ok(header) = Header::read(&mut &bytes[..], &limits) {
        let key = KeyFile::generate().map(Secret::KeyFile);
        if let Ok(key) = key {
            assert!(header.unlock(&[key], &limits).is_err());
        }
    }
});
