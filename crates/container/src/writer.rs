//! Writing an archive: records in the order of their numbers, INDEX pages by themselves, and an end.

use std::io::Write;
use std::sync::Arc;

use crate::cipher::{EPOCH_BODY_LEN, EPOCH_SALT_LEN, EpochKey};
use crate::entropy::{Entropy, OsEntropy};
use crate::frame::{self, RECORD_HEADER_LEN, RecordHeader, RecordKind, record_crc};
use crate::header::{Header, WriteSecrets};
use crate::keys::Keys;
use crate::ledger::{Breach, Ledger};
use crate::limits::EPOCHS_MAX;
use crate::record::{RecordMeta, Retract};
use crate::sealer::{SealedChunk, Sealer};
use crate::trailer::Trailer;
use crate::{ArchiveId, Codec, Error, KdfParams, Secret, Sequencer, Ticket};

/// How an archive is to be written.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// How chunks are compressed.
    pub codec: Codec,
    /// Who may open it, at most eight. Empty: not encrypted.
    pub secrets: Vec<Secret>,
    /// The cost of deriving a key from each passphrase.
    pub kdf: KdfParams,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// Documents in DATA chunks that count.
    pub documents: u64,
    /// Raw bytes in the same.
    pub bytes: u64,
    /// Oplog entries in OPLOG chunks that count.
    pub oplog_documents: u64,
    /// Raw bytes in the same.
    pub oplog_bytes: u64,
    /// Streams that were closed.
    pub streams: u32,
    /// Records, END included.
    pub records: u64,
    /// Bytes of the whole archive.
    pub archive_bytes: u64,
}

/// Writes records in the order of their numbers. Dropped before [`finish`](Writer::finish), it leaves an archive
/// that every reader calls truncated.
pub struct Writer<W> {
    sink: W,
    header: Vec<u8>,
    key: Arc<EpochKey>,
    ledger: Ledger,
    scratch: Vec<u8>,
    failed: bool,
}

/// Starts an archive: writes its header and the first EPOCH record.
///
/// # Errors
/// `Misuse` for a codec level or a number of secrets that the format does not know, `LimitExceeded` for KDF
/// parameters that readers refuse, `Random`, `Io`.
pub fn create<W: Write>(sink: W, options: &WriteOptions) -> Result<(Sequencer, Sealer, Writer<W>), Error> {
    create_with(sink, options, &mut OsEntropy)
}

/// [`create`] with a given source of randomness.
pub(crate) fn create_with<W: Write>(
    sink: W,
    options: &WriteOptions,
    entropy: &mut impl Entropy,
) -> Result<(Sequencer, Sealer, Writer<W>), Error> {
    options.codec.check()?;
    let secrets = WriteSecrets { secrets: options.secrets.clone(), kdf: options.kdf };
    let (header, keys) = Header::create(options.codec.codec_kind(), &secrets, entropy)?;
    let salt = if keys.file_key.is_some() { entropy.array()? } else { [0; EPOCH_SALT_LEN] };
    let key = Arc::new(EpochKey::derive(&keys, 0, &salt)?);
    let mut writer = Writer {
        sink,
        header,
        key: Arc::clone(&key),
        ledger: Ledger::new(keys.archive_id),
        scratch: Vec::new(),
        failed: false,
    };
    writer.put_header()?;
    writer.put_epoch(&salt)?;
    let sequencer = Sequencer::new(keys.archive_id, writer.ledger.next_seq());
    Ok((sequencer, Sealer::new(key, options.codec), writer))
}

impl<W: Write> Writer<W> {
    /// Opens a new epoch behind the records of an account that another writer kept.
    pub(crate) fn going_on(
        sink: W,
        header: &Header,
        keys: &Keys,
        ledger: Ledger,
        entropy: &mut impl Entropy,
    ) -> Result<Self, Error> {
        let epochs = ledger.epoch().map_or(0, |last| u64::from(last) + 1);
        Error::limit("the number of epochs", epochs + 1, EPOCHS_MAX.into())?;
        let salt = if keys.file_key.is_some() { entropy.array()? } else { [0; EPOCH_SALT_LEN] };
        // Within the limit, which is that of a u16.
        let key = Arc::new(EpochKey::derive(keys, u16::try_from(epochs).unwrap_or(EPOCHS_MAX), &salt)?);
        let header = header.as_bytes().to_vec();
        let mut writer = Self { sink, header, key, ledger, scratch: Vec::new(), failed: false };
        writer.put_epoch(&salt)?;
        writer.put_full_page()?;
        Ok(writer)
    }

    /// What gives out numbers and seals chunks for this writer, which has given out none itself.
    pub(crate) fn companions(&self, codec: Codec) -> (Sequencer, Sealer) {
        let (next, indexed) = (self.ledger.next_seq(), self.ledger.page().entries());
        (Sequencer::going_on(self.archive_id(), next, indexed), Sealer::new(Arc::clone(&self.key), codec))
    }

