//! Documents that a restore could not insert because another one has their `_id`. Where the archive holds a document twice,
//! since it was removed and stored anew while its collection was read, the oplog has its insertion or removal, and the replay
//! makes of the two what is right. Where the oplog has neither, somebody else's document is in the way.

use mongoark_bson_bytes::Elements;
use mongoark_model::Namespace;
use mongoark_oplog::{Entry, Op};
use std::collections::{HashMap, HashSet};

/// An `_id`: the kind of its BSON element, and its value.
type Id = (u8, Vec<u8>);

/// What waits to be settled, by collection of the target.
#[derive(Clone, Debug, Default)]
pub struct Disputes {
    open: HashMap<Namespace, Dispute>,
}

/// What waits in one collection.
#[derive(Clone, Debug)]
struct Dispute {
    stream: u32,
    ids: HashSet<Id>,
    /// Whether the target had the collection before: then what is in the way is its own, and stays.
    is_shared: bool,
}

impl Disputes {
    /// Adds the `_id`s of a stream's documents that were not inserted.
    pub(crate) fn insert(&mut self, target: Namespace, stream: u32, ids: HashSet<Id>, is_shared: bool) {
        if !ids.is_empty() {
            self.open.insert(target, Dispute { stream, ids, is_shared });
        }
    }

    /// Takes note of a write before it is done; whether it is about a document of the target's own, which stays.
    pub(super) fn is_kept(&mut self, entry: &Entry<'_>) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let Some(dispute) = self.open.get_mut(&entry.target()) else { return false };
        let Ok(Some(id)) = entry.id() else { return false };
        let id = (id.kind, id.value.to_vec());
        if dispute.is_shared {
            return dispute.ids.contains(&id);
        }
        if brings_all(entry) {
            dispute.ids.remove(&id);
        }
        false
    }

    /// A collection was dropped, or replaced: what was in the way went with it.
    pub(super) fn forget(&mut self, target: &Namespace) {
        self.open.remove(target);
    }

    /// A collection has another name.
    pub(super) fn rename(&mut self, from: &Namespace, to: &Namespace) {
        self.forget(to);
        if let Some(dispute) = self.open.remove(from) {
            self.open.insert(to.clone(), dispute);
        }
    }

    /// What nothing has settled, by stream.
    pub(crate) fn unsettled(self) -> HashMap<u32, HashSet<Id>> {
        self.open.into_values().map(|dispute| (dispute.stream, dispute.ids)).collect()
    }
}

/// Whether the document is afterwards what the source had, whatever was there before: it is inserted, removed or replaced as a
/// whole.
fn brings_all(entry: &Entry<'_>) -> bool {
    let first = || Elements::new(entry.object).ok().and_then(|mut fields| fields.next()?.ok());
    match entry.op {
        Op::Insert | Op::Delete => true,
        Op::Update => first().is_none_or(|field| !field.key.starts_with(b"$")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, rawdoc};

    fn disputes(is_shared: bool) -> Disputes {
        let ids = (0..4_i32).map(|id| (0x10, id.to_le_bytes().to_vec())).collect();
        let mut disputes = Disputes::default();
        disputes.insert(Namespace::new("d", "c"), 7, ids, is_shared);
        disputes
    }

    fn write(disputes: &mut Disputes, entry: &RawDocumentBuf) -> bool {
        disputes.is_kept(&Entry::parse(entry.as_bytes()).unwrap())
    }

    fn left(disputes: Disputes) -> Vec<u8> {
        let mut left: Vec<u8> =
            disputes.unsettled().remove(&7).into_iter().flatten().map(|(_, id)| id[0]).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn only_what_brings_the_whole_document_settles_who_is_right() {
        let mut open = disputes(false);
        for entry in [
            rawdoc! { "op": "i", "ns": "d.c", "o": { "_id": 0 } },
            rawdoc! { "op": "u", "ns": "d.c", "o": { "$v": 2, "diff": {} }, "o2": { "_id": 1 } },
            rawdoc! { "op": "u", "ns": "d.c", "o": { "_id": 2, "a": 1 }, "o2": { "_id": 2 } },
            rawdoc! { "op": "d", "ns": "d.other", "o": { "_id": 3 } },
        ] {
            assert!(!write(&mut open, &entry));
        }
        assert_eq!(left(open.clone()), [1, 3]);
        open.rename(&Namespace::new("d", "c"), &Namespace::new("d", "e"));
        assert!(!write(&mut open, &rawdoc! { "op": "d", "ns": "d.e", "o": { "_id": 3 } }));
        assert_eq!(left(open.clone()), [1]);
        open.forget(&Namespace::new("d", "e"));
        assert!(left(open).is_empty());
    }

    #[test]
    fn the_targets_own_stays_and_is_never_settled() {
        let mut open = disputes(true);
        assert!(write(&mut open, &rawdoc! { "op": "i", "ns": "d.c", "o": { "_id": 0 } }));
        assert!(!write(&mut open, &rawdoc! { "op": "i", "ns": "d.c", "o": { "_id": 9 } }));
        assert_eq!(left(open), [0, 1, 2, 3]);
    }
}
