//! Whole archives: any bytes through scrub and the reader from a pipe. Whatever is read to its end must scrub, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_container::{Error, Header, Limits, StreamReader, scrub};

fn read(bytes: &[u8]) -> Result<(), Error> {
    let mut input = bytes;
    let header = Header::read(&mut input, &Limits::default())?;
    if header.is_encrypted() {
        return Err(Error::SecretRequired);
    }
    let keys = header.unlock(&[], &Limits::default())?;
    let mut reader = StreamReader::new(input, header, &keys)?;
    while reader.next_record()?.is_some() {}
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let scrubbed = scrub(data);
    if read(data).is_ok() {
        assert!(scrubbed.is_ok());
    }
});
