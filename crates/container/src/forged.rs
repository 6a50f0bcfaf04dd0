//! Archives of a writer that holds the key and lies: everything is authentic, but the index says of a chunk what it is not.

use crate::{
    Chunk, ChunkKind, Codec, Error, ErrorKind, FileReader, IndexEntry, KeyFile, Limits, OpenScratch, Record,
    SealScratch, Secret, WriteOptions, create,
};

const STREAM: u32 = 1;

fn options() -> [WriteOptions; 2] {
    let secret = Secret::KeyFile(KeyFile::from_bytes([7; 32]));
    [vec![], vec![secret]].map(|secrets| WriteOptions { secrets, ..WriteOptions::default() })
}

/// An archive of one chunk with 40 documents, 1,000 bytes, of which the index, the totals and END say what `lie` makes of it.
fn forged(options: &WriteOptions, lie: impl FnOnce(&mut IndexEntry)) -> Vec<u8> {
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), options).unwrap();
    let chunk =
        Chunk { kind: ChunkKind::Data, stream: STREAM, stream_seq: 0, documents: 40, bytes: vec![1; 1000] };
    let mut record = sealer.seal(sequencer.chunk().unwrap(), &chunk, &mut SealScratch::new()).unwrap();
    lie(&mut record.entry);
    let stream = record.entry.stream;
    writer.append_chunk(record).unwrap();
    writer.append_stream_end(sequencer.control().unwrap(), stream).unwrap();
    writer.finish(sequencer, b"").unwrap().0
}

/// Reads every record that the index names.
fn read(bytes: &[u8], options: &WriteOptions) -> Result<Vec<Record>, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    std::fs::write(&path, bytes).unwrap();
    let reader = FileReader::open(&path, &options.secrets, &Limits::default())?;
    let (opener, mut scratch) = (reader.opener(), OpenScratch::new());
    reader.entries().iter().map(|entry| opener.open(reader.read(entry)?, &mut scratch)).collect()
}

