//! Users and roles: merged into the target's own, through temporary collections, as the server's
//! `_mergeAuthzCollections` takes them. Nobody is removed, and nobody who is there is changed.

use crate::command::{self, From};
use crate::error::{Error, ErrorKind, Result, While};
use crate::insert::Inserter;
use crate::target::{Target, raw};
use bson::{Document, doc};
use mongoark_bson_bytes::{self as bytes, Builder};
use mongoark_model::{CollectionKind, Namespace};
use std::collections::HashMap;

/// What became of users or roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountsMerge {
    /// Added to the target.
    pub added: u64,
    /// There before, byte for byte.
    pub identical: u64,
    /// There before with other contents, and left so; the names.
    pub conflicts: Vec<String>,
}

impl Target {
    /// Adds the users (or roles) among `documents`, raw documents of `admin.system.users` (or
    /// `.roles`), that the target does not have.
    pub async fn merge_accounts(&self, kind: CollectionKind, documents: &[Vec<u8>]) -> Result<AccountsMerge> {
        let mut merge = AccountsMerge::default();
        let existing = self.accounts(kind, documents).await?;
        let mut missing = Vec::new();
        for document in documents {
            let name = name_of(document)?;
            match existing.get(&name) {
                None => missing.extend_from_slice(document),
                Some(there) if is_same(document, there)? => merge.identical += 1,
                Some(_) => merge.conflicts.push(name),
            }
        }
        if !missing.is_empty() {
            merge.added = self.add_accounts(kind, &missing).await?;
        }
        Ok(merge)
    }

    /// The `_id`s of the target's users or roles.
    pub async fn account_names(&self, kind: CollectionKind) -> Result<Vec<String>> {
        Ok(self.accounts(kind, &[]).await?.into_keys().collect())
    }

    /// The target's users or roles by their `_id`.
    async fn accounts(&self, kind: CollectionKind, wanted: &[Vec<u8>]) -> Result<HashMap<String, There>> {
        let collection = if kind == CollectionKind::Users { "system.users" } else { "system.roles" };
        let mut find = Builder::new();
        find.str("find", collection);
        let action = format!("read the target's {kind}");
        let found =
            command::all(&self.client.database("admin"), From::Primary, raw(&mut find)?, &action).await;
        match found {
            Ok(found) => {
                let named = |document: bson::RawDocumentBuf| {
                    let document = document.into_bytes();
                    Ok((name_of(&document)?, There::Document(document)))
                };
                found.into_iter().map(named).collect()
            }
            // Role `restore` may not read them, but it may ask for those it names.
            Err(error) if error.kind() == ErrorKind::Unauthorized && kind == CollectionKind::Roles => {
                self.roles_info(wanted).await
            }
            Err(error) => Err(error),
        }
    }

    async fn roles_info(&self, wanted: &[Vec<u8>]) -> Result<HashMap<String, There>> {
        let mut roles = Vec::new();
        for document in wanted {
            let role = decoded(document)?;
            roles.push(doc! { "role": role.get_str("role").unwrap_or_default(), "db": role.get_str("db").unwrap_or_default() });
        }
        let command = doc! { "rolesInfo": roles, "showPrivileges": true };
        let reply = self.client.database("admin").run_command(command).await;
        let reply = reply.while_doing(|| "read the target's roles".to_owned())?;
        let roles = reply.get_array("roles").into_iter().flatten().filter_map(bson::Bson::as_document);
        Ok(roles
            .filter_map(|role| Some((role.get_str("_id").ok()?.to_owned(), There::Shown(role.clone()))))
            .collect())
    }

    async fn add_accounts(&self, kind: CollectionKind, documents: &[u8]) -> Result<u64> {
        let temporary = temporary_accounts(kind);
        // It would be somebody else's.
        if self.exists(&temporary).await? {
            let message = format!("{temporary} exists: rename or drop it");
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("merge {kind} into the target's own"),
                message,
            ));
        }
        let added = self.merge_through(kind, &temporary, documents).await;
        let dropped = self.drop(&temporary).await;
        let added = added?;
        dropped?;
        Ok(added)
    }

    async fn merge_through(
        &self,
        kind: CollectionKind,
        temporary: &Namespace,
        documents: &[u8],
    ) -> Result<u64> {
        let inserted = self.fill_temporary(temporary, documents).await?;
        let parameter =
            if kind == CollectionKind::Users { "tempUsersCollection" } else { "tempRolesCollection" };
        let mut merge = Builder::new();
        merge
            .i32("_mergeAuthzCollections", 1)
            .str(parameter, format!("admin.{}", temporary.collection))
            .bool("drop", false)
            .str("db", "");
        self.run("admin", merge, &format!("merge {kind} into the target's own")).await?;
        Ok(inserted)
    }
}

