//! Users and roles, which mongodump has under several names, and the version of their schema, which the tools ask for.

use crate::dump_output::Entry;
use crate::{Error, Result};
use bson::{RawDocumentBuf, rawdoc};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};

/// What stands before the names of one database's accounts.
const OF_ONE_DATABASE: &str = "$admin.";
/// The collection with the version of the accounts' schema.
const VERSION: &str = "system.version";
/// The schema of accounts of every server from 3.0 to 8.0; later ones do not state it.
const SCHEMA: i32 = 5;

/// What a collection of a dump is to accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It holds accounts of this kind.
    Holds(CollectionKind),
    /// It is the server's own and tells the schema of accounts.
    Version,
    /// It has nothing to do with them.
    None,
}

/// What this collection is.
pub(super) fn role(namespace: &Namespace) -> Role {
    let name = match namespace.collection.strip_prefix(OF_ONE_DATABASE) {
        Some(name) => name,
        None if namespace.db == "admin" => &namespace.collection,
        None => return Role::None,
    };
    match name {
        "system.users" => Role::Holds(CollectionKind::Users),
        "system.roles" => Role::Holds(CollectionKind::Roles),
        VERSION => Role::Version,
        _ => Role::None,
    }
}

/// Accounts as an archive holds them: those of a whole deployment, whatever they were in the dump.
pub(super) fn collection(kind: CollectionKind) -> CollectionMetadata {
    let name = if kind == CollectionKind::Users { "system.users" } else { "system.roles" };
    bare(Namespace::new("admin", name), kind)
}

/// A collection without options, indexes and UUID.
pub(super) fn bare(namespace: Namespace, kind: CollectionKind) -> CollectionMetadata {
    CollectionMetadata {
        namespace,
        kind,
        options: RawDocumentBuf::new(),
        uuid: None,
        indexes: Vec::new(),
        bucket_indexes: Vec::new(),
    }
}

/// `admin.system.version`, without which mongorestore takes accounts for those of a server of 2.4: its entry, and
/// its one document.
pub(super) fn version(server_version: &str) -> Result<(Entry, RawDocumentBuf)> {
    let mut metadata = bare(Namespace::new("admin", VERSION), CollectionKind::Collection);
    metadata.indexes = vec![rawdoc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }];
    let entry = Entry::of(&metadata, server_version)?;
    Ok((entry, rawdoc! { "_id": "authSchema", "currentVersion": SCHEMA }))
}

/// Metadata of a dump under a name of its own, as an archive holds them.
pub(super) fn described(
    metadata: Option<mongoark_dump_format::Metadata>,
    namespace: &Namespace,
    location: Option<&str>,
) -> Result<CollectionMetadata> {
    let Some(metadata) = metadata else {
        return Ok(bare(namespace.clone(), CollectionKind::Collection));
    };
    let location = location.unwrap_or_default().to_owned();
    metadata.into_collection(namespace.clone()).map_err(|source| Error::Dump { location, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_known_by_both_their_names() {
        for (db, name, expected) in [
            ("admin", "system.users", Role::Holds(CollectionKind::Users)),
            ("shop", "$admin.system.roles", Role::Holds(CollectionKind::Roles)),
            ("admin", "system.version", Role::Version),
            ("shop", "$admin.system.version", Role::Version),
            ("shop", "system.users", Role::None),
            ("admin", "users", Role::None),
        ] {
            assert_eq!(role(&Namespace::new(db, name)), expected, "{db}.{name}");
        }
    }
}
