//! Where the collections of the source stand on the target.
//!
//! A dump lists collections some time after its oplog begins. By then they may have been renamed, dropped and made
//! anew, so that a name means another collection in the oplog than in the dump; a UUID never does. So entries
//! are sent to where their collection is by its UUID, and what the oplog does to a collection whose later state the
//! dump has already is not done again.

use super::rules::{Rules, is_account};
use crate::{Error, Result};
use mongoark_bson_bytes as bytes;
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace, Timestamp};
use mongoark_oplog::{Command, CommandKind, Entry, Error as OplogError, Op};
use std::collections::{BTreeMap, HashMap, HashSet};

type Uuid = [u8; 16];

/// What stands before the name of a time series' buckets.
const BUCKETS: &str = "system.buckets.";
/// The collection that holds a database's views.
const VIEWS: &str = "system.views";

/// Where every collection is that is known. Without any, entries go by their names.
#[derive(Clone, Debug, Default)]
pub struct Places {
    rules: Rules,
    known: HashMap<Uuid, Place>,
    /// Who stands where on the target.
    names: HashMap<Namespace, Uuid>,
    /// Collections of the restore's making whose UUIDs at the source nobody knows, by their names on the target, with those at the
    /// source.
    made: HashMap<Namespace, Namespace>,
    /// Collections that get nothing: given up, or gone before the dump listed them.
    gone: HashSet<Uuid>,
    /// The same by their names at the source, where no UUIDs are known.
    gone_names: HashSet<Namespace>,
    /// Those that the dump does not have. The oplog has to drop them, with the name and the time that they were first
    /// met under; else they were lost.
    unseen: HashMap<Uuid, (Namespace, Timestamp)>,
    /// The same of those that entries know by their names alone.
    unseen_names: BTreeMap<Namespace, Timestamp>,
    /// Views by their names at the source, with those on the target.
    views: BTreeMap<Namespace, Namespace>,
}

/// One collection.
#[derive(Clone, Debug)]
struct Place {
    source: Namespace,
    target: Namespace,
    is_temporary: bool,
    /// Whether documents of it that are there already may come again.
    is_capped: bool,
    /// Whether the target had it before, so that documents are added to it and it stays where it is.
    is_shared: bool,
    /// Its UUID on the target, where that was taken down.
    uuid_there: Option<Uuid>,
}

/// Where a write goes.
pub(super) enum Where {
    /// To the namespace that it names.
    Same,
    /// This operation in its place.
    Elsewhere(Vec<u8>),
    /// This operation in its place, which makes a view of this name: it must not be there.
    NewView(Vec<u8>, Namespace),
    /// Nowhere: it is not selected, or its collection is gone.
    Nowhere,
    /// Nowhere, because it is an account of the target's own.
    Kept(String),
}

/// What becomes of a command.
pub(super) enum Step {
    /// It is run as it is.
    Same,
    /// This one is run in its place.
    Elsewhere(Vec<u8>),
    /// It makes a collection, as this command does.
    Create(Vec<u8>, Namespace),
    /// A collection gets another name.
    Rename { from: Namespace, to: Namespace, replace: bool },
    /// Collections or views are dropped.
    Drop(Vec<Namespace>),
    /// Nothing.
    Nothing,
}

impl Places {
    /// No collection yet, under these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// A collection, time series or view that was restored; `target` is its name there. An archive that was salvaged may
    /// hold a collection that its oplog must not be replayed onto: entries would be found by its UUID all the same.
    pub fn insert(&mut self, metadata: &CollectionMetadata, target: &CollectionMetadata) {
        self.insert_as(metadata, target, None, false);
    }

    /// The same, with its UUID on the target, and whether the target had it before.
    pub(crate) fn insert_as(
        &mut self,
        metadata: &CollectionMetadata,
        target: &CollectionMetadata,
        uuid_there: Option<Uuid>,
        is_shared: bool,
    ) {
        if !self.rules.takes(&metadata.namespace) {
            self.give_up(metadata);
            return;
        }
        // A time series is a view of its buckets.
        if metadata.kind != CollectionKind::Collection {
            self.views.insert(metadata.namespace.clone(), target.namespace.clone());
        }
        if metadata.kind == CollectionKind::View {
            return;
        }
        let (source, target) = (metadata.data_namespace(), target.data_namespace());
        let Some(uuid) = metadata.uuid else {
            self.made.insert(target, source);
            return;
        };
        let is_capped = metadata.is_capped();
        self.put(uuid, Place { source, target, is_temporary: false, is_capped, is_shared, uuid_there });
    }

