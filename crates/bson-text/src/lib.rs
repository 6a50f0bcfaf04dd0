//! Extended JSON from and to raw BSON bytes.
//!
//! [`write_canonical`] and [`write_relaxed`] walk the bytes and never build a map, so the keys keep their
//! order and a key that is there twice is written twice. [`parse`] is the way back. Both follow Extended
//! JSON version 2, with numbers, escapes and spacing as `mongodump` writes them into its metadata files.
//!
//! What text cannot carry, and so does not come back from [`parse`] as it was: bytes that are not UTF-8 (written
//! as the escape of U+FFFD), the bits of a NaN, decimals that are not canonical, array keys other than `0`, `1`, ...,
//! and a document whose first key is a type name such as `$oid`.

mod date;
mod debug;
mod decimal;
mod double;
mod error;
mod indent;
mod lexer;
mod parse;
mod string;
mod value;
mod wrapper;
mod write;

pub use debug::{CutShort, Debug};
pub use error::{Error, Fault, Result};
pub use indent::{Indenter, indent};
pub use parse::parse;
pub use write::{Format, write, write_canonical, write_relaxed, write_value};

/// How deep documents and arrays may be nested in what is written.
pub const DEPTH_MAX: usize = mongoark_bson_bytes::DEPTH_MAX;
