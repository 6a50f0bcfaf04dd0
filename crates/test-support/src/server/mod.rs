//! Real servers: started ([`Server`], [`ReplicaSet`]), shared by the tests of one process
//! ([`shared`]), emptied for the next test ([`wipe`]).
//!
//! A server lives in a directory of its own below the test process's scratch directory, listens on loopback only,
//! and dies with the value that owns it, or with the process, whichever comes first. While a test panics its
//! logs are kept and their place is printed.

mod builder;
mod client;
mod launcher;
mod members;
mod process;
mod replica_set;
mod scratch;
pub mod shared;
mod standalone;
mod tls;
mod wipe;

pub use builder::Builder;
pub use client::connect;
pub use members::Members;
pub use replica_set::ReplicaSet;
pub use shared::fresh_database_name;
pub use standalone::{Alone, Server};
pub use tls::Certificates;
pub use wipe::wipe;

use crate::Binary;
