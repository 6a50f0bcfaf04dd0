//! One namespace of a dump: what is written of it besides its documents, and under which names.

use crate::{Error, Result};
use mongoark_dump_format::Metadata;
use mongoark_dump_format::archive::{NamespaceEntry, OPLOG_COLLECTION, OPLOG_DB};
use mongoark_model::{CollectionKind, CollectionMetadata};

/// A namespace of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The database; empty for the oplog.
    pub db: String,
    /// The collection, view or time series.
    pub collection: String,
    /// The collection that the documents are named after: of a time series its buckets.
    pub data_collection: String,
    /// The text of `metadata.json`; accounts of one database and the oplog have none.
    pub metadata: Option<Vec<u8>>,
    /// `collection`, `view`, `timeseries`, or empty.
    pub kind: String,
    /// Whether a folder has a file for its documents; a view that stays a view has none.
    pub has_file: bool,
    /// Whether these are accounts of one database, whose files have names of their own.
    pub is_accounts: bool,
}

impl Entry {
    /// The entry of a collection, view or time series of a server of this version.
    ///
    /// # Errors
    /// Options or indexes that Extended JSON cannot carry.
    pub fn of(collection: &CollectionMetadata, server_version: &str) -> Result<Self> {
        let mut metadata = Metadata::of(collection);
        if collection.kind == CollectionKind::TimeSeries {
            // The UUID is that of the buckets; mongodump states none.
            metadata.uuid = None;
        }
        let name = collection.namespace.to_string();
        let text = metadata.to_json().map_err(|source| Error::Metadata { namespace: name, source })?;
        Ok(Self {
            data_collection: data_collection(collection, server_version),
            db: collection.namespace.db.clone(),
            collection: collection.namespace.collection.clone(),
            metadata: Some(text),
            kind: metadata.kind.unwrap_or_default(),
            has_file: collection.kind != CollectionKind::View,
            is_accounts: false,
        })
    }

    /// Accounts of one database: `users`, `roles`, or the `version` of their schema.
    pub fn accounts(db: &str, what: &str) -> Self {
        Self { is_accounts: true, ..Self::bare(db, &format!("$admin.system.{what}")) }
    }

    /// The oplog.
    pub fn oplog() -> Self {
        Self::bare(OPLOG_DB, OPLOG_COLLECTION)
    }

    fn bare(db: &str, collection: &str) -> Self {
        Self {
            db: db.to_owned(),
            collection: collection.to_owned(),
            data_collection: collection.to_owned(),
            metadata: None,
            kind: String::new(),
            has_file: true,
            is_accounts: false,
        }
    }

    /// `db.collection`, where the collection is the one of the documents.
    pub fn data_namespace(&self) -> String {
        format!("{}.{}", self.db, self.data_collection)
    }

    /// What the prelude of an archive says of it.
    pub(super) fn in_archive(&self) -> Result<NamespaceEntry> {
        let metadata = String::from_utf8(self.metadata.clone().unwrap_or_default())
            .map_err(|_| Error::Usage(format!("the metadata of {} is not UTF-8", self.data_namespace())))?;
        Ok(NamespaceEntry {
            db: self.db.clone(),
            collection: self.collection.clone(),
            metadata,
            size: 0,
            kind: self.kind.clone(),
        })
    }
}

/// The collection that holds the documents, on a server of this version.
pub fn data_collection(collection: &CollectionMetadata, server_version: &str) -> String {
    let entry = NamespaceEntry {
        db: String::new(),
        collection: collection.namespace.collection.clone(),
        metadata: String::new(),
        size: 0,
        kind: collection.kind.as_str().to_owned(),
    };
    entry.data_collection(server_version).into_owned()
}
