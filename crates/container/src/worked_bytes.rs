//! The worked bytes of `docs/container-format.md`: made here, compared there. Run with `BLESS=1` to write them.

use std::fmt::Write as _;
use std::path::Path;

use crate::entropy::CountingEntropy;
use crate::writer::create_with;
use crate::{Chunk, ChunkKind, Codec, KdfParams, KeyFile, SealScratch, Secret, WriteOptions};

const DOCUMENT: [u8; 5] = [5, 0, 0, 0, 0];
const BEGIN: &str = "<!-- worked-bytes -->\n";
const END: &str = "<!-- /worked-bytes -->";

fn archive() -> Vec<u8> {
    let key = std::array::from_fn(|n| 0xA0 + u8::try_from(n).unwrap());
    let options = WriteOptions {
        codec: Codec::None,
        secrets: vec![Secret::KeyFile(KeyFile::from_bytes(key))],
        kdf: KdfParams::default(),
    };
    let (mut sequencer, sealer, mut writer) =
        create_with(Vec::new(), &options, &mut CountingEntropy(0)).unwrap();
    writer.append_catalog(sequencer.control().unwrap(), 7, &DOCUMENT).unwrap();
    let chunk =
        Chunk { kind: ChunkKind::Data, stream: 7, stream_seq: 0, documents: 1, bytes: DOCUMENT.to_vec() };
    let record = sealer.seal(sequencer.chunk().unwrap(), &chunk, &mut SealScratch::new()).unwrap();
    writer.append_chunk(record).unwrap();
    writer.append_stream_end(sequencer.control().unwrap(), 7).unwrap();
    writer.finish(sequencer, &DOCUMENT).unwrap().0
}

fn named_parts(bytes: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut parts = vec![("preamble".to_owned(), 0..64), ("slot 1".to_owned(), 64..192)];
    parts.push((
        "slots 2 to 8: 124 zero bytes and their CRC, seven times; only the last is shown".to_owned(),
        960..1088,
    ));
    parts.push(("header MAC".to_owned(), 1088..1120));
    let names = ["EPOCH", "CATALOG", "DATA", "STREAM_END", "INDEX", "END"];
    let mut at = 1120;
    for (seq, name) in names.iter().enumerate() {
        let body = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
        parts.push((format!("{name}, seq {seq}: header"), at..at + 32));
        parts.push((format!("{name}, seq {seq}: stored body"), at + 32..at + 32 + body));
        parts.push((format!("{name}, seq {seq}: record CRC"), at + 32 + body..at + 36 + body));
        at += 36 + body;
    }
    parts.push(("the header again (1,120 bytes); only its MAC is shown".to_owned(), at + 1088..at + 1120));
    parts.push(("trailer".to_owned(), at + 1120..at + 1168));
    assert_eq!(bytes.len(), at + 1168);
    parts
}

fn text() -> String {
    let bytes = archive();
    let mut out = format!("{} bytes:\n```\n", bytes.len());
    for (name, range) in named_parts(&bytes) {
        writeln!(out, "# {name}").unwrap();
        for start in range.clone().step_by(16) {
            let line = &bytes[start..range.end.min(start + 16)];
            let shown = line.iter().fold(String::new(), |shown, byte| format!("{shown} {byte:02x}"));
            let shown = if line == [0; 16] { " *" } else { &shown };
            writeln!(out, "{start:04x} {shown}").unwrap();
        }
    }
    out.push_str("```\n");
    out
}

#[test]
fn the_document_shows_what_the_code_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/container-format.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let made = text();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert!(shown == made, "docs/container-format.md shows other bytes; run this test with BLESS=1");
    }
}

#[test]
fn the_worked_archive_is_whole() {
    let bytes = archive();
    crate::scrub(&bytes[..]).unwrap();
}
