//! The file key and what is derived from it (HKDF-SHA-256, RFC 5869): wrapping, header MAC, data keys.

use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag as GcmTag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::codec::CodecKind;
use crate::{ArchiveId, Error};

/// The archive's own 32-byte key. Whoever holds it can read and forge the archive.
#[derive(Clone)]
pub(crate) struct FileKey(pub(crate) Zeroizing<[u8; 32]>);

/// What unlocking a header yields: enough to open records. Holds no key when the archive is not encrypted.
#[derive(Clone)]
pub struct Keys {
    pub(crate) archive_id: ArchiveId,
    pub(crate) codec: CodecKind,
    pub(crate) file_key: Option<FileKey>,
}

impl Keys {
    /// The archive that these keys belong to.
    pub fn archive_id(&self) -> ArchiveId {
        self.archive_id
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, redacted)", self.archive_id)
    }
}

/// HKDF with salt and info given in pieces.
fn derive(ikm: &[u8; 32], salt: &[&[u8]], info: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let salt = salt.concat();
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(&salt), ikm)
        .expand_multi_info(info, key.as_mut())
        .map_err(|_| Error::misuse("HKDF refuses the length of a key"))?;
    Ok(key)
}

impl FileKey {
    /// The HMAC over preamble and slots.
    pub(crate) fn header_mac(&self, id: ArchiveId, covered: &[u8]) -> Result<Hmac<Sha256>, Error> {
        let key = derive(&self.0, &[&id.0], &[b"mongoark v1 header"])?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_ref())
            .map_err(|_| Error::misuse("HMAC refuses the length of a key"))?;
        mac.update(covered);
        Ok(mac)
    }

    /// The cipher of one epoch's records.
    pub(crate) fn data_cipher(
        &self,
        id: ArchiveId,
        codec: CodecKind,
        epoch: u16,
        salt: &[u8; 32],
    ) -> Result<Aes256Gcm, Error> {
        const SUITE: u8 = 1;
        let info: [&[u8]; 4] = [b"mongoark v1 data", &id.0, &[SUITE, codec.to_byte()], &epoch.to_le_bytes()];
        let key = derive(&self.0, &[salt], &info)?;
        Ok(Aes256Gcm::new((&*key).into()))
    }

    /// Wraps the file key under a slot's secret key.
    pub(crate) fn wrap(&self, wrapping: &Wrapping<'_>) -> Result<[u8; 48], Error> {
        let mut out = [0; 48];
        let (body, tag) = out.split_at_mut(32);
        body.copy_from_slice(self.0.as_ref());
        let made = wrapping
            .cipher()?
            .encrypt_inout_detached(&[0; 12].into(), &wrapping.aad(), body.into())
            .map_err(|_| Error::misuse("AES-GCM refuses to wrap a key"))?;
        tag.copy_from_slice(&made);
        Ok(out)
    }

    /// Unwraps a file key; `None` when the secret is not this slot's.
    pub(crate) fn unwrap(wrapping: &Wrapping<'_>, wrapped: &[u8; 48]) -> Result<Option<Self>, Error> {
        let (body, tag) = wrapped.split_at(32);
        let (Ok(key), Ok(tag)) = (<[u8; 32]>::try_from(body), GcmTag::try_from(tag)) else {
            return Ok(None);
        };
        let mut key = Zeroizing::new(key);
        let opened = wrapping.cipher()?.decrypt_inout_detached(
            &[0; 12].into(),
            &wrapping.aad(),
            key.as_mut_slice().into(),
            &tag,
        );
        Ok(opened.is_ok().then_some(Self(key)))
    }
}

/// What a wrapping is bound to.
pub(crate) struct Wrapping<'a> {
    pub(crate) secret_key: &'a [u8; 32],
    pub(crate) archive_id: ArchiveId,
    pub(crate) wrap_salt: &'a [u8; 16],
    /// Bytes 0 to 47 of the slot.
    pub(crate) slot_head: &'a [u8; 48],
}

impl Wrapping<'_> {
    fn cipher(&self) -> Result<Aes256Gcm, Error> {
        let key = derive(self.secret_key, &[&self.archive_id.0, self.wrap_salt], &[b"mongoark v1 wrap"])?;
        Ok(Aes256Gcm::new((&*key).into()))
    }

    fn aad(&self) -> Vec<u8> {
        [&self.slot_head[..], &self.archive_id.0].concat()
    }
}
