//! BSON walked as bytes: element boundaries, lengths and checks, nothing decoded.
//!
//! A document stays the bytes that the server or a file gave: duplicate keys, empty keys, NaN
//! payloads and text that is not UTF-8 pass through unchanged, because nothing here turns them
//! into values and back. Every length is checked before it is used, no input panics, and an
//! [`Error`] names the byte at which something is wrong. Nothing but [`Builder`] allocates.
//!
//! Reading: [`Elements`] walks one level, [`get`] and [`get_path`] look up, [`validate`] checks all
//! levels, [`split_documents`] cuts a stream. Writing: [`Builder`].

mod builder;
mod documents;
mod element;
mod elements;
mod error;
pub mod kind;
mod lookup;
mod timestamps;
mod validate;

pub use builder::{Builder, IndexKey};
pub use documents::{
    DOCUMENT_BYTES_MAX, DOCUMENT_BYTES_MIN, Documents, document_len, split_documents, stated_len,
};
pub use element::Element;
pub use elements::Elements;
pub use error::{Error, ErrorKind, Result};
pub use lookup::{get, get_path};
pub use timestamps::has_zero_timestamp;
pub use validate::{DEPTH_MAX, validate};
