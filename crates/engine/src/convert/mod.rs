//! Dumps of mongodump into archives of mongoark and back, without a server. Documents, options and indexes travel as
//! they are; what the other side cannot hold is named and counted.
//!
//! [`Input::of_file`] and [`Input::of_stream`] tell what there is; [`to_archive`] and [`from_archive`] convert it.

mod accounts;
mod from_archive;
mod input;
mod partial;
mod to_archive;

pub use from_archive::{DumpTo, FromArchive, from_archive};
pub use input::{Dump, Input};
pub use to_archive::{ToArchive, to_archive};

use mongoark_model::Counts;
use std::path::PathBuf;

/// What a conversion has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Collections, views and time series in the output.
    pub namespaces: usize,
    /// Documents in it, and their bytes.
    pub read: Counts,
    /// Oplog entries in it.
    pub oplog_entries: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// The file or folder; none where it went to a stream.
    pub path: Option<PathBuf>,
}
