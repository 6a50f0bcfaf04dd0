//! Reading databases into a [`State`], and the changes that lead from one state to another.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::Timestamp;
use mongoark_bson_bytes::{Builder, get, get_path};
use mongodb::Client;

use super::change::Change;
use super::state::{Namespace, State, id_of};
use crate::compare::Fields;
use crate::compare::reading::{Error, Result, all, for_each};

/// Reads these databases whole.
pub async fn observe(client: &Client, databases: &[String]) -> Result<State> {
    let mut state = State::default();
    for database in databases {
        let list = Builder::new().i32("listCollections", 1).finish();
        for listed in all(client, database, list).await? {
            let name = get(&listed, "name")?.and_then(|name| name.as_str()).ok_or(Error::Missing("name"))?;
            if !is_passing(name) {
                let namespace = observe_namespace(client, database, name, &listed).await?;
                state.namespaces.insert(format!("{database}.{name}"), namespace);
            }
        }
    }
    Ok(state)
}

/// Views are seen as such; temporary collections of convertToCapped and of renames are gone soon.
fn is_passing(name: &str) -> bool {
    name == "system.views"
        || name.starts_with("tmp")
            && (name.contains(".convertToCapped.") || name.ends_with(".renameCollection"))
}

async fn observe_namespace(client: &Client, database: &str, name: &str, listed: &[u8]) -> Result<Namespace> {
    let kind = get(listed, "type")?.and_then(|kind| kind.as_str()).ok_or(Error::Missing("type"))?;
    let options = get(listed, "options")?.and_then(|options| options.as_document());
    let options = Fields::of(options.ok_or(Error::Missing("options"))?)?;
    let uuid = get_path(listed, &["info", "uuid"])?.and_then(|uuid| uuid.as_binary());
    let mut namespace = Namespace::new(kind, uuid.map(|(_, bytes)| bytes.to_vec()), options);
    if kind == "collection" {
        namespace.indexes = indexes(client, database, name).await?;
        let find = Builder::new().str("find", name).finish();
        read_documents(client, database, find, &mut namespace).await?;
    }
    Ok(namespace)
}

async fn read_documents(client: &Client, database: &str, find: Vec<u8>, into: &mut Namespace) -> Result<()> {
    for_each(client, database, find, |document| {
        into.put(id_of(document), document.into());
        Ok(())
    })
    .await
}

pub(super) async fn indexes(
    client: &Client,
    database: &str,
    collection: &str,
) -> Result<BTreeMap<String, Fields>> {
    let list = Builder::new().str("listIndexes", collection).finish();
    let mut indexes = BTreeMap::new();
    for index in all(client, database, list).await? {
        let name = get(&index, "name")?.and_then(|name| name.as_str()).ok_or(Error::Missing("index name"))?;
        indexes.insert(name.to_owned(), Fields::of(&index)?);
    }
    Ok(indexes)
}

/// The changes that make `new` out of `old`, in the order in which they can be made.
pub(super) fn changes_between(old: &State, new: &State) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut known = renamed_or_gone(old, new, &mut changes);
    for (name, found) in &new.namespaces {
        if !known.namespaces.contains_key(name) {
            let mut bare = Namespace::new(&found.kind, found.uuid.clone(), found.options.clone());
            // Every collection has it from its first moment on.
            bare.indexes = found.indexes.clone();
            bare.indexes.retain(|index, _| index == "_id_");
            changes.push(Change::Appeared(name.clone(), bare.clone()));
            known.namespaces.insert(name.clone(), bare);
        }
        inside(name, &known.namespaces[name], found, &mut changes);
    }
    changes
}

/// What is left of `old` under its new names.
fn renamed_or_gone(old: &State, new: &State, changes: &mut Vec<Change>) -> State {
    let names: BTreeMap<_, _> =
        new.namespaces.iter().map(|(name, namespace)| (identity(name, namespace), name)).collect();
    let mut left = State::default();
    let mut renames = Vec::new();
    for (name, namespace) in &old.namespaces {
        match names.get(&identity(name, namespace)) {
            None => changes.push(Change::Gone(name.clone())),
            Some(now) => {
                if *now != name {
                    renames.push(Change::Renamed { from: name.clone(), to: (*now).clone() });
                }
                left.namespaces.insert((*now).clone(), namespace.clone());
            }
        }
    }
    changes.append(&mut renames);
    left
}

