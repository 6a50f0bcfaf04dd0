//! Building small archives from a plan, and reading them in both ways to the same content.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test binary uses a part of this module"
)]

use std::io::Write;
use std::path::{Path, PathBuf};

use mongoark_container::{
    Chunk, ChunkKind, Error, FileReader, Header, KdfParams, KeyFile, Limits, OpenScratch, Passphrase, Record,
    RecordKind, SealScratch, Secret, StreamReader, Warning, WriteOptions, WriteStats, create,
};

/// A key file's secret with 32 times the same byte.
pub fn key_secret(byte: u8) -> Secret {
    let mut bytes = b"\x89MKY\r\n\x1a\n".to_vec();
    bytes.extend_from_slice(&[byte; 32]);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    write_private(&path, &bytes);
    Secret::KeyFile(KeyFile::load(&path).unwrap())
}

pub fn write_private(path: &Path, bytes: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

pub fn passphrase_secret(text: &str) -> Secret {
    Secret::Passphrase(Passphrase::new(text.as_bytes().to_vec()).unwrap())
}

pub fn tiny_kdf() -> KdfParams {
    KdfParams { memory_kib: 8, passes: 1, lanes: 1 }
}

pub fn encrypted() -> WriteOptions {
    WriteOptions { codec: "zstd:1".parse().unwrap(), secrets: vec![key_secret(1)], kdf: tiny_kdf() }
}

pub fn plain() -> WriteOptions {
    WriteOptions { codec: "none".parse().unwrap(), secrets: vec![], kdf: tiny_kdf() }
}

/// What shall be written.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub catalogs: Vec<(u32, Vec<u8>)>,
    pub chunks: Vec<Chunk>,
    /// After so many chunks, this stream's chunks with these numbers in `chunks` are taken back.
    pub retract: Option<(usize, u32, std::ops::RangeInclusive<usize>)>,
    pub checkpoint: Option<Vec<u8>>,
    pub summary: Vec<u8>,
}

/// What a reader must find.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    pub catalogs: Vec<(u32, Vec<u8>)>,
    pub chunks: Vec<Chunk>,
    pub checkpoints: Vec<Vec<u8>>,
    pub summary: Vec<u8>,
}

impl Plan {
    pub fn chunk(&mut self, kind: ChunkKind, stream: u32, documents: u32, bytes: Vec<u8>) {
        let stream_seq = u32::try_from(self.chunks.iter().filter(|c| c.stream == stream).count()).unwrap();
        self.chunks.push(Chunk { kind, stream, stream_seq, documents, bytes });
    }

    pub fn sample() -> Self {
        let mut plan =
            Self { summary: b"summary".to_vec(), checkpoint: Some(b"here".to_vec()), ..Self::default() };
        plan.catalogs = vec![(1, b"catalog one".to_vec()), (2, Vec::new())];
        for n in 0..4u8 {
            plan.chunk(ChunkKind::Data, 1, 3, vec![n; 40]);
            plan.chunk(ChunkKind::Data, 2, 1, vec![n ^ 0xFF; 10]);
        }
        plan.chunk(ChunkKind::Oplog, 9, 2, b"oplog entries".to_vec());
        plan.retract = Some((6, 2, 1..=3));
        plan
    }

    /// Every type of record, and little else: for tests that read it tens of thousands of times.
    pub fn small() -> Self {
        let mut plan =
            Self { summary: b"sum".to_vec(), checkpoint: Some(b"here".to_vec()), ..Self::default() };
        plan.catalogs = vec![(1, b"catalog".to_vec())];
        plan.chunk(ChunkKind::Data, 1, 3, vec![7; 12]);
        plan.chunk(ChunkKind::Data, 1, 1, vec![8; 12]);
        plan.chunk(ChunkKind::Oplog, 9, 2, b"oplog".to_vec());
        plan.retract = Some((2, 1, 0..=0));
        plan
    }

    pub fn content(&self) -> Content {
        let gone = |place: usize, chunk: &Chunk| {
            self.retract
                .as_ref()
                .is_some_and(|(_, stream, range)| *stream == chunk.stream && range.contains(&place))
        };
        Content {
            catalogs: self.catalogs.clone(),
            chunks: self
                .chunks
                .iter()
                .enumerate()
                .filter(|(n, c)| !gone(*n, c))
                .map(|(_, c)| c.clone())
                .collect(),
            checkpoints: self.checkpoint.clone().into_iter().collect(),
            summary: self.summary.clone(),
        }
    }
}

pub struct Built {
    pub bytes: Vec<u8>,
    pub stats: WriteStats,
}

