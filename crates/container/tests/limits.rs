//! Exactly at the limits, one beyond them, and out of turn.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Plan, TestFile, build, encrypted, key_secret, passphrase_secret, plain, read_file, read_pipe};
use mongoark_container::{
    Chunk, ChunkKind, ErrorKind, FileReader, KdfParams, Limits, RAW_BYTES_MAX, SealScratch, WriteOptions,
    create,
};

fn chunk(stream_seq: u32, len: usize) -> Chunk {
    Chunk { kind: ChunkKind::Data, stream: 1, stream_seq, documents: 1, bytes: vec![5; len] }
}

#[test]
fn the_longest_chunk() {
    let mut plan = Plan::default();
    plan.chunk(ChunkKind::Data, 1, 3, vec![9; RAW_BYTES_MAX as usize]);
    for codec in ["none", "zstd:1"] {
        let options = WriteOptions { codec: codec.parse().unwrap(), ..encrypted() };
        let bytes = build(&plan, &options).unwrap().bytes;
        assert!(read_pipe(&bytes, &options.secrets).unwrap() == plan.content());
        plan.chunks[0].bytes.push(0);
        assert_eq!(build(&plan, &options).map(drop).unwrap_err().kind(), ErrorKind::LimitExceeded);
        plan.chunks[0].bytes.pop();
    }
}