/// Users and roles as mongorestore takes them along: raw documents, one behind the other.
#[derive(Clone, Debug)]
pub struct AccountsRestore<'a> {
    /// Documents of `admin.system.users`; nothing where the dump has none.
    pub users: Option<&'a [u8]>,
    /// Documents of `admin.system.roles`, likewise.
    pub roles: Option<&'a [u8]>,
    /// The collections of `admin` that they go through; they are dropped before and after. Role `restore` may
    /// read from `tempusers` and `temproles` alone.
    pub temporary: [&'a str; 2],
    /// The database whose users and roles they are; empty: all databases.
    pub db: &'a str,
    /// Whether the target's users (roles), as far as `db` says, are replaced instead of added to.
    pub replace: bool,
}

impl Target {
    /// Adds users and roles to the target's own, or puts them in place of these. Where there are no documents the
    /// target's accounts stay: a replacement by nobody would lock out everybody.
    pub async fn restore_accounts(&self, accounts: &AccountsRestore<'_>) -> Result<()> {
        let [users, roles] = accounts.temporary;
        let parts =
            [("tempUsersCollection", users, accounts.users), ("tempRolesCollection", roles, accounts.roles)];
        let parts: Vec<_> = parts
            .into_iter()
            .filter_map(|(parameter, name, documents)| {
                let documents = documents.filter(|documents| !documents.is_empty())?;
                Some((parameter, Namespace::new("admin", name), documents))
            })
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let merged = self.merge_parts(&parts, accounts).await;
        let mut dropped = Ok(());
        for (_, temporary, _) in &parts {
            dropped = self.drop(temporary).await.and(dropped);
        }
        merged.and(dropped)
    }

    async fn merge_parts(
        &self,
        parts: &[(&str, Namespace, &[u8])],
        accounts: &AccountsRestore<'_>,
    ) -> Result<()> {
        let mut merge = Builder::new();
        merge.i32("_mergeAuthzCollections", 1);
        for (parameter, temporary, documents) in parts {
            self.drop(temporary).await?;
            self.fill_temporary(temporary, documents).await?;
            merge.str(parameter, format!("admin.{}", temporary.collection));
        }
        merge.bool("drop", accounts.replace).str("db", accounts.db);
        self.run("admin", merge, "merge users and roles into the target's own").await.map(drop)
    }

    async fn fill_temporary(&self, temporary: &Namespace, documents: &[u8]) -> Result<u64> {
        let outcome = Inserter::new(self, temporary.clone()).insert(documents).await?;
        match outcome.rejected.first() {
            Some(rejected) => Err(Error::reply(format!("insert into {temporary}"), rejected.message.clone())),
            None => Ok(outcome.inserted),
        }
    }
}

/// The collection through which the server takes users or roles: these are the only names that role `restore` may read from.
pub fn temporary_accounts(kind: CollectionKind) -> Namespace {
    Namespace::new("admin", if kind == CollectionKind::Users { "tempusers" } else { "temproles" })
}

/// An account on the target.
enum There {
    /// As it is stored.
    Document(Vec<u8>),
    /// As `rolesInfo` shows it.
    Shown(Document),
}

/// Whether the archive's account is the one on the target. What `rolesInfo` shows has no bytes to
/// compare: a role is its privileges and the roles it inherits from.
fn is_same(document: &[u8], there: &There) -> Result<bool> {
    match there {
        There::Document(there) => Ok(there == document),
        There::Shown(there) => {
            let document = decoded(document)?;
            Ok(["privileges", "roles"].iter().all(|key| document.get(key) == there.get(key)))
        }
    }
}

fn decoded(document: &[u8]) -> Result<Document> {
    let action = "read users and roles";
    Document::from_reader(document).map_err(|error| Error::reply(action, error.to_string()))
}

/// The `_id` of a user or role document: `<database>.<name>`.
fn name_of(document: &[u8]) -> Result<String> {
    let id = bytes::get(document, "_id").ok().flatten();
    let name = id.and_then(|id| id.as_str().map(ToOwned::to_owned));
    name.ok_or_else(|| Error::reply("read users and roles", "an account has no _id that is a string"))
}
