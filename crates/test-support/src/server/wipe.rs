//! Empties a server, so that the next test finds it as fresh as a new one.

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::error::Result;
use mongodb::{Client, Database};

/// What a restore may have put into `config` of a server that is not part of a sharded cluster.
const SHARDING: [&str; 7] = ["chunks", "collections", "databases", "settings", "shards", "tags", "version"];

/// Drops every database, user and role, but for `local`, the server's own collections, and the user who is signed
/// in.
pub async fn wipe(client: &Client) {
    let emptied = async {
        drop_databases(client).await?;
        drop_collections_of_admin(&client.database("admin")).await?;
        drop_users(client).await?;
        drop_roles(client).await
    };
    emptied.await.expect("a server that can be emptied");
}

async fn drop_databases(client: &Client) -> Result<()> {
    for name in client.list_database_names().await? {
        match name.as_str() {
            "admin" | "local" => {}
            "config" => {
                for collection in SHARDING {
                    client.database("config").collection::<Document>(collection).drop().await?;
                }
            }
            _ => client.database(&name).drop().await?,
        }
    }
    Ok(())
}

async fn drop_collections_of_admin(admin: &Database) -> Result<()> {
    for name in admin.list_collection_names().await? {
        if !name.starts_with("system.") {
            admin.collection::<Document>(&name).drop().await?;
        }
    }
    Ok(())
}

async fn drop_users(client: &Client) -> Result<()> {
    let admin = client.database("admin");
    let status = admin.run_command(doc! { "connectionStatus": 1 }).await?;
    let info = status.get_document("authInfo").expect("who is signed in");
    let signed_in: Vec<_> = named(info, "authenticatedUsers").collect();
    let users = admin.run_command(doc! { "usersInfo": { "forAllDBs": true } }).await?;
    for (name, database) in named(&users, "users").filter(|user| !signed_in.contains(user)) {
        client.database(database).run_command(doc! { "dropUser": name }).await?;
    }
    Ok(())
}

/// Name and database of each user in this list.
fn named<'a>(answer: &'a Document, list: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let users = answer.get_array(list).into_iter().flatten().filter_map(Bson::as_document);
    users.map(|user| (text(user, "user"), text(user, "db")))
}

async fn drop_roles(client: &Client) -> Result<()> {
    let roles = client.database("admin").collection::<Document>("system.roles");
    let roles: Vec<Document> = roles.find(doc! {}).await?.try_collect().await?;
    for role in &roles {
        client.database(text(role, "db")).run_command(doc! { "dropRole": text(role, "role") }).await?;
    }
    Ok(())
}

fn text<'a>(document: &'a Document, field: &str) -> &'a str {
    document.get_str(field).expect("a name")
}
