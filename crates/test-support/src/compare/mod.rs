//! What is in a deployment, byte for byte, and what differs between two.
//!
//! [`capture`] reads raw bytes: for each namespace its type, options, indexes and a digest of all its documents; then
//! users with their credentials, and roles. [`State::differences`] names each difference by namespace and
//! thing. Left out: `local`, `config`, `system.profile`, the server's own collections in `admin`, and temporary
//! ones there. Nothing is decoded on the way, so that the bits of a NaN or a key that is there twice count.
//!
//! The order of the top-level fields of options, indexes, users and roles is not significant; their values,
//! nested documents included, are compared byte by byte.

mod accounts;
mod capture;
mod difference;
pub(crate) mod fields;
pub(crate) mod reading;

use std::collections::BTreeMap;

pub use capture::capture;
pub use difference::{Options, differences};
pub use fields::Fields;
pub use reading::{Error, Result};

/// A SHA-256.
pub type Digest = [u8; 32];

/// Up to so many documents the digest of each is kept, to name those that differ.
pub const SMALL_DOCUMENTS: usize = 130;

/// What [`capture`] read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The server's version.
    pub server_version: String,
    /// By full name, `database.collection`.
    pub namespaces: BTreeMap<String, Namespace>,
    /// By `database.user`, with credentials.
    pub users: BTreeMap<String, Fields>,
    /// By `database.role`.
    pub roles: BTreeMap<String, Fields>,
}

impl State {
    /// What `found` has otherwise than this state; see [`differences`].
    pub fn differences(&self, found: &Self, options: &Options) -> Vec<String> {
        differences(self, found, options)
    }

    /// Documents of all namespaces.
    pub fn documents(&self) -> u64 {
        self.namespaces.values().map(|namespace| namespace.count).sum()
    }
}

/// A collection, view or time series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `collection`, `view` or `timeseries`.
    pub kind: String,
    /// The UUID, but for views and time series.
    pub uuid: Option<Vec<u8>>,
    /// Options as listCollections gives them.
    pub options: Fields,
    /// By name; views have none.
    pub indexes: BTreeMap<String, Fields>,
    /// Documents read.
    pub count: u64,
    /// SHA-256 over the sorted SHA-256 of all documents.
    pub sha256: Digest,
    /// SHA-256 over the documents in natural order, for capped collections.
    pub natural_sha256: Option<Digest>,
    /// For up to [`SMALL_DOCUMENTS`] documents with different `_id`s: the digest of each, by its `_id` as text.
    pub small: Option<BTreeMap<String, Digest>>,
}
