//! A record on the wire: its 32-byte header, its stored body, its CRC.

use crate::bytes::{Fields, len_u32};
use crate::cipher::EpochKey;
use crate::limits::{BODY_BYTES_MAX, SEQ_MAX};
use crate::{ArchiveId, Error, Limits, Part, Tag};

pub(crate) const RECORD_HEADER_LEN: usize = 32;
/// Bytes of a record beside its stored body.
pub(crate) const RECORD_OVERHEAD: u64 = RECORD_HEADER_LEN as u64 + 4;
const MAGIC: [u8; 4] = *b"MREC";
const LAST: u8 = 1;

/// The type of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Opens a run of records under one data key.
    Epoch = 1,
    /// Describes a stream.
    Catalog = 2,
    /// Documents of a collection.
    Data = 3,
    /// Oplog entries.
    Oplog = 4,
    /// Closes a stream.
    StreamEnd = 5,
    /// Takes chunks back.
    Retract = 6,
    /// A point to resume from.
    Checkpoint = 7,
    /// A page of the index.
    Index = 8,
    /// The last record.
    End = 9,
}

impl RecordKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Epoch,
            2 => Self::Catalog,
            3 => Self::Data,
            4 => Self::Oplog,
            5 => Self::StreamEnd,
            6 => Self::Retract,
            7 => Self::Checkpoint,
            8 => Self::Index,
            9 => Self::End,
            _ => return None,
        })
    }

    /// Whether the index names records of this kind.
    pub fn is_indexed(self) -> bool {
        !matches!(self, Self::Epoch | Self::Index | Self::End)
    }

    /// Whether it is a chunk of documents.
    pub fn is_chunk(self) -> bool {
        matches!(self, Self::Data | Self::Oplog)
    }

    pub(crate) fn part(self) -> Part {
        match self {
            Self::Epoch => Part::Epoch,
            Self::Catalog => Part::Catalog,
            Self::Data | Self::Oplog => Part::Chunk,
            Self::StreamEnd => Part::StreamEnd,
            Self::Retract => Part::Retract,
            Self::Checkpoint => Part::RecordBody,
            Self::Index => Part::Index,
            Self::End => Part::End,
        }
    }
}

/// The fields of a record header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: RecordKind,
    pub(crate) epoch: u16,
    pub(crate) seq: u64,
    pub(crate) body_len: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self, id: ArchiveId) -> [u8; RECORD_HEADER_LEN] {
        let mut out = [0; RECORD_HEADER_LEN];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = self.kind as u8;
        out[5] = self.flags();
        out[6..8].copy_from_slice(&self.epoch.to_le_bytes());
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..20].copy_from_slice(&self.body_len.to_le_bytes());
        let crc = header_crc(id, &out);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Checks the CRC, the type, the flags and the length, in this order.
    pub(crate) fn decode(
        bytes: &[u8; RECORD_HEADER_LEN],
        id: ArchiveId,
        limits: &Limits,
        offset: u64,
    ) -> Result<Self, Error> {
        let damaged = |why| Error::damaged(Part::RecordHeader, offset, why);
        if bytes[..4] != MAGIC {
            return Err(damaged("it does not begin with the record magic"));
        }
        if bytes[28..] != header_crc(id, bytes).to_le_bytes() {
            return Err(damaged("its checksum does not hold for this archive"));
        }
        let Some(kind) = RecordKind::from_byte(bytes[4]) else {
            return Err(Error::UnsupportedVersion { what: "record type", value: bytes[4].into() });
        };
        let header = Self::fields(kind, bytes).ok_or_else(|| damaged("reserved bytes are not zero"))?;
        if bytes[5] != header.flags() {
            return Err(damaged("its flags do not fit its type"));
        }
        limits.check_body(header.body_len)?;
        Error::limit("a record number", header.seq, SEQ_MAX)?;
        Ok(header)
    }

    fn fields(kind: RecordKind, bytes: &[u8; RECORD_HEADER_LEN]) -> Option<Self> {
        let mut fields = Fields(bytes.get(6..28)?);
        let header = Self { kind, epoch: fields.u16()?, seq: fields.u64()?, body_len: fields.u32()? };
        fields.zero::<8>()?;
        Some(header)
    }

    fn flags(&self) -> u8 {
        if self.kind == RecordKind::End { LAST } else { 0 }
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> u64 {
        RECORD_OVERHEAD + u64::from(self.body_len)
    }
}

/// CRC-32 of archive id and bytes 0 to 27.
pub(crate) fn header_crc(id: ArchiveId, bytes: &[u8; RECORD_HEADER_LEN]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.0);
    hasher.update(&bytes[..28]);
    hasher.finalize()
}

/// The CRC behind the body: goes on from the header's.
pub(crate) fn record_crc(header: &[u8; RECORD_HEADER_LEN], body: &[u8]) -> u32 {
    let from = u32::from_le_bytes([header[28], header[29], header[30], header[31]]);
    let mut hasher = crc32fast::Hasher::new_with_initial(from);
    hasher.update(body);
    hasher.finalize()
}

/// Splits body and CRC, and checks the CRC. `stored` is the body and the 4 bytes behind it.
pub(crate) fn check_record_crc(
    header: &[u8; RECORD_HEADER_LEN],
    stored: &mut Vec<u8>,
    offset: u64,
) -> Result<(), Error> {
    let damaged = || Error::damaged(Part::RecordBody, offset, "its checksum does not hold");
    let (body, crc) = stored.split_last_chunk::<4>().ok_or_else(damaged)?;
    if *crc != record_crc(header, body).to_le_bytes() {
        return Err(damaged());
    }
    stored.truncate(stored.len() - 4);
    Ok(())
}

/// Starts a record in `frame`: room for the header; the caller appends the plain body.
pub(crate) fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(RECORD_HEADER_LEN, 0);
}

/// Completes a record in place: header, encryption, tag, CRC. `frame` holds 32 bytes of room and the plain body.
pub(crate) fn seal(
    frame: &mut Vec<u8>,
    kind: RecordKind,
    seq: u64,
    key: &EpochKey,
) -> Result<(RecordHeader, Tag), Error> {
    Error::limit("a record number", seq, SEQ_MAX)?;
    let body_len = len_u32("the length of a record body", frame.len() - RECORD_HEADER_LEN + key.tag_len())?;
    Error::limit("the length of a record body", body_len.into(), BODY_BYTES_MAX.into())?;
    let header = RecordHeader { kind, epoch: key.epoch(), seq, body_len };
    let bytes = header.encode(key.archive_id());
    frame[..RECORD_HEADER_LEN].copy_from_slice(&bytes);
    let tag = key.seal(&header, &bytes, frame)?;
    let crc = record_crc(&bytes, &frame[RECORD_HEADER_LEN..]);
    frame.extend_from_slice(&crc.to_le_bytes());
    Ok((header, tag))
}
