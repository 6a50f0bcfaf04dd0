//! Key files: 32 random bytes with a magic and a checksum, readable by their owner alone.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::Error;
use crate::entropy::{Entropy, OsEntropy};

const MAGIC: [u8; 8] = *b"\x89MKY\r\n\x1a\n";
const LEN: usize = 44;

/// The 32 random bytes of a key file.
#[derive(Clone)]
pub struct KeyFile(Zeroizing<[u8; 32]>);

impl KeyFile {
    /// A fresh random key, in memory only.
    pub fn generate() -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        OsEntropy.fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// Generates a key and writes it to a new file with mode 0600, synced to disk with its directory.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists) when the file is there already: a key is never replaced.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let key = Self::generate()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_path_buf() },
            _ => Error::File { op: "create key file", path: path.to_path_buf(), source },
        })?;
        file.write_all(key.encode().as_ref()).map_err(Error::file("write key file", path))?;
        file.sync_all().map_err(Error::file("sync key file", path))?;
        crate::fs::sync_parent(path)?;
        Ok(key)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`InsecureKeyFile`](crate::ErrorKind::InsecureKeyFile) when group or others have any right to it (Unix),
    /// [`InvalidKeyFile`](crate::ErrorKind::InvalidKeyFile) when it is anything but a key file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::file("open key file", path))?;
        refuse_shared(&file, path)?;
        // One byte more than a key file has, so that a longer file is seen as such and never read whole.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LEN + 1));
        file.take(LEN as u64 + 1).read_to_end(&mut bytes).map_err(Error::file("read key file", path))?;
        Self::decode(&bytes).map_err(|why| Error::InvalidKeyFile { path: path.to_path_buf(), why })
    }

    /// Parses a key file's 44 bytes, or says why they are none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.get(..8) != Some(&MAGIC[..]) {
            return Err("it does not begin like one");
        }
        let (Ok(key), Some(crc)) =
            (<[u8; 32]>::try_from(bytes.get(8..40).unwrap_or_default()), bytes.get(40..))
        else {
            return Err("it is too short");
        };
        let key = Zeroizing::new(key);
        if crc.len() != 4 {
            return Err("its length is not 44 bytes");
        }
        if crc != crc32fast::hash(bytes.get(..40).unwrap_or_default()).to_le_bytes() {
            return Err("its checksum does not hold");
        }
        Ok(Self(key))
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(LEN));
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(self.as_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    #[cfg(test)]
    pub(crate) fn to_file_bytes(&self) -> Vec<u8> {
        self.encode().to_vec()
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(redacted)")
    }
}

#[cfg(unix)]
fn refuse_shared(file: &File, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(Error::file("look at key file", path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::InsecureKeyFile { path: path.to_path_buf(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the Unix twin can fail")]
fn refuse_shared(_file: &File, _path: &Path) -> Result<(), Error> {
    Ok(())
}