    /// The archive's id.
    pub fn archive_id(&self) -> ArchiveId {
        self.key.archive_id()
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.ledger.offset()
    }

    /// The number of the record that must be appended next.
    pub fn next_seq(&self) -> u64 {
        self.ledger.next_seq()
    }

    /// The sink, to sync it at a checkpoint. Writing to it would damage the archive.
    pub fn sink_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    /// Appends a chunk; gives its buffer back for [`SealScratch::recycle`](crate::SealScratch::recycle).
    ///
    /// # Errors
    /// `Reordered` when it is not its turn, `Misuse` when it does not continue its stream, `Io`.
    pub fn append_chunk(&mut self, chunk: SealedChunk) -> Result<Vec<u8>, Error> {
        let SealedChunk { archive_id, epoch, mut entry, frame } = chunk;
        if archive_id != self.archive_id() || epoch != self.key.epoch() {
            return Err(Error::misuse("a chunk was sealed for another archive"));
        }
        self.expect_turn(entry.seq)?;
        entry.offset = self.ledger.offset();
        self.ledger.chunk(epoch, &entry).map_err(refused)?;
        self.put(&frame, entry.offset)?;
        self.put_full_page()?;
        Ok(frame)
    }

    /// Appends a catalog document of a stream.
    pub fn append_catalog(&mut self, ticket: Ticket, stream: u32, body: &[u8]) -> Result<(), Error> {
        self.control(
            ticket,
            RecordKind::Catalog,
            |out| {
                out.extend_from_slice(&stream.to_le_bytes());
                out.extend_from_slice(body);
            },
            |ledger, meta| ledger.control(meta, stream),
        )
    }

    /// A catalog document of one stream that the index calls another's.
    #[cfg(test)]
    pub(crate) fn append_catalog_as(
        &mut self,
        ticket: Ticket,
        stream: u32,
        indexed: u32,
        body: &[u8],
    ) -> Result<(), Error> {
        let encode = |out: &mut Vec<u8>| out.extend_from_slice(&[&stream.to_le_bytes()[..], body].concat());
        self.control(ticket, RecordKind::Catalog, encode, |ledger, meta| ledger.control(meta, indexed))
    }

    /// Closes a stream, with the totals and the hash that the writer has kept.
    pub fn append_stream_end(&mut self, ticket: Ticket, stream: u32) -> Result<(), Error> {
        let totals = self.ledger.totals(stream).map_err(refused)?;
        let encode = |out: &mut Vec<u8>| totals.encode(out);
        self.control(ticket, RecordKind::StreamEnd, encode, |ledger, meta| ledger.end_stream(meta, &totals))
    }

    /// Takes back the stream's chunks with record numbers from first to last, both included.
    pub fn append_retract(
        &mut self,
        ticket: Ticket,
        stream: u32,
        first_seq: u64,
        last_seq: u64,
    ) -> Result<(), Error> {
        let retract = Retract { stream, first_seq, last_seq };
        let encode = |out: &mut Vec<u8>| retract.encode(out);
        self.control(ticket, RecordKind::Retract, encode, |ledger, meta| {
            ledger.retract(meta, &retract).map(drop)
        })
    }

    /// Appends a checkpoint document.
    pub fn append_checkpoint(&mut self, ticket: Ticket, body: &[u8]) -> Result<(), Error> {
        let encode = |out: &mut Vec<u8>| out.extend_from_slice(body);
        self.control(ticket, RecordKind::Checkpoint, encode, |ledger, meta| ledger.control(meta, 0))
    }

    /// Writes the last INDEX page, END, the second header and the trailer, and flushes.
    ///
    /// # Errors
    /// `Misuse` when a number was given out and not written, or a stream with chunks was not closed; `Io`.
    pub fn finish(mut self, sequencer: Sequencer, summary: &[u8]) -> Result<(W, WriteStats), Error> {
        sequencer.check_all_written(self.archive_id(), self.ledger.next_seq())?;
        if self.ledger.page().entries() > 0 {
            self.put_page()?;
        }
        let end = self.ledger.end(summary.to_vec()).map_err(refused)?;
        let (epoch_offset, end_offset) = (self.ledger.last_epoch_offset(), self.ledger.offset());
        let mut encoded = Vec::new();
        end.encode(&mut encoded)?;
        let meta = self.record(RecordKind::End, &encoded, |ledger, meta| ledger.finish(meta, &end))?;
        self.put_header()?;
        let trailer =
            Trailer { end_offset, epoch_offset, end_body_len: meta.body_len, archive_id: self.archive_id() };
        let trailer = trailer.encode();
        self.put(&trailer, self.ledger.offset())?;
        self.flush()?;
        let stats = WriteStats {
            documents: end.documents,
            bytes: end.bytes,
            oplog_documents: end.oplog_documents,
            oplog_bytes: end.oplog_bytes,
            streams: end.streams,
            records: self.ledger.next_seq(),
            archive_bytes: self.ledger.offset() + (self.header.len() + trailer.len()) as u64,
        };
        Ok((self.sink, stats))
    }

