//! Single records behind a good header, checksums mended: bodies, codecs, account.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mongoark_container::{Codec, Header, Limits, StreamReader, WriteOptions, create};

/// One record with these bytes as its body.
fn record(id: &[u8], kind: u8, seq: u64, body: &[u8]) -> Vec<u8> {
    let mut out = b"MREC".to_vec();
    out.extend_from_slice(&[kind, u8::from(kind == 9), 0, 0]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.resize(28, 0);
    let whole = crc32fast::hash(&[id, &out, body].concat());
    out.extend_from_slice(&crc32fast::hash(&[id, &out].concat()).to_le_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&whole.to_le_bytes());
    out
}

fuzz_target!(|data: &[u8]| {
    let Some((&codec, mut rest)) = data.split_first() else { return };
    let codec = [Codec::None, Codec::Zstd { level: 1 }, Codec::Gzip { level: 1 }][usize::from(codec) % 3];
    let options = WriteOptions { codec, ..WriteOptions::default() };
    let mut bytes = Vec::new();
    if create(&mut bytes, &options).is_err() {
        return;
    }
    let id = bytes[24..40].to_vec();
    let mut seq = 1;
    // Each record: a type, a length, a body.
    while let [kind, len, after @ ..] = rest {
        let body = after.get(..usize::from(*len)).unwrap_or(after);
        bytes.extend_from_slice(&record(&id, kind % 11, seq, body));
        rest = after.get(usize::from(*len)..).unwrap_or_default();
        seq += 1;
    }
    let mut input = &bytes[..];
    let Ok(header) = Header::read(&mut input, &Limits::default()) else { return };
    let Ok(keys) = header.unlock(&[], &Limits::default()) else { return };
    let Ok(mut reader) = StreamReader::new(input, header, &keys) else { return };
    while let Ok(Some(_)) = reader.next_record() {}
});