/// Views have no UUID: they are what their name is.
fn identity(name: &str, namespace: &Namespace) -> Vec<u8> {
    namespace.uuid.clone().unwrap_or_else(|| format!("{} {name}", namespace.kind).into_bytes())
}

/// What is different inside one namespace.
fn inside(name: &str, old: &Namespace, new: &Namespace, changes: &mut Vec<Change>) {
    if old.options != new.options {
        changes.push(Change::Options(name.to_owned(), new.options.clone()));
    }
    indexes_between(name, &old.indexes, &new.indexes, changes);
    // A full capped collection loses documents by itself, in the model as on the server.
    for (id, _) in old.documents().filter(|(id, _)| !new.is_capped() && new.document(id).is_none()) {
        changes.push(Change::Removed(name.to_owned(), id.clone()));
    }
    for id in new.natural_order() {
        let bytes = new.document(id).expect("a document of this _id");
        if old.document(id) != Some(bytes) {
            changes.push(Change::Put(name.to_owned(), id.clone(), bytes.clone()));
        }
    }
}

pub(super) fn indexes_between(
    name: &str,
    old: &BTreeMap<String, Fields>,
    new: &BTreeMap<String, Fields>,
    changes: &mut Vec<Change>,
) {
    let gone = old.keys().filter(|index| !new.contains_key(*index));
    changes.extend(gone.map(|index| Change::Unbuilt(name.to_owned(), index.clone())));
    for (index, fields) in new.iter().filter(|(index, fields)| old.get(*index) != Some(*fields)) {
        changes.push(Change::Built(name.to_owned(), index.clone(), fields.clone()));
    }
}

/// Compares the documents of an expected state with what the deployment itself read at that time: a line for each
/// collection that differs, and how many agree. Collections whose catalog has changed since cannot be read so.
/// Needs a server of version 5.0.
pub async fn snapshot_differences(
    client: &Client,
    expected: &State,
    time: Timestamp,
) -> (Vec<String>, usize) {
    let (mut lines, mut same) = (Vec::new(), 0);
    for (name, namespace) in expected.namespaces.iter().filter(|(_, found)| found.kind == "collection") {
        let (database, collection) = name.split_once('.').expect("a full name");
        let find = Builder::new()
            .str("find", collection)
            .nested("readConcern", |concern| {
                concern.str("level", "snapshot");
                concern.timestamp("atClusterTime", time.time, time.increment);
            })
            .finish();
        let mut read = Namespace::new("collection", None, namespace.options.clone());
        let done = read_documents(client, database, find, &mut read).await;
        let settled = |found: &Namespace| {
            let settled = found.documents().filter(|(id, _)| namespace.is_settled_document(id));
            settled.map(|(id, bytes)| (id.clone(), Arc::clone(bytes))).collect::<Vec<_>>()
        };
        let has_all = settled(&read) == settled(namespace);
        match done {
            Ok(()) if has_all => same += 1,
            // An empty answer may be of another collection, which did not exist yet.
            Ok(()) if read.documents().next().is_none() => {}
            Ok(()) => lines.push(format!("{name:?} at {time}: the deployment's own snapshot differs")),
            Err(_) => {}
        }
    }
    (lines, same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    /// Collections of these names, each with its UUID and the `_id`s of its documents.
    fn state<const N: usize>(collections: [(&str, u8, &[i32]); N]) -> State {
        let mut state = State::default();
        for (name, uuid, ids) in collections {
            let mut namespace = Namespace::new("collection", Some(vec![uuid]), Fields::default());
            for id in ids {
                let document = rawdoc! { "_id": *id };
                namespace.put(id_of(document.as_bytes()), document.as_bytes().into());
            }
            state.namespaces.insert(format!("d.{name}"), namespace);
        }
        state
    }

    #[test]
    fn changes_lead_from_one_state_to_the_other() {
        let old = state([("a", 1, &[1, 2]), ("b", 2, &[3]), ("c", 3, &[])]);
        // a went over b and got a document, a new a was made, c is another one.
        let new = state([("a", 4, &[9]), ("b", 1, &[1, 2, 5]), ("c", 5, &[])]);
        let mut made = old.clone();
        for change in changes_between(&old, &new) {
            change.apply(&mut made);
        }
        assert_eq!(crate::oracle::differences(&new, &made), Vec::<String>::new());
        assert_eq!(made.namespaces["d.b"].uuid, Some(vec![1]));
        assert!(changes_between(&new, &made).is_empty());
    }
}