    fn expect_turn(&self, found: u64) -> Result<(), Error> {
        let expected = self.ledger.next_seq();
        if found == expected {
            return Ok(());
        }
        Err(Error::Reordered { expected, found, offset: self.ledger.offset() })
    }

    /// One record with a number of its own, then the page that may be due.
    fn control(
        &mut self,
        ticket: Ticket,
        kind: RecordKind,
        encode: impl FnOnce(&mut Vec<u8>),
        account: impl FnOnce(&mut Ledger, &RecordMeta) -> Result<(), Breach>,
    ) -> Result<(), Error> {
        let seq = ticket.take(self.archive_id(), false)?;
        self.expect_turn(seq)?;
        let mut body = Vec::new();
        encode(&mut body);
        self.record(kind, &body, account)?;
        self.put_full_page()
    }

    /// Seals, accounts and writes the next record.
    fn record(
        &mut self,
        kind: RecordKind,
        body: &[u8],
        account: impl FnOnce(&mut Ledger, &RecordMeta) -> Result<(), Breach>,
    ) -> Result<RecordMeta, Error> {
        let mut frame = std::mem::take(&mut self.scratch);
        frame::begin(&mut frame);
        frame.extend_from_slice(body);
        let (header, tag) = frame::seal(&mut frame, kind, self.ledger.next_seq(), &self.key)?;
        let meta = RecordMeta::new(&header, self.ledger.offset(), tag);
        account(&mut self.ledger, &meta).map_err(refused)?;
        self.put(&frame, meta.offset)?;
        self.scratch = frame;
        Ok(meta)
    }

    fn put_full_page(&mut self) -> Result<(), Error> {
        if self.ledger.page().is_full() { self.put_page() } else { Ok(()) }
    }

    fn put_page(&mut self) -> Result<(), Error> {
        let body = self.ledger.page().body().to_vec();
        self.record(RecordKind::Index, &body, |ledger, meta| ledger.index(meta, &body)).map(drop)
    }

    fn put_epoch(&mut self, salt: &[u8; EPOCH_SALT_LEN]) -> Result<(), Error> {
        let (frame, meta) = epoch_record(&self.key, self.ledger.next_seq(), self.ledger.offset(), salt)?;
        self.ledger.open_epoch(&meta).map_err(refused)?;
        self.put(&frame, meta.offset)
    }

    fn put_header(&mut self) -> Result<(), Error> {
        let header = std::mem::take(&mut self.header);
        let put = self.put(&header, self.ledger.offset());
        self.header = header;
        put
    }

    fn put(&mut self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        self.attempt(offset, "write", |sink| sink.write_all(bytes))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.attempt(self.ledger.offset(), "flush", W::flush)
    }

    /// After one failed write nothing more is written: what lies behind it could not be trusted.
    fn attempt(
        &mut self,
        offset: u64,
        op: &'static str,
        write: impl FnOnce(&mut W) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        if self.failed {
            return Err(Error::misuse("an earlier write of this archive failed"));
        }
        write(&mut self.sink).map_err(|source| {
            self.failed = true;
            Error::Stream { op, offset, source }
        })
    }
}

impl<W> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("position", &self.ledger.offset()).finish_non_exhaustive()
    }
}

/// The EPOCH record that opens the key's epoch.
fn epoch_record(
    key: &EpochKey,
    seq: u64,
    offset: u64,
    salt: &[u8; EPOCH_SALT_LEN],
) -> Result<(Vec<u8>, RecordMeta), Error> {
    let header = RecordHeader { kind: RecordKind::Epoch, epoch: key.epoch(), seq, body_len: EPOCH_BODY_LEN };
    let bytes = header.encode(key.archive_id());
    let mut frame = bytes.to_vec();
    frame.extend_from_slice(salt);
    frame.extend_from_slice(&key.epoch_seal(&header, &bytes, salt)?);
    let tag = key.epoch_tag(&header, &bytes, &frame[RECORD_HEADER_LEN..], offset)?;
    let crc = record_crc(&bytes, &frame[RECORD_HEADER_LEN..]);
    frame.extend_from_slice(&crc.to_le_bytes());
    Ok((frame, RecordMeta::new(&header, offset, tag)))
}

fn refused(Breach(why): Breach) -> Error {
    Error::misuse(why)
}
