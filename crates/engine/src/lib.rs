//! The flows: a deployment into an archive, an archive into a deployment, and looks into an archive
//! without a server. Bounded pipelines; no printing, no flags, no process exit.
//!
//! A dump: [`dump::dump`] plans ([`select`]), reads raw batches into chunks, seals them on a pool
//! ([`pool`]) and appends them in order. A restore is the same list reversed.

pub mod archive;
pub mod bench;
pub mod catalog;
pub mod convert;
pub mod doctor;
pub mod dump;
pub mod dump_input;
pub mod dump_output;
mod error;
#[cfg(test)]
mod hostile;
pub mod look;
pub mod mongodump;
pub mod mongorestore;
pub mod oplog;
mod pool;
pub mod quote;
pub mod reading;
pub mod rename;
pub mod replay;
pub mod restore;
pub mod salvage;
mod scan;
pub mod select;
pub mod slices;
mod spool;
mod stop;
mod together;
pub mod verify;

pub use error::{Error, Result};
pub use stop::Stop;

pub use mongoark_container as container;
pub use mongoark_deployment as deployment;
