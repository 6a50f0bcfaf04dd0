//! Sealing and opening, MB of raw bytes a second on one core, by codec and protection. Asserts nothing.

use std::time::{Duration, Instant};

use mongoark_container::{
    Chunk, ChunkKind, Codec, Header, KeyFile, Limits, OpenScratch, Record, SealScratch, Secret, StreamReader,
    WriteOptions, create,
};

const CHUNK_BYTES: usize = 2 << 20;
const CHUNKS: u32 = 16;

/// Text-like documents: words from a small vocabulary between random digits, about 3x compressible.
fn corpus() -> Vec<u8> {
    let words = ["customer", "shipped", "address", "quantity", "warehouse", "pending", "invoice", "discount"];
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut out = Vec::with_capacity(CHUNK_BYTES + 64);
    while out.len() < CHUNK_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(words[usize::from(state.to_le_bytes()[5] & 7)].as_bytes());
        out.extend_from_slice(&state.to_le_bytes()[..5]);
    }
    out.truncate(CHUNK_BYTES);
    out
}

fn megabytes_per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

fn run(codec: Codec, secrets: Vec<Secret>, raw: &[u8]) -> Result<(), mongoark_container::Error> {
    let encrypted = !secrets.is_empty();
    let options = WriteOptions { codec, secrets, ..WriteOptions::default() };
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &options)?;
    let mut scratch = SealScratch::new();
    let mut sealing = Duration::ZERO;
    for stream_seq in 0..CHUNKS {
        let chunk = Chunk { kind: ChunkKind::Data, stream: 1, stream_seq, documents: 1, bytes: raw.to_vec() };
        let started = Instant::now();
        let record = sealer.seal(sequencer.chunk()?, &chunk, &mut scratch)?;
        sealing += started.elapsed();
        scratch.recycle(writer.append_chunk(record)?);
    }
    writer.append_stream_end(sequencer.control()?, 1)?;
    let (archive, _) = writer.finish(sequencer, &[])?;

    let mut input = &archive[..];
    let header = Header::read(&mut input, &Limits::default())?;
    let keys = header.unlock(&options.secrets, &Limits::default())?;
    let mut reader = StreamReader::new(input, header, &keys)?;
    let (opener, mut scratch, mut opening) = (reader.opener(), OpenScratch::new(), Duration::ZERO);
    while let Some(stored) = reader.next_stored()? {
        let started = Instant::now();
        let record = opener.open(stored, &mut scratch)?;
        opening += started.elapsed();
        reader.recycle(scratch.take_stored());
        if let Record::Chunk { chunk, .. } = record {
            scratch.recycle(chunk.bytes);
        }
    }
    let bytes = raw.len() * CHUNKS as usize;
    println!(
        "{:8} {:10} seal {:7.0} MB/s   open {:7.0} MB/s   ratio {:.2}",
        codec.to_string(),
        if encrypted { "encrypted" } else { "plain" },
        megabytes_per_second(bytes, sealing),
        megabytes_per_second(bytes, opening),
        bytes as f64 / archive.len() as f64,
    );
    Ok(())
}

fn main() -> Result<(), mongoark_container::Error> {
    let raw = corpus();
    let key = Secret::KeyFile(KeyFile::generate()?);
    for codec in [
        Codec::None,
        Codec::Zstd { level: 1 },
        Codec::default(),
        Codec::Zstd { level: 3 },
        Codec::Gzip { level: 6 },
    ] {
        for secrets in [vec![], vec![key.clone()]] {
            run(codec, secrets, &raw)?;
        }
    }
    Ok(())
}
