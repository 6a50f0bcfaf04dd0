//! Oplog entries as raw bytes: what an entry is, whether it may be replayed, how the parts of a
//! transaction find together, and what an entry does to the indexes that are built afterwards. No I/O.

mod catalog;

pub use catalog::{CollectionIndexes, IndexCatalog};
