//! One epoch's data key: sealing and opening stored bodies in place, and the tag that stands for a record.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Nonce, Tag as GcmTag};
use sha2::{Digest, Sha256};

use crate::frame::{RECORD_HEADER_LEN, RecordHeader, RecordKind};
use crate::keys::Keys;
use crate::slot::same_bytes;
use crate::{ArchiveId, Error, Part, Tag};

pub(crate) const GCM_TAG_LEN: usize = 16;
pub(crate) const EPOCH_SALT_LEN: usize = 32;
/// Stored body of an EPOCH record: salt and tag.
pub(crate) const EPOCH_BODY_LEN: u32 = 48;

/// The key of one epoch, or none where nothing is encrypted.
pub(crate) struct EpochKey {
    archive_id: ArchiveId,
    epoch: u16,
    cipher: Option<Aes256Gcm>,
}

impl EpochKey {
    pub(crate) fn derive(keys: &Keys, epoch: u16, salt: &[u8; EPOCH_SALT_LEN]) -> Result<Self, Error> {
        let cipher = match &keys.file_key {
            Some(file_key) => Some(file_key.data_cipher(keys.archive_id, keys.codec, epoch, salt)?),
            None => None,
        };
        Ok(Self { archive_id: keys.archive_id, epoch, cipher })
    }

    pub(crate) fn archive_id(&self) -> ArchiveId {
        self.archive_id
    }

    pub(crate) fn epoch(&self) -> u16 {
        self.epoch
    }

    /// Bytes that sealing adds to a body.
    pub(crate) fn tag_len(&self) -> usize {
        if self.cipher.is_some() { GCM_TAG_LEN } else { 0 }
    }

    /// Encrypts everything behind the header in `frame` and appends the tag.
    pub(crate) fn seal(
        &self,
        header: &RecordHeader,
        header_bytes: &[u8; RECORD_HEADER_LEN],
        frame: &mut Vec<u8>,
    ) -> Result<Tag, Error> {
        let body = &mut frame[RECORD_HEADER_LEN..];
        let Some(cipher) = &self.cipher else { return Ok(self.plain_tag(header_bytes, body)) };
        let tag = cipher
            .encrypt_inout_detached(&nonce(header), &self.aad(header_bytes), body.into())
            .map_err(|_| Error::misuse("AES-GCM refuses a body of this length"))?;
        frame.extend_from_slice(&tag);
        Ok(Tag(tag.into()))
    }

    /// Authenticates and decrypts a stored body in place; afterwards `stored` is the plain body.
    pub(crate) fn open(
        &self,
        header: &RecordHeader,
        header_bytes: &[u8; RECORD_HEADER_LEN],
        stored: &mut Vec<u8>,
        offset: u64,
    ) -> Result<Tag, Error> {
        let Some(cipher) = &self.cipher else { return Ok(self.plain_tag(header_bytes, stored)) };
        let forged = || Error::NotAuthentic { part: header.kind.part(), offset };
        let (body, tag) = stored.split_last_chunk_mut::<GCM_TAG_LEN>().ok_or_else(forged)?;
        let tag = *tag;
        cipher
            .decrypt_inout_detached(&nonce(header), &self.aad(header_bytes), body.into(), &GcmTag::from(tag))
            .map_err(|_| forged())?;
        stored.truncate(stored.len() - GCM_TAG_LEN);
        Ok(Tag(tag))
    }

    /// The 16 bytes behind the salt of this epoch's EPOCH record: a tag over nothing but header and salt; zero
    /// where nothing is encrypted.
    pub(crate) fn epoch_seal(
        &self,
        header: &RecordHeader,
        header_bytes: &[u8; RECORD_HEADER_LEN],
        salt: &[u8; EPOCH_SALT_LEN],
    ) -> Result<[u8; GCM_TAG_LEN], Error> {
        let Some(cipher) = &self.cipher else { return Ok([0; GCM_TAG_LEN]) };
        let aad = [&self.aad(header_bytes)[..], salt].concat();
        cipher
            .encrypt_inout_detached(&nonce(header), &aad, (&mut [][..]).into())
            .map(Into::into)
            .map_err(|_| Error::misuse("AES-GCM refuses an empty body"))
    }

    /// Checks the stored body of this epoch's EPOCH record, and gives the tag that stands for the record.
    pub(crate) fn epoch_tag(
        &self,
        header: &RecordHeader,
        header_bytes: &[u8; RECORD_HEADER_LEN],
        stored: &[u8],
        offset: u64,
    ) -> Result<Tag, Error> {
        let forged = || Error::NotAuthentic { part: Part::Epoch, offset };
        let (salt, tag) = stored.split_first_chunk::<EPOCH_SALT_LEN>().ok_or_else(forged)?;
        let tag = <[u8; GCM_TAG_LEN]>::try_from(tag).map_err(|_| forged())?;
        if self.cipher.is_none() && (*salt != [0; EPOCH_SALT_LEN] || tag != [0; GCM_TAG_LEN]) {
            return Err(Error::damaged(Part::Epoch, offset, "it is not zero, and nothing is encrypted"));
        }
        if self.cipher.is_none() {
            return Ok(self.plain_tag(header_bytes, stored));
        }
        let made = self.epoch_seal(header, header_bytes, salt)?;
        if same_bytes(&made, &tag) { Ok(Tag(tag)) } else { Err(forged()) }
    }

    /// The tag of a record where nothing is encrypted.
    pub(crate) fn plain_tag(&self, header_bytes: &[u8; RECORD_HEADER_LEN], stored: &[u8]) -> Tag {
        let mut hash = Sha256::new();
        hash.update(self.archive_id.0);
        hash.update(header_bytes);
        hash.update(stored);
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash.finalize()[..16]);
        Tag(tag)
    }

    fn aad(&self, header_bytes: &[u8; RECORD_HEADER_LEN]) -> [u8; 16 + RECORD_HEADER_LEN] {
        let mut aad = [0; 16 + RECORD_HEADER_LEN];
        aad[..16].copy_from_slice(&self.archive_id.0);
        aad[16..].copy_from_slice(header_bytes);
        aad
    }
}

/// 3 zero bytes, seq big-endian, LAST: unique within an epoch, because seq is.
fn nonce(header: &RecordHeader) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&header.seq.to_be_bytes());
    nonce[11] = u8::from(header.kind == RecordKind::End);
    nonce.into()
}
