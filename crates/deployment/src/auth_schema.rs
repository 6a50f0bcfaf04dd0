//! Whether a server ever had users or roles: only then can they be dumped.

use crate::command::{self, From};
use crate::error::Result;
use crate::source::Source;
use bson::{RawDocumentBuf, rawdoc};

/// The first version that keeps no document about the schema of its users.
const WITHOUT_DOCUMENT: [i32; 2] = [8, 1];

/// Why the users and roles of this deployment cannot be dumped, in mongodump's words; nothing where they can.
pub async fn why_no_accounts(source: &Source) -> Result<Option<&'static str>> {
    let version = source.info().version;
    if [version[0], version[1]] >= WITHOUT_DOCUMENT {
        for collection in ["system.users", "system.roles"] {
            if exists(source, collection, rawdoc! {}).await? {
                return Ok(None);
            }
        }
        return Ok(Some("no users / roles exist"));
    }
    let found = exists(source, "system.version", rawdoc! { "_id": "authSchema" }).await?;
    Ok((!found).then_some("found no auth version"))
}

async fn exists(source: &Source, collection: &str, filter: RawDocumentBuf) -> Result<bool> {
    let find = rawdoc! {
        "find": collection, "filter": filter, "projection": { "_id": 1 }, "limit": 1, "singleBatch": true,
    };
    let action = format!("look into admin.{collection}");
    let found = command::all(&source.client.database("admin"), From::Pinned, find, &action).await?;
    Ok(!found.is_empty())
}