#[test]
fn a_chunk_has_to_be_what_the_index_says_of_it() {
    for options in options() {
        assert!(read(&forged(&options, |_| {}), &options).is_ok());
        let lies: [fn(&mut IndexEntry); 6] = [
            |entry| entry.raw_len = 0,
            |entry| entry.raw_len -= 1,
            |entry| entry.raw_len = crate::RAW_BYTES_MAX,
            |entry| entry.stream = STREAM + 1,
            |entry| entry.documents = 0,
            |entry| entry.documents += 1,
        ];
        for (n, lie) in lies.into_iter().enumerate() {
            let error = read(&forged(&options, lie), &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Inconsistent, "lie {n}: {error}");
            assert!(error.to_string().contains("a chunk at byte"), "lie {n}: {error}");
        }
        // More than any chunk can hold: the page itself is refused.
        let error = read(&forged(&options, |entry| entry.raw_len = u32::MAX), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
}

#[test]
fn a_chunk_out_of_its_place_is_refused() {
    for options in options() {
        let (mut sequencer, sealer, mut writer) = create(Vec::new(), &options).unwrap();
        // The second chunk stands where the first should: the index calls them 0 and 1.
        for (place, stream_seq) in [(0, 1), (1, 0)] {
            let bytes = vec![1; 10];
            let chunk = Chunk { kind: ChunkKind::Data, stream: STREAM, stream_seq, documents: 1, bytes };
            let ticket = sequencer.chunk().unwrap();
            let mut record = sealer.seal(ticket, &chunk, &mut SealScratch::new()).unwrap();
            record.entry.stream_seq = place;
            writer.append_chunk(record).unwrap();
        }
        writer.append_stream_end(sequencer.control().unwrap(), STREAM).unwrap();
        let bytes = writer.finish(sequencer, b"").unwrap().0;
        assert_eq!(read(&bytes, &options).unwrap_err().kind(), ErrorKind::Inconsistent);
    }
}

#[test]
fn a_catalog_belongs_to_the_stream_that_the_index_names() {
    for options in options() {
        let (mut sequencer, _, mut writer) = create(Vec::new(), &options).unwrap();
        writer.append_catalog_as(sequencer.control().unwrap(), STREAM, STREAM + 1, b"body").unwrap();
        let bytes = writer.finish(sequencer, b"").unwrap().0;
        assert_eq!(read(&bytes, &options).unwrap_err().kind(), ErrorKind::Inconsistent);
    }
}

#[test]
fn a_checkpoint_belongs_to_no_stream() {
    let [plain, _] = options();
    let (mut sequencer, _, mut writer) = create(Vec::new(), &plain).unwrap();
    writer.append_checkpoint(sequencer.control().unwrap(), b"place").unwrap();
    let bytes = writer.finish(sequencer, b"").unwrap().0;
    assert!(read(&bytes, &plain).is_ok());
    let entry = |stream| IndexEntry {
        kind: crate::RecordKind::Checkpoint,
        stream,
        stream_seq: 0,
        documents: 0,
        raw_len: 0,
        length: 5,
        seq: 1,
        offset: 2000,
        tag: crate::Tag([0; 16]),
    };
    for (stream, is_possible) in [(0, true), (1, false)] {
        let mut page = vec![1, 0, 0, 0, 0, 0, 0, 0];
        entry(stream).encode(&mut page);
        assert_eq!(crate::index::decode_page(&page).is_some(), is_possible);
    }
}

/// Every chunk of 800,000 is taken back by a RETRACT of its own, from the last to the first and then the other way round. A
/// reader that looks at all chunks for each retraction would need hours.
#[test]
fn as_many_retractions_as_chunks_are_no_more_work() {
    const CHUNKS: u64 = 800_000;
    let [options, _] = options();
    let options = WriteOptions { codec: Codec::None, ..options };
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &options).unwrap();
    let mut scratch = SealScratch::new();
    let mut seqs = Vec::new();
    for stream_seq in 0..u32::try_from(CHUNKS).unwrap() {
        let chunk = Chunk { kind: ChunkKind::Data, stream: STREAM, stream_seq, documents: 1, bytes: vec![1] };
        let ticket = sequencer.chunk().unwrap();
        seqs.push(ticket.seq());
        let record = sealer.seal(ticket, &chunk, &mut scratch).unwrap();
        scratch.recycle(writer.append_chunk(record).unwrap());
    }
    // The last ones one by one from behind; the others by ranges that begin at the first chunk of all, long retracted.
    let half = seqs.len() / 2;
    for seq in seqs[half..].iter().rev() {
        writer.append_retract(sequencer.control().unwrap(), STREAM, *seq, *seq).unwrap();
    }
    for seq in &seqs[..half] {
        writer.append_retract(sequencer.control().unwrap(), STREAM, seqs[0], *seq).unwrap();
    }
    writer.append_stream_end(sequencer.control().unwrap(), STREAM).unwrap();
    let bytes = writer.finish(sequencer, b"").unwrap().0;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    std::fs::write(&path, &bytes).unwrap();
    let reader = FileReader::open(&path, &[], &Limits::default()).unwrap();
    assert_eq!(reader.retracted().len() as u64, CHUNKS);
    assert_eq!((reader.end().documents, reader.streams()[0].chunks), (0, 0));
    drop(reader);
    let mut input = &bytes[..];
    let header = crate::Header::read(&mut input, &Limits::default()).unwrap();
    let keys = header.unlock(&[], &Limits::default()).unwrap();
    let mut pipe = crate::StreamReader::new(input, header, &keys).unwrap();
    let mut retractions = 0;
    while let Some(record) = pipe.next_record().unwrap() {
        retractions += u64::from(matches!(record, Record::Retract { .. }));
    }
    assert_eq!(retractions, CHUNKS);
}

/// An archive under way with 200,000 checkpoints behind 200,000 chunks that count: what is kept of the account at each
/// checkpoint must not be all of it.
#[test]
fn as_many_checkpoints_as_chunks_are_no_more_work() {
    const CHUNKS: u32 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    let file = crate::PartialFile::create(&path, crate::Existing::Refuse).unwrap();
    let options = WriteOptions { codec: Codec::None, ..WriteOptions::default() };
    let sink = std::io::BufWriter::new(file);
    let (mut sequencer, sealer, mut writer) = create(sink, &options).unwrap();
    let mut scratch = SealScratch::new();
    for stream_seq in 0..CHUNKS {
        let chunk = Chunk { kind: ChunkKind::Data, stream: STREAM, stream_seq, documents: 1, bytes: vec![1] };
        let record = sealer.seal(sequencer.chunk().unwrap(), &chunk, &mut scratch).unwrap();
        scratch.recycle(writer.append_chunk(record).unwrap());
    }
    for _ in 0..CHUNKS {
        writer.append_checkpoint(sequencer.control().unwrap(), b"here").unwrap();
    }
    std::io::Write::flush(writer.sink_mut()).unwrap();
    drop(writer);
    let unlock = |_: &crate::Header| Ok::<_, Error>(Vec::new());
    let found = crate::Interrupted::open(&path, crate::Existing::Refuse, unlock, &Limits::default());
    let found = found.unwrap().unwrap();
    assert_eq!((found.data().0, found.checkpoint()), (CHUNKS.into(), &b"here"[..]));
}
