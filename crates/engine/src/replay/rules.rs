//! What of an oplog is replayed, and under which names.

use crate::Result;
use crate::rename::{Rename, renamed};
use crate::select::{Selection, is_dumped};
use mongoark_model::{CollectionKind, Namespace};
use mongoark_oplog::{Entry, Error as OplogError};
use std::collections::HashSet;

const BUCKETS: &str = "system.buckets.";

/// The rules of one replay. By default everything goes where its name says.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What every one of these takes.
    pub selections: Vec<Selection>,
    /// Under which names.
    pub renames: Vec<Rename>,
    /// Whether the UUIDs of everything that was dumped are known, so that what is not known had gone before the dump
    /// looked; and whether collections that this restore did not make are left alone.
    pub is_by_uuid: bool,
    /// Whether a collection of the target that is in the way is replaced.
    pub replaces: bool,
    /// Users and roles of the target's own, by `_id`, that stay as they are.
    pub protected: HashSet<(CollectionKind, String)>,
}

impl Rules {
    pub(super) fn is_by_uuid(&self) -> bool {
        self.is_by_uuid
    }

    pub(super) fn replaces(&self) -> bool {
        self.replaces
    }

    /// Whether a namespace of the source is replayed.
    pub(super) fn takes(&self, source: &Namespace) -> bool {
        let namespace = series(source).unwrap_or_else(|| source.clone());
        let is_account = namespace.db == "admin" && namespace.is_system();
        if self.is_by_uuid && !is_account && !is_dumped(&namespace, CollectionKind::Collection) {
            return false;
        }
        self.selections.iter().all(|selection| selection.takes(&namespace))
    }

    /// Its name on the target.
    pub(super) fn target(&self, source: &Namespace) -> Namespace {
        match series(source) {
            Some(series) => {
                let target = renamed(&series, &self.renames);
                Namespace::new(target.db, format!("{BUCKETS}{}", target.collection))
            }
            None => renamed(source, &self.renames),
        }
    }

    /// The name of the account that an entry would change, where that is one that stays as it is.
    pub(super) fn protects(&self, entry: &Entry<'_>) -> Result<Option<String>, OplogError> {
        let kind = match entry.namespace {
            "admin.system.users" => CollectionKind::Users,
            "admin.system.roles" => CollectionKind::Roles,
            _ => return Ok(None),
        };
        let Some(id) = entry.id()?.and_then(|id| id.as_str()) else { return Ok(None) };
        Ok(self.protected.contains(&(kind, id.to_owned())).then(|| id.to_owned()))
    }
}

/// The time series whose buckets these are.
fn series(buckets: &Namespace) -> Option<Namespace> {
    let name = buckets.collection.strip_prefix(BUCKETS)?;
    Some(Namespace::new(buckets.db.clone(), name))
}
