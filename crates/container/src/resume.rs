//! Going on with an archive whose writing was broken off: what lies before its last checkpoint is verified, what lies
//! behind it is cut off, and a new epoch begins.
//!
//! The CHECKPOINT record itself holds all that is needed. Whatever a crash leaves behind it, a checkpoint counts only if
//! every record up to it is whole and authentic.

use std::io::{BufReader, Write};
use std::path::Path;

use crate::entropy::OsEntropy;
use crate::file_reader::Catalog;
use crate::header::Header;
use crate::keys::Keys;
use crate::ledger::{Breach, Ledger, Step};
use crate::record::RecordMeta;
use crate::verifier::inconsistent;
use crate::{
    ArchiveId, ChunkKind, Codec, CodecKind, Error, ErrorKind, Existing, Limits, PartialFile, Record,
    RecordKind, Sealer, Secret, Sequencer, StreamReader, Writer,
};

/// An archive that is not whole, up to its last checkpoint. Its file is locked.
pub struct Interrupted {
    file: PartialFile,
    header: Header,
    keys: Keys,
    ledger: Ledger,
    checkpoint: Vec<u8>,
    catalogs: Vec<Catalog>,
}

/// The account up to the last checkpoint, beside that of a reader who is further. Each record is counted once: an archive
/// may hold as many checkpoints as chunks, and a copy of the account at each would take the square of their number.
struct Account {
    kept: Ledger,
    since: Vec<(RecordMeta, Step)>,
}

impl Account {
    fn new(id: ArchiveId) -> Self {
        Self { kept: Ledger::new(id), since: Vec::new() }
    }

    /// A record that the reader has accepted.
    fn note(&mut self, record: &Record) -> Result<(), Error> {
        let meta = record.meta();
        let step = Step::of(record).map_err(|breach| inconsistent(meta, &breach))?;
        self.since.extend(step.map(|step| (*meta, step)));
        Ok(())
    }

    /// The last record noted is a checkpoint.
    fn keep(&mut self) -> Result<(), Error> {
        let Self { kept, since } = self;
        since.drain(..).try_for_each(|(meta, step)| {
            kept.step(&meta, &step).map_err(|breach: Breach| inconsistent(&meta, &breach))
        })
    }
}

/// A stream that had chunks and was not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptStream {
    /// Its number.
    pub stream: u32,
    /// What it holds.
    pub kind: ChunkKind,
    /// The place of its next chunk.
    pub next_stream_seq: u32,
    /// Its chunks that count, in their order.
    pub chunks: Vec<KeptChunk>,
}

/// A chunk that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptChunk {
    /// Its record number.
    pub seq: u64,
    /// Its documents.
    pub documents: u32,
    /// Their bytes.
    pub bytes: u32,
}