    /// A collection that could not be restored: what is written to it is lost with it.
    pub fn give_up(&mut self, metadata: &CollectionMetadata) {
        match metadata.uuid {
            Some(uuid) => _ = self.gone.insert(uuid),
            None => _ = self.gone_names.insert(metadata.data_namespace()),
        }
    }

    /// The collections and views that must be on the target now, with their UUIDs where these are known.
    pub(super) fn expected(&self) -> impl Iterator<Item = (&Namespace, Option<Uuid>)> {
        let known = self.known.values().map(|place| (&place.target, place.uuid_there));
        known.chain(self.made.keys().chain(self.views.values()).map(|target| (target, None)))
    }

    /// Takes down which collection of the target one of the source is.
    pub(super) fn note(&mut self, source: Uuid, there: Option<Uuid>) {
        if let Some(place) = self.known.get_mut(&source) {
            place.uuid_there = there;
        }
    }

    /// Whether a collection of the source is on the target.
    pub(super) fn knows(&self, source: &Uuid) -> bool {
        self.known.contains_key(source)
    }

    fn put(&mut self, uuid: Uuid, place: Place) {
        self.names.insert(place.target.clone(), uuid);
        self.known.insert(uuid, place);
    }

    fn forget(&mut self, uuid: Uuid) -> Option<Namespace> {
        let place = self.known.remove(&uuid)?;
        self.names.remove(&place.target);
        Some(place.target)
    }

    /// Whether a collection that is to be made must not be there.
    pub(super) fn guards_target(&self) -> bool {
        self.rules.is_owned_only()
    }

    /// Whether one that is there all the same is replaced.
    pub(super) fn replaces_target(&self) -> bool {
        self.rules.replaces()
    }

    /// Whether documents that a capped collection has already may come again.
    pub(super) fn is_capped(&self, target: &Namespace) -> bool {
        self.names.get(target).and_then(|uuid| self.known.get(uuid)).is_some_and(|place| place.is_capped)
    }

    /// An error where a collection was written to that neither the dump has nor the oplog drops.
    pub(super) fn settle(&mut self) -> Result<()> {
        let by_name = std::mem::take(&mut self.unseen_names).into_iter();
        let unseen = self.unseen.drain().map(|(_, unseen)| unseen).chain(by_name);
        let missing = unseen.map(|(namespace, ts)| (ts, namespace)).min();
        missing.map_or(Ok(()), |(ts, namespace)| Err(Error::MissingCollection { namespace, ts }))
    }

    /// What the replay leaves over that is nobody's: temporary collections whose end has not come.
    pub(super) fn leftovers(&self) -> Vec<Namespace> {
        let left = |place: &&Place| place.is_temporary && !self.rules.takes(&place.source);
        self.known.values().filter(left).map(|place| place.target.clone()).collect()
    }

    /// Where a write goes.
    pub(super) fn of_write(&mut self, entry: &Entry<'_>) -> Result<Where> {
        let source = entry.target();
        if source.collection == VIEWS {
            return self.of_view(entry);
        }
        if let Some(name) = self.rules.protects(entry)? {
            return Ok(Where::Kept(name));
        }
        Ok(match self.whereabouts(entry, &source) {
            Some(target) if target == source => Where::Same,
            Some(target) => Where::Elsewhere(entry.relocated(&target)?),
            None => Where::Nowhere,
        })
    }

    /// Where a collection is; nothing where it is not selected or gone.
    fn whereabouts(&mut self, entry: &Entry<'_>, source: &Namespace) -> Option<Namespace> {
        let uuid = entry.uuid();
        if let Some(place) = uuid.and_then(|uuid| self.known.get(&uuid)) {
            return Some(place.target.clone());
        }
        let is_gone = uuid.is_some_and(|uuid| self.gone.contains(&uuid)) || self.gone_names.contains(source);
        if is_gone || !self.rules.takes(source) {
            return None;
        }
        let target = self.rules.target(source);
        let ts = entry.ts.unwrap_or_default();
        let is_ours = self.made.contains_key(&target) || is_account(source);
        match uuid {
            Some(uuid) if !is_ours && self.rules.is_owned_only() => {
                self.unseen.entry(uuid).or_insert_with(|| (source.clone(), ts));
                None
            }
            None if !is_ours && self.rules.is_owned_only() && !self.names.contains_key(&target) => {
                self.unseen_names.entry(source.clone()).or_insert(ts);
                None
            }
            // The name is another's by now: this one was gone before the dump looked.
            Some(uuid) if self.names.contains_key(&target) => {
                self.gone.insert(uuid);
                None
            }
            _ => Some(target),
        }
    }

