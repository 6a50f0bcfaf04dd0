//! Everything that speaks to MongoDB. Other crates see raw BSON, namespaces and typed errors,
//! never the driver.
//!
//! A dump follows [`Source`] (which member is read) to [`catalog`] (what there is) to [`Scan`]
//! (raw batches); a restore follows [`Target`] to [`Inserter`] and [`indexes`].

mod accounts;
pub mod catalog;
mod client;
mod command;
mod create;
mod error;
pub mod indexes;
mod insert;
mod member;
mod patience;
mod reply;
mod scan;
mod scratch;
mod settle;
mod source;
mod split;
mod stats;
mod target;
mod uri;

pub use accounts::AccountsMerge;
pub use error::{Error, ErrorKind, Result};
pub use insert::{InsertOutcome, Inserter, Rejected};
pub use member::{Candidate, MemberRole, ReadMode, ReadPreference, choose};
pub use patience::Patience;
pub use scan::{Batch, Scan};
pub use source::{Source, SourceOptions};
pub use split::open as open_parts;
pub use stats::CollectionStats;
pub use target::{Target, TargetOptions, WriteConcern};
pub use uri::ConnectionString;
