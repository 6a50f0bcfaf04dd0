//! What a restore will do, decided before anything is written: which entries of the dump, under which names.

use super::Options;
use super::patterns::{Exact, Matcher, Renamer};
use crate::dump_input::{DumpInput, Entry};
use crate::quote::quoted;
use crate::{Error, Result};
use mongoark_dump_format::archive::OPLOG_COLLECTION;
use mongoark_model::Namespace;
use mongoark_monitor::Monitor;
use std::collections::{BTreeMap, HashMap};

/// Which names are restored, and as what.
pub(super) struct Names {
    include: Matcher,
    exclude: Matcher,
    renamer: Renamer,
}

impl Names {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let wrong = |what: &'static str| move |why| Error::Usage(format!("invalid {what}: {why}"));
        let mut include = Matcher::new(&options.ns_include).map_err(wrong("includes"))?;
        match (&options.db, &options.collection) {
            (Some(db), Some(collection)) => {
                include.add(&[Exact::Text(db), Exact::Text("."), Exact::Text(collection)]);
            }
            (Some(db), None) => include.add(&[Exact::Text(db), Exact::Text("."), Exact::Any]),
            (None, _) if options.ns_include.is_empty() => include.add(&[Exact::Any]),
            (None, _) => {}
        }
        let mut exclude = Matcher::new(&options.ns_exclude).map_err(wrong("excludes"))?;
        for collection in &options.excluded_collections {
            exclude.add(&[Exact::Any, Exact::Text("."), Exact::Text(collection)]);
        }
        for prefix in &options.excluded_prefixes {
            exclude.add(&[Exact::Any, Exact::Text("."), Exact::Text(prefix), Exact::Any]);
        }
        Ok(Self { include, exclude, renamer: Renamer::new(&options.renames).map_err(wrong("renames"))? })
    }

    fn takes(&self, name: &str) -> bool {
        self.include.has(name) && !self.exclude.has(name)
    }

    /// The name on the target.
    fn renamed(&self, from: &Namespace, name: &str) -> Namespace {
        let Some(to) = self.renamer.renamed(name) else { return from.clone() };
        match to.split_once('.') {
            Some((db, collection)) => Namespace::new(db, collection),
            None => Namespace::new(to, ""),
        }
    }
}

/// A namespace as mongorestore writes it: raw, in quotes where it is shown.
pub(super) fn dotted(namespace: &Namespace) -> String {
    format!("{}.{}", namespace.db, namespace.collection)
}

/// What the entries of a dump are to this restore, by their number in it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Collections, views and time series, under their names on the target.
    pub(super) collections: Vec<(usize, Namespace)>,
    /// Users, and the database whose they are.
    pub(super) users: Option<(usize, String)>,
    /// Roles, likewise.
    pub(super) roles: Option<(usize, String)>,
    /// The collection that tells the version of users and roles.
    pub(super) version: Option<usize>,
    /// Where users and roles are, for messages.
    pub(super) locations: HashMap<usize, String>,
    /// Whether the version of users and roles is known to fit.
    pub(super) version_is_checked: bool,
    /// The indexes of whole databases, of very old dumps; and the databases.
    pub(super) old_indexes: Vec<(usize, String)>,
    /// The oplog, if it is part of the dump and wanted.
    pub(super) oplog: Option<usize>,
}