#[test]
fn the_longest_body() {
    let mut plan = Plan { catalogs: vec![(1, vec![1; (64 << 20) - 4])], ..Plan::default() };
    let bytes = build(&plan, &plain()).unwrap().bytes;
    assert!(read_pipe(&bytes, &[]).unwrap() == plan.content());
    plan.catalogs[0].1.push(1);
    assert_eq!(build(&plan, &plain()).map(drop).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn eight_secrets_and_no_ninth() {
    let mut options = WriteOptions { secrets: (0..8).map(key_secret).collect(), ..encrypted() };
    let bytes = build(&Plan::sample(), &options).unwrap().bytes;
    for n in 0..8 {
        assert!(read_pipe(&bytes, &[key_secret(n)]).is_ok());
    }
    options.secrets.push(key_secret(8));
    assert_eq!(create(Vec::new(), &options).map(drop).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn no_more_argon2_memory_than_readers_accept() {
    let secrets = (0..5).map(|n| passphrase_secret(&n.to_string())).collect();
    let options = WriteOptions { secrets, kdf: KdfParams::default(), ..WriteOptions::default() };
    assert_eq!(create(Vec::new(), &options).map(drop).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn index_pages_at_their_boundary() {
    // The chunks and one STREAM_END are what the index names.
    for (chunks, pages) in [(65_534, 1), (65_535, 1), (65_536, 2)] {
        let options = plain();
        let (mut sequencer, sealer, mut writer) = create(Vec::new(), &options).unwrap();
        let mut scratch = SealScratch::new();
        for n in 0..chunks {
            let record = sealer.seal(sequencer.chunk().unwrap(), &chunk(n, 1), &mut scratch).unwrap();
            scratch.recycle(writer.append_chunk(record).unwrap());
        }
        writer.append_stream_end(sequencer.control().unwrap(), 1).unwrap();
        let (bytes, stats) = writer.finish(sequencer, b"").unwrap();
        assert_eq!(stats.records, u64::from(chunks) + 1 + pages + 2);
        let content = read_pipe(&bytes, &[]).unwrap();
        assert_eq!(content.chunks.len(), chunks as usize);
        let file = TestFile::new(&bytes);
        let reader = FileReader::open(&file.path, &[], &Limits::default()).unwrap();
        assert_eq!(reader.entries().len(), chunks as usize + 1);
        assert!(reader.warnings().is_empty());
    }
}

#[test]
fn out_of_turn() {
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &encrypted()).unwrap();
    let mut scratch = SealScratch::new();
    let (first, second) = (sequencer.chunk().unwrap(), sequencer.chunk().unwrap());
    let second = sealer.seal(second, &chunk(1, 10), &mut scratch).unwrap();
    assert_eq!(writer.append_chunk(second).unwrap_err().kind(), ErrorKind::Reordered);
    let gap = sealer.seal(first, &chunk(3, 10), &mut scratch).unwrap();
    assert_eq!(writer.append_chunk(gap).unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(
        writer.append_catalog(sequencer.control().unwrap(), 1, b"").unwrap_err().kind(),
        ErrorKind::Reordered
    );
    assert_eq!(writer.finish(sequencer, b"").map(drop).unwrap_err().kind(), ErrorKind::Misuse);
}

#[test]
fn tickets_of_another_kind_or_archive() {
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &plain()).unwrap();
    let (mut other, ..) = create(Vec::new(), &plain()).unwrap();
    let mut scratch = SealScratch::new();
    for ticket in [sequencer.control().unwrap(), other.chunk().unwrap()] {
        assert_eq!(sealer.seal(ticket, &chunk(0, 1), &mut scratch).unwrap_err().kind(), ErrorKind::Misuse);
    }
    for ticket in [sequencer.chunk().unwrap(), other.control().unwrap()] {
        assert_eq!(writer.append_catalog(ticket, 1, b"").unwrap_err().kind(), ErrorKind::Misuse);
    }
}

#[test]
fn streams_must_be_closed_once_and_stay_closed() {
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &plain()).unwrap();
    let mut scratch = SealScratch::new();
    let record = sealer.seal(sequencer.chunk().unwrap(), &chunk(0, 1), &mut scratch).unwrap();
    writer.append_chunk(record).unwrap();
    let ticket = sequencer.control().unwrap();
    writer.append_retract(ticket, 1, 1, 1).unwrap();
    assert_eq!(
        writer.append_retract(sequencer.control().unwrap(), 1, 1, 1).unwrap_err().kind(),
        ErrorKind::Misuse,
        "taken back twice"
    );
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &plain()).unwrap();
    writer.append_stream_end(sequencer.control().unwrap(), 1).unwrap();
    assert_eq!(
        writer.append_stream_end(sequencer.control().unwrap(), 1).unwrap_err().kind(),
        ErrorKind::Misuse
    );
    let (mut sequencer, _, mut writer) = create(Vec::new(), &plain()).unwrap();
    writer.append_catalog(sequencer.control().unwrap(), 1, b"c").unwrap();
    assert_eq!(writer.position(), 1120 + 36 + 48 + 36 + 5);
    drop((sealer, scratch));
}

#[test]
fn an_open_stream_keeps_the_archive_from_being_finished() {
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &plain()).unwrap();
    let record = sealer.seal(sequencer.chunk().unwrap(), &chunk(0, 1), &mut SealScratch::new()).unwrap();
    writer.append_chunk(record).unwrap();
    assert_eq!(writer.finish(sequencer, b"").map(drop).unwrap_err().kind(), ErrorKind::Misuse);
}

#[test]
fn a_failed_write_ends_the_archive() {
    struct Fails(usize);
    impl std::io::Write for Fails {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| std::io::Error::other("disk full"))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (mut sequencer, _, mut writer) = create(Fails(2), &plain()).unwrap();
    assert_eq!(
        writer.append_catalog(sequencer.control().unwrap(), 1, b"").unwrap_err().kind(),
        ErrorKind::Io
    );
    writer.sink_mut().0 = 100;
    assert_eq!(
        writer.append_catalog(sequencer.control().unwrap(), 1, b"").unwrap_err().kind(),
        ErrorKind::Misuse
    );
    assert_eq!(writer.finish(sequencer, b"").map(drop).unwrap_err().kind(), ErrorKind::Misuse);
}

#[test]
fn an_empty_archive() {
    for options in [plain(), encrypted()] {
        let bytes = build(&Plan::default(), &options).unwrap().bytes;
        assert_eq!(read_pipe(&bytes, &options.secrets).unwrap(), Plan::default().content());
        assert_eq!(read_file(&bytes, &options.secrets).unwrap().content, Plan::default().content());
    }
}