    /// A view is a document in its database's `system.views`.
    fn of_view(&mut self, entry: &Entry<'_>) -> Result<Where> {
        let id = entry.id()?.and_then(|id| id.as_str());
        let Some(source) = id.and_then(|id| id.parse::<Namespace>().ok()) else { return Ok(Where::Same) };
        if !self.rules.takes(&source) {
            return Ok(Where::Nowhere);
        }
        let target = self.rules.target(&source);
        let was_known = match entry.op {
            Op::Delete => self.views.remove(&source).is_some(),
            _ => self.views.insert(source.clone(), target.clone()).is_some(),
        };
        let is_owned_only = self.rules.is_owned_only();
        if !was_known && is_owned_only && entry.op == Op::Delete {
            return Ok(Where::Nowhere);
        }
        if !was_known && is_owned_only {
            return Ok(Where::NewView(renamed_view(entry, &target)?, target));
        }
        if target == source { Ok(Where::Same) } else { Ok(Where::Elsewhere(renamed_view(entry, &target)?)) }
    }

    /// What becomes of a command.
    pub(super) fn of_command(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<Step> {
        match command.kind {
            CommandKind::Create => self.create(entry, command),
            CommandKind::Drop => self.drop(entry, command),
            CommandKind::DropDatabase => Ok(self.drop_database(command.db)),
            CommandKind::RenameCollection => self.rename(entry, command),
            CommandKind::Transaction | CommandKind::ApplyOps => Ok(Step::Same),
            CommandKind::ConvertToCapped => {
                // The server makes another one in its place.
                if let Some(place) = entry.uuid().and_then(|uuid| self.known.get_mut(&uuid)) {
                    place.uuid_there = None;
                }
                self.of_collection(entry, command)
            }
            _ => self.of_collection(entry, command),
        }
    }

    /// The collection of an index build that was given up; nothing where it is not selected or gone.
    pub(super) fn of_index_build(&mut self, entry: &Entry<'_>) -> Result<Option<Namespace>> {
        let command = Command { kind: CommandKind::DropIndexes, db: entry.db(), body: entry.object };
        let source = command.collection()?;
        Ok(self.named_as_at_the_source(entry, &source))
    }

    /// Where a collection is that a command names. It may name a time series where its UUID is that of the buckets.
    fn named_as_at_the_source(&mut self, entry: &Entry<'_>, source: &Namespace) -> Option<Namespace> {
        let mut target = self.whereabouts(entry, source)?;
        if !source.collection.starts_with(BUCKETS)
            && let Some(series) = target.collection.strip_prefix(BUCKETS)
        {
            target.collection = series.to_owned();
        }
        Some(target)
    }

    fn of_collection(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<Step> {
        let source = command.collection()?;
        let Some(target) = self.named_as_at_the_source(entry, &source) else { return Ok(Step::Nothing) };
        Ok(if target == source { Step::Same } else { Step::Elsewhere(entry.relocated(&target)?) })
    }

    fn create(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<Step> {
        let source = command.collection()?;
        let is_temporary = command.is_temporary()?;
        // Made when it is needed: for the first view that is selected.
        if source.collection == VIEWS || !(is_temporary || self.rules.takes(&source)) {
            return Ok(Step::Nothing);
        }
        let target = self.rules.target(&source);
        let is_made = self.made.contains_key(&target) && self.rules.is_owned_only();
        let Some(uuid) = entry.uuid() else {
            if is_made || self.gone_names.contains(&source) {
                return Ok(Step::Nothing);
            }
            let create = entry.relocated(&target)?;
            self.unseen_names.remove(&source);
            self.made.insert(target.clone(), source);
            return Ok(Step::Create(create, target));
        };
        if self.known.contains_key(&uuid) || self.gone.contains(&uuid) || self.gone_names.contains(&source) {
            return Ok(Step::Nothing);
        }
        // The dump has it, and does not know its UUID.
        if is_made {
            return Ok(Step::Nothing);
        }
        if let Some(shared) =
            self.names.get(&target).and_then(|it| self.known.get(it)).filter(|it| it.is_shared)
        {
            self.known.insert(uuid, shared.clone());
            return Ok(Step::Nothing);
        }
        self.refuse_other(&target, &source, entry)?;
        if self.names.contains_key(&target) {
            // The dump has a later one of that name, so that this one is dropped before that one is made.
            self.whereabouts(entry, &source);
            return Ok(Step::Nothing);
        }
        let capped = bytes::get(entry.object, "capped").map_err(OplogError::from)?;
        let is_capped = capped.is_some_and(|capped| capped.as_bool() != Some(false));
        let create = entry.relocated(&target)?;
        let place = Place {
            source,
            target: target.clone(),
            is_temporary,
            is_capped,
            is_shared: false,
            uuid_there: None,
        };
        self.put(uuid, place);
        Ok(Step::Create(create, target))
    }

    fn drop(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<Step> {
        let source = command.collection()?;
        if source.collection == VIEWS {
            return Ok(Step::Drop(self.take_views(&source.db)));
        }
        // What the target had before the restore stays.
        if entry.uuid().and_then(|uuid| self.known.get(&uuid)).is_some_and(|place| place.is_shared) {
            return Ok(Step::Nothing);
        }
        let target = self.whereabouts(entry, &source);
        self.unseen_names.remove(&source);
        if let Some(uuid) = entry.uuid() {
            self.unseen.remove(&uuid);
            self.forget(uuid);
        }
        if let Some(target) = &target {
            self.made.remove(target);
        }
        // Nothing was made of one that had gone before the dump listed it.
        let Some(target) = target else { return Ok(Step::Nothing) };
        Ok(if target == source { Step::Same } else { Step::Elsewhere(entry.relocated(&target)?) })
    }

    /// Every collection has its own entry before; what is left is dropped one by one, since the target's database may
    /// hold others than the source's.
    fn drop_database(&mut self, db: &str) -> Step {
        let is_left = |place: &Place| place.source.db == db && !place.is_shared;
        let left: Vec<Uuid> =
            self.known.iter().filter(|(_, place)| is_left(place)).map(|(uuid, _)| *uuid).collect();
        self.unseen.retain(|_, (source, _)| source.db != db);
        self.unseen_names.retain(|source, _| source.db != db);
        let mut dropped = self.take_views(db);
        dropped.extend(left.into_iter().filter_map(|uuid| self.forget(uuid)));
        dropped.extend(self.made.extract_if(|_, source| source.db == db).map(|(target, _)| target));
        if self.rules.is_owned_only() { Step::Drop(dropped) } else { Step::Same }
    }

    fn take_views(&mut self, db: &str) -> Vec<Namespace> {
        let (taken, kept) =
            std::mem::take(&mut self.views).into_iter().partition(|(source, _)| source.db == db);
        self.views = kept;
        let taken: BTreeMap<Namespace, Namespace> = taken;
        taken.into_values().collect()
    }

    fn rename(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<Step> {
        let (from, to, in_place) = command.rename()?;
        if let Some(replaced) = command.replaced()? {
            self.unseen.remove(&replaced);
        }
        let place = entry.uuid().and_then(|uuid| Some((uuid, self.known.get(&uuid)?.clone())));
        let Some((uuid, place)) = place else { return self.rename_unknown(entry, command) };
        // The dump found it under a name that it got later.
        if place.source != from || place.is_shared {
            return Ok(Step::Nothing);
        }
        if !self.rules.takes(&to) {
            self.forget(uuid);
            return Ok(Step::Drop(vec![place.target]));
        }
        let target = self.rules.target(&to);
        let occupant = self.names.get(&target).copied().filter(|other| *other != uuid);
        let replaced = command.replaced()?;
        self.refuse_other(&target, &to, entry)?;
        if occupant.is_some() && replaced.map_or(!in_place, |replaced| occupant != Some(replaced)) {
            // Who stands there came later, and so this one had been there and gone again.
            return Ok(Step::Nothing);
        }
        if let Some(occupant) = occupant {
            self.forget(occupant);
        }
        self.forget(uuid);
        let was_made = self.made.remove(&target).is_some();
        let replace = occupant.is_some()
            || self.rules.replaces()
            || in_place && (was_made || !self.rules.is_owned_only());
        let step = Step::Rename { from: place.target.clone(), to: target.clone(), replace };
        // Another database makes it another collection.
        let uuid_there = place.uuid_there.filter(|_| place.target.db == target.db);
        self.put(uuid, Place { source: to, target, is_temporary: false, uuid_there, ..place });
        Ok(step)
    }

    /// An error where another collection of the source was restored under a name that one gets now: the user's renaming makes one
    /// of the two.
    fn refuse_other(&self, target: &Namespace, source: &Namespace, entry: &Entry<'_>) -> Result<()> {
        let occupant = self.names.get(target).and_then(|uuid| self.known.get(uuid));
        match occupant {
            Some(occupant) if occupant.source != *source => Err(Error::Refused(format!(
                "cannot replay the oplog: at {} it gives {source} its name, as which {} was restored (--rename): choose another \
                     name with --rename, and restore anew",
                entry.ts.unwrap_or_default(),
                occupant.source
            ))),
            _ => Ok(()),
        }
    }

    fn rename_unknown(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<Step> {
        let (from, to, replaces) = command.rename()?;
        if !self.rules.takes(&to) || entry.uuid().is_some_and(|uuid| self.gone.contains(&uuid)) {
            return Ok(Step::Nothing);
        }
        if !self.rules.takes(&from) {
            let ts = entry.ts.unwrap_or_default();
            return Err(Error::MissingCollection { namespace: from, ts });
        }
        self.whereabouts(entry, &from);
        let (source, target) = (self.rules.target(&from), self.rules.target(&to));
        if self.rules.is_owned_only() {
            if self.made.remove(&source).is_none() {
                return Ok(Step::Nothing);
            }
            let replace = replaces && self.made.contains_key(&target) || self.rules.replaces();
            self.made.insert(target.clone(), to);
            return Ok(Step::Rename { from: source, to: target, replace });
        }
        let is_taken = |name: &Namespace| entry.uuid().is_some() && self.names.contains_key(name);
        if is_taken(&source) || is_taken(&target) {
            return Ok(Step::Nothing);
        }
        Ok(Step::Rename { from: source, to: target, replace: replaces })
    }
}

/// A view's entry under another name, and of a time series on its renamed buckets.
fn renamed_view(entry: &Entry<'_>, target: &Namespace) -> Result<Vec<u8>> {
    let views = Namespace::new(target.db.clone(), VIEWS);
    let relocated = entry.relocated(&views)?;
    let name = format!("{}.{}", target.db, target.collection);
    let mut out = bytes::Builder::with_capacity(relocated.len() + 64);
    for element in bytes::Elements::new(&relocated).map_err(OplogError::from)? {
        let element = element.map_err(OplogError::from)?;
        match (element.key, element.as_document()) {
            (b"o" | b"o2", Some(document)) => {
                let document =
                    with_view_name(document, &name, &target.collection).map_err(OplogError::from)?;
                out.document(element.key, &document);
            }
            _ => _ = out.element(&element),
        }
    }
    Ok(out.finish())
}

fn with_view_name(document: &[u8], name: &str, collection: &str) -> bytes::Result<Vec<u8>> {
    let mut out = bytes::Builder::with_capacity(document.len() + name.len());
    for element in bytes::Elements::new(document)? {
        let element = element?;
        match (element.key, element.as_str()) {
            (b"_id", Some(_)) => _ = out.str("_id", name),
            (b"viewOn", Some(on)) if on.starts_with(BUCKETS) => {
                out.str("viewOn", format!("{BUCKETS}{collection}"));
            }
            _ => _ = out.element(&element),
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rename::Rename;
    use crate::select::Selection;
    use bson::{RawDocumentBuf, Timestamp as BsonTimestamp, rawdoc};
    use mongoark_oplog::Class;

    fn ui(of: u8) -> bson::Binary {
        bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![of; 16] }
    }

    /// A collection of database `d` whose UUID is made of `of`.
    fn collection(name: &str, of: u8) -> CollectionMetadata {
        CollectionMetadata {
            bucket_indexes: Vec::new(),
            namespace: Namespace::new("d", name),
            kind: CollectionKind::Collection,
            options: rawdoc! {},
            uuid: Some([of; 16]),
            indexes: Vec::new(),
        }
    }

    fn places(rules: Rules, collections: &[(&str, u8)]) -> Places {
        let mut places = Places::new(Rules { owned_only: true, ..rules });
        for (name, of) in collections {
            let source = collection(name, *of);
            let target =
                CollectionMetadata { namespace: places.rules.target(&source.namespace), ..source.clone() };
            places.insert(&source, &target);
        }
        places
    }

    /// What becomes of a command on the collection `of`, in a word.
    fn step(places: &mut Places, of: u8, body: RawDocumentBuf) -> String {
        let ts = BsonTimestamp { time: 1, increment: 1 };
        let bytes = rawdoc! { "ts": ts, "op": "c", "ns": "d.$cmd", "ui": ui(of), "o": body };
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        let Class::Command(command) = entry.class().unwrap() else { panic!("{bytes:?}") };
        match places.of_command(&entry, &command).unwrap() {
            Step::Same => "same".to_owned(),
            Step::Elsewhere(other) => Entry::parse(&other).unwrap().class().map_or_else(
                |error| error.to_string(),
                |class| match class {
                    Class::Command(command) => {
                        format!("{:?} {}", command.kind, command.collection().unwrap())
                    }
                    other => format!("{other:?}"),
                },
            ),
            Step::Create(_, target) => format!("create {target}"),
            Step::Rename { from, to, replace } => format!("rename {from} {to} {replace}"),
            Step::Drop(dropped) => {
                format!("drop {}", dropped.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
            Step::Nothing => "nothing".to_owned(),
        }
    }

    fn rename(from: &str, to: &str, replaced: Option<u8>) -> RawDocumentBuf {
        let (from, to) = (format!("d.{from}"), format!("d.{to}"));
        let replaced = replaced.map_or(bson::RawBson::Boolean(false), |of| bson::RawBson::Binary(ui(of)));
        rawdoc! { "renameCollection": from, "to": to, "dropTarget": replaced }
    }

    fn write(places: &mut Places, of: u8, collection: &str) -> Option<String> {
        let bytes = rawdoc! { "op": "i", "ns": format!("d.{collection}"), "ui": ui(of), "o": { "_id": 1 } };
        match places.of_write(&Entry::parse(bytes.as_bytes()).unwrap()).unwrap() {
            Where::Same => Some(format!("d.{collection}")),
            Where::Elsewhere(bytes) | Where::NewView(bytes, _) => {
                Some(Entry::parse(&bytes).unwrap().namespace.to_owned())
            }
            Where::Nowhere | Where::Kept(_) => None,
        }
    }

    #[test]
    fn a_rename_whose_result_was_dumped_is_not_done_again() {
        // b became c, and a new b was made, before the dump listed both.
        for replaced in [None, Some(9)] {
            let mut places = places(Rules::default(), &[("c", 1), ("b", 2)]);
            assert_eq!(write(&mut places, 1, "b").as_deref(), Some("d.c"), "before the rename");
            assert_eq!(step(&mut places, 1, rename("b", "c", replaced)), "nothing");
            assert_eq!(step(&mut places, 2, rawdoc! { "create": "b" }), "nothing");
            assert_eq!(write(&mut places, 2, "b").as_deref(), Some("d.b"));
            places.settle().unwrap();
        }
    }

    #[test]
    fn a_collection_that_came_and_went_before_the_dump_looked_disturbs_no_other() {
        let mut places = places(Rules::default(), &[("x", 1)]);
        assert_eq!(step(&mut places, 2, rawdoc! { "create": "x" }), "nothing");
        assert_eq!(write(&mut places, 2, "x"), None);
        assert_eq!(
            step(&mut places, 2, rawdoc! { "commitIndexBuild": "x", "indexBuildUUID": 1, "indexes": [] }),
            "nothing"
        );
        assert_eq!(step(&mut places, 2, rawdoc! { "drop": "x" }), "nothing");
        assert_eq!(step(&mut places, 1, rawdoc! { "create": "x" }), "nothing");
        places.settle().unwrap();
        assert_eq!(step(&mut places, 1, rawdoc! { "drop": "x" }), "same");
        assert_eq!(step(&mut places, 3, rawdoc! { "create": "x" }), "create d.x");
    }

    #[test]
    fn a_collection_that_nobody_dumped_and_nobody_drops_is_an_error() {
        let mut places = places(Rules::default(), &[]);
        assert_eq!(write(&mut places, 7, "lost"), None);
        assert!(matches!(places.settle(), Err(Error::MissingCollection { .. })));
        assert_eq!(write(&mut places, 7, "lost"), None);
        assert_eq!(step(&mut places, 8, rename("other", "lost", Some(7))), "nothing");
        assert_eq!(step(&mut places, 8, rawdoc! { "drop": "lost" }), "nothing");
        places.settle().unwrap();
    }

    #[test]
    fn renames_are_followed_and_replace_only_what_they_replaced() {
        let mut places = places(Rules::default(), &[("a", 1), ("b", 2)]);
        assert_eq!(step(&mut places, 1, rename("a", "b", Some(2))), "rename d.a d.b true");
        assert_eq!(write(&mut places, 1, "b").as_deref(), Some("d.b"));
        assert_eq!(step(&mut places, 1, rename("b", "c", None)), "rename d.b d.c false");
        assert_eq!(step(&mut places, 1, rawdoc! { "collMod": "c", "validator": {} }), "same");
    }

    #[test]
    fn what_is_selected_and_renamed_goes_where_the_documents_went() {
        let selection = Selection { include: vec!["d.a*".parse().unwrap()], exclude: Vec::new() };
        let renames: Vec<Rename> = vec!["d=e".parse().unwrap()];
        let rules = Rules { selections: vec![selection], renames, ..Rules::default() };
        let mut places = places(rules, &[("a", 1)]);
        assert_eq!(write(&mut places, 1, "a").as_deref(), Some("e.a"));
        assert_eq!(write(&mut places, 5, "z"), None, "not selected");
        assert_eq!(step(&mut places, 5, rawdoc! { "create": "z" }), "nothing");
        assert_eq!(step(&mut places, 1, rawdoc! { "collMod": "a", "validator": {} }), "CollMod e.a");
        // What an aggregation writes gets its name at the end.
        assert_eq!(step(&mut places, 6, rawdoc! { "create": "tmp.agg", "temp": true }), "create e.tmp.agg");
        assert_eq!(places.leftovers(), [Namespace::new("e", "tmp.agg")]);
        assert_eq!(step(&mut places, 6, rename("tmp.agg", "a", Some(1))), "rename e.tmp.agg e.a true");
        assert!(places.leftovers().is_empty());
        assert_eq!(step(&mut places, 6, rename("a", "z", None)), "drop e.a", "it leaves what is selected");
        places.settle().unwrap();
    }

    #[test]
    fn what_was_restored_but_is_excluded_is_written_to_under_no_name() {
        let selection = Selection { include: Vec::new(), exclude: vec!["d.hurt".parse().unwrap()] };
        let rules = Rules { selections: vec![selection], ..Rules::default() };
        let mut places = places(rules, &[("hurt", 1), ("a", 2)]);
        assert_eq!(write(&mut places, 1, "hurt"), None);
        assert_eq!(step(&mut places, 1, rawdoc! { "drop": "hurt" }), "nothing");
        assert_eq!(write(&mut places, 2, "a").as_deref(), Some("d.a"));
        places.settle().unwrap();
    }

    #[test]
    fn a_dropped_database_loses_what_was_restored_and_nothing_else() {
        let mut places = places(Rules::default(), &[("a", 1), ("b", 2)]);
        let view = CollectionMetadata { kind: CollectionKind::View, uuid: None, ..collection("v", 0) };
        places.insert(&view, &view);
        let bytes = rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "dropDatabase": 1 } };
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        let Class::Command(command) = entry.class().unwrap() else { panic!() };
        let Step::Drop(mut dropped) = places.of_command(&entry, &command).unwrap() else { panic!() };
        dropped.sort();
        assert_eq!(dropped, ["a", "b", "v"].map(|name| Namespace::new("d", name)));
    }

    /// A collection of database `d` whose UUID nobody knows, as older dumps of mongodump have them.
    fn without_uuid(name: &str) -> CollectionMetadata {
        CollectionMetadata { uuid: None, ..collection(name, 0) }
    }

    #[test]
    fn where_only_names_are_known_nothing_is_touched_but_what_the_restore_made() {
        let mut places = places(Rules::default(), &[]);
        places.insert(&without_uuid("a"), &without_uuid("a"));
        assert_eq!(write(&mut places, 1, "a").as_deref(), Some("d.a"), "entries have UUIDs all the same");
        assert_eq!(write(&mut places, 2, "theirs"), None);
        assert_eq!(step(&mut places, 2, rawdoc! { "drop": "theirs" }), "nothing");
        assert_eq!(step(&mut places, 3, rename("theirs", "b", None)), "nothing");
        assert!(places.settle().is_err(), "what the oplog renames is nowhere");
        assert_eq!(step(&mut places, 1, rename("a", "b", Some(9))), "rename d.a d.b false");
        assert_eq!(write(&mut places, 1, "b").as_deref(), Some("d.b"));
        assert_eq!(step(&mut places, 4, rawdoc! { "create": "c" }), "create d.c");
        let bytes = rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "dropDatabase": 1 } };
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        let Class::Command(command) = entry.class().unwrap() else { panic!() };
        let Step::Drop(mut dropped) = places.of_command(&entry, &command).unwrap() else { panic!() };
        dropped.sort();
        assert_eq!(dropped, ["b", "c"].map(|name| Namespace::new("d", name)));
    }

    #[test]
    fn a_name_that_the_users_renaming_gave_away_is_not_given_twice() {
        let renames: Vec<Rename> = vec!["d.a=d.b".parse().unwrap()];
        let mut places = places(Rules { renames, ..Rules::default() }, &[("a", 1), ("c", 2)]);
        let bytes = rawdoc! { "op": "c", "ns": "d.$cmd", "ui": ui(2), "o": rename("c", "b", None) };
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        let Class::Command(command) = entry.class().unwrap() else { panic!() };
        assert!(matches!(places.of_command(&entry, &command), Err(Error::Refused(_))));
        let bytes = rawdoc! { "op": "c", "ns": "d.$cmd", "ui": ui(3), "o": { "create": "b" } };
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        let Class::Command(command) = entry.class().unwrap() else { panic!() };
        assert!(matches!(places.of_command(&entry, &command), Err(Error::Refused(_))));
    }

    #[test]
    fn what_the_target_had_before_is_added_to_and_stays() {
        let mut places = places(Rules::default(), &[("a", 1)]);
        let own = collection("system.js", 2);
        places.insert_as(&own, &own, None, true);
        assert_eq!(write(&mut places, 2, "system.js").as_deref(), Some("d.system.js"));
        assert_eq!(step(&mut places, 2, rawdoc! { "drop": "system.js" }), "nothing");
        assert_eq!(step(&mut places, 3, rawdoc! { "create": "system.js" }), "nothing");
        assert_eq!(write(&mut places, 3, "system.js").as_deref(), Some("d.system.js"));
        let bytes = rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "dropDatabase": 1 } };
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        let Class::Command(command) = entry.class().unwrap() else { panic!() };
        let Step::Drop(dropped) = places.of_command(&entry, &command).unwrap() else { panic!() };
        assert_eq!(dropped, [Namespace::new("d", "a")]);
    }

    #[test]
    fn a_view_of_the_targets_own_is_neither_dropped_nor_replaced() {
        let mut places = places(Rules::default(), &[]);
        let view = |op: &str| {
            let body = rawdoc! { "_id": "d.v", "viewOn": "c", "pipeline": [] };
            rawdoc! { "op": op, "ns": "d.system.views", "ui": ui(5), "o": body }
        };
        let mut at =
            |bytes: RawDocumentBuf| places.of_write(&Entry::parse(bytes.as_bytes()).unwrap()).unwrap();
        assert!(matches!(at(view("d")), Where::Nowhere));
        assert!(matches!(at(view("i")), Where::NewView(_, name) if name == Namespace::new("d", "v")));
        assert!(matches!(at(view("d")), Where::Same), "by now it is this restore's");
    }

    #[test]
    fn accounts_that_stay_are_named() {
        let protected = HashSet::from([(CollectionKind::Users, "admin.me".to_owned())]);
        let mut places = places(Rules { protected, ..Rules::default() }, &[]);
        for (id, kept) in [("admin.me", true), ("admin.other", false)] {
            let bytes = rawdoc! { "op": "d", "ns": "admin.system.users", "ui": ui(3), "o": { "_id": id } };
            let found = places.of_write(&Entry::parse(bytes.as_bytes()).unwrap()).unwrap();
            assert_eq!(matches!(found, Where::Kept(name) if name == id), kept, "{id}");
        }
    }

    #[test]
    fn without_any_knowledge_names_count() {
        let mut places = Places::default();
        assert_eq!(write(&mut places, 1, "a").as_deref(), Some("d.a"));
        assert_eq!(step(&mut places, 1, rename("a", "b", None)), "rename d.a d.b false");
        assert_eq!(step(&mut places, 1, rawdoc! { "drop": "b" }), "same");
        places.settle().unwrap();
    }
}