impl Plan {
    /// Sorts out the entries.
    pub(super) fn new(dump: &DumpInput, names: &Names, options: &Options, monitor: &Monitor) -> Result<Self> {
        // Who points at one file gets it, whatever the patterns say.
        let chosen = dump.is_one_collection();
        let mut plan = Self::default();
        let mut old_oplogs = Vec::new();
        for (place, entry) in dump.entries().iter().enumerate() {
            let from = &entry.namespace;
            let name = dotted(from);
            if from.db.is_empty() {
                plan.take_top(place, entry, options, monitor);
                continue;
            }
            if !chosen && (is_left_out(entry, options) || !names.takes(&name)) {
                monitor.detail(format!("not restoring {}", quoted(&name)));
                continue;
            }
            let to = if chosen { from.clone() } else { names.renamed(from, &name) };
            let is_old_oplog =
                to.db == "local" && matches!(to.collection.as_str(), "oplog.rs" | "oplog.$main");
            if is_old_oplog && options.oplog_replay && dump.archive_header().is_none() {
                old_oplogs.push((place, to));
            } else {
                plan.take(place, entry, to);
            }
        }
        plan.take_old_oplogs(old_oplogs, options)?;
        plan.refuse_conflicts(dump, monitor)?;
        Ok(plan)
    }

    /// What stands at the top of a dump: the oplog.
    fn take_top(&mut self, place: usize, entry: &Entry, options: &Options, monitor: &Monitor) {
        if entry.namespace.collection == OPLOG_COLLECTION {
            self.oplog = options.oplog_replay.then_some(place);
        } else {
            let name = quoted(&entry.namespace.collection);
            monitor.step(format!("don't know what to do with file {name}, skipping..."));
        }
    }

    fn take(&mut self, place: usize, entry: &Entry, to: Namespace) {
        let special = match (to.db.as_str(), to.collection.as_str()) {
            (_, "$admin.system.users") | ("admin", "system.users") => &mut self.users,
            (_, "$admin.system.roles") | ("admin", "system.roles") => &mut self.roles,
            (_, "$admin.system.version") | ("admin", "system.version") => {
                self.version = entry.data.is_some().then_some(place).or(self.version);
                return;
            }
            (_, "system.indexes") if entry.metadata.is_none() => {
                return self.old_indexes.push((place, to.db));
            }
            _ => return self.collections.push((place, to)),
        };
        if let Some(location) = &entry.data {
            *special = Some((place, to.db));
            self.locations.insert(place, location.clone());
        }
    }

    /// A dump of `local` may hold the oplog under its own name, which serves where there is no other.
    fn take_old_oplogs(&mut self, found: Vec<(usize, Namespace)>, options: &Options) -> Result<()> {
        let given = usize::from(self.oplog.is_some()) + usize::from(options.oplog_file.is_some());
        if given > 1 || found.len() > 1 {
            return Err(Error::Refused(
                "cannot provide both an oplog.bson file and an oplog file with --oplogFile, nor can you provide both \
                 a local/oplog.rs.bson and a local/oplog.$main.bson file"
                    .to_owned(),
            ));
        }
        for (place, namespace) in found {
            if given == 0 {
                self.oplog = Some(place);
            } else {
                self.collections.push((place, namespace));
            }
        }
        Ok(())
    }

    fn refuse_conflicts(&self, dump: &DumpInput, monitor: &Monitor) -> Result<()> {
        let mut sources: BTreeMap<&Namespace, Vec<usize>> = BTreeMap::new();
        for (place, to) in &self.collections {
            sources.entry(to).or_default().push(*place);
        }
        let conflicts: Vec<_> = sources.into_iter().filter(|(_, sources)| sources.len() > 1).collect();
        for (to, sources) in &conflicts {
            for entry in sources.iter().filter_map(|place| dump.entries().get(*place)) {
                let (from, to) = (quoted(&dotted(&entry.namespace)), quoted(&dotted(to)));
                monitor.step(format!("destination conflict: {from} (src) => {to} (dst)"));
            }
        }
        if conflicts.is_empty() {
            return Ok(());
        }
        Err(Error::Refused("cannot restore with conflicting namespace destinations".to_owned()))
    }
}

/// Whether an entry is never restored: what belongs to one database's accounts where a whole dump is restored, and
/// what a server writes by itself.
fn is_left_out(entry: &Entry, options: &Options) -> bool {
    let collection = entry.namespace.collection.as_str();
    (options.db.is_none() && collection.starts_with('$')) || collection == "system.profile"
}
