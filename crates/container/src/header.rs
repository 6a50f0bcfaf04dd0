//! The header: preamble, key slots and MAC, 1,120 bytes at the front of an archive and again behind END.

use std::io::Read;

use hmac::Mac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::bytes::Fields;
use crate::codec::CodecKind;
use crate::entropy::Entropy;
use crate::keys::{FileKey, Keys};
use crate::read::read_exact_at_most;
use crate::slot::{self, SLOTS, SLOTS_LEN, Slot, SlotKind};
use crate::{ArchiveId, Error, KdfParams, Limits, Part, Secret};

/// The first bytes of an archive.
pub const MAGIC: [u8; 8] = *b"\x89MAK\r\n\x1a\n";
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
pub(crate) const PREAMBLE_LEN: usize = 64;
/// The preamble's field: 8 slots of 128 bytes.
const SLOTS_LEN_FIELD: u16 = 1024;
const COVERED_LEN: usize = PREAMBLE_LEN + SLOTS_LEN;
/// Length of one copy of the header, bytes.
pub(crate) const HEADER_LEN: usize = COVERED_LEN + 32;

/// The secrets that shall open an archive from now on.
#[derive(Debug, Clone, Default)]
pub struct WriteSecrets {
    /// At most eight. Empty: not encrypted.
    pub secrets: Vec<Secret>,
    /// The cost of deriving a key from each passphrase.
    pub kdf: KdfParams,
}

/// One copy of an archive's header, checked as far as that goes without a secret.
#[derive(Clone)]
pub struct Header {
    version: (u16, u16),
    encrypted: bool,
    codec: CodecKind,
    archive_id: ArchiveId,
    slots: Vec<Slot>,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header")
            .field("version", &self.version)
            .field("encrypted", &self.encrypted)
            .field("codec", &self.codec)
            .field("archive_id", &self.archive_id)
            .field("slots", &self.slots())
            .finish_non_exhaustive()
    }
}