/// Writes a plan.
pub fn build(plan: &Plan, options: &WriteOptions) -> Result<Built, Error> {
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), options)?;
    let mut scratch = SealScratch::new();
    for (stream, body) in &plan.catalogs {
        writer.append_catalog(sequencer.control()?, *stream, body)?;
    }
    let mut seqs = Vec::new();
    for (n, chunk) in plan.chunks.iter().enumerate() {
        if let Some((_, stream, range)) = plan.retract.as_ref().filter(|(at, ..)| *at == n) {
            writer.append_retract(sequencer.control()?, *stream, seqs[*range.start()], seqs[*range.end()])?;
        }
        let ticket = sequencer.chunk()?;
        seqs.push(ticket.seq());
        let record = sealer.seal(ticket, chunk, &mut scratch)?;
        scratch.recycle(writer.append_chunk(record)?);
    }
    if let Some(body) = &plan.checkpoint {
        writer.append_checkpoint(sequencer.control()?, body)?;
    }
    let mut streams: Vec<u32> = plan.chunks.iter().map(|chunk| chunk.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    for stream in streams {
        writer.append_stream_end(sequencer.control()?, stream)?;
    }
    let (bytes, stats) = writer.finish(sequencer, &plan.summary)?;
    Ok(Built { bytes, stats })
}

/// Reads an archive to its end as from a pipe.
pub fn read_pipe(bytes: &[u8], secrets: &[Secret]) -> Result<Content, Error> {
    let mut input = bytes;
    let header = Header::read(&mut input, &Limits::default())?;
    let keys = header.unlock(secrets, &Limits::default())?;
    let mut reader = StreamReader::new(input, header, &keys)?;
    let mut content = Content::default();
    let mut chunks = Vec::new();
    while let Some(record) = reader.next_record()? {
        match record {
            Record::Catalog { stream, body, .. } => content.catalogs.push((stream, body)),
            Record::Chunk { meta, chunk } => chunks.push((meta.seq, chunk)),
            Record::Retract { retract, .. } => {
                chunks.retain(|(seq, chunk)| chunk.stream != retract.stream || !retract.covers(*seq));
            }
            Record::Checkpoint { body, .. } => content.checkpoints.push(body),
            Record::End { end, .. } => content.summary = end.summary,
            Record::Epoch { .. } | Record::StreamEnd { .. } | Record::IndexPage { .. } => {}
        }
    }
    content.chunks = chunks.into_iter().map(|(_, chunk)| chunk).collect();
    Ok(content)
}

pub struct FromFile {
    pub content: Content,
    pub warnings: Vec<Warning>,
}

/// Reads an archive from a file: every record, last first.
pub fn read_file(bytes: &[u8], secrets: &[Secret]) -> Result<FromFile, Error> {
    let file = TestFile::new(bytes);
    read_path(&file.path, secrets)
}

pub fn read_path(path: &Path, secrets: &[Secret]) -> Result<FromFile, Error> {
    let reader = FileReader::open(path, secrets, &Limits::default())?;
    let opener = reader.opener();
    let mut scratch = OpenScratch::new();
    let mut content = Content {
        catalogs: reader.catalogs()?.into_iter().map(|catalog| (catalog.stream, catalog.body)).collect(),
        summary: reader.end().summary.clone(),
        ..Content::default()
    };
    let mut records = Vec::new();
    for entry in reader.entries().iter().rev() {
        records.push(opener.open(reader.read(entry)?, &mut scratch)?);
    }
    records.reverse();
    for entry in reader.retracted() {
        opener.open(reader.read(entry)?, &mut scratch)?;
    }
    for totals in reader.streams() {
        let mut verifier = reader.stream_verifier(totals.stream).unwrap();
        for record in &records {
            if matches!(record, Record::Chunk { chunk, .. } if chunk.stream == totals.stream) {
                verifier.accept(record)?;
            }
        }
        assert_eq!(verifier.finish()?, *totals);
    }
    for record in records {
        match record {
            Record::Chunk { chunk, .. } => content.chunks.push(chunk),
            Record::Checkpoint { body, .. } => content.checkpoints.push(body),
            _ => {}
        }
    }
    Ok(FromFile { content, warnings: reader.warnings().to_vec() })
}

/// A file in memory-backed storage where there is one, for tests that write thousands of them.
pub struct TestFile {
    _dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl TestFile {
    pub fn new(bytes: &[u8]) -> Self {
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
        let path = dir.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        Self { _dir: dir, path }
    }

    pub fn put(&self, bytes: &[u8]) {
        let mut file = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        file.write_all(bytes).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
    }
}

/// A record's place in an archive's bytes.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub start: usize,
    pub end: usize,
    pub kind: u8,
}

pub const HEADER_LEN: usize = 1120;
pub const TRAILER_LEN: usize = 48;

/// Walks the record headers, by the document and not by the crate's code.
pub fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut start = HEADER_LEN;
    while places.last().is_none_or(|place: &Place| place.kind != RecordKind::End as u8) {
        let body_len = u32::from_le_bytes(bytes[start + 16..start + 20].try_into().unwrap()) as usize;
        let end = start + 32 + body_len + 4;
        places.push(Place { start, end, kind: bytes[start + 4] });
        start = end;
    }
    places
}
