//! What a command of the oplog does to the indexes that are not built yet.

use crate::catalog::IndexCatalog;
use crate::class::{Command, CommandKind};
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::spec::{self, IndexChange};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Element, Elements};
use mongoark_model::Namespace;

/// What is left to do on the server after a command has edited the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remainder {
    /// Nothing: it was about indexes alone.
    Nothing,
    /// The command as it stands.
    Whole,
    /// This command in its place.
    Other(Vec<u8>),
}

impl IndexCatalog {
    /// Edits the catalog as `command` does, and tells what the server has still to do. A rename is not
    /// edited in: only its outcome tells what it did, see [`IndexCatalog::rename`].
    pub fn edit(&mut self, command: &Command<'_>) -> Result<Remainder> {
        match command.kind {
            CommandKind::Create => self.create(command),
            CommandKind::Drop => {
                self.remove(&command.collection()?);
                Ok(Remainder::Whole)
            }
            CommandKind::DropDatabase => {
                self.remove_database(command.db);
                Ok(Remainder::Whole)
            }
            CommandKind::ConvertToCapped => {
                // The server makes a new collection in its place, with no index but that on _id.
                if let Some(indexes) = self.get_mut(&command.collection()?) {
                    indexes.specs.clear();
                }
                Ok(Remainder::Whole)
            }
            CommandKind::CreateIndexes => self.create_indexes(command),
            CommandKind::CommitIndexBuild => self.commit_index_build(command),
            CommandKind::DropIndexes => self.drop_indexes(command),
            CommandKind::CollMod => self.coll_mod(command),
            CommandKind::DbCheck => Ok(Remainder::Nothing),
            CommandKind::RenameCollection
            | CommandKind::EmptyCapped
            | CommandKind::ApplyOps
            | CommandKind::Transaction => Ok(Remainder::Whole),
        }
    }

    /// Takes out the indexes of a collection whose build an `abortIndexBuild` gave up: whoever listed the indexes
    /// meanwhile saw them.
    pub fn abort_index_build(&mut self, entry: &Entry<'_>, namespace: &Namespace) -> Result<()> {
        let command = Command { kind: CommandKind::DropIndexes, db: entry.db(), body: entry.object };
        for spec in listed(&command, "indexes")? {
            if let Some(name) = spec::name(spec.as_bytes()) {
                self.remove_index(namespace, name);
            }
        }
        Ok(())
    }

    fn create(&mut self, command: &Command<'_>) -> Result<Remainder> {
        let collation = bytes::get(command.body, "collation")?.and_then(|collation| collation.as_document());
        let namespace = command.collection()?;
        // Whatever had its name before is gone.
        self.remove(&namespace);
        self.entry(namespace.clone()).collated = collation.is_some_and(|it| !spec::is_simple(it));
        // Whether record ids are replicated is a matter of the target.
        let mut own = vec!["recordIdsReplicated"];
        self.take_expiry(namespace, command, &mut own)?;
        let body = without(command.body, &own)?;
        Ok(if body == command.body { Remainder::Whole } else { Remainder::Other(body) })
    }

    /// Keeps back after how long a collection expires, and names the field so that the server does not get it now.
    fn take_expiry(
        &mut self,
        namespace: Namespace,
        command: &Command<'_>,
        taken: &mut Vec<&'static str>,
    ) -> Result<()> {
        const FIELD: &str = "expireAfterSeconds";
        if self.defers_expiry()
            && let Some(after) = bytes::get(command.body, FIELD)?
        {
            self.entry(namespace).expires = Some((after.kind, after.value.to_vec()));
            taken.push(FIELD);
        }
        Ok(())
    }

    fn create_indexes(&mut self, command: &Command<'_>) -> Result<Remainder> {
        let spec = raw(without(command.body, &["createIndexes"])?)?;
        self.add(command.collection()?, spec)?;
        Ok(Remainder::Nothing)
    }