impl Interrupted {
    /// Reads `path` + `.partial` and verifies it up to its last checkpoint. Nothing where there is no such file, or none
    /// that was written up to a checkpoint: then an archive is to be begun anew.
    ///
    /// # Errors
    /// Those of [`PartialFile::create`] and [`Header::unlock`]; `Io`.
    pub fn open<E: From<Error>>(
        path: &Path,
        existing: Existing,
        unlock: impl FnOnce(&Header) -> Result<Vec<Secret>, E>,
        limits: &Limits,
    ) -> Result<Option<Self>, E> {
        let Some(file) = PartialFile::reopen(path, existing)? else { return Ok(None) };
        let mut input = BufReader::with_capacity(1 << 20, file.handle()?);
        let header = match Header::read(&mut input, limits) {
            Ok(header) => header,
            // Killed at its very beginning.
            Err(error) if error.kind() == ErrorKind::Truncated => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let keys = header.unlock(&unlock(&header)?, limits)?;
        let mut reader = StreamReader::with_limits(input, header.clone(), &keys, limits.clone())?;
        let mut account = Account::new(header.archive_id());
        let (mut found, mut catalogs) = (None, Vec::new());
        loop {
            let record = match reader.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) if is_of_what_was_written(&error) => break,
                Err(error) => return Err(error.into()),
            };
            account.note(&record)?;
            match record {
                Record::Catalog { stream, body, .. } => catalogs.push(Catalog { stream, body }),
                Record::Checkpoint { body, .. } => {
                    account.keep()?;
                    found = Some((body, catalogs.len()));
                }
                Record::Chunk { chunk, .. } => reader.recycle_raw(chunk.bytes),
                _ => {}
            }
        }
        let Some((checkpoint, known)) = found else { return Ok(None) };
        catalogs.truncate(known);
        Ok(Some(Self { file, header, keys, ledger: account.kept, checkpoint, catalogs }))
    }

    /// The document of the checkpoint.
    pub fn checkpoint(&self) -> &[u8] {
        &self.checkpoint
    }

    /// The catalog documents before it.
    pub fn catalogs(&self) -> &[Catalog] {
        &self.catalogs
    }

    /// Bytes of the archive that are kept.
    pub fn kept_bytes(&self) -> u64 {
        self.ledger.offset()
    }

    /// Documents that count, and their raw bytes.
    pub fn data(&self) -> (u64, u64) {
        self.ledger.data()
    }

    /// How its chunks are compressed.
    pub fn codec(&self) -> CodecKind {
        self.header.codec()
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.header.is_encrypted()
    }

    /// The streams that are closed.
    pub fn closed_streams(&self) -> Vec<u32> {
        self.ledger.streams().filter(|(_, account)| account.is_none()).map(|(stream, _)| stream).collect()
    }

    /// The streams that are not, but had chunks.
    pub fn open_streams(&self) -> Vec<KeptStream> {
        let open = self.ledger.streams().filter_map(|(stream, account)| {
            let account = account?;
            let chunks = account.chunks().map(|(seq, chunk)| KeptChunk {
                seq,
                documents: chunk.documents,
                bytes: chunk.raw_len,
            });
            let kind = if account.kind() == RecordKind::Oplog { ChunkKind::Oplog } else { ChunkKind::Data };
            let next_stream_seq = account.next_stream_seq()?;
            Some(KeptStream { stream, kind, next_stream_seq, chunks: chunks.collect() })
        });
        open.collect()
    }

    /// Cuts off what lies behind the checkpoint and opens a new epoch there. The codec has to be of the archive's kind.
    ///
    /// # Errors
    /// `Misuse` for another codec, `LimitExceeded` after 65,535 epochs, `Random`, `Io`.
    pub fn go_on<W: Write>(
        mut self,
        codec: Codec,
        sink: impl FnOnce(PartialFile) -> W,
    ) -> Result<(Sequencer, Sealer, Writer<W>), Error> {
        codec.check()?;
        if codec.codec_kind() != self.header.codec() {
            return Err(Error::misuse("the chunks of an archive are all compressed in one way"));
        }
        self.file.cut(self.ledger.offset())?;
        let writer =
            Writer::going_on(sink(self.file), &self.header, &self.keys, self.ledger, &mut OsEntropy)?;
        let (sequencer, sealer) = writer.companions(codec);
        Ok((sequencer, sealer, writer))
    }
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupted").field("kept_bytes", &self.kept_bytes()).finish_non_exhaustive()
    }
}

