//! The operator's secrets: passphrases and key files. They are wiped on drop and never shown.

use std::fmt;

use zeroize::Zeroizing;

use crate::Error;
use crate::key_file::KeyFile;

/// Something that opens a key slot.
#[derive(Clone)]
pub enum Secret {
    /// A passphrase, stretched by Argon2id.
    Passphrase(Passphrase),
    /// A key file's 32 random bytes.
    KeyFile(KeyFile),
}

/// A passphrase: any bytes, at least one.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

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
        Ok(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
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
