//! The side that is written: a client that follows the primary, and the write concern that every
//! write and every command of a restore carries.

use crate::catalog;
use crate::client;
use crate::command::{self, From};
use crate::error::{Error, ErrorKind, Result};
use crate::source;
use crate::uri::ConnectionString;
use bson::RawDocumentBuf;
use mongoark_bson_bytes::Builder;
use mongoark_model::{CollectionMetadata, Namespace, TopologyKind};
use mongodb::Client;
use std::fmt;
use std::str::FromStr;

/// What a write must reach before the server acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteConcern {
    /// `majority`, a number of members, or the name of a write concern the set defines.
    pub w: String,
    /// Whether it must be in the journal.
    pub journal: bool,
}

impl Default for WriteConcern {
    /// `{w: "majority", j: true}`: what was acknowledged outlives the loss of any minority.
    fn default() -> Self {
        Self { w: "majority".to_owned(), journal: true }
    }
}

impl FromStr for WriteConcern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => {
                Err("the write concern is empty: give 'majority', a number of members, or a name".to_owned())
            }
            "0" => Err("write concern 0 is refused: nobody would know what was written".to_owned()),
            w => Ok(Self { w: w.to_owned(), journal: true }),
        }
    }
}

impl fmt::Display for WriteConcern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w: {}, j: {}", self.w, self.journal)
    }
}

impl WriteConcern {
    pub(crate) fn append_to(&self, command: &mut Builder) {
        command.nested("writeConcern", |concern| {
            match self.w.parse::<i32>() {
                Ok(members) => concern.i32("w", members),
                Err(_) => concern.str("w", &self.w),
            };
            concern.bool("j", self.journal);
        });
    }
}

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// The write concern of everything that is written.
    pub write_concern: WriteConcern,
}

/// A deployment to write to.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) client: Client,
    pub(crate) write_concern: WriteConcern,
    topology: TopologyKind,
    server_version: String,
    pub(crate) version: [i32; 3],
}

impl Target {
    /// Connects and checks that there is a primary to write to.
    pub async fn connect(uri: &ConnectionString, options: &TargetOptions) -> Result<Self> {
        Self::open(uri, options).await.map_err(|error| error.redacted(uri))
    }

    async fn open(uri: &ConnectionString, options: &TargetOptions) -> Result<Self> {
        let client = client::connect(client::options(uri).await?, uri)?;
        let hello = source::hello(&client).await?;
        let topology = source::topology(&hello);
        let (server_version, version) = source::version(&client).await?;
        // hello went to any member; the write path needs the primary, so ask it something.
        let mut ping = Builder::new();
        ping.i32("ping", 1);
        command::write(&client, "admin", raw(&mut ping)?, "reach the primary").await?;
        Ok(Self { client, write_concern: options.write_concern.clone(), topology, server_version, version })
    }

    /// The deployment's shape.
    pub fn topology(&self) -> &TopologyKind {
        &self.topology
    }

    /// The server's version, as it names it.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Whether the server is of this version or newer.
    pub fn is_at_least(&self, major: i32, minor: i32) -> bool {
        (self.version[0], self.version[1]) >= (major, minor)
    }

    /// The collections and views of a database on the target.
    pub async fn collections(&self, db: &str) -> Result<Vec<CollectionMetadata>> {
        catalog::list_collections(&self.client, From::Primary, db).await
    }

    /// The raw indexes of a collection on the target; nothing where it does not exist.
    pub async fn indexes(&self, namespace: &Namespace) -> Result<Option<Vec<RawDocumentBuf>>> {
        catalog::list_indexes(&self.client, From::Primary, namespace).await
    }

    /// Drops a collection, view or time series; one that does not exist is no error.
    pub async fn drop(&self, namespace: &Namespace) -> Result<()> {
        let mut command = Builder::new();
        command.str("drop", &namespace.collection);
        match self.run(&namespace.db, command, &format!("drop {namespace}")).await {
            Err(error) if !error.is_code(26) => Err(error),
            _ => Ok(()),
        }
    }

    /// Runs a write command with the target's write concern appended.
    pub(crate) async fn run(&self, db: &str, mut command: Builder, action: &str) -> Result<bson::Document> {
        self.write_concern.append_to(&mut command);
        command::write(&self.client, db, raw(&mut command)?, action).await
    }
}

/// A finished builder as the driver's raw document.
pub(crate) fn raw(builder: &mut Builder) -> Result<RawDocumentBuf> {
    RawDocumentBuf::from_bytes(builder.finish())
        .map_err(|error| Error::new(ErrorKind::Usage, "build a command", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_concern_is_majority_a_number_or_a_name_but_never_zero() {
        assert_eq!("majority".parse::<WriteConcern>().unwrap(), WriteConcern::default());
        assert!("0".parse::<WriteConcern>().is_err());
        assert!("".parse::<WriteConcern>().is_err());
        let mut command = Builder::new();
        "2".parse::<WriteConcern>().unwrap().append_to(&mut command);
        let expected = bson::rawdoc! { "writeConcern": { "w": 2, "j": true } };
        assert_eq!(command.finish(), expected.as_bytes());
    }
}
