//! The side that is written: a client that follows the primary, and the write concern that every
//! write and every command of a restore carries.

use crate::catalog;
use crate::collection::Collection;
use crate::command::{self, From};
use crate::connection::Connection;
use crate::connection_options::ConnectionOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::lease::Lease;
use crate::source;
use crate::stats::whole;
use crate::uri::ConnectionString;
use crate::write_concern::{Acknowledgment, UNACKNOWLEDGED, WriteConcern};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{Builder, Element};
use mongoark_model::{CollectionMetadata, Namespace, TopologyKind};
use mongodb::Client;
use std::sync::Arc;

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// The write concern of everything that is written. Nothing: the connection string's, and where that
    /// says nothing [`WriteConcern::default`]; then one that acknowledges nothing is refused.
    pub write_concern: Option<WriteConcern>,
}

/// A deployment to write to.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) client: Client,
    pub(crate) write_concern: WriteConcern,
    topology: TopologyKind,
    server_version: String,
    pub(crate) version: [i32; 3],
    retries_writes: bool,
    /// What commands that write say they belong to.
    tag: Option<Arc<str>>,
    /// Until when they may be sent.
    lease: Option<Lease>,
}

impl Target {
    /// Connects and checks that there is a primary to write to.
    pub async fn connect(uri: &ConnectionString, options: &TargetOptions) -> Result<Self> {
        Self::through(&Connection::new(&ConnectionOptions::native(uri)).await?, options).await
    }

    /// Checks that there is a primary to write to.
    pub async fn through(connection: &Connection, options: &TargetOptions) -> Result<Self> {
        let write_concern = write_concern(connection, options)?;
        Self::open(connection, write_concern).await
    }

    async fn open(connection: &Connection, write_concern: WriteConcern) -> Result<Self> {
        let client = connection.client()?;
        let hello = source::first_hello(&client).await.map_err(|error| error.doing(connection.action()))?;
        let topology = source::topology(&hello);
        let (server_version, version) = source::version(&client).await?;
        // hello went to any member; the write path needs the primary, so ask it something.
        let mut ping = Builder::new();
        ping.i32("ping", 1);
        // One that is not there from the beginning is not waited for.
        command::write(&client, "admin", raw(&mut ping)?, "reach the primary", Error::is_passing).await?;
        let retries_writes = connection.retries_writes();
        Ok(Self {
            client,
            write_concern,
            topology,
            server_version,
            version,
            retries_writes,
            tag: None,
            lease: None,
        })
    }

