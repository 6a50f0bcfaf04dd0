//! What a collection is besides its documents: kind, options, UUID, indexes, all raw.

use crate::Namespace;
use bson::RawDocumentBuf;
use std::fmt;
use std::str::FromStr;

/// What `listCollections` calls a namespace's `type`, and two kinds that are dumped in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CollectionKind {
    /// An ordinary, capped or clustered collection.
    Collection,
    /// A view: options only, never data.
    View,
    /// A time series: its data are the documents of `system.buckets.<name>`.
    TimeSeries,
    /// `admin.system.users`: merged, never inserted.
    Users,
    /// `admin.system.roles`: merged, never inserted.
    Roles,
}

impl CollectionKind {
    /// The word that stands for this kind in an archive and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::View => "view",
            Self::TimeSeries => "timeseries",
            Self::Users => "users",
            Self::Roles => "roles",
        }
    }

    /// Whether documents belong to it. A view has none.
    pub fn holds_documents(self) -> bool {
        self != Self::View
    }

    /// Whether it holds accounts, which are merged into the target's own.
    pub fn is_accounts(self) -> bool {
        matches!(self, Self::Users | Self::Roles)
    }
}

impl fmt::Display for CollectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CollectionKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Collection, Self::View, Self::TimeSeries, Self::Users, Self::Roles]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("unknown collection type '{text}'"))
    }
}

/// A collection, view or time series without its documents. Options and indexes are the bytes
/// that the server sent, never decoded and written again.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionMetadata {
    /// Its name.
    pub namespace: Namespace,
    /// Its kind.
    pub kind: CollectionKind,
    /// `options` of `listCollections`.
    pub options: RawDocumentBuf,
    /// `info.uuid` of `listCollections`; views have none.
    pub uuid: Option<[u8; 16]>,
    /// The documents of `listIndexes`, the one on `_id` among them.
    pub indexes: Vec<RawDocumentBuf>,
    /// Of a time series the indexes that were made on its buckets themselves, and that it does not list as its own.
    pub bucket_indexes: Vec<RawDocumentBuf>,
}

impl CollectionMetadata {
    /// Whether it is capped, and so must be read and written in natural order.
    pub fn is_capped(&self) -> bool {
        self.options.get_bool("capped").unwrap_or(false)
    }

    /// Whether it is clustered by `_id`, and so has no index of its own on `_id`.
    pub fn is_clustered(&self) -> bool {
        matches!(self.options.get("clusteredIndex"), Ok(Some(_)))
    }

    /// The namespace that holds its documents.
    pub fn data_namespace(&self) -> Namespace {
        match self.kind {
            CollectionKind::TimeSeries => {
                let buckets = format!("system.buckets.{}", self.namespace.collection);
                Namespace::new(self.namespace.db.clone(), buckets)
            }
            _ => self.namespace.clone(),
        }
    }
}
