//! Reading a server in the words of an `expected.json`.
//!
//! [`compare::capture`] reads everything but the digests, which that file takes over the documents themselves in the
//! order of their bytes; for these each namespace is read once more, and held in memory meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mongoark_bson_bytes::{Builder, get};
use mongodb::Client;
use sha2::{Digest as _, Sha256};

use super::state::{Namespace, State, Texts};
use super::text;
use crate::compare::reading::{Result, for_each};
use crate::compare::{self, Fields, SMALL_DOCUMENTS};

/// Everything that such a file tells of a server.
pub(super) async fn read(client: &Client) -> Result<State> {
    let captured = compare::capture(client).await?;
    let mut state = State {
        databases: BTreeMap::new(),
        users: accounts(&captured.users)?,
        roles: accounts(&captured.roles)?,
    };
    for (full_name, namespace) in &captured.namespaces {
        let (database, collection) = full_name.split_once('.').expect("database and collection");
        let found = read_namespace(client, database, collection, namespace).await?;
        state.databases.entry(database.to_owned()).or_default().insert(collection.to_owned(), found);
    }
    Ok(state)
}

async fn read_namespace(
    client: &Client,
    database: &str,
    collection: &str,
    captured: &compare::Namespace,
) -> Result<Namespace> {
    let mut documents = Vec::new();
    let find = Builder::new().str("find", collection).finish();
    for_each(client, database, find, |document| {
        documents.push(document.to_vec());
        Ok(())
    })
    .await?;
    documents.sort_unstable();
    let each = captured.kind == "collection" && documents.len() <= SMALL_DOCUMENTS;
    let indexes = captured.indexes.iter().map(|(name, fields)| Ok((name.clone(), texts(fields)?)));
    Ok(Namespace {
        kind: captured.kind.clone(),
        uuid: captured.uuid.as_deref().map(hyphenated),
        options: texts(&captured.options)?,
        indexes: indexes.collect::<Result<_>>()?,
        count: documents.len() as u64,
        sha256: digest(&documents),
        natural_sha256: captured.natural_sha256.map(|sha256| hexadecimal(&sha256)),
        documents: if each { by_id(&documents)? } else { None },
    })
}

/// One digest for each document; nothing if two have an `_id` of the same text.
fn by_id(documents: &[Vec<u8>]) -> Result<Option<Texts>> {
    let mut by_id = Texts::new();
    for document in documents {
        let id = get(document, "_id")?.map_or(Ok("(no _id)".to_owned()), |id| text::of(&id))?;
        let sha256 = hexadecimal(&Sha256::digest(document));
        by_id.insert(id, text::quoted(&sha256.as_bytes()[..16]));
    }
    Ok((by_id.len() == documents.len()).then_some(by_id))
}

fn accounts(captured: &BTreeMap<String, Fields>) -> Result<BTreeMap<String, Texts>> {
    captured.iter().map(|(name, fields)| Ok((name.clone(), texts(fields)?))).collect()
}

fn texts(fields: &Fields) -> Result<Texts> {
    let text = |(name, value): (&str, mongoark_bson_bytes::Element<'_>)| {
        let text = match value.as_array().filter(|_| name == "inheritedRoles") {
            // In no order that the server keeps; the file has them in the order of their texts.
            Some(roles) => {
                let mut roles = text::items(roles)?;
                roles.sort_unstable();
                format!("[{}]", roles.join(","))
            }
            None => text::of(&value)?,
        };
        Ok((name.to_owned(), text))
    };
    fields.last_values().map(text).collect()
}

fn digest(documents: &[Vec<u8>]) -> String {
    let mut sha256 = Sha256::new();
    for document in documents {
        sha256.update(document);
    }
    hexadecimal(&sha256.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

/// A UUID in its usual groups.
fn hyphenated(uuid: &[u8]) -> String {
    let mut text = hexadecimal(uuid);
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    text
}