    /// The same deployment; every command that writes says that it belongs to this (in its `comment`, which servers
    /// from 4.4 on take), so that those that are still under way can be found.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Self {
        let tag = self.is_at_least(4, 4).then(|| Arc::from(tag));
        Self { tag, ..self.clone() }
    }

    /// The same deployment, written to only while this lease holds.
    #[must_use]
    pub fn leased(&self, lease: &Lease) -> Self {
        Self { lease: Some(lease.clone()), ..self.clone() }
    }

    /// Waits while it is not known whether anything may be written.
    pub(crate) async fn hold(&self) -> Result<()> {
        match &self.lease {
            Some(lease) => lease.hold().await,
            None => Ok(()),
        }
    }

    /// What commands that write say they belong to.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Adds to a command that writes what every one carries.
    pub(crate) fn complete(&self, command: &mut Builder) {
        self.write_concern.append_to(command);
        if let Some(tag) = &self.tag {
            command.str("comment", tag.as_bytes());
        }
    }

    /// The write concern of everything that is written.
    pub fn write_concern(&self) -> &WriteConcern {
        &self.write_concern
    }

    /// Whether the connection string allows a write to be sent again when its answer was lost.
    pub fn retries_writes(&self) -> bool {
        self.retries_writes
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

    /// Whether an insert can leave a `Timestamp(0, 0)` as it is.
    pub(crate) fn keeps_zero_timestamps(&self) -> bool {
        match self.version {
            [major, ..] if major >= 8 => true,
            [7, 0, patch] => patch >= 13,
            [6, 0, patch] => patch >= 17,
            [5, 0, patch] => patch >= 29,
            _ => false,
        }
    }

    /// Whether the documents behind a time series are reached under its own name, in their stored form. The
    /// others have `system.buckets` collections.
    pub fn has_raw_data(&self) -> bool {
        self.is_at_least(8, 3)
    }

    /// The collections and views of a database on the target.
    pub async fn collections(&self, db: &str) -> Result<Vec<CollectionMetadata>> {
        catalog::list_collections(&self.client, From::Primary, db).await
    }

    /// Whether a collection or view of this name is on the target.
    pub async fn exists(&self, namespace: &Namespace) -> Result<bool> {
        let mut command = Builder::new();
        command.i32("listCollections", 1).bool("nameOnly", true);
        command.nested("filter", |filter| _ = filter.str("name", &namespace.collection));
        let database = self.client.database(&namespace.db);
        let action = format!("look for {namespace}");
        let found = command::all(&database, From::Primary, raw(&mut command)?, &action).await?;
        Ok(!found.is_empty())
    }

    /// Whether a document with the `_id` of this one is in a collection of the target.
    pub async fn has_document(&self, namespace: &Namespace, id: &Element<'_>) -> Result<bool> {
        let mut find = Builder::new();
        find.str("find", &namespace.collection);
        find.nested("filter", |filter| {
            // An _id that is a document or a regular expression is no operator.
            filter.nested("_id", |value| _ = value.raw(id.kind, "$eq", id.value));
        });
        find.nested("projection", |projection| _ = projection.i32("_id", 1)).i32("limit", 1);
        let action = format!("look for a document of {namespace}");
        let database = self.client.database(&namespace.db);
        let found = command::all(&database, From::Primary, raw(&mut find)?, &action).await?;
        Ok(!found.is_empty())
    }

    /// The UUID of a collection; nothing where there is none of that name.
    pub async fn uuid(&self, namespace: &Namespace) -> Result<Option<[u8; 16]>> {
        catalog::uuid_on(&self.client, From::Primary, namespace).await
    }

    /// How many documents a collection has by the server's own count, which a crash may leave wrong; nothing where the user
    /// may not ask.
    pub async fn count(&self, namespace: &Namespace) -> Result<Option<u64>> {
        let mut command = Builder::new();
        command.str("count", &namespace.collection);
        let action = format!("count the documents of {namespace}");
        let asked = command::write(&self.client, &namespace.db, raw(&mut command)?, &action, Error::may_pass);
        match asked.await {
            Ok(reply) => Ok(Some(whole(&reply, "n"))),
            Err(error) if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Command(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many documents a collection has, each of them looked at.
    pub async fn count_each(&self, namespace: &Namespace) -> Result<u64> {
        let command = bson::rawdoc! {
            "aggregate": namespace.collection.as_str(),
            "pipeline": [{ "$group": { "_id": null, "n": { "$sum": 1_i64 } } }],
            "cursor": {},
        };
        let action = format!("count the documents of {namespace}");
        let database = self.client.database(&namespace.db);
        let found = command::all(&database, From::Primary, command, &action).await?;
        let count = found.first().and_then(|found| found.get_i64("n").ok());
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// The raw indexes of a collection on the target; nothing where it does not exist.
    pub async fn indexes(&self, namespace: &Namespace) -> Result<Option<Vec<RawDocumentBuf>>> {
        let collection = Collection::named(namespace);
        catalog::list_indexes(&self.client, From::Primary, &collection).await
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
        self.complete(&mut command);
        let (lease, command) = (self.lease.as_ref(), raw(&mut command)?);
        command::write_under(lease, &self.client, db, command, action, Error::may_pass).await
    }
}

fn write_concern(connection: &Connection, options: &TargetOptions) -> Result<WriteConcern> {
    if let Some(given) = &options.write_concern {
        return Ok(given.clone());
    }
    let stated = connection.write_concern().over(WriteConcern::default());
    match stated.w {
        Acknowledgment::Members(0) => {
            Err(Error::new(ErrorKind::Usage, "write to the target", UNACKNOWLEDGED))
        }
        _ => Ok(stated),
    }
}

/// A finished builder as the driver's raw document.
pub(crate) fn raw(builder: &mut Builder) -> Result<RawDocumentBuf> {
    RawDocumentBuf::from_bytes(builder.finish())
        .map_err(|error| Error::new(ErrorKind::Usage, "build a command", error.to_string()))
}
