//! The last 48 bytes: a hint where END lies. Never trusted further than to look there.

use crate::ArchiveId;
use crate::bytes::Fields;

pub(crate) const TRAILER_LEN: usize = 48;
const MAGIC: [u8; 8] = *b"MAKTRL\r\n";

/// Where END and the last EPOCH lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) end_offset: u64,
    pub(crate) epoch_offset: u64,
    pub(crate) end_body_len: u32,
    pub(crate) archive_id: ArchiveId,
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.end_offset.to_le_bytes());
        out[16..24].copy_from_slice(&self.epoch_offset.to_le_bytes());
        out[24..28].copy_from_slice(&self.end_body_len.to_le_bytes());
        out[28..44].copy_from_slice(&self.archive_id.0);
        let crc = crc32fast::hash(&out[..44]);
        out[44..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The trailer, when its magic and CRC hold.
    pub(crate) fn decode(bytes: &[u8; TRAILER_LEN]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let magic: [u8; 8] = fields.array()?;
        let trailer = Self {
            end_offset: fields.u64()?,
            epoch_offset: fields.u64()?,
            end_body_len: fields.u32()?,
            archive_id: ArchiveId(fields.array()?),
        };
        (magic == MAGIC && fields.u32()? == crc32fast::hash(&bytes[..44])).then_some(trailer)
    }
}