    fn commit_index_build(&mut self, command: &Command<'_>) -> Result<Remainder> {
        let namespace = command.collection()?;
        for spec in listed(command, "indexes")? {
            self.add(namespace.clone(), spec)?;
        }
        Ok(Remainder::Nothing)
    }

    fn drop_indexes(&mut self, command: &Command<'_>) -> Result<Remainder> {
        let namespace = command.collection()?;
        let Some(index) = bytes::get(command.body, "index")? else { return Ok(Remainder::Nothing) };
        if let Some(key) = index.as_document() {
            self.retain(&namespace, |spec| !spec::has_key(spec, key));
        } else if let Some(names) = index.as_array() {
            for name in Elements::new(names)? {
                self.drop_named(&namespace, &name?)?;
            }
        } else {
            self.drop_named(&namespace, &index)?;
        }
        Ok(Remainder::Nothing)
    }

    fn drop_named(&mut self, namespace: &Namespace, name: &Element<'_>) -> Result<()> {
        match name.as_str() {
            Some("*") => self.retain_on_id(namespace),
            Some(name) => self.remove_index(namespace, name),
            None => {
                let what = "dropIndexes names neither an index nor a key".to_owned();
                return Err(Error::IndexChange { namespace: namespace.clone(), what });
            }
        }
        Ok(())
    }

    /// A collMod of an index that the catalog has is done here; one that it does not have is left to the
    /// server, which may have built it before.
    fn coll_mod(&mut self, command: &Command<'_>) -> Result<Remainder> {
        let namespace = command.collection()?;
        // Options of a storage engine that is gone; servers since 4.2 refuse them.
        let mut obsolete = vec!["noPadding", "usePowerOf2Sizes"];
        if let Some(change) = bytes::get(command.body, "index")? {
            let change = change.as_document().map(|change| IndexChange::parse(change, &namespace));
            let not_known = || Error::IndexChange {
                namespace: namespace.clone(),
                what: "the index of collMod is no document".to_owned(),
            };
            if self.modify(&namespace, &change.ok_or_else(not_known)??)? {
                obsolete.push("index");
            }
        }
        self.take_expiry(namespace, command, &mut obsolete)?;
        let body = without(command.body, &obsolete)?;
        let is_name_alone = Elements::new(&body)?.count() <= 1;
        Ok(match is_name_alone {
            true if body != command.body => Remainder::Nothing,
            _ if body == command.body => Remainder::Whole,
            _ => Remainder::Other(body),
        })
    }
}

fn listed(command: &Command<'_>, field: &'static str) -> Result<Vec<RawDocumentBuf>> {
    let wanted = Error::Field { ts: None, field: "o.indexes", wanted: "an array of documents" };
    let indexes = bytes::get(command.body, field)?.and_then(|indexes| indexes.as_array());
    let mut specs = Vec::new();
    for spec in Elements::new(indexes.ok_or(wanted.clone())?)? {
        specs.push(raw(spec?.as_document().ok_or(wanted.clone())?.to_vec())?);
    }
    Ok(specs)
}

fn raw(spec: Vec<u8>) -> Result<RawDocumentBuf> {
    let wanted = Error::Field { ts: None, field: "o", wanted: "an index" };
    RawDocumentBuf::from_bytes(spec).map_err(|_| wanted)
}

