//! The index of an archive in a file: read from END backwards, then checked against itself from the first record on.

use std::sync::Arc;

use crate::cipher::{EPOCH_BODY_LEN, EPOCH_SALT_LEN, EpochKey};
use crate::end::{EpochRef, PageRef};
use crate::file_reader::read_entry;
use crate::frame::{RecordHeader, RecordKind};
use crate::index::{IndexEntry, decode_page};
use crate::keys::Keys;
use crate::ledger::Ledger;
use crate::locate::Located;
use crate::opener::{OpenScratch, Opener};
use crate::positioned::Positioned;
use crate::record::{RecordMeta, StreamTotals};
use crate::verifier::inconsistent;
use crate::{End, Error, Limits, Part, Record};

/// All that is known of an archive before its chunks are read.
pub(crate) struct FileIndex {
    pub(crate) end: End,
    /// Without retracted chunks.
    pub(crate) entries: Vec<IndexEntry>,
    /// Retracted chunks alone.
    pub(crate) retracted: Vec<IndexEntry>,
    pub(crate) streams: Vec<StreamTotals>,
    epochs: Vec<Epoch>,
}

impl std::fmt::Debug for FileIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileIndex").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

/// An EPOCH record that was authenticated.
struct Epoch {
    meta: RecordMeta,
    key: Arc<EpochKey>,
}

/// An INDEX record that was authenticated.
struct OpenedPage {
    meta: RecordMeta,
    body: Vec<u8>,
}

impl FileIndex {
    /// The key of the epoch that a record number lies in.
    pub(crate) fn key_of(&self, seq: u64) -> Option<&Arc<EpochKey>> {
        epoch_of(&self.epochs, seq).map(|epoch| &epoch.key)
    }
}

fn epoch_of(epochs: &[Epoch], seq: u64) -> Option<&Epoch> {
    let after = epochs.partition_point(|epoch| epoch.meta.seq <= seq);
    epochs.get(after.checked_sub(1)?)
}

/// Authenticates END, EPOCH and INDEX records, and replays the account of all records from them.
pub(crate) fn read_index(
    file: &Positioned,
    keys: &Keys,
    located: &Located,
    limits: &Limits,
) -> Result<FileIndex, Error> {
    let source = Source { file, keys, limits };
    let last = source.epoch(located.epoch_offset)?;
    let (end_meta, end) = source.end(located.end_offset, &last.key)?;
    let epochs = end.epochs.iter().map(|place| source.epoch_at(place)).collect::<Result<Vec<_>, _>>()?;
    let mut replay = Replay {
        source: &source,
        ledger: Ledger::new(keys.archive_id),
        scratch: OpenScratch::new(),
        next_epoch: 0,
        epochs,
        entries: Vec::new(),
        streams: Vec::new(),
        retracted: Vec::new(),
    };
    for place in &end.pages {
        let (page, entries) = replay.read_page(place)?;
        replay.entries(&entries)?;
        replay.page(&page)?;
    }
    replay.open_epochs_up_to(end_meta.seq)?;
    replay.ledger.finish(&end_meta, &end).map_err(|breach| inconsistent(&end_meta, &breach))?;
    let retracted = replay.take_retracted();
    let Replay { epochs, entries, streams, .. } = replay;
    Ok(FileIndex { end, entries, retracted, streams, epochs })
}

/// Where records come from.
struct Source<'a> {
    file: &'a Positioned,
    keys: &'a Keys,
    limits: &'a Limits,
}

impl Source<'_> {
    fn opener(&self) -> Opener {
        Opener::new(self.keys.codec, self.limits.clone())
    }

    fn epoch(&self, offset: u64) -> Result<Epoch, Error> {
        let damaged = |why| Error::damaged(Part::Epoch, offset, why);
        let (header, bytes) = self.file.record_header(offset, self.keys.archive_id, self.limits)?;
        if header.kind != RecordKind::Epoch || header.body_len != EPOCH_BODY_LEN {
            return Err(damaged("no EPOCH record lies there"));
        }
        let body = self.file.record_body(offset, &header, &bytes, Vec::new())?;
        let salt = body.first_chunk::<EPOCH_SALT_LEN>().ok_or_else(|| damaged("it is too short"))?;
        let key = Arc::new(EpochKey::derive(self.keys, header.epoch, salt)?);
        let tag = key.epoch_tag(&header, &bytes, &body, offset)?;
        Ok(Epoch { meta: RecordMeta::new(&header, offset, tag), key })
    }

    fn epoch_at(&self, place: &EpochRef) -> Result<Epoch, Error> {
        let epoch = self.epoch(place.offset)?;
        if epoch.meta.seq != place.seq {
            return Err(Error::Reordered {
                expected: place.seq,
                found: epoch.meta.seq,
                offset: place.offset,
            });
        }
        Ok(epoch)
    }

    fn end(&self, offset: u64, key: &Arc<EpochKey>) -> Result<(RecordMeta, End), Error> {
        let (header, _) = self.file.record_header(offset, self.keys.archive_id, self.limits)?;
        if header.kind != RecordKind::End || header.epoch != key.epoch() {
            return Err(Error::damaged(Part::End, offset, "no END record lies there"));
        }
        match self.open(offset, &header, key)? {
            Record::End { meta, end } => Ok((meta, end)),
            _ => Err(Error::damaged(Part::End, offset, "no END record lies there")),
        }
    }

    /// Opens a record that no index entry promises.
    fn open(&self, offset: u64, header: &RecordHeader, key: &Arc<EpochKey>) -> Result<Record, Error> {
        let header_bytes = header.encode(self.keys.archive_id);
        let body = self.file.record_body(offset, header, &header_bytes, Vec::new())?;
        let stored = crate::opener::StoredRecord {
            header: *header,
            header_bytes,
            offset,
            body,
            key: Arc::clone(key),
            promised: None,
        };
        self.opener().open(stored, &mut OpenScratch::new())
    }
}

