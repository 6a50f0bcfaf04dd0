//! A deployment as an `expected.json` describes it: digests as hexadecimal text, all else as Extended JSON text.

use std::collections::BTreeMap;

/// Fields by name, each as the text of its value.
pub(super) type Texts = BTreeMap<String, String>;

/// What a file expects, or a server holds.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Namespaces by database and collection.
    pub(super) databases: BTreeMap<String, BTreeMap<String, Namespace>>,
    /// By `database.user`.
    pub(super) users: BTreeMap<String, Texts>,
    /// By `database.role`.
    pub(super) roles: BTreeMap<String, Texts>,
}

/// A collection, view or time series.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) kind: String,
    /// With hyphens; nothing where the server chose it when the file was made.
    pub(super) uuid: Option<String>,
    pub(super) options: Texts,
    pub(super) indexes: BTreeMap<String, Texts>,
    /// Documents.
    pub(super) count: u64,
    /// SHA-256 of all documents, one after the other in the order of their bytes.
    pub(super) sha256: String,
    /// The same in natural order, for capped collections.
    pub(super) natural_sha256: Option<String>,
    /// For small collections: the first 16 digits of the SHA-256 of each document, by its `_id`.
    pub(super) documents: Option<Texts>,
}
