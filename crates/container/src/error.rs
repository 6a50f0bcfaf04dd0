//! Everything that can go wrong with an archive, told so that an operator knows what to do next.
//! Facts are fields; [`Error::kind`] is what a program matches on.

use std::io;
use std::path::{Path, PathBuf};

/// A part of an archive, named in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The first 64 bytes.
    Preamble,
    /// The eight key slots.
    KeySlots,
    /// The MAC (or digest) over preamble and slots.
    HeaderMac,
    /// The 32 bytes before a record's body.
    RecordHeader,
    /// A record's stored body.
    RecordBody,
    /// The fields or the compressed bytes of a chunk.
    Chunk,
    /// An EPOCH record.
    Epoch,
    /// A CATALOG record.
    Catalog,
    /// A `STREAM_END` record.
    StreamEnd,
    /// A RETRACT record.
    Retract,
    /// An INDEX record.
    Index,
    /// The END record.
    End,
    /// The copy of the header behind END.
    SecondHeader,
    /// The last 48 bytes.
    Trailer,
}

impl Part {
    /// The name in plain words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preamble => "the preamble",
            Self::KeySlots => "the key slots",
            Self::HeaderMac => "the header's checksum",
            Self::RecordHeader => "a record header",
            Self::RecordBody => "a record body",
            Self::Chunk => "a chunk",
            Self::Epoch => "an EPOCH record",
            Self::Catalog => "a CATALOG record",
            Self::StreamEnd => "a STREAM_END record",
            Self::Retract => "a RETRACT record",
            Self::Index => "an INDEX record",
            Self::End => "the END record",
            Self::SecondHeader => "the second copy of the header",
            Self::Trailer => "the trailer",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What an error is, without its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input does not begin like an archive.
    NotAnArchive,
    /// A version, suite, codec, feature or record type that this program does not know.
    UnsupportedVersion,
    /// Bytes are not what was written: a checksum or a rule of the format does not hold.
    Damaged,
    /// Checksums hold, but the authentication does not: forged, or joined from several archives.
    NotAuthentic,
    /// Authentic records that contradict each other: totals, hashes, digest, index.
    Inconsistent,
    /// The input ends before the archive does.
    Truncated,
    /// The input goes on after the archive's end.
    TrailingData,
    /// A record is missing, repeated or at the wrong place.
    Reordered,
    /// None of the given secrets opens any slot.
    WrongSecret,
    /// The archive is encrypted and no secret was given.
    SecretRequired,
    /// The archive is not encrypted, and the operation needs it to be.
    NotEncrypted,
    /// A length, count or parameter exceeds what may be accepted.
    LimitExceeded,
    /// The file is not a key file of mongoark.
    InvalidKeyFile,
    /// The key file can be read by others than its owner.
    InsecureKeyFile,
    /// An option or a call that the format does not allow.
    Misuse,
    /// A file of the final name exists already.
    Exists,
    /// What is there under the name is no regular file.
    NotAFile,
    /// Another process is writing the same file.
    Busy,
    /// Another user has made the file, or can reach it.
    Foreign,
    /// The compression library refused to compress.
    Codec,
    /// The operating system gave no random bytes.
    Random,
    /// Reading, writing, syncing or renaming failed.
    Io,
}