/// Replays the account from authenticated EPOCH, INDEX, `STREAM_END` and RETRACT records.
struct Replay<'a> {
    source: &'a Source<'a>,
    ledger: Ledger,
    scratch: OpenScratch,
    next_epoch: usize,
    epochs: Vec<Epoch>,
    entries: Vec<IndexEntry>,
    streams: Vec<StreamTotals>,
    /// Record numbers of the chunks that were retracted.
    retracted: Vec<u64>,
}

impl Replay<'_> {
    fn read_page(&self, place: &PageRef) -> Result<(OpenedPage, Vec<IndexEntry>), Error> {
        let offset = place.offset;
        let damaged = |why| Error::damaged(Part::Index, offset, why);
        let source = self.source;
        let (header, _) = source.file.record_header(offset, source.keys.archive_id, source.limits)?;
        if header.seq != place.seq {
            return Err(Error::Reordered { expected: place.seq, found: header.seq, offset });
        }
        if header.kind != RecordKind::Index || header.body_len != place.body_len {
            return Err(damaged("no INDEX record lies there"));
        }
        let epoch = epoch_of(&self.epochs, header.seq).filter(|epoch| epoch.meta.epoch == header.epoch);
        let key = &epoch.ok_or_else(|| damaged("it bears another epoch than the one in force"))?.key;
        let Record::IndexPage { meta, page } = source.open(offset, &header, key)? else {
            return Err(damaged("no INDEX record lies there"));
        };
        let entries =
            decode_page(&page).ok_or_else(|| damaged("its fields are not what the format allows"))?;
        if entries.len() as u64 != u64::from(place.entries) {
            return Err(damaged("it holds another number of entries than END states"));
        }
        Ok((OpenedPage { meta, body: page }, entries))
    }

    fn entries(&mut self, entries: &[IndexEntry]) -> Result<(), Error> {
        for entry in entries {
            self.open_epochs_up_to(entry.seq)?;
            self.entry(entry)?;
        }
        self.entries.extend_from_slice(entries);
        Ok(())
    }

    fn page(&mut self, page: &OpenedPage) -> Result<(), Error> {
        self.open_epochs_up_to(page.meta.seq)?;
        self.ledger.index(&page.meta, &page.body).map_err(|breach| inconsistent(&page.meta, &breach))
    }

    /// Counts the EPOCH records before a record number.
    fn open_epochs_up_to(&mut self, seq: u64) -> Result<(), Error> {
        while let Some(epoch) = self.epochs.get(self.next_epoch).filter(|epoch| epoch.meta.seq < seq) {
            self.ledger.open_epoch(&epoch.meta).map_err(|breach| inconsistent(&epoch.meta, &breach))?;
            self.next_epoch += 1;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &IndexEntry) -> Result<(), Error> {
        let Some(epoch) = self.next_epoch.checked_sub(1).and_then(|index| self.epochs.get(index)) else {
            return Err(Error::damaged(
                Part::Index,
                entry.offset,
                "it names a record before the first EPOCH",
            ));
        };
        let number = epoch.meta.epoch;
        let meta = entry.meta(number);
        let counted = match entry.kind {
            RecordKind::Data | RecordKind::Oplog => self.ledger.chunk(number, entry),
            RecordKind::StreamEnd | RecordKind::Retract => {
                let key = Arc::clone(&epoch.key);
                return self.told(entry, &key);
            }
            _ => self.ledger.control(&meta, entry.stream),
        };
        counted.map_err(|breach| inconsistent(&meta, &breach))
    }

    /// A record whose content is part of the account.
    fn told(&mut self, entry: &IndexEntry, key: &Arc<EpochKey>) -> Result<(), Error> {
        let stored = read_entry(self.source.file, entry, key, self.source.limits, Vec::new())?;
        let counted = match self.source.opener().open(stored, &mut self.scratch)? {
            Record::StreamEnd { meta, totals } => {
                self.streams.push(totals);
                self.ledger.end_stream(&meta, &totals)
            }
            Record::Retract { meta, retract } => {
                self.ledger.retract(&meta, &retract).map(|seqs| self.retracted.extend(seqs))
            }
            _ => return Err(Error::damaged(entry.kind.part(), entry.offset, "it is of another type")),
        };
        counted.map_err(|breach| inconsistent(&entry.meta(key.epoch()), &breach))
    }

    /// Moves the retracted chunks out of the entries.
    fn take_retracted(&mut self) -> Vec<IndexEntry> {
        let Self { entries, retracted, .. } = self;
        if retracted.is_empty() {
            return Vec::new();
        }
        retracted.sort_unstable();
        entries.extract_if(.., |entry| retracted.binary_search(&entry.seq).is_ok()).collect()
    }
}
