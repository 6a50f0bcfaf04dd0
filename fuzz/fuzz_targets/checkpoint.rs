//! What runs that are broken off leave: the checkpoint of a dump, the notes of a restore.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    mongoark_engine::dump::fuzz_checkpoint(data);
    mongoark_engine::restore::fuzz_notes(data);
});
