//! Where passphrases and keys come from: a file, a descriptor, an environment variable or the
//! terminal. Never an argument.

use crate::same_file::Use;
use clap::Args;
use mongoark_engine::container::{ArchiveId, Header, KeyFile, Passphrase, Secret};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{IsTerminal, Read};
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The variable that may hold a passphrase.
const PASSPHRASE_VARIABLE: &str = "MONGOARK_PASSPHRASE";
/// A longer passphrase file is no passphrase.
const PASSPHRASE_BYTES_MAX: u64 = 64 * 1024;

/// Flags that open archives: the secret, and whether what needs none is believed.
#[derive(Args, Clone, Debug, Default)]
pub struct SecretArgs {
    #[command(flatten)]
    pub given: GivenArgs,
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Whether what is read has to be encrypted where a secret is given.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct TrustArgs {
    /// Read what is not encrypted although a key or passphrase is given; nothing shows who wrote it
    #[arg(long, help_heading = "Encryption")]
    pub allow_unencrypted: bool,
}

/// Flags that name a secret.
#[derive(Args, Clone, Debug, Default)]
pub struct GivenArgs {
    /// Read the passphrase from the first line of this file
    #[arg(long, value_name = "FILE", help_heading = "Encryption")]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line of this open file descriptor
    #[arg(long, value_name = "N", help_heading = "Encryption")]
    pub passphrase_fd: Option<u32>,
    /// Use this key file, made by 'mongoark key generate'
    #[arg(long, value_name = "FILE", help_heading = "Encryption")]
    pub key_file: Option<PathBuf>,
    /// What was read; empty at first.
    #[arg(skip)]
    pub known: Arc<Known>,
}

/// Secrets that were read: a descriptor can be read once, and nobody is asked twice for the same archive.
#[derive(Debug, Default)]
pub struct Known {
    given: OnceLock<Vec<Secret>>,
    asked: Mutex<HashMap<ArchiveId, Secret>>,
}

/// Flags that name the secrets of what is written.
#[derive(Args, Clone, Debug, Default)]
pub struct LockArgs {
    #[command(flatten)]
    pub given: GivenArgs,
    /// Encrypt nothing: anybody can read what is written
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd", "key_file"], help_heading = "Encryption")]
    pub no_encryption: bool,
}

impl LockArgs {
    /// The secrets to lock with, none where nothing is encrypted; a terminal is asked twice.
    pub fn secrets(&self) -> Result<Vec<Secret>, SecretError> {
        if self.no_encryption {
            return Ok(Vec::new());
        }
        let secrets = self.given.given_or_environment()?;
        if !secrets.is_empty() {
            return Ok(secrets);
        }
        ask_twice("; or --no-encryption to write what anybody can read")
    }
}

/// Why no secret could be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file could not be read.
    #[error("cannot read the passphrase from {from}: {source}")]
    Read {
        /// Where it was to come from.
        from: String,
        /// Why.
        source: std::io::Error,
    },
    /// The key or passphrase is not one.
    #[error(transparent)]
    Invalid(#[from] mongoark_engine::container::Error),
    /// A file that others may use, too.
    #[error(
        "the passphrase file {path} can be used by others than its owner (mode {mode:03o}): run 'chmod 600 {path}', \
         or give the passphrase by --passphrase-fd or the variable MONGOARK_PASSPHRASE",
        path = path.display()
    )]
    Shared {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A secret was given for what takes none.
    #[error(
        "the archive is not encrypted, although a key or passphrase was given ({given}): nothing shows who wrote it. If \
         it is meant to be unencrypted, give --allow-unencrypted"
    )]
    NotEncrypted {
        /// The flag or variable that gave it.
        given: &'static str,
    },
    /// The two entries differ.
    #[error("the two passphrases differ")]
    Differ,
    /// Nothing was given.
    #[error(
        "no passphrase or key was given. Give --key-file FILE (made by 'mongoark key generate FILE'), \
         --passphrase-file FILE, --passphrase-fd N, or the variable MONGOARK_PASSPHRASE{or_else}"
    )]
    Missing {
        /// What else the command allows.
        or_else: &'static str,
    },
}

impl GivenArgs {
    /// The secrets that the flags give, without asking anybody.
    fn by_flags(&self) -> Result<Vec<Secret>, SecretError> {
        let mut secrets = Vec::new();
        if let Some(path) = &self.key_file {
            secrets.push(Secret::KeyFile(KeyFile::load(path)?));
        }
        if let Some(path) = &self.passphrase_file {
            secrets.push(from_file(path)?);
        }
        if let Some(descriptor) = self.passphrase_fd {
            secrets.push(from_descriptor(descriptor)?);
        }
        Ok(secrets)
    }

    /// The secrets of the flags, else of the variable. They are read once: a descriptor can be read no second time.
    fn given_or_environment(&self) -> Result<Vec<Secret>, SecretError> {
        if let Some(given) = self.known.given.get() {
            return Ok(given.clone());
        }
        let mut secrets = self.by_flags()?;
        if secrets.is_empty()
            && let Some(value) = std::env::var_os(PASSPHRASE_VARIABLE)
        {
            secrets.push(Secret::Passphrase(Passphrase::new(value.into_encoded_bytes())?));
        }
        Ok(self.known.given.get_or_init(|| secrets).clone())
    }

