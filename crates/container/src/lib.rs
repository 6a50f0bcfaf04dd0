//! The mongoark archive format: chunk, compress, encrypt, record; `docs/container-format.md` defines every byte.
//!
//! A writer is [`create`]d over any [`std::io::Write`]. Its three parts go to different places: the [`Sequencer`]
//! gives out record numbers where work is dispatched, [`Sealer`]s compress and encrypt in workers, and the
//! [`Writer`] puts records in order. A reader is a [`StreamReader`] for a pipe or a [`FileReader`] for a file; both
//! hand out [`StoredRecord`]s that an [`Opener`] authenticates and decompresses in workers.
//!
//! This crate does not know what BSON means. It starts no thread, asks no clock, and speaks to no server.

mod bytes;
mod cipher;
mod codec;
mod compress;
mod end;
mod entropy;
mod error;
#[cfg(test)]
mod faults;
mod file_index;
mod file_reader;
#[cfg(test)]
mod forged;
mod frame;
mod fs;
#[cfg(test)]
mod golden;
mod header;
mod id;
mod index;
mod kdf;
mod key_file;
mod keys;
mod ledger;
mod limits;
mod locate;
mod opener;
mod partial_file;
mod positioned;
mod read;
mod record;
mod resume;
mod rotate;
mod salvage;
mod scrub;
mod sealer;
mod secret;
mod slot;
mod stream_account;
mod stream_reader;
mod stream_verifier;
mod tail;
mod ticket;
mod trailer;
mod verifier;
#[cfg(test)]
mod worked_bytes;
mod writer;
mod zstd_frame;

pub use codec::{Codec, CodecKind};
pub use end::End;
pub use error::{Error, ErrorKind, Part};
pub use file_reader::{Catalog, FileReader};
pub use frame::RecordKind;
pub use fs::{open_file, open_or_create_own, open_own, rename_new};
pub use header::{Header, MAGIC, WriteSecrets};
pub use id::{ArchiveId, Tag};
pub use index::IndexEntry;
pub use kdf::KdfParams;
pub use key_file::KeyFile;
pub use keys::Keys;
pub use limits::{BODY_BYTES_MAX, KDF_MEMORY_KIB_CEILING, Limits, RAW_BYTES_MAX};
pub use opener::{OpenScratch, Opener, StoredRecord};
pub use partial_file::{Existing, PartialFile};
pub use record::{Chunk, ChunkKind, Record, RecordMeta, Retract, StreamTotals};
pub use resume::{Interrupted, KeptChunk, KeptStream};
pub use rotate::rotate;
pub use salvage::{Missing, Salvage, SalvagedChunk, SalvagedStream};
pub use scrub::{ScrubReport, scrub};
pub use sealer::{SealScratch, SealedChunk, Sealer};
pub use secret::{Passphrase, Secret};
pub use slot::SlotKind;
pub use stream_reader::StreamReader;
pub use stream_verifier::StreamVerifier;
pub use tail::Warning;
pub use ticket::{Sequencer, Ticket};
pub use verifier::Verifier;
pub use writer::{WriteOptions, WriteStats, Writer, create};
