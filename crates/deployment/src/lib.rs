//! Everything that speaks to MongoDB. Other crates see raw BSON, namespaces and typed errors,
//! never the driver.
//!
//! A dump follows [`Source`] (which member is read) to [`catalog`] (what there is) to [`Scan`]
//! (raw batches); a restore follows [`Target`] to [`Inserter`] and [`indexes`].

mod accounts;
mod apply;
mod auth_schema;
pub mod catalog;
mod client;
mod collection;
mod command;
mod connection;
mod connection_options;
mod create;
mod error;
pub mod health;
pub mod indexes;
mod insert;
mod lease;
mod loose_json;
mod member;
mod notes;
pub mod oplog;
mod password;
mod patience;
mod read_preference;
mod reply;
mod scan;
mod scratch;
mod settle;
mod source;
mod split;
mod stats;
mod target;
mod tls;
mod uri;
mod uri_parts;
mod write_concern;

pub use accounts::{AccountsMerge, AccountsRestore, temporary_accounts};
pub use apply::ApplyFailure;
pub use auth_schema::why_no_accounts;
pub use collection::Collection;
pub use connection::Connection;
pub use connection_options::{ConnectionOptions, Conventions};
pub use create::CreateOptions;
pub use error::{Error, ErrorKind, Result};
pub use insert::{InsertOutcome, Inserter, Rejected};
pub use lease::Lease;
pub use member::{Candidate, Chosen, MemberRole, ReadMode, ReadPreference, choose};
pub use notes::Notes;
pub use password::Password;
pub use patience::Patience;
pub use scan::{Batch, Place, Scan};
pub use source::{Incarnation, LAG_MAX, Source, SourceOptions};
pub use split::open as open_parts;
pub use stats::CollectionStats;
pub use target::{Target, TargetOptions};
pub use tls::{TlsOptions, key_file_is_encrypted};
pub use uri::ConnectionString;
pub use uri_parts::UriParts;
pub use write_concern::{Acknowledgment, UriWriteConcern, WriteConcern};