    /// The secrets that replace others; the variable holds the old one, so it does not count here.
    pub fn to_lock_anew(&self) -> Result<Vec<Secret>, SecretError> {
        let secrets = self.by_flags()?;
        if secrets.is_empty() {
            ask_twice(" for the old secret, and the --new-* flags for the new one")
        } else {
            Ok(secrets)
        }
    }

    /// The files that the flags name.
    pub fn files(&self) -> impl Iterator<Item = Use<'_>> {
        let key = self.key_file.as_deref().map(|path| Use::reads("the key file", path));
        let passphrase = self.passphrase_file.as_deref().map(|path| Use::reads("the passphrase file", path));
        key.into_iter().chain(passphrase)
    }

    /// Which flag or variable gives a secret.
    fn source(&self) -> &'static str {
        match self {
            Self { key_file: Some(_), .. } => "--key-file",
            Self { passphrase_file: Some(_), .. } => "--passphrase-file",
            Self { passphrase_fd: Some(_), .. } => "--passphrase-fd",
            _ => "the variable MONGOARK_PASSPHRASE",
        }
    }
}

impl SecretArgs {
    /// The secrets that flags or the variable give, without asking anybody.
    pub fn given(&self) -> Result<Vec<Secret>, SecretError> {
        self.given.given_or_environment()
    }

    /// The secrets to open an archive with; nothing where it is not encrypted and may be so.
    pub fn to_open(&self, header: &Header) -> Result<Vec<Secret>, SecretError> {
        if header.is_encrypted() {
            return self.given_or_asked(header.archive_id());
        }
        // Whoever gives a secret counts on it: anybody can write an archive that needs none.
        if self.trust.allow_unencrypted || self.given()?.is_empty() {
            return Ok(Vec::new());
        }
        Err(SecretError::NotEncrypted { given: self.given.source() })
    }

    fn given_or_asked(&self, archive: ArchiveId) -> Result<Vec<Secret>, SecretError> {
        let given = self.given()?;
        if !given.is_empty() {
            return Ok(given);
        }
        let mut asked = self.given.known.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secret) = asked.get(&archive) {
            return Ok(vec![secret.clone()]);
        }
        if !std::io::stdin().is_terminal() {
            return Err(SecretError::Missing { or_else: "" });
        }
        let secret = Secret::Passphrase(Passphrase::new(ask("Passphrase: ")?.into_bytes())?);
        asked.insert(archive, secret.clone());
        Ok(vec![secret])
    }
}

fn ask_twice(or_else: &'static str) -> Result<Vec<Secret>, SecretError> {
    if !std::io::stdin().is_terminal() {
        return Err(SecretError::Missing { or_else });
    }
    let first = ask("New passphrase for the archive: ")?;
    let second = ask("The same passphrase again: ")?;
    if first != second {
        return Err(SecretError::Differ);
    }
    Ok(vec![Secret::Passphrase(Passphrase::new(first.into_bytes())?)])
}

/// Asks on the terminal itself, so that a prompt never lands in a piped archive.
fn ask(prompt: &str) -> Result<String, SecretError> {
    rpassword::prompt_password(prompt)
        .map_err(|source| SecretError::Read { from: "the terminal".into(), source })
}

fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let from = || path.display().to_string();
    let file = File::open(path).map_err(|source| SecretError::Read { from: from(), source })?;
    let metadata = file.metadata().map_err(|source| SecretError::Read { from: from(), source })?;
    refuse_shared(&metadata, path)?;
    first_line(file).map_err(|source| SecretError::Read { from: from(), source }).and_then(passphrase)
}

/// Refuses a file that group or others have any right to, as of a key file. A pipe has no mode to speak of.
#[cfg(unix)]
fn refuse_shared(metadata: &Metadata, path: &Path) -> Result<(), SecretError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(SecretError::Shared { path: path.to_path_buf(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the Unix twin can fail")]
fn refuse_shared(_metadata: &Metadata, _path: &Path) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(unix)]
fn from_descriptor(descriptor: u32) -> Result<Secret, SecretError> {
    let from = format!("descriptor {descriptor}");
    let file = File::open(format!("/dev/fd/{descriptor}"));
    let line = file.and_then(first_line).map_err(|source| SecretError::Read { from, source })?;
    passphrase(line)
}

#[cfg(not(unix))]
fn from_descriptor(descriptor: u32) -> Result<Secret, SecretError> {
    let source = std::io::Error::from(std::io::ErrorKind::Unsupported);
    Err(SecretError::Read { from: format!("descriptor {descriptor}"), source })
}

fn first_line(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(PASSPHRASE_BYTES_MAX).read_to_end(&mut bytes)?;
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(end);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(bytes)
}

fn passphrase(line: Vec<u8>) -> Result<Secret, SecretError> {
    Ok(Secret::Passphrase(Passphrase::new(line)?))
}
