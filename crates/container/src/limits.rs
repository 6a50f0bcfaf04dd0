//! What a reader accepts before it sets memory aside, and what a writer may therefore write.

use crate::Error;

/// Longest stored body of a record, bytes.
pub const BODY_BYTES_MAX: u32 = 64 << 20;
/// Longest raw content of a chunk, bytes.
pub const RAW_BYTES_MAX: u32 = 48 << 20;
/// Largest zstd window, bytes.
pub(crate) const ZSTD_WINDOW_BYTES_MAX: u64 = 16 << 20;
/// Entries of an INDEX page.
pub(crate) const PAGE_ENTRIES_MAX: u32 = 65_536;
/// EPOCH records of an archive.
pub(crate) const EPOCHS_MAX: u16 = u16::MAX;
/// Highest record number.
pub(crate) const SEQ_MAX: u64 = (1 << 48) - 1;
/// Highest total of Argon2id memory over all slots that an operator may allow, KiB.
pub const KDF_MEMORY_KIB_CEILING: u32 = 2 << 20;

/// What a reader accepts. The default is right for every archive that mongoark writes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Argon2id memory, KiB, added over all slots; at most [`KDF_MEMORY_KIB_CEILING`], whatever is set here.
    pub kdf_memory_kib: u32,
    /// Argon2id passes of one slot.
    pub kdf_passes: u32,
    /// Argon2id lanes of one slot.
    pub kdf_lanes: u32,
    /// Stored body of one record, bytes; at most [`BODY_BYTES_MAX`].
    pub body_bytes: u32,
    /// Raw content of one chunk, bytes; at most [`RAW_BYTES_MAX`].
    pub raw_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            kdf_memory_kib: 256 << 10,
            kdf_passes: 10,
            kdf_lanes: 16,
            body_bytes: BODY_BYTES_MAX,
            raw_bytes: RAW_BYTES_MAX,
        }
    }
}

impl Limits {
    pub(crate) fn check_body(&self, body_len: u32) -> Result<(), Error> {
        Error::limit(
            "the length of a record body",
            body_len.into(),
            self.body_bytes.min(BODY_BYTES_MAX).into(),
        )
    }

    pub(crate) fn check_raw(&self, raw_len: u32) -> Result<(), Error> {
        Error::limit("the raw length of a chunk", raw_len.into(), self.raw_bytes.min(RAW_BYTES_MAX).into())
    }

    pub(crate) fn check_kdf_memory(&self, total_kib: u64) -> Result<(), Error> {
        let limit = self.kdf_memory_kib.min(KDF_MEMORY_KIB_CEILING);
        Error::limit("the Argon2id memory (KiB) of all key slots together", total_kib, limit.into())
    }
}
