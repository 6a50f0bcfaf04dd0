//! The indexes that are to be built after the replay: what a dump brought, edited by the entries
//! that are replayed.

use crate::error::{Error, Result};
use crate::spec::{self, IndexChange};
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
    /// After how long the collection's own documents expire, where that is set last: the option `expireAfterSeconds` of a time
    /// series or a clustered collection, as the kind and the value of its BSON element.
    pub expires: Option<(u8, Vec<u8>)>,
}

/// Every collection's indexes, by namespace. No I/O: whoever restores builds them at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexCatalog {
    collections: BTreeMap<Namespace, CollectionIndexes>,
    defers_expiry: bool,
}

impl IndexCatalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty catalog that keeps back, too, after how long collections expire: a server would remove, while they are replayed,
    /// what later entries change.
    pub fn deferring_expiry() -> Self {
        Self { defers_expiry: true, ..Self::default() }
    }

    pub(crate) fn defers_expiry(&self) -> bool {
        self.defers_expiry
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

    /// Takes out a collection that is dropped.
    pub fn forget(&mut self, namespace: &Namespace) {
        self.remove(namespace);
    }

    /// Moves a collection's indexes to its new name, in place of those that were there.
    pub fn rename(&mut self, from: &Namespace, to: Namespace) {
        match self.collections.remove(from) {
            Some(indexes) => _ = self.collections.insert(to, indexes),
            None => _ = self.collections.remove(&to),
        }
    }

    /// Adds an index, in place of one of the same name.
    pub(crate) fn add(&mut self, namespace: Namespace, spec: RawDocumentBuf) -> Result<()> {
        let wanted = Error::Field { ts: None, field: "o", wanted: "an index with a name" };
        let name = spec::name(spec.as_bytes()).ok_or(wanted)?;
        let specs = &mut self.entry(namespace).specs;
        match specs.iter_mut().find(|other| spec::name(other.as_bytes()) == Some(name)) {
            Some(other) => *other = spec,
            None => specs.push(spec),
        }
        Ok(())
    }

    /// Changes the index that is meant; whether there is one.
    pub(crate) fn modify(&mut self, namespace: &Namespace, change: &IndexChange<'_>) -> Result<bool> {
        let specs = self.collections.get_mut(namespace).map(|indexes| &mut indexes.specs);
        let Some(spec) = specs.into_iter().flatten().find(|spec| change.means(spec.as_bytes())) else {
            return Ok(false);
        };
        *spec = change.applied_to(spec.as_bytes())?;
        Ok(true)
    }

    pub(crate) fn get_mut(&mut self, namespace: &Namespace) -> Option<&mut CollectionIndexes> {
        self.collections.get_mut(namespace)
    }

    pub(crate) fn remove(&mut self, namespace: &Namespace) {
        self.collections.remove(namespace);
        if let Some(series) = time_series(namespace) {
            self.collections.remove(&series);
        }
    }

    pub(crate) fn remove_database(&mut self, db: &str) {
        self.collections.retain(|namespace, _| namespace.db != db);
    }

    pub(crate) fn remove_index(&mut self, namespace: &Namespace, name: &str) {
        self.retain(namespace, |spec| spec::name(spec) != Some(name));
        if let Some(series) = time_series(namespace) {
            self.retain(&series, |spec| spec::name(spec) != Some(name));
        }
    }

    /// Removes all indexes of a collection but that on `_id`.
    pub(crate) fn retain_on_id(&mut self, namespace: &Namespace) {
        self.retain(namespace, spec::is_on_id);
        if let Some(series) = time_series(namespace) {
            self.retain(&series, |_| false);
        }
    }

    /// Keeps the indexes of a collection that `keep` holds for.
    pub(crate) fn retain(&mut self, namespace: &Namespace, keep: impl Fn(&[u8]) -> bool) {
        if let Some(indexes) = self.collections.get_mut(namespace) {
            indexes.specs.retain(|spec| keep(spec.as_bytes()));
        }
    }

    /// All collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Namespace, &CollectionIndexes)> {
        self.collections.iter()
    }
}

/// The time series whose buckets this collection holds. A dump lists the indexes of a time series under its
/// own name, the oplog under that of the buckets; the names of the indexes are the same, their keys are not.
fn time_series(buckets: &Namespace) -> Option<Namespace> {
    let name = buckets.collection.strip_prefix("system.buckets.")?;
    Some(Namespace::new(buckets.db.clone(), name))
}

impl IntoIterator for IndexCatalog {
    type Item = (Namespace, CollectionIndexes);
    type IntoIter = std::collections::btree_map::IntoIter<Namespace, CollectionIndexes>;

    fn into_iter(self) -> Self::IntoIter {
        self.collections.into_iter()
    }
}
