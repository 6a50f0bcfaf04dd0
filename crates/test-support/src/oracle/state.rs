//! What databases hold: namespaces with their options, indexes and documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mongoark_bson_bytes::get;

use crate::compare::Fields;

/// The `_id` of a document: its type byte and its bytes.
pub type Id = Vec<u8>;

/// Namespaces by full name, `database.collection`.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Collections, views and time series; the buckets behind these are collections of their own.
    pub namespaces: BTreeMap<String, Namespace>,
}

impl State {
    /// Documents of all namespaces.
    pub fn documents(&self) -> usize {
        self.namespaces.values().map(|namespace| namespace.documents.len()).sum()
    }
}

/// A collection, view or time series.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// `collection`, `view` or `timeseries`.
    pub kind: String,
    /// The UUID, but for views and time series. It tells a collection from another one of the same name.
    pub uuid: Option<Vec<u8>>,
    /// Options as listCollections gives them.
    pub options: Fields,
    /// By name, as listIndexes gives them.
    pub indexes: BTreeMap<String, Fields>,
    documents: BTreeMap<Id, Document>,
    next_place: u64,
    /// What nobody knows.
    unsettled: BTreeSet<Aspect>,
}

/// A part of a namespace that changes by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    Options,
    /// By its name.
    Index(String),
    Document(Id),
}

#[derive(Debug, Clone)]
struct Document {
    /// Where it stands in the order of insertion.
    place: u64,
    bytes: Arc<[u8]>,
}

impl Namespace {
    /// One without documents and indexes.
    pub fn new(kind: &str, uuid: Option<Vec<u8>>, options: Fields) -> Self {
        let (indexes, documents, unsettled) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { kind: kind.to_owned(), uuid, options, indexes, documents, next_place: 0, unsettled }
    }

    /// Inserts a document behind the others, or replaces the one of the same `_id` where it stands. A full capped
    /// collection loses its oldest.
    pub fn put(&mut self, id: Id, bytes: Arc<[u8]>) {
        let place = self.documents.get(&id).map_or(self.next_place, |document| document.place);
        self.next_place += 1;
        self.documents.insert(id, Document { place, bytes });
        if self.capped_max().is_some_and(|max| self.documents.len() > max) {
            let oldest = self.documents.iter().min_by_key(|(_, document)| document.place);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.map(|id| self.documents.remove(&id));
        }
    }

    /// Removes a document, if it is there.
    pub fn remove(&mut self, id: &Id) {
        self.documents.remove(id);
    }

    /// Notes that something was about to be changed once more: it may be there, or not, as anything.
    pub(super) fn unsettle(&mut self, aspect: Aspect) {
        self.unsettled.insert(aspect);
    }

    /// Whether it is known how something was.
    pub(super) fn is_settled(&self, aspect: &Aspect) -> bool {
        !self.unsettled.contains(aspect)
    }

    /// Whether it is known what a document was.
    pub(super) fn is_settled_document(&self, id: &Id) -> bool {
        self.unsettled.is_empty() || self.is_settled(&Aspect::Document(id.clone()))
    }

    /// The bytes of a document.
    pub fn document(&self, id: &Id) -> Option<&Arc<[u8]>> {
        self.documents.get(id).map(|document| &document.bytes)
    }

    /// All documents by `_id`.
    pub fn documents(&self) -> impl Iterator<Item = (&Id, &Arc<[u8]>)> {
        self.documents.iter().map(|(id, document)| (id, &document.bytes))
    }

    /// All `_id`s in the order of insertion.
    pub fn natural_order(&self) -> Vec<&Id> {
        let mut ids: Vec<_> = self.documents.iter().collect();
        ids.sort_unstable_by_key(|(_, document)| document.place);
        ids.into_iter().map(|(id, _)| id).collect()
    }

    /// Whether the order of the documents is data too.
    pub fn is_capped(&self) -> bool {
        self.options.contains("capped")
    }

    fn capped_max(&self) -> Option<usize> {
        let max = self.options.get("max").filter(|_| self.is_capped())?;
        usize::try_from(max.as_i64_lossless()?).ok()
    }
}

/// The `_id` of a raw document.
pub(super) fn id_of(document: &[u8]) -> Id {
    let id = get(document, "_id").expect("a whole document").expect("a document with an _id");
    let mut key = Vec::with_capacity(id.value.len() + 1);
    key.push(id.kind);
    key.extend_from_slice(id.value);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn a_full_capped_collection_loses_its_oldest() {
        let options = rawdoc! { "capped": true, "size": 4096, "max": 2 };
        let mut ring = Namespace::new("collection", None, Fields::of(options.as_bytes()).unwrap());
        let put = |ring: &mut Namespace, id: i32| {
            let document = rawdoc! { "_id": id };
            ring.put(id_of(document.as_bytes()), document.as_bytes().into());
        };
        for id in [3, 2, 3, 1] {
            put(&mut ring, id);
        }
        let left = [2, 1].map(|id: i32| id_of(rawdoc! { "_id": id }.as_bytes()));
        assert_eq!(ring.natural_order(), left.iter().collect::<Vec<_>>());
    }
}