impl Header {
    /// Reads the header from the front of an archive; `input` is then at the first record.
    ///
    /// # Errors
    /// `NotAnArchive`, `Damaged`, `UnsupportedVersion`, `LimitExceeded`, `Truncated`, `Io`.
    pub fn read(input: &mut impl Read, limits: &Limits) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        if let Err(error) = read_exact_at_most(input, PREAMBLE_LEN, &mut bytes, 0, Part::Preamble) {
            // Too short to be judged: still say that it is none of ours when it does not begin like one.
            let begins = MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]);
            return Err(if begins { error } else { Error::NotAnArchive });
        }
        Preamble::parse(&bytes, 0)?;
        let rest = HEADER_LEN - PREAMBLE_LEN;
        read_exact_at_most(input, rest, &mut bytes, PREAMBLE_LEN as u64, Part::KeySlots)?;
        Self::parse(bytes, 0, limits)
    }

    /// Parses one copy of the header that lies at `offset`.
    pub(crate) fn parse(bytes: Vec<u8>, offset: u64, limits: &Limits) -> Result<Self, Error> {
        let preamble = Preamble::parse(&bytes, offset)?;
        let Some((covered, mac)) = bytes.split_at_checked(COVERED_LEN) else {
            return Err(Error::Truncated { part: Part::KeySlots, offset: offset + bytes.len() as u64 });
        };
        let slots = slot::decode_slots(&covered[PREAMBLE_LEN..], limits, offset + PREAMBLE_LEN as u64)?;
        if slots.is_empty() == preamble.encrypted {
            return Err(Error::damaged(Part::KeySlots, offset, "the slots in use do not fit the suite"));
        }
        if !preamble.encrypted && Sha256::digest(covered)[..] != *mac {
            return Err(Error::damaged(Part::HeaderMac, offset + COVERED_LEN as u64, "it does not hold"));
        }
        let Preamble { version, encrypted, codec, archive_id } = preamble;
        Ok(Self { version, encrypted, codec, archive_id, slots, bytes })
    }

    /// Whether the records are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The codec of every chunk.
    pub fn codec(&self) -> CodecKind {
        self.codec
    }

    /// The archive's id.
    pub fn archive_id(&self) -> ArchiveId {
        self.archive_id
    }

    /// Major and minor version of the format.
    pub fn version(&self) -> (u16, u16) {
        self.version
    }

    /// The slots in use: what kind of secret each takes.
    pub fn slots(&self) -> Vec<SlotKind> {
        self.slots.iter().map(|slot| slot.kind).collect()
    }

    /// The 1,120 bytes as they were read.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The slot area, empty slots included.
    pub(crate) fn slot_bytes(&self) -> &[u8] {
        &self.bytes[PREAMBLE_LEN..COVERED_LEN]
    }

    /// The 64 bytes that a rotation never changes.
    pub(crate) fn preamble(&self) -> &[u8] {
        &self.bytes[..PREAMBLE_LEN]
    }

    /// Finds the slot that one of the secrets opens, and checks the header's MAC.
    /// Whoever gives a secret counts on what it protects: an archive that takes none may be anybody's, and is refused.
    ///
    /// # Errors
    /// `NotEncrypted` (secrets were given), `SecretRequired`, `WrongSecret`, `NotAuthentic` (the MAC), `LimitExceeded`.
    pub fn unlock(&self, secrets: &[Secret], limits: &Limits) -> Result<Keys, Error> {
        let keys = |file_key| Keys { archive_id: self.archive_id, codec: self.codec, file_key };
        if !self.encrypted {
            return if secrets.is_empty() { Ok(keys(None)) } else { Err(Error::SecretNotNeeded) };
        }
        if secrets.is_empty() {
            return Err(Error::SecretRequired);
        }
        self.check_limits(limits)?;
        for secret in secrets {
            for slot in &self.slots {
                if let Some(file_key) = slot.unwrap(self.archive_id, secret)? {
                    self.check_mac(&file_key)?;
                    return Ok(keys(Some(file_key)));
                }
            }
        }
        Err(Error::WrongSecret { slots: self.slots.len() })
    }

    fn check_limits(&self, limits: &Limits) -> Result<(), Error> {
        limits.check_kdf_memory(slot::kdf_memory_kib(&self.slots))?;
        self.slots.iter().try_for_each(|slot| match slot.kind {
            SlotKind::Passphrase(kdf) => kdf.check(limits),
            SlotKind::KeyFile => Ok(()),
        })
    }

    /// Checks the MAC under a file key that is already known.
    pub(crate) fn check_mac(&self, file_key: &FileKey) -> Result<(), Error> {
        let (covered, mac) = self.bytes.split_at(COVERED_LEN);
        let made = file_key.header_mac(self.archive_id, covered)?.finalize().into_bytes();
        if slot::same_bytes(&made, mac) {
            return Ok(());
        }
        Err(Error::NotAuthentic { part: Part::HeaderMac, offset: COVERED_LEN as u64 })
    }

    /// Makes the header of a new archive, and the keys to write it with.
    pub(crate) fn create(
        codec: CodecKind,
        secrets: &WriteSecrets,
        entropy: &mut impl Entropy,
    ) -> Result<(Vec<u8>, Keys), Error> {
        let mut file_key = None;
        if !secrets.secrets.is_empty() {
            let mut key = Zeroizing::new([0; 32]);
            entropy.fill(key.as_mut())?;
            file_key = Some(FileKey(key));
        }
        let keys = Keys { archive_id: ArchiveId(entropy.array()?), codec, file_key };
        let preamble = Preamble {
            version: (MAJOR, MINOR),
            encrypted: keys.file_key.is_some(),
            codec,
            archive_id: keys.archive_id,
        };
        let bytes = seal_header(&preamble.encode(), &keys, secrets, entropy)?;
        Ok((bytes, keys))
    }
}