/// An error of this crate. Offsets count bytes from the first byte of the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what the fields mean")]
pub enum Error {
    #[error("this is not a mongoark archive: it does not begin with the archive magic")]
    NotAnArchive,
    #[error(
        "this archive needs {what} {value}, which this version of mongoark does not know; use a newer mongoark"
    )]
    UnsupportedVersion { what: &'static str, value: u32 },
    #[error("{part} at byte {offset} is damaged: {why}; restore this archive from another copy")]
    Damaged { part: Part, offset: u64, why: &'static str },
    #[error(
        "{part} at byte {offset} is not authentic: it was changed or comes from another archive; do not trust this copy"
    )]
    NotAuthentic { part: Part, offset: u64 },
    #[error("{part} at byte {offset} contradicts the rest of the archive: {why}")]
    Inconsistent { part: Part, offset: u64, why: &'static str },
    #[error(
        "the archive ends at byte {offset}, inside {part}: it was cut short, or the dump did not finish; it is not a whole backup"
    )]
    Truncated { part: Part, offset: u64 },
    #[error("the archive should end at byte {offset}, but more bytes follow")]
    TrailingData { offset: u64 },
    #[error(
        "record {expected} was expected at byte {offset}, but record {found} is there: records are missing, repeated or exchanged"
    )]
    Reordered { expected: u64, found: u64, offset: u64 },
    #[error(
        "none of the given secrets opens this archive ({slots} key slots in use): check the passphrase or the key file"
    )]
    WrongSecret { slots: usize },
    #[error("this archive is encrypted: give its passphrase or key file")]
    SecretRequired,
    #[error("this archive is not encrypted: it has no key slots to change")]
    NotEncrypted,
    #[error(
        "this archive is not encrypted, although a key or passphrase was given for it: nothing shows who wrote it"
    )]
    SecretNotNeeded,
    #[error("{what} is {value}, and at most {limit} is accepted")]
    LimitExceeded { what: &'static str, value: u64, limit: u64 },
    #[error("{what} is {value}, and at least {least} is needed")]
    BelowMinimum { what: &'static str, value: u64, least: u64 },
    #[error(
        "{} is not a mongoark key file ({why}); make one with `mongoark key generate`",
        path.display()
    )]
    InvalidKeyFile { path: PathBuf, why: &'static str },
    #[error(
        "key file {} can be used by others (mode {mode:04o}): run `chmod 600` on it",
        path.display()
    )]
    InsecureKeyFile { path: PathBuf, mode: u32 },
    #[error("{why}")]
    Misuse { why: &'static str },
    #[error("codec {given:?} is not known: use zstd[:1..19], gzip[:1..9] or none")]
    UnknownCodec { given: String },
    #[error("{} exists already; choose another name", path.display())]
    Exists { path: PathBuf },
    #[error("{} is no regular file: name a file, or - for standard input or output", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is being written by another process", path.display())]
    Busy { path: PathBuf },
    #[error("{} was there already and is not used: {why}; remove it, or choose another name", path.display())]
    Foreign { path: PathBuf, why: &'static str },
    #[error("a chunk could not be compressed with {codec}")]
    Codec { codec: &'static str, source: io::Error },
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("cannot {op} {}", path.display())]
    File { op: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {op} the archive at byte {offset}")]
    Stream { op: &'static str, offset: u64, source: io::Error },
}

impl Error {
    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotAnArchive => ErrorKind::NotAnArchive,
            Self::UnsupportedVersion { .. } => ErrorKind::UnsupportedVersion,
            Self::Damaged { .. } => ErrorKind::Damaged,
            Self::NotAuthentic { .. } => ErrorKind::NotAuthentic,
            Self::Inconsistent { .. } => ErrorKind::Inconsistent,
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::TrailingData { .. } => ErrorKind::TrailingData,
            Self::Reordered { .. } => ErrorKind::Reordered,
            Self::WrongSecret { .. } => ErrorKind::WrongSecret,
            Self::SecretRequired => ErrorKind::SecretRequired,
            Self::NotEncrypted | Self::SecretNotNeeded => ErrorKind::NotEncrypted,
            Self::LimitExceeded { .. } | Self::BelowMinimum { .. } => ErrorKind::LimitExceeded,
            Self::InvalidKeyFile { .. } => ErrorKind::InvalidKeyFile,
            Self::InsecureKeyFile { .. } => ErrorKind::InsecureKeyFile,
            Self::Misuse { .. } | Self::UnknownCodec { .. } => ErrorKind::Misuse,
            Self::Exists { .. } => ErrorKind::Exists,
            Self::NotAFile { .. } => ErrorKind::NotAFile,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Foreign { .. } => ErrorKind::Foreign,
            Self::Codec { .. } => ErrorKind::Codec,
            Self::Random(_) => ErrorKind::Random,
            Self::File { .. } | Self::Stream { .. } => ErrorKind::Io,
        }
    }

    pub(crate) fn file(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { op, path, source }
    }

    pub(crate) fn damaged(part: Part, offset: u64, why: &'static str) -> Self {
        Self::Damaged { part, offset, why }
    }

    pub(crate) fn misuse(why: &'static str) -> Self {
        Self::Misuse { why }
    }

    /// Refuses a value above its limit.
    pub(crate) fn limit(what: &'static str, value: u64, limit: u64) -> Result<(), Self> {
        if value > limit { Err(Self::LimitExceeded { what, value, limit }) } else { Ok(()) }
    }
}
