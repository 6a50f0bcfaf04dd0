//! Oplog entries as raw bytes: what an entry is, whether it may be replayed, how the parts of a
//! transaction find together, and what an entry does to the indexes that are built afterwards. No I/O.
//!
//! [`Entry::parse`] reads an entry, [`Entry::class`] says what is to be done with it, [`Entry::transaction`]
//! which transaction it belongs to, [`Entry::operation`] what a server is sent; [`IndexCatalog`] takes in
//! what it does to indexes.

mod catalog;
mod class;
mod effect;
mod entry;
mod error;
mod refusal;
mod spec;
mod transaction;

pub use catalog::{CollectionIndexes, IndexCatalog};
pub use class::{Class, Command, CommandKind, Skip};
pub use effect::Remainder;
pub use entry::{Entry, Op};
pub use error::{Error, Result};
pub use refusal::Refusal;
pub use transaction::{Part, TransactionId};
