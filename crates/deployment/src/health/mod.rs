//! How a deployment is: what it answers about its members, its oplog, its storage and its user's rights. Facts as the
//! servers tell them, or why they do not; whether they are good is decided elsewhere.
//!
//! [`Health`] speaks to the set as a whole and to each member by itself. The functions ask the one member that a
//! [`Source`] is pinned to, which is the member that a dump would read.

mod config;
mod members;
mod rights;
mod server;

pub use config::{MemberConfig, SetConfig};
pub use members::{Answer, Member, MemberState};
pub use rights::{Right, User, reads, user};
pub use server::{
    Compatibility, OplogWindow, Prepared, Storage, compatibility, oplog_window, prepared, storage,
};

use crate::connection::Connection;
use crate::connection_options::ConnectionOptions;
use crate::error::Result;
use crate::source::{self, Source, SourceOptions};
use crate::uri::ConnectionString;
use bson::Document;
use mongoark_model::TopologyKind;
use mongodb::Client;

/// A deployment that has answered, ready to be asked how it is.
#[derive(Debug)]
pub struct Health {
    connection: Connection,
    /// Speaks to whichever member can be read.
    seed: Client,
    hello: Document,
}

impl Health {
    /// Connects, and asks whoever answers first what it is.
    pub async fn open(uri: &ConnectionString) -> Result<Self> {
        let connection = Connection::new(&ConnectionOptions::native(uri)).await?;
        let seed = connection.client()?;
        let hello = source::hello(&seed).await;
        let hello = hello.map_err(|error| error.doing(connection.action()))?;
        Ok(Self { connection, seed, hello })
    }

    /// The deployment's shape.
    pub fn topology(&self) -> TopologyKind {
        source::topology(&self.hello)
    }

    /// The member that a dump would read; an error says why there is none.
    pub async fn source(&self, options: &SourceOptions) -> Result<Source> {
        Source::through(&self.connection, options).await
    }
}
