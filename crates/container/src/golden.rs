//! Makes the golden archives of `fixtures/container/v1/`, once. They are committed and never made again for a
//! released version: run `cargo test -p mongoark-container --lib -- --ignored make_golden` only for new ones.

use std::path::{Path, PathBuf};

use crate::entropy::CountingEntropy;
use crate::writer::create_with;
use crate::{Chunk, ChunkKind, KdfParams, KeyFile, Passphrase, SealScratch, Secret, WriteOptions};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/container/v1")
}

/// A BSON document `{ n: <int32> }`.
fn document(n: u8) -> Vec<u8> {
    vec![12, 0, 0, 0, 0x10, b'n', 0, n, 0, 0, 0, 0]
}

fn archive(codec: &str, secrets: Vec<Secret>) -> Vec<u8> {
    let kdf = KdfParams { memory_kib: 32, passes: 1, lanes: 1 };
    let options = WriteOptions { codec: codec.parse().unwrap(), secrets, kdf };
    let (mut sequencer, sealer, mut writer) =
        create_with(Vec::new(), &options, &mut CountingEntropy(1)).unwrap();
    let mut scratch = SealScratch::new();
    writer.append_catalog(sequencer.control().unwrap(), 1, &document(100)).unwrap();
    for (stream, stream_seq, kind) in
        [(1, 0, ChunkKind::Data), (1, 1, ChunkKind::Data), (2, 0, ChunkKind::Oplog), (1, 2, ChunkKind::Data)]
    {
        let bytes: Vec<u8> = (0..20).flat_map(document).collect();
        let chunk = Chunk { kind, stream, stream_seq, documents: 20, bytes };
        let record = sealer.seal(sequencer.chunk().unwrap(), &chunk, &mut scratch).unwrap();
        writer.append_chunk(record).unwrap();
    }
    writer.append_retract(sequencer.control().unwrap(), 1, 3, 3).unwrap();
    writer.append_checkpoint(sequencer.control().unwrap(), &document(101)).unwrap();
    for stream in [1, 2] {
        writer.append_stream_end(sequencer.control().unwrap(), stream).unwrap();
    }
    writer.finish(sequencer, &document(102)).unwrap().0
}

fn record_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![1120];
    while bytes[starts[starts.len() - 1] + 4] != 9 {
        let start = starts[starts.len() - 1];
        starts.push(
            start + 36 + u32::from_le_bytes(bytes[start + 16..start + 20].try_into().unwrap()) as usize,
        );
    }
    starts
}

fn fix_preamble(mut bytes: Vec<u8>, at: usize, to: u8) -> Vec<u8> {
    for start in [0, bytes.len() - 1168] {
        bytes[start + at] = to;
        let crc = crc32fast::hash(&bytes[start..start + 60]).to_le_bytes();
        bytes[start + 60..start + 64].copy_from_slice(&crc);
    }
    bytes
}

fn defects(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (starts, len) = (record_starts(good), good.len());
    let flipped = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 4;
        bytes
    };
    let (chunk, next, end) = (starts[2], starts[3], starts[starts.len() - 1]);
    vec![
        ("preamble_flipped_bit", flipped(30)),
        ("slots_flipped_bit", flipped(120)),
        ("mac_flipped_bit", flipped(1100)),
        ("record_header_flipped_bit", flipped(chunk + 9)),
        ("chunk_flipped_bit", flipped(chunk + 50)),
        ("record_crc_flipped_bit", flipped(next - 1)),
        ("end_flipped_bit", flipped(end + 40)),
        ("second_header_flipped_bit", flipped(len - 1000)),
        ("trailer_flipped_bit", flipped(len - 20)),
        ("chunk_truncated", good[..chunk + 60].to_vec()),
        ("end_missing", good[..end].to_vec()),
        ("trailer_truncated", good[..len - 1].to_vec()),
        ("archive_empty", Vec::new()),
        ("archive_trailing_byte", [good, b"\0"].concat()),
        ("archive_twice", good.repeat(2)),
        ("chunk_removed", [&good[..chunk], &good[next..]].concat()),
        ("chunk_doubled", [&good[..next], &good[chunk..]].concat()),
        (
            "chunks_swapped",
            [&good[..chunk], &good[next..starts[4]], &good[chunk..next], &good[starts[4]..]].concat(),
        ),
        ("version_major_2", fix_preamble(good.to_vec(), 8, 2)),
        ("version_incompat_bit", fix_preamble(good.to_vec(), 12, 1)),
        ("codec_unknown", fix_preamble(good.to_vec(), 21, 9)),
    ]
}

#[test]
#[ignore = "golden archives are made once"]
fn make_golden() {
    let key = KeyFile::from_bytes(*b"mongoark golden archive key v1..");
    let passphrase = Secret::Passphrase(Passphrase::new(b"golden passphrase".to_vec()).unwrap());
    let put = |name: &str, bytes: &[u8]| {
        let path = folder().join(name);
        if !path.exists() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    };
    put("golden.key", &key.to_file_bytes());
    let key = Secret::KeyFile(key);
    for codec in ["none", "zstd", "gzip"] {
        put(&format!("plain_{codec}.mongoark"), &archive(codec, vec![]));
        put(&format!("key_{codec}.mongoark"), &archive(codec, vec![key.clone()]));
    }
    put("passphrase_zstd.mongoark", &archive("zstd", vec![passphrase.clone()]));
    put("passphrase_and_key_none.mongoark", &archive("none", vec![passphrase, key.clone()]));
    for (name, bytes) in defects(&archive("none", vec![key])) {
        put(&format!("{name}.mongoark"), &bytes);
    }
}
