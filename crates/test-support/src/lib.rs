//! What the tests of this workspace stand on: real MongoDB servers, faults put into them, sample data and the
//! comparison of deployments.
//!
//! - [`Binary`] is a `mongod` on this machine. It is all that is left without the feature `servers`, for programs that
//!   must build fast and speak to no server.
//! - [`server`] starts standalone servers and replica sets on free loopback ports and ends them again.
//! - [`fault`] makes a server or a disk fail at a chosen moment.
//! - [`corpus`] loads data, [`compare`] finds what differs between two deployments.
//! - [`oracle`] has writers that change a deployment without a pause, and a model of what it held at any time.
//! - [`golden`] has dumps that mongodump made, and tells whether a deployment holds what they must restore to.
//!
//! Everything here panics when it cannot do its work: a test that needs a server and finds none fails, and the
//! message says what to run. Nothing skips itself.

#![cfg_attr(
    feature = "servers",
    expect(clippy::missing_panics_doc, reason = "every helper panics when it cannot do what its name says")
)]

mod binary;
#[cfg(feature = "servers")]
pub mod compare;
#[cfg(feature = "servers")]
pub mod corpus;
#[cfg(feature = "servers")]
pub mod fault;
#[cfg(feature = "servers")]
pub mod golden;
#[cfg(feature = "servers")]
pub mod oracle;
#[cfg(feature = "servers")]
pub mod server;

pub use binary::{Binary, DEFAULT_VERSION, Missing};
#[cfg(feature = "servers")]
pub use server::{Certificates, ReplicaSet, Server, connect, fresh_database_name, shared, wipe};
