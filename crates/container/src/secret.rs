//! The operator's secrets: passphrases and key files. They are wiped on drop and never shown.

use std::fmt;

use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::key_file::KeyFile;
use crate::{Error, KdfParams};

/// Something that opens a key slot.
#[derive(Clone)]
pub enum Secret {
    /// A passphrase, stretched by Argon2id.
    Passphrase(Passphrase),
    /// A key file's 32 random bytes.
    KeyFile(KeyFile),
}

/// A passphrase: any bytes, at least one. Clones share the key that was derived last, so that many archives under one
/// passphrase and salt cost one derivation.
#[derive(Clone)]
pub struct Passphrase {
    bytes: Zeroizing<Vec<u8>>,
    derived: Arc<Mutex<Option<Derived>>>,
}

/// A key that was derived, and from what.
struct Derived {
    kdf: KdfParams,
    salt: [u8; 16],
    key: Zeroizing<[u8; 32]>,
}

impl Passphrase {
    /// Takes the passphrase as it was given; a caller strips its line end before.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) when it is empty.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Error> {
        let bytes = Zeroizing::new(bytes);
        if bytes.is_empty() {
            return Err(Error::misuse("the passphrase is empty"));
        }
        Ok(Self { bytes, derived: Arc::default() })
    }

    /// The key for this cost and salt. The caller has checked the parameters.
    pub(crate) fn key(&self, kdf: KdfParams, salt: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = derived.as_ref().filter(|found| found.kdf == kdf && found.salt == *salt) {
            return Ok(found.key.clone());
        }
        let key = kdf.derive(&self.bytes, salt)?;
        *derived = Some(Derived { kdf, salt: *salt, key: key.clone() });
        Ok(key)
    }

    /// The salt of the key that was derived last, where its cost was this one.
    pub(crate) fn salt(&self, kdf: KdfParams) -> Option<[u8; 16]> {
        let derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        derived.as_ref().filter(|found| found.kdf == kdf).map(|found| found.salt)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(passphrase) => passphrase.fmt(f),
            Self::KeyFile(key) => key.fmt(f),
        }
    }
}
