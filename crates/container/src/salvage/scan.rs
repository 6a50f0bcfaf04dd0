//! The walk over a damaged archive: every record that is authentic, from the first byte to the last. Where one is
//! damaged the walk goes on with the next header whose checksum holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::cipher::{EPOCH_BODY_LEN, EPOCH_SALT_LEN, EpochKey};
use crate::frame::{RECORD_HEADER_LEN, RecordHeader, RecordKind};
use crate::header::HEADER_LEN;
use crate::index::{IndexEntry, decode_page};
use crate::keys::Keys;
use crate::opener::{OpenScratch, Opener, decode_control};
use crate::positioned::Positioned;
use crate::record::{ChunkPrefix, RecordMeta, Retract, StreamTotals};
use crate::{Catalog, Chunk, End, Error, ErrorKind, Limits, Part, Record, Tag};

/// Bytes that are searched for a record header at once.
const WINDOW_BYTES: usize = 1 << 20;
/// Bodies that turn out damaged cost at most this much, and the length of the file twice over: headers that overlap could
/// have the same bytes read as often as there are headers.
const DAMAGED_BYTES_FREE: u64 = 1 << 30;
const MAGIC: &[u8; 4] = b"MREC";

/// An authentic record that is no chunk.
pub(super) enum Control {
    Epoch,
    Catalog(Catalog),
    StreamEnd(StreamTotals),
    Retract(Retract),
    Checkpoint,
    Page(Vec<IndexEntry>),
    End(End),
}

/// An authentic record.
pub(super) struct Found {
    pub(super) epoch: u16,
    pub(super) seq: u64,
    pub(super) tag: Tag,
    pub(super) what: What,
}

pub(super) enum What {
    Chunk(IndexEntry),
    Control(Control),
}

/// All that a walk has found, in the order of the file.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) records: Vec<Found>,
    /// Record numbers and types of damaged records whose header's checksum holds. Nothing authenticates these.
    pub(super) damaged: BTreeMap<u64, RecordKind>,
    /// The record number of each authentic EPOCH record.
    pub(super) epoch_starts: BTreeMap<u16, u64>,
    pub(super) keys: HashMap<u16, Arc<EpochKey>>,
}

