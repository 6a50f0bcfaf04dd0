//! What the user may do: the reads of a dump are really made, each for its first document; what a restore needs is
//! looked up, since trying it would write.

use crate::command;
use crate::error::{Error, Result};
use crate::source::Source;
use bson::{Bson, Document, doc};
use mongoark_model::TopologyKind;

/// What a restore does on databases of any name.
const RESTORE_ACTIONS: [&str; 3] = ["insert", "createCollection", "createIndex"];

/// Something that a dump does, and whether the server let it.
#[derive(Debug)]
pub struct Right {
    /// What was done, such as `read local.oplog.rs`.
    pub what: String,
    /// What came of it.
    pub outcome: Result<()>,
}

/// Who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `user@database` of each; none where nobody is.
    pub names: Vec<String>,
    /// Whether its roles let it create and fill collections in every database.
    pub may_restore: bool,
}

/// Does what a dump of these databases does, one after the other.
pub async fn reads(source: &Source, databases: &[String]) -> Vec<Right> {
    let mut rights = Vec::new();
    // Without this field a server lists what the user may see, and does not say that there is more.
    let all = doc! { "listDatabases": 1, "nameOnly": true, "authorizedDatabases": false };
    rights.push(right(source, "list all databases".to_owned(), "admin", all).await);
    if matches!(source.info().topology, TopologyKind::ReplicaSet(_)) {
        rights.push(first_document(source, "local", "oplog.rs").await);
        rights.push(first_document(source, "config", "transactions").await);
    }
    for accounts in ["system.users", "system.roles"] {
        rights.push(first_document(source, "admin", accounts).await);
    }
    for db in databases {
        let command = doc! { "listCollections": 1, "cursor": { "batchSize": 1 } };
        rights.push(right(source, format!("list the collections of {db}"), db, command).await);
    }
    rights
}

async fn first_document(source: &Source, db: &str, collection: &str) -> Right {
    let find = doc! { "find": collection, "projection": { "_id": 1 }, "limit": 1, "singleBatch": true };
    right(source, format!("read {db}.{collection}"), db, find).await
}

async fn right(source: &Source, what: String, db: &str, command: Document) -> Right {
    let outcome = command::ask(&source.client, db, command).await.map(drop);
    Right { what, outcome }
}

/// Who is signed in, and what its roles allow. Needs no rights.
pub async fn user(source: &Source) -> Result<User> {
    let command = doc! { "connectionStatus": 1, "showPrivileges": true };
    let reply = command::ask(&source.client, "admin", command).await?;
    let info = reply.get_document("authInfo");
    let info = info.map_err(|error| Error::reply("ask who is signed in", error.to_string()))?;
    let documents = |key| info.get_array(key).into_iter().flatten().filter_map(Bson::as_document);
    let name = |user: &Document| Some(format!("{}@{}", user.get_str("user").ok()?, user.get_str("db").ok()?));
    let anywhere: Vec<&Document> =
        documents("authenticatedUserPrivileges").filter(|p| is_anywhere(p)).collect();
    let allowed = |action: &&str| anywhere.iter().any(|privilege| allows(privilege, action));
    Ok(User {
        names: documents("authenticatedUsers").filter_map(name).collect(),
        may_restore: RESTORE_ACTIONS.iter().all(allowed),
    })
}

/// Whether a privilege is one on every collection of every database.
fn is_anywhere(privilege: &Document) -> bool {
    let Ok(resource) = privilege.get_document("resource") else { return false };
    let is_empty = |key: &str| resource.get_str(key).is_ok_and(str::is_empty);
    resource.get_bool("anyResource").unwrap_or(false) || (is_empty("db") && is_empty("collection"))
}

fn allows(privilege: &Document, action: &str) -> bool {
    let actions = privilege.get_array("actions").into_iter().flatten();
    actions.filter_map(Bson::as_str).any(|allowed| allowed == action || allowed == "anyAction")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_counts_where_it_holds_everywhere() {
        let actions = ["insert", "find"];
        let everywhere = doc! { "resource": { "db": "", "collection": "" }, "actions": actions };
        let one = doc! { "resource": { "db": "shop", "collection": "" }, "actions": actions };
        let root = doc! { "resource": { "anyResource": true }, "actions": ["anyAction"] };
        assert!(is_anywhere(&everywhere) && is_anywhere(&root) && !is_anywhere(&one));
        assert!(!is_anywhere(&doc! { "resource": { "cluster": true }, "actions": actions }));
        assert!(allows(&everywhere, "insert") && !allows(&everywhere, "createIndex"));
        assert!(allows(&root, "createIndex"));
    }
}
