//! The indexes that are to be built after the replay: what a dump brought, edited by the entries
//! that are replayed.

use bson::RawDocumentBuf;
use mongoark_model::Namespace;
use std::collections::BTreeMap;

/// The indexes of one collection, not built yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollectionIndexes {
    /// Raw definitions, as listIndexes gives them, in the order in which they were made.
    pub specs: Vec<RawDocumentBuf>,
    /// Whether the collection's own collation is another than the simple one, so that an index
    /// without a collation has to state the simple one when it is built.
    pub collated: bool,
}

/// Every collection's indexes, by namespace. No I/O: whoever restores builds them at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexCatalog {
    collections: BTreeMap<Namespace, CollectionIndexes>,
}

impl IndexCatalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what a collection has, in place of what was known of it.
    pub fn insert(&mut self, namespace: Namespace, indexes: CollectionIndexes) {
        self.collections.insert(namespace, indexes);
    }

    /// What is known of a collection.
    pub fn get(&self, namespace: &Namespace) -> Option<&CollectionIndexes> {
        self.collections.get(namespace)
    }

    /// What is known of a collection, which becomes known to have no index if it was not.
    pub fn entry(&mut self, namespace: Namespace) -> &mut CollectionIndexes {
        self.collections.entry(namespace).or_default()
    }

    /// All collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Namespace, &CollectionIndexes)> {
        self.collections.iter()
    }
}

impl IntoIterator for IndexCatalog {
    type Item = (Namespace, CollectionIndexes);
    type IntoIter = std::collections::btree_map::IntoIter<Namespace, CollectionIndexes>;

    fn into_iter(self) -> Self::IntoIter {
        self.collections.into_iter()
    }
}