/// Whether the bytes of the file are at fault, and not the reading of them.
fn is_of_what_was_written(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotAnArchive
            | ErrorKind::Damaged
            | ErrorKind::NotAuthentic
            | ErrorKind::Inconsistent
            | ErrorKind::Truncated
            | ErrorKind::TrailingData
            | ErrorKind::Reordered
            | ErrorKind::LimitExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chunk, FileReader, KeyFile, SealScratch, WriteOptions, create};
    use std::fs;
    use std::path::PathBuf;

    const STREAM: u32 = 1;

    /// An archive under way, and what belongs to its writing.
    struct Desk {
        sequencer: Sequencer,
        sealer: Sealer,
        writer: Writer<PartialFile>,
        next: u32,
    }

    impl Desk {
        fn put(&mut self, stream: u32, bytes: &[u8]) -> u64 {
            let ticket = self.sequencer.chunk().unwrap();
            let seq = ticket.seq();
            let (bytes, stream_seq) = (bytes.to_vec(), self.next);
            self.next += 1;
            let chunk = Chunk { kind: ChunkKind::Data, stream, stream_seq, documents: 1, bytes };
            let sealed = self.sealer.seal(ticket, &chunk, &mut SealScratch::new()).unwrap();
            self.writer.append_chunk(sealed).unwrap();
            seq
        }

        fn checkpoint(&mut self, body: &[u8]) {
            let ticket = self.sequencer.control().unwrap();
            self.writer.append_checkpoint(ticket, body).unwrap();
        }

        fn catalog(&mut self, body: &[u8]) {
            let ticket = self.sequencer.control().unwrap();
            self.writer.append_catalog(ticket, STREAM, body).unwrap();
        }

        fn finish(mut self) {
            let ticket = self.sequencer.control().unwrap();
            self.writer.append_stream_end(ticket, STREAM).unwrap();
            let (file, _) = self.writer.finish(self.sequencer, b"end").unwrap();
            file.commit().unwrap();
        }
    }

    struct Place {
        _folder: tempfile::TempDir,
        path: PathBuf,
        secrets: Vec<Secret>,
    }

    impl Place {
        fn new(secrets: Vec<Secret>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { path: folder.path().join("archive"), _folder: folder, secrets }
        }

        fn begin(&self) -> Desk {
            let file = PartialFile::create(&self.path, Existing::Refuse).unwrap();
            let options =
                WriteOptions { codec: Codec::None, secrets: self.secrets.clone(), ..WriteOptions::default() };
            let (sequencer, sealer, writer) = create(file, &options).unwrap();
            Desk { sequencer, sealer, writer, next: 0 }
        }

        fn interrupted(&self) -> Option<Interrupted> {
            let unlock = |_: &Header| Ok::<_, Error>(self.secrets.clone());
            Interrupted::open(&self.path, Existing::Refuse, unlock, &Limits::default()).unwrap()
        }

        fn go_on(&self) -> Desk {
            let found = self.interrupted().expect("a checkpoint");
            let next = found.open_streams().first().map_or(0, |stream| stream.next_stream_seq);
            let (sequencer, sealer, writer) = found.go_on(Codec::None, |file| file).unwrap();
            Desk { sequencer, sealer, writer, next }
        }

        fn partial(&self) -> PathBuf {
            self.path.with_extension("partial")
        }

        fn chunks(&self) -> Vec<Vec<u8>> {
            let reader = FileReader::open(&self.path, &self.secrets, &Limits::default()).unwrap();
            let opener = reader.opener();
            let open = |entry: &crate::IndexEntry| {
                let stored = reader.read(entry).unwrap();
                match opener.open(stored, &mut crate::OpenScratch::new()).unwrap() {
                    Record::Chunk { chunk, .. } => Some(chunk.bytes),
                    _ => None,
                }
            };
            reader.entries().iter().filter_map(open).collect()
        }
    }

    fn places() -> [Place; 2] {
        [Place::new(Vec::new()), Place::new(vec![Secret::KeyFile(KeyFile::generate().unwrap())])]
    }

    #[test]
    fn an_archive_goes_on_behind_its_last_checkpoint_again_and_again() {
        for place in places() {
            let mut desk = place.begin();
            desk.catalog(b"catalog");
            desk.put(STREAM, b"one");
            desk.checkpoint(b"first");
            desk.put(STREAM, b"lost");
            drop(desk);
            let found = place.interrupted().unwrap();
            assert_eq!((found.checkpoint(), found.data()), (&b"first"[..], (1, 3)));
            assert_eq!(found.catalogs(), [Catalog { stream: STREAM, body: b"catalog".to_vec() }]);
            drop(found);

            let mut desk = place.go_on();
            let two = desk.put(STREAM, b"two");
            desk.put(STREAM, b"three");
            desk.checkpoint(b"second");
            drop(desk);
            let mut desk = place.go_on();
            let ticket = desk.sequencer.control().unwrap();
            desk.writer.append_retract(ticket, STREAM, two, two).unwrap();
            desk.put(STREAM, b"four");
            desk.finish();
            assert_eq!(place.chunks(), [b"one".to_vec(), b"three".to_vec(), b"four".to_vec()]);
        }
    }

    #[test]
    fn whatever_a_crash_leaves_the_last_checkpoint_that_can_be_trusted_counts() {
        for place in places() {
            let mut desk = place.begin();
            desk.put(STREAM, b"one");
            desk.checkpoint(b"first");
            let first = desk.writer.position();
            desk.put(STREAM, b"two");
            desk.checkpoint(b"second");
            let second = desk.writer.position();
            desk.put(STREAM, b"three");
            drop(desk);
            let whole = fs::read(place.partial()).unwrap();
            let checkpoint = |bytes: &[u8]| {
                fs::write(place.partial(), bytes).unwrap();
                place.interrupted().map(|found| (found.checkpoint().to_vec(), found.kept_bytes()))
            };
            for length in 0..=whole.len() as u64 {
                let expected = match length {
                    length if length >= second => Some((b"second".to_vec(), second)),
                    length if length >= first => Some((b"first".to_vec(), first)),
                    _ => None,
                };
                let cut = usize::try_from(length).unwrap();
                assert_eq!(checkpoint(&whole[..cut]), expected, "cut at {length}");
            }
            // A page that the disk never got is all zeros; a byte may be wrong.
            let between = usize::try_from(first).unwrap() + 40;
            let mut torn = whole.clone();
            torn[between] ^= 1;
            assert_eq!(checkpoint(&torn), Some((b"first".to_vec(), first)));
            torn[usize::try_from(first).unwrap()..].fill(0);
            assert_eq!(checkpoint(&torn), Some((b"first".to_vec(), first)));
        }
    }

    #[test]
    fn every_epoch_has_a_key_of_its_own() {
        let [_, place] = places();
        let mut desk = place.begin();
        desk.checkpoint(b"c");
        drop(desk);
        let mut frames = Vec::new();
        // The same number and the same bytes, sealed anew each time.
        for _ in 0..3 {
            let mut desk = place.go_on();
            desk.put(STREAM, b"the same");
            drop(desk);
            let partial = fs::read(place.partial()).unwrap();
            frames.push(partial[partial.len() - 60..].to_vec());
        }
        assert!(frames[0] != frames[1] && frames[1] != frames[2] && frames[0] != frames[2]);
    }

    #[test]
    fn what_is_not_there_or_was_not_begun_is_nothing_to_go_on_with() {
        let [place, _] = places();
        assert!(place.interrupted().is_none(), "no file");
        fs::write(place.partial(), b"").unwrap();
        assert!(place.interrupted().is_none(), "an empty file");
        drop(place.begin());
        assert!(place.interrupted().is_none(), "no checkpoint");
        let mut desk = place.begin();
        desk.checkpoint(b"c");
        let unlock = |_: &Header| Ok::<_, Error>(Vec::new());
        let busy = Interrupted::open(&place.path, Existing::Refuse, unlock, &Limits::default());
        assert_eq!(busy.unwrap_err().kind(), ErrorKind::Busy);
        drop(desk);
        let other = place.interrupted().unwrap().go_on(Codec::Zstd { level: 2 }, |file| file);
        assert_eq!(other.unwrap_err().kind(), ErrorKind::Misuse);
    }

    #[test]
    fn a_page_that_is_due_at_the_checkpoint_is_written_behind_it() {
        let [place, _] = places();
        let mut desk = place.begin();
        for _ in 1..crate::limits::PAGE_ENTRIES_MAX {
            desk.catalog(b"");
        }
        desk.checkpoint(b"full");
        drop(desk);
        let mut desk = place.go_on();
        desk.put(STREAM, b"one");
        desk.finish();
        assert_eq!(place.chunks(), [b"one".to_vec()]);
    }
}