/// Walks over one archive.
pub(super) struct Scan<'a> {
    file: &'a Positioned,
    keys: &'a Keys,
    limits: &'a Limits,
    /// Whether a chunk holds what it says, as far as that is the caller's business.
    is_sound: &'a dyn Fn(&Chunk) -> bool,
    opener: Opener,
    scratch: OpenScratch,
    scanned: Scanned,
    damaged_bytes_left: u64,
    buffer: Vec<u8>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        file: &'a Positioned,
        keys: &'a Keys,
        limits: &'a Limits,
        is_sound: &'a dyn Fn(&Chunk) -> bool,
    ) -> Self {
        let (opener, scratch) = (Opener::new(keys.codec, limits.clone()), OpenScratch::new());
        let damaged_bytes_left = file.len().saturating_mul(2).saturating_add(DAMAGED_BYTES_FREE);
        let (scanned, buffer) = (Scanned::default(), Vec::new());
        Self { file, keys, limits, is_sound, opener, scratch, scanned, damaged_bytes_left, buffer }
    }

    /// Walks to the end of the file. `progress` hears of every byte once, and says whether to go on.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(u64) -> bool) -> Result<Option<Scanned>, Error> {
        let mut offset = HEADER_LEN as u64;
        while offset < self.file.len() {
            let next = match self.header(offset)? {
                Some((header, bytes)) => self.record(offset, &header, &bytes)?,
                None => self.next_header(offset + 1, self.file.len())?,
            };
            if !progress(next - offset) {
                return Ok(None);
            }
            offset = next;
        }
        Ok(Some(self.scanned))
    }

    /// The record header there, if one is there at all.
    fn header(&self, offset: u64) -> Result<Option<(RecordHeader, [u8; RECORD_HEADER_LEN])>, Error> {
        none_of_damage(self.file.record_header(offset, self.keys.archive_id, self.limits))
    }

    /// Takes the record with this header, and says where the next one may lie.
    fn record(
        &mut self,
        offset: u64,
        header: &RecordHeader,
        bytes: &[u8; RECORD_HEADER_LEN],
    ) -> Result<u64, Error> {
        let end = offset.saturating_add(header.record_len());
        let costs = u64::from(header.body_len);
        let can_afford = costs <= self.damaged_bytes_left;
        if can_afford {
            if let Some(found) = none_of_damage(self.authentic(offset, header, bytes))? {
                self.scanned.records.push(found);
                return Ok(end);
            }
            self.damaged_bytes_left -= costs;
        }
        self.scanned.damaged.entry(header.seq).or_insert(header.kind);
        if !can_afford {
            return Ok(end.min(self.file.len()));
        }
        // Its length may be right all the same. Then what lies inside it, which others may have written, is not looked at.
        if end <= self.file.len() && (end == self.file.len() || self.header(end)?.is_some()) {
            return Ok(end);
        }
        self.next_header(offset + RECORD_HEADER_LEN as u64, self.file.len())
    }

    fn authentic(
        &mut self,
        offset: u64,
        header: &RecordHeader,
        bytes: &[u8; RECORD_HEADER_LEN],
    ) -> Result<Found, Error> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut body = self.file.record_body(offset, header, bytes, buffer)?;
        let Some(key) = self.key(header, &body)? else {
            return Err(Error::damaged(Part::Epoch, offset, "it is lost, and with it the key of its epoch"));
        };
        let tag = if header.kind == RecordKind::Epoch {
            key.epoch_tag(header, bytes, &body, offset)?
        } else {
            key.open(header, bytes, &mut body, offset)?
        };
        let meta = RecordMeta::new(header, offset, tag);
        let what = match header.kind {
            RecordKind::Data | RecordKind::Oplog => What::Chunk(self.chunk(&meta, &body)?),
            _ => What::Control(control(meta, std::mem::take(&mut body))?),
        };
        if header.kind == RecordKind::Epoch {
            self.scanned.epoch_starts.entry(header.epoch).or_insert(header.seq);
        }
        self.scanned.keys.entry(header.epoch).or_insert(key);
        self.buffer = body;
        Ok(Found { epoch: header.epoch, seq: header.seq, tag, what })
    }

    /// The key of a record's epoch. Where nothing is encrypted, it does not take the EPOCH record to have it.
    fn key(&self, header: &RecordHeader, body: &[u8]) -> Result<Option<Arc<EpochKey>>, Error> {
        if let Some(key) = self.scanned.keys.get(&header.epoch) {
            return Ok(Some(Arc::clone(key)));
        }
        let salt = match header.kind {
            RecordKind::Epoch if header.body_len == EPOCH_BODY_LEN => body.first_chunk::<EPOCH_SALT_LEN>(),
            _ if self.keys.file_key.is_none() => Some(&[0; EPOCH_SALT_LEN]),
            _ => None,
        };
        salt.map(|salt| EpochKey::derive(self.keys, header.epoch, salt).map(Arc::new)).transpose()
    }

    /// A chunk counts only if all of it can be had.
    fn chunk(&mut self, meta: &RecordMeta, body: &[u8]) -> Result<IndexEntry, Error> {
        let Some((prefix, _)) = ChunkPrefix::decode(body) else {
            return Err(Error::damaged(Part::Chunk, meta.offset, "it is too short"));
        };
        let chunk = self.opener.chunk(meta, None, body, &mut self.scratch)?;
        let is_sound = (self.is_sound)(&chunk);
        self.scratch.recycle(chunk.bytes);
        if !is_sound {
            return Err(Error::damaged(Part::Chunk, meta.offset, "it does not hold the documents it states"));
        }
        Ok(IndexEntry::chunk(meta, &prefix))
    }

    /// Where the next record header lies whose checksum holds; the end of the file where there is none.
    fn next_header(&mut self, from: u64, end: u64) -> Result<u64, Error> {
        let mut start = from;
        let mut window = Vec::new();
        while start < end {
            let len = usize::try_from(end - start).unwrap_or(usize::MAX).min(WINDOW_BYTES);
            self.file.read(start, len, Part::RecordHeader, &mut window)?;
            let places = window.windows(MAGIC.len()).enumerate().filter(|(_, four)| *four == MAGIC);
            for (place, _) in places {
                let offset = start + place as u64;
                if self.header(offset)?.is_some() {
                    return Ok(offset);
                }
            }
            // The magic may lie across the windows.
            let overlap = if len == WINDOW_BYTES { MAGIC.len() - 1 } else { 0 };
            start += (len - overlap) as u64;
        }
        Ok(end)
    }
}

fn control(meta: RecordMeta, body: Vec<u8>) -> Result<Control, Error> {
    Ok(match decode_control(meta, body)? {
        Record::Epoch { .. } => Control::Epoch,
        Record::Catalog { stream, body, .. } => Control::Catalog(Catalog { stream, body }),
        Record::StreamEnd { totals, .. } => Control::StreamEnd(totals),
        Record::Retract { retract, .. } => Control::Retract(retract),
        Record::Checkpoint { .. } | Record::Chunk { .. } => Control::Checkpoint,
        Record::IndexPage { page, .. } => Control::Page(decode_page(&page).ok_or_else(|| {
            Error::damaged(Part::Index, meta.offset, "its fields are not what the format allows")
        })?),
        Record::End { end, .. } => Control::End(end),
    })
}

/// What is wrong with one record ends nothing; that the file cannot be read does.
fn none_of_damage<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_of_the_record(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_of_the_record(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Damaged
            | ErrorKind::NotAuthentic
            | ErrorKind::Inconsistent
            | ErrorKind::Truncated
            | ErrorKind::LimitExceeded
            | ErrorKind::UnsupportedVersion
    )
}
