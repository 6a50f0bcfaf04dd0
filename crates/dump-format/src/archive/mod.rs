//! The archive of `mongodump --archive`: a prelude that names every namespace, then blocks of the
//! documents of one namespace each, in any mixture, then each namespace's end with its checksum.
//!
//! Writing: [`ArchivePrelude::encode`], [`block_header`] and documents and [`TERMINATOR`] as often as wanted,
//! [`namespace_end`]. Reading: [`ArchivePrelude::read`], then [`Demultiplexer`]; [`BlockReader`] is the layer below
//! it, which knows blocks and no namespaces. The bytes are described in `docs/dump-format.md`.

mod blocks;
mod header;
mod prelude;
mod reader;
mod writer;

pub use blocks::{BlockReader, Piece};
pub use header::{ArchiveHeader, NamespaceEntry};
pub use prelude::{ArchivePrelude, PRELUDE_BYTES_MAX};
pub use reader::{Demultiplexer, Part};
pub use writer::{MAGIC, TERMINATOR, block_header, namespace_end};

/// The database of the oplog's blocks, together with the collection `oplog`.
pub const OPLOG_DB: &str = "";
/// The collection of the oplog's blocks.
pub const OPLOG_COLLECTION: &str = "oplog";
/// What stands before a time series' name in the name of the collection that holds its data, on servers before 8.3.
pub const BUCKETS_PREFIX: &str = "system.buckets.";