/// Lays out slots for these secrets behind a preamble, and the MAC over both.
pub(crate) fn seal_header(
    preamble: &[u8],
    keys: &Keys,
    secrets: &WriteSecrets,
    entropy: &mut impl Entropy,
) -> Result<Vec<u8>, Error> {
    Error::limit("the number of secrets", secrets.secrets.len() as u64, SLOTS as u64)?;
    let mut slots = Vec::with_capacity(SLOTS);
    if let Some(file_key) = &keys.file_key {
        check_kdf(secrets)?;
        for secret in &secrets.secrets {
            slots.push(Slot::wrap(file_key, keys.archive_id, secret, secrets.kdf, entropy)?);
        }
    }
    let mut bytes = preamble.to_vec();
    bytes.extend_from_slice(&slot::encode_slots(&slots));
    let mac = match &keys.file_key {
        Some(file_key) => file_key.header_mac(keys.archive_id, &bytes)?.finalize().into_bytes(),
        None => Sha256::digest(&bytes),
    };
    bytes.extend_from_slice(&mac);
    Ok(bytes)
}

/// Refuses to write slots that a reader with default limits would refuse.
fn check_kdf(secrets: &WriteSecrets) -> Result<(), Error> {
    let limits = Limits::default();
    let passphrases = secrets.secrets.iter().filter(|secret| matches!(secret, Secret::Passphrase(_))).count();
    if passphrases == 0 {
        return Ok(());
    }
    secrets.kdf.check(&limits)?;
    limits.check_kdf_memory(u64::from(secrets.kdf.memory_kib) * passphrases as u64)
}

/// The first 64 bytes.
struct Preamble {
    version: (u16, u16),
    encrypted: bool,
    codec: CodecKind,
    archive_id: ArchiveId,
}

impl Preamble {
    fn encode(&self) -> [u8; PREAMBLE_LEN] {
        let mut out = [0; PREAMBLE_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&self.version.0.to_le_bytes());
        out[10..12].copy_from_slice(&self.version.1.to_le_bytes());
        out[20] = u8::from(self.encrypted);
        out[21] = self.codec.to_byte();
        out[22..24].copy_from_slice(&SLOTS_LEN_FIELD.to_le_bytes());
        out[24..40].copy_from_slice(&self.archive_id.0);
        let crc = crc32fast::hash(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Magic and CRC first, then the version: whatever a later version changes, these stay.
    fn parse(bytes: &[u8], offset: u64) -> Result<Self, Error> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Error::NotAnArchive);
        }
        let damaged = |why| Error::damaged(Part::Preamble, offset, why);
        let covered = bytes.get(8..60).ok_or(Error::Truncated { part: Part::Preamble, offset })?;
        if bytes.get(60..64) != Some(&crc32fast::hash(&bytes[..60]).to_le_bytes()[..]) {
            return Err(damaged("its checksum does not hold"));
        }
        let mut fields = Fields(covered);
        let short = || damaged("it is too short");
        let version = (fields.u16().ok_or_else(short)?, fields.u16().ok_or_else(short)?);
        if version.0 != MAJOR {
            return Err(Error::UnsupportedVersion { what: "format version", value: version.0.into() });
        }
        let incompat = fields.u32().ok_or_else(short)?;
        if incompat != 0 {
            return Err(Error::UnsupportedVersion { what: "format features", value: incompat });
        }
        fields.u32().ok_or_else(short)?;
        let encrypted = match fields.u8().ok_or_else(short)? {
            0 => false,
            1 => true,
            other => return Err(Error::UnsupportedVersion { what: "cipher suite", value: other.into() }),
        };
        let codec = CodecKind::from_byte(fields.u8().ok_or_else(short)?)?;
        if fields.u16() != Some(SLOTS_LEN_FIELD) {
            return Err(damaged("the length of the key slots is not 1024"));
        }
        let archive_id = ArchiveId(fields.array().ok_or_else(short)?);
        fields.zero::<20>().ok_or_else(|| damaged("reserved bytes are not zero"))?;
        Ok(Self { version, encrypted, codec, archive_id })
    }
}
