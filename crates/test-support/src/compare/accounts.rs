//! Users with their credentials, and roles, as the server's commands show them.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use mongoark_bson_bytes::{Builder, get};
use mongodb::Client;

use super::fields::Fields;
use super::reading::{Error, Result, all, at};

/// All users of all databases. Restrictions are shown only to a question for one user.
pub(super) async fn users(client: &Client) -> Result<BTreeMap<String, Fields>> {
    let everyone = doc! { "usersInfo": { "forAllDBs": true } };
    let mut users = BTreeMap::new();
    for user in ask(client, "admin", everyone, "users").await? {
        let (name, database) = (text(&user, "user"), text(&user, "db"));
        let question = doc! {
            "usersInfo": { "user": name, "db": database },
            "showCredentials": true, "showAuthenticationRestrictions": true,
        };
        for shown in ask(client, "admin", question, "users").await? {
            users.insert(format!("{database}.{name}"), normal(&shown)?);
        }
    }
    Ok(users)
}

/// All roles that were made by somebody, with privileges and restrictions; also of databases without a collection.
pub(super) async fn roles(client: &Client) -> Result<BTreeMap<String, Fields>> {
    let mut roles = BTreeMap::new();
    for stored in all(client, "admin", Builder::new().str("find", "system.roles").finish()).await? {
        let field = |name| -> Result<String> {
            let value = get(&stored, name)?.and_then(|value| value.as_str().map(str::to_owned));
            value.ok_or(Error::Missing("name of a role"))
        };
        let (role, database) = (field("role")?, field("db")?);
        let question = doc! {
            "rolesInfo": { "role": &role, "db": &database },
            "showPrivileges": true, "showAuthenticationRestrictions": true,
        };
        for shown in ask(client, "admin", question, "roles").await? {
            roles.insert(format!("{database}.{role}"), normal(&shown)?);
        }
    }
    Ok(roles)
}

async fn ask(client: &Client, database: &str, question: Document, list: &str) -> Result<Vec<Document>> {
    let mut reply = client.database(database).run_command(question).await.map_err(at(list))?;
    let Some(Bson::Array(items)) = reply.remove(list) else { return Err(Error::Missing("accounts")) };
    let documents = items.into_iter().map(|item| match item {
        Bson::Document(document) => Ok(document),
        _ => Err(Error::Missing("account")),
    });
    documents.collect()
}

fn text<'a>(document: &'a Document, field: &str) -> &'a str {
    document.get_str(field).unwrap_or_default()
}

/// What is inherited the server works out anew each time, in no fixed order.
fn normal(shown: &Document) -> Result<Fields> {
    let raw = shown.to_vec().map_err(|error| at("accounts")(error.into()))?;
    let mut fields = Fields::of(&raw)?;
    fields.remove("inheritedPrivileges");
    fields.sort_array("inheritedRoles")?;
    Ok(fields)
}