fn without(body: &[u8], keys: &[&str]) -> Result<Vec<u8>> {
    let mut out = Builder::with_capacity(body.len());
    for element in Elements::new(body)? {
        let element = element?;
        if !keys.iter().any(|key| key.as_bytes() == element.key) {
            out.element(&element);
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Class;
    use crate::catalog::CollectionIndexes;
    use bson::rawdoc;

    fn run(catalog: &mut IndexCatalog, body: RawDocumentBuf) -> Result<Remainder> {
        let entry = rawdoc! { "op": "c", "ns": "d.$cmd", "o": body };
        match Entry::parse(entry.as_bytes()).unwrap().class().unwrap() {
            Class::Command(command) => catalog.edit(&command),
            other => panic!("{other:?}"),
        }
    }

    fn index(name: &str, field: &str) -> RawDocumentBuf {
        let key = Builder::new().i32(field, 1).finish();
        rawdoc! { "v": 2, "key": RawDocumentBuf::from_bytes(key).unwrap(), "name": name }
    }

    fn catalog() -> IndexCatalog {
        let mut catalog = IndexCatalog::new();
        let specs = vec![index("_id_", "_id"), index("a_1", "a"), index("b_1", "b")];
        catalog.insert(Namespace::new("d", "c"), CollectionIndexes { specs, ..CollectionIndexes::default() });
        catalog
    }

    fn names(catalog: &IndexCatalog) -> Vec<&str> {
        let indexes = catalog.get(&Namespace::new("d", "c"));
        let specs = indexes.into_iter().flat_map(|indexes| &indexes.specs);
        specs.map(|spec| spec::name(spec.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn indexes_are_added_replaced_and_dropped() {
        let mut c = catalog();
        let created = rawdoc! { "createIndexes": "c", "v": 2, "key": { "e": 1 }, "name": "e_1" };
        assert_eq!(run(&mut c, created).unwrap(), Remainder::Nothing);
        let committed = rawdoc! { "commitIndexBuild": "c", "indexBuildUUID": "u", "indexes": [index("f_1", "f"), index("a_1", "g")] };
        run(&mut c, committed).unwrap();
        assert_eq!(names(&c), ["_id_", "a_1", "b_1", "e_1", "f_1"]);
        let indexes = c.get(&Namespace::new("d", "c")).unwrap();
        assert_eq!(indexes.specs[1].as_bytes(), index("a_1", "g").as_bytes());
        assert_eq!(
            indexes.specs[3].as_bytes(),
            rawdoc! { "v": 2, "key": { "e": 1 }, "name": "e_1" }.as_bytes()
        );
        run(&mut c, rawdoc! { "dropIndexes": "c", "index": "e_1" }).unwrap();
        run(&mut c, rawdoc! { "deleteIndexes": "c", "index": { "b": 1.0 } }).unwrap();
        run(&mut c, rawdoc! { "dropIndexes": "c", "index": ["f_1", "nothing"] }).unwrap();
        assert_eq!(names(&c), ["_id_", "a_1"]);
        run(&mut c, rawdoc! { "dropIndexes": "c", "index": "*" }).unwrap();
        assert_eq!(names(&c), ["_id_"]);
        assert!(run(&mut c, rawdoc! { "dropIndexes": "c", "index": 3 }).is_err());
    }

    #[test]
    fn an_index_whose_build_was_given_up_is_taken_out() {
        let mut c = catalog();
        let body = rawdoc! { "abortIndexBuild": "c", "indexBuildUUID": "u", "indexes": [index("a_1", "a")], "cause": {} };
        let entry = rawdoc! { "op": "c", "ns": "d.$cmd", "o": body };
        c.abort_index_build(&Entry::parse(entry.as_bytes()).unwrap(), &Namespace::new("d", "c")).unwrap();
        assert_eq!(names(&c), ["_id_", "b_1"]);
    }

    #[test]
    fn the_indexes_of_a_time_series_are_found_behind_its_buckets() {
        let mut c = catalog();
        run(&mut c, rawdoc! { "dropIndexes": "system.buckets.c", "index": "a_1" }).unwrap();
        assert_eq!(names(&c), ["_id_", "b_1"]);
        run(&mut c, rawdoc! { "drop": "system.buckets.c" }).unwrap();
        assert!(names(&c).is_empty());
    }

    #[test]
    fn drops_take_the_indexes_along() {
        let mut c = catalog();
        assert_eq!(run(&mut c, rawdoc! { "drop": "c" }).unwrap(), Remainder::Whole);
        assert!(names(&c).is_empty());
        let mut c = catalog();
        run(&mut c, rawdoc! { "dropDatabase": 1 }).unwrap();
        assert_eq!(c, IndexCatalog::new());
    }

    #[test]
    fn a_new_collection_says_whether_it_is_collated() {
        let mut c = IndexCatalog::new();
        let body = rawdoc! { "create": "c", "collation": { "locale": "sv" }, "recordIdsReplicated": true };
        let rest = rawdoc! { "create": "c", "collation": { "locale": "sv" } };
        assert_eq!(run(&mut c, body).unwrap(), Remainder::Other(rest.into_bytes()));
        assert!(c.get(&Namespace::new("d", "c")).unwrap().collated);
        assert_eq!(run(&mut c, rawdoc! { "create": "c" }).unwrap(), Remainder::Whole);
        assert!(!c.get(&Namespace::new("d", "c")).unwrap().collated);
    }

    #[test]
    fn a_change_of_an_index_is_taken_out_of_a_change_of_the_collection() {
        let mut c = catalog();
        let both = rawdoc! { "collMod": "c", "index": { "name": "a_1", "hidden": true }, "validator": {} };
        let rest = rawdoc! { "collMod": "c", "validator": {} };
        assert_eq!(run(&mut c, both).unwrap(), Remainder::Other(rest.into_bytes()));
        let index_alone =
            rawdoc! { "collMod": "c", "index": { "keyPattern": { "b": 1 }, "expireAfterSeconds": 5 } };
        assert_eq!(run(&mut c, index_alone).unwrap(), Remainder::Nothing);
        let unknown = rawdoc! { "collMod": "c", "index": { "name": "z", "hidden": true } };
        assert_eq!(run(&mut c, unknown).unwrap(), Remainder::Whole);
        let old = rawdoc! { "collMod": "c", "usePowerOf2Sizes": true };
        assert_eq!(run(&mut c, old).unwrap(), Remainder::Nothing);
        let specs = &c.get(&Namespace::new("d", "c")).unwrap().specs;
        let hidden = rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1", "hidden": true };
        assert_eq!(specs[1].as_bytes(), hidden.as_bytes());
        let ttl = rawdoc! { "v": 2, "key": { "b": 1 }, "name": "b_1", "expireAfterSeconds": 5 };
        assert_eq!(specs[2].as_bytes(), ttl.as_bytes());
    }

    #[test]
    fn the_time_after_which_a_collection_expires_is_kept_back_where_that_is_wanted() {
        let created =
            rawdoc! { "create": "system.buckets.t", "expireAfterSeconds": 60_i64, "timeseries": {} };
        let changed = rawdoc! { "collMod": "system.buckets.t", "expireAfterSeconds": 90_i64 };
        let buckets = Namespace::new("d", "system.buckets.t");
        let mut c = IndexCatalog::deferring_expiry();
        let rest = rawdoc! { "create": "system.buckets.t", "timeseries": {} };
        assert_eq!(run(&mut c, created.clone()).unwrap(), Remainder::Other(rest.into_bytes()));
        assert_eq!(c.get(&buckets).unwrap().expires, Some((0x12, 60_i64.to_le_bytes().to_vec())));
        assert_eq!(run(&mut c, changed).unwrap(), Remainder::Nothing);
        assert_eq!(c.get(&buckets).unwrap().expires, Some((0x12, 90_i64.to_le_bytes().to_vec())));
        run(&mut c, rawdoc! { "drop": "system.buckets.t" }).unwrap();
        assert!(c.get(&buckets).is_none());
        assert_eq!(run(&mut IndexCatalog::new(), created).unwrap(), Remainder::Whole);
    }

    #[test]
    fn a_rename_moves_the_indexes() {
        let mut c = catalog();
        let (from, to) = (Namespace::new("d", "c"), Namespace::new("e", "f"));
        c.insert(
            to.clone(),
            CollectionIndexes { specs: vec![index("old", "o")], collated: true, expires: None },
        );
        c.rename(&from, to.clone());
        assert!(c.get(&from).is_none());
        assert_eq!(c.get(&to).unwrap().specs.len(), 3);
    }
}
