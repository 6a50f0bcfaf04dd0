//! Key slots: eight places of 128 bytes, each empty or holding the file key under one secret.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::bytes::Fields;
use crate::entropy::Entropy;
use crate::kdf::KdfParams;
use crate::keys::{FileKey, Wrapping};
use crate::{ArchiveId, Error, Limits, Part, Secret};

pub(crate) const SLOT_LEN: usize = 128;
pub(crate) const SLOTS: usize = 8;
pub(crate) const SLOTS_LEN: usize = SLOT_LEN * SLOTS;

/// What kind of secret a slot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// A passphrase, with the cost of deriving its key.
    Passphrase(KdfParams),
    /// A key file.
    KeyFile,
}

/// A slot in use.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) kind: SlotKind,
    kdf_salt: [u8; 16],
    wrap_salt: [u8; 16],
    wrapped: [u8; 48],
}

impl Slot {
    /// Wraps the file key for a secret, with a fresh wrap salt. The salt of a passphrase is that of its last archive, so
    /// that the slices of one capture cost one derivation.
    pub(crate) fn wrap(
        file_key: &FileKey,
        archive_id: ArchiveId,
        secret: &Secret,
        kdf: KdfParams,
        entropy: &mut impl Entropy,
    ) -> Result<Self, Error> {
        let (kind, kdf_salt) = match secret {
            Secret::Passphrase(passphrase) => {
                let salt = passphrase.salt(kdf).map_or_else(|| entropy.array(), Ok)?;
                (SlotKind::Passphrase(kdf), salt)
            }
            Secret::KeyFile(_) => (SlotKind::KeyFile, [0; 16]),
        };
        let mut slot = Self { kind, kdf_salt, wrap_salt: entropy.array()?, wrapped: [0; 48] };
        let Some(secret_key) = slot.secret_key(secret)? else {
            return Err(Error::misuse("a secret does not fit its own slot"));
        };
        slot.wrapped = file_key.wrap(&slot.wrapping(&secret_key, archive_id, &slot.head()))?;
        Ok(slot)
    }

    /// The file key, when `secret` is this slot's.
    pub(crate) fn unwrap(&self, archive_id: ArchiveId, secret: &Secret) -> Result<Option<FileKey>, Error> {
        let Some(secret_key) = self.secret_key(secret)? else { return Ok(None) };
        FileKey::unwrap(&self.wrapping(&secret_key, archive_id, &self.head()), &self.wrapped)
    }

    fn secret_key(&self, secret: &Secret) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
        match (self.kind, secret) {
            (SlotKind::Passphrase(kdf), Secret::Passphrase(passphrase)) => {
                passphrase.key(kdf, &self.kdf_salt).map(Some)
            }
            (SlotKind::KeyFile, Secret::KeyFile(key)) => Ok(Some(Zeroizing::new(*key.as_bytes()))),
            _ => Ok(None),
        }
    }

    fn wrapping<'a>(
        &'a self,
        secret_key: &'a [u8; 32],
        archive_id: ArchiveId,
        slot_head: &'a [u8; 48],
    ) -> Wrapping<'a> {
        Wrapping { secret_key, archive_id, wrap_salt: &self.wrap_salt, slot_head }
    }

    /// Bytes 0 to 47: all that comes before the wrapped key.
    fn head(&self) -> [u8; 48] {
        let (kind, kdf) = match self.kind {
            SlotKind::Passphrase(kdf) => (1u8, kdf),
            SlotKind::KeyFile => (2, KdfParams { memory_kib: 0, passes: 0, lanes: 0 }),
        };
        let mut out = [0; 48];
        out[0] = kind;
        out[4..20].copy_from_slice(&self.kdf_salt);
        out[20..36].copy_from_slice(&self.wrap_salt);
        out[36..40].copy_from_slice(&kdf.memory_kib.to_le_bytes());
        out[40..44].copy_from_slice(&kdf.passes.to_le_bytes());
        out[44..48].copy_from_slice(&kdf.lanes.to_le_bytes());
        out
    }

    fn encode(&self) -> [u8; SLOT_LEN] {
        let mut out = [0; SLOT_LEN];
        out[..48].copy_from_slice(&self.head());
        out[48..96].copy_from_slice(&self.wrapped);
        with_crc(out)
    }

    /// Reads one slot; `None` when it is empty. `offset` is where the slot lies in the archive.
    fn decode(bytes: &[u8; SLOT_LEN], limits: &Limits, offset: u64) -> Result<Option<Self>, Error> {
        if with_crc(*bytes) != *bytes {
            return Err(Error::damaged(Part::KeySlots, offset, "its checksum does not hold"));
        }
        let malformed = || Error::damaged(Part::KeySlots, offset, "reserved bytes are not zero");
        let Some((kind, raw)) = RawSlot::read(bytes) else { return Err(malformed()) };
        let no_kdf = raw.kdf == KdfParams { memory_kib: 0, passes: 0, lanes: 0 } && raw.kdf_salt == [0; 16];
        let kind = match kind {
            0 if bytes[..SLOT_LEN - 4] == [0; SLOT_LEN - 4] => return Ok(None),
            1 => {
                raw.kdf.check(limits)?;
                SlotKind::Passphrase(raw.kdf)
            }
            2 if no_kdf => SlotKind::KeyFile,
            0 | 2 => return Err(malformed()),
            other => return Err(Error::UnsupportedVersion { what: "key slot type", value: other.into() }),
        };
        Ok(Some(Self { kind, kdf_salt: raw.kdf_salt, wrap_salt: raw.wrap_salt, wrapped: raw.wrapped }))
    }
}

