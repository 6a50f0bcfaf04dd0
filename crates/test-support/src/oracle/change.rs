//! One change of a state, and what the oplog shows of it.

use std::sync::Arc;

use super::state::{Aspect, Id, Namespace, State};
use crate::compare::Fields;

/// A change; several of them make a step of a writer.
#[derive(Debug, Clone)]
pub enum Change {
    /// A namespace is gone.
    Gone(String),
    /// A collection has another name.
    Renamed {
        /// Its old full name.
        from: String,
        /// Its new full name.
        to: String,
    },
    /// A namespace is there, without documents.
    Appeared(String, Namespace),
    /// A namespace has other options.
    Options(String, Fields),
    /// An index is gone, by its name.
    Unbuilt(String, String),
    /// An index is there or has other options, by its name.
    Built(String, String, Fields),
    /// A document is gone.
    Removed(String, Id),
    /// A document is there or has other contents.
    Put(String, Id, Arc<[u8]>),
}

/// What an entry of the oplog, or an operation inside one, shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Sign {
    Put(String, Id),
    Removed(String, Id),
    Appeared(String),
    Gone(String),
    Modified(String),
    Built(String, String),
    Unbuilt(String, String),
    DatabaseGone(String),
}

impl Change {
    /// Makes this change.
    pub(super) fn apply(&self, state: &mut State) {
        let namespaces = &mut state.namespaces;
        match self {
            Self::Gone(name) => _ = namespaces.remove(name),
            Self::Renamed { from, to } => {
                let moved = namespaces.remove(from).unwrap_or_else(|| panic!("the model has no {from:?}"));
                namespaces.insert(to.clone(), moved);
            }
            Self::Appeared(name, namespace) => _ = namespaces.insert(name.clone(), namespace.clone()),
            Self::Options(name, options) => state.at(name).options = options.clone(),
            Self::Unbuilt(name, index) => _ = state.at(name).indexes.remove(index),
            Self::Built(name, index, fields) => {
                state.at(name).indexes.insert(index.clone(), fields.clone());
            }
            Self::Removed(name, id) => state.at(name).remove(id),
            Self::Put(name, id, bytes) => state.at(name).put(id.clone(), Arc::clone(bytes)),
        }
    }

    /// What of which namespace it is about, if it is about one thing inside.
    pub(super) fn aspect(&self) -> Option<(String, Aspect)> {
        match self {
            Self::Options(name, _) => Some((name.clone(), Aspect::Options)),
            Self::Unbuilt(name, index) | Self::Built(name, index, _) => {
                Some((name.clone(), Aspect::Index(index.clone())))
            }
            Self::Removed(name, id) | Self::Put(name, id, _) => {
                Some((name.clone(), Aspect::Document(id.clone())))
            }
            Self::Gone(_) | Self::Renamed { .. } | Self::Appeared(..) => None,
        }
    }

    /// What shows this change, the most exact sign first.
    pub(super) fn signs(&self) -> Vec<Sign> {
        match self {
            // Dropped by itself, as a view, with all views, under a rename, or with its database.
            Self::Gone(name) => vec![
                Sign::Gone(name.clone()),
                Sign::Removed(views_of(name), text_id(name)),
                Sign::Gone(views_of(name)),
                Sign::Appeared(name.clone()),
                Sign::DatabaseGone(database_of(name).to_owned()),
            ],
            Self::Renamed { to, .. } => vec![Sign::Appeared(to.clone())],
            // The first put of a view is its creation.
            Self::Appeared(name, _) => {
                vec![Sign::Appeared(name.clone()), Sign::Put(views_of(name), text_id(name))]
            }
            Self::Options(name, _) => {
                vec![Sign::Modified(name.clone()), Sign::Put(views_of(name), text_id(name))]
            }
            Self::Unbuilt(name, index) => vec![Sign::Unbuilt(name.clone(), index.clone())],
            Self::Built(name, index, _) => vec![
                Sign::Built(name.clone(), index.clone()),
                Sign::Modified(name.clone()),
                Sign::Appeared(name.clone()),
            ],
            Self::Removed(name, id) => vec![Sign::Removed(name.clone(), id.clone())],
            // What is copied into a temporary collection appears with it under its name.
            Self::Put(name, id, _) => {
                vec![Sign::Put(name.clone(), id.clone()), Sign::Appeared(name.clone())]
            }
        }
    }
}

impl State {
    fn at(&mut self, name: &str) -> &mut Namespace {
        self.namespaces.get_mut(name).unwrap_or_else(|| panic!("the model has no {name:?}"))
    }
}

/// The database of a full name.
pub(super) fn database_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(database, _)| database)
}

fn views_of(name: &str) -> String {
    format!("{}.system.views", database_of(name))
}

/// A text as an `_id`.
fn text_id(text: &str) -> Id {
    super::state::id_of(bson::rawdoc! { "_id": text }.as_bytes())
}
