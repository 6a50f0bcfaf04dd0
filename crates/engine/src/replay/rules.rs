//! What of an oplog is replayed, and under which names.

use crate::Result;
use crate::rename::{Rename, renamed};
use crate::select::{Selection, is_restored};
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
    /// Whether only what the restore has made, or the oplog makes, is touched, and nothing that an archive does not bring.
    pub owned_only: bool,
    /// Whether `config` is restored.
    pub with_config: bool,
    /// Whether a collection of the target that is in the way is replaced.
    pub replaces: bool,
    /// Users and roles of the target's own, by `_id`, that stay as they are.
    pub protected: HashSet<(CollectionKind, String)>,
}

impl Rules {
    pub(super) fn is_owned_only(&self) -> bool {
        self.owned_only
    }

    pub(super) fn replaces(&self) -> bool {
        self.replaces
    }

    /// Whether a namespace of the source is replayed.
    pub(super) fn takes(&self, source: &Namespace) -> bool {
        let namespace = series(source).unwrap_or_else(|| source.clone());
        if self.owned_only && !is_account(&namespace) && !self.may_be_restored(&namespace) {
            return false;
        }
        self.selections.iter().all(|selection| selection.takes(&namespace))
    }

    fn may_be_restored(&self, namespace: &Namespace) -> bool {
        is_restored(namespace, CollectionKind::Collection, self.with_config)
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

/// Whether a collection holds users or roles, which every server has of its own.
pub(super) fn is_account(namespace: &Namespace) -> bool {
    namespace.db == "admin" && matches!(namespace.collection.as_str(), "system.users" | "system.roles")
}

/// The time series whose buckets these are.
fn series(buckets: &Namespace) -> Option<Namespace> {
    let name = buckets.collection.strip_prefix(BUCKETS)?;
    Some(Namespace::new(buckets.db.clone(), name))
}
