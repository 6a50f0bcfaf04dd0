//! Users and roles: merged into the target's own, through temporary collections, as the server's
//! `_mergeAuthzCollections` takes them. Nobody is removed, and nobody who is there is changed.

use crate::command;
use crate::error::{Error, Result};
use crate::insert::Inserter;
use crate::target::{Target, raw};
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
        let existing = self.accounts(kind).await?;
        let mut missing = Vec::new();
        for document in documents {
            let name = name_of(document)?;
            match existing.get(&name) {
                None => missing.extend_from_slice(document),
                Some(there) if there == document => merge.identical += 1,
                Some(_) => merge.conflicts.push(name),
            }
        }
        if !missing.is_empty() {
            merge.added = self.add_accounts(kind, &missing).await?;
        }
        Ok(merge)
    }

    /// The target's users or roles by their `_id`.
    async fn accounts(&self, kind: CollectionKind) -> Result<HashMap<String, Vec<u8>>> {
        let collection = if kind == CollectionKind::Users { "system.users" } else { "system.roles" };
        let mut find = Builder::new();
        find.str("find", collection);
        let action = format!("read the target's {kind}");
        let found = command::all(&self.client.database("admin"), raw(&mut find)?, &action).await?;
        let named = |document: bson::RawDocumentBuf| {
            let document = document.into_bytes();
            Ok((name_of(&document)?, document))
        };
        found.into_iter().map(named).collect()
    }

    async fn add_accounts(&self, kind: CollectionKind, documents: &[u8]) -> Result<u64> {
        // One name a process: two restores into one deployment do not meet.
        let temporary = Namespace::new("admin", format!("temp_mongoark_{kind}_{}", std::process::id()));
        self.drop(&temporary).await?;
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
        let outcome = Inserter::new(self, temporary.clone()).insert(documents).await?;
        if let Some(rejected) = outcome.rejected.first() {
            return Err(Error::reply(format!("insert into {temporary}"), rejected.message.clone()));
        }
        let parameter =
            if kind == CollectionKind::Users { "tempUsersCollection" } else { "tempRolesCollection" };
        let mut merge = Builder::new();
        merge
            .i32("_mergeAuthzCollections", 1)
            .str(parameter, format!("admin.{}", temporary.collection))
            .bool("drop", false)
            .str("db", "");
        self.run("admin", merge, &format!("merge {kind} into the target's own")).await?;
        Ok(outcome.inserted)
    }
}

/// The `_id` of a user or role document: `<database>.<name>`.
fn name_of(document: &[u8]) -> Result<String> {
    let id = bytes::get(document, "_id").ok().flatten();
    let name = id.and_then(|id| id.as_str().map(ToOwned::to_owned));
    name.ok_or_else(|| Error::reply("read users and roles", "an account has no _id that is a string"))
}
