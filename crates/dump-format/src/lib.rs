//! The formats that mongodump writes and mongorestore reads: the dump directory, the archive, the
//! metadata of a collection, gzip in parts. Bytes through `Read` and `Write` only: no driver, no
//! network, no threads.

pub mod archive;
mod crc;
mod documents;
mod error;
pub mod gzip;
mod input;
mod metadata;
pub mod names;
mod prelude;
mod round_trip;
mod text;

pub use crc::Crc;
pub use documents::DocumentReader;
pub use error::{Error, HeaderFault, Result};
pub use metadata::Metadata;
pub use prelude::Prelude;