/// A slot's fields before they are judged.
struct RawSlot {
    kdf_salt: [u8; 16],
    wrap_salt: [u8; 16],
    kdf: KdfParams,
    wrapped: [u8; 48],
}

impl RawSlot {
    fn read(bytes: &[u8; SLOT_LEN]) -> Option<(u8, Self)> {
        let mut fields = Fields(bytes);
        let kind = fields.u8()?;
        fields.zero::<3>()?;
        let (kdf_salt, wrap_salt) = (fields.array()?, fields.array()?);
        let kdf = KdfParams { memory_kib: fields.u32()?, passes: fields.u32()?, lanes: fields.u32()? };
        let wrapped = fields.array()?;
        fields.zero::<28>()?;
        Some((kind, Self { kdf_salt, wrap_salt, kdf, wrapped }))
    }
}

fn with_crc(mut slot: [u8; SLOT_LEN]) -> [u8; SLOT_LEN] {
    let crc = crc32fast::hash(&slot[..SLOT_LEN - 4]);
    slot[SLOT_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// Lays out the slot area; the rest of the eight places is empty.
pub(crate) fn encode_slots(slots: &[Slot]) -> Vec<u8> {
    let mut out: Vec<u8> = slots.iter().flat_map(Slot::encode).collect();
    while out.len() < SLOTS_LEN {
        out.extend_from_slice(&with_crc([0; SLOT_LEN]));
    }
    out
}

/// Reads the slot area; refuses it when the slots together ask for too much Argon2id memory.
pub(crate) fn decode_slots(area: &[u8], limits: &Limits, area_offset: u64) -> Result<Vec<Slot>, Error> {
    let (places, _) = area.as_chunks::<SLOT_LEN>();
    let mut slots = Vec::with_capacity(SLOTS);
    for (place, offset) in places.iter().zip((area_offset..).step_by(SLOT_LEN)) {
        slots.extend(Slot::decode(place, limits, offset)?);
    }
    limits.check_kdf_memory(kdf_memory_kib(&slots))?;
    Ok(slots)
}

/// Argon2id memory of all slots together, KiB.
pub(crate) fn kdf_memory_kib(slots: &[Slot]) -> u64 {
    let memory = |slot: &Slot| match slot.kind {
        SlotKind::Passphrase(kdf) => u64::from(kdf.memory_kib),
        SlotKind::KeyFile => 0,
    };
    slots.iter().map(memory).sum()
}

/// Compares without telling by time where the first difference is.
pub(crate) fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
