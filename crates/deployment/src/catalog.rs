//! What a deployment holds: databases, collections with raw options, raw indexes.

use crate::collection::Collection;
use crate::command::{self, From};
use crate::error::{Error, ErrorKind, Result};
use crate::source::Source;
use bson::{Document, RawDocument, RawDocumentBuf, doc, rawdoc};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};
use mongodb::Client;
use std::collections::HashMap;

/// What is being done, for errors.
const LIST_DATABASES: &str = "list all databases";

/// Names of all databases, in the server's order.
///
/// # Errors
/// Also where the user may not see them all: what he may see is never taken for all there is.
pub async fn all_databases(source: &Source) -> Result<Vec<String>> {
    let command = doc! { "listDatabases": 1, "nameOnly": true, "authorizedDatabases": false };
    match command::read(&source.client, "admin", command).await {
        Ok(reply) => names(&reply),
        Err(error) if error.kind() == ErrorKind::Unauthorized => {
            Err(error.doing(LIST_DATABASES.to_owned()).saying(
                "the user may not see every database (action listDatabases), so some could be missing unnoticed; grant \
                 role 'backup', or name the databases to dump with --include or --db",
            ))
        }
        // Not every server knows that option.
        Err(error) if error.code().is_some() => databases(source).await,
        Err(error) => Err(error),
    }
}

/// Names of the databases that the user may see, in the server's order: maybe a part of what there is.
pub async fn databases(source: &Source) -> Result<Vec<String>> {
    database_names(&source.client).await
}

/// The collections of a database, without indexes, in the server's order.
pub async fn collections(source: &Source, db: &str) -> Result<Vec<CollectionMetadata>> {
    list_collections(&source.client, From::Pinned, db).await
}

/// One collection, without indexes; nothing where it does not exist.
pub async fn collection(source: &Source, namespace: &Namespace) -> Result<Option<CollectionMetadata>> {
    let action = format!("look for {namespace}");
    let buckets = format!("system.buckets.{}", namespace.collection);
    let names = rawdoc! { "$in": [namespace.collection.as_str(), buckets] };
    let command = rawdoc! { "listCollections": 1, "filter": { "name": names }, "cursor": {} };
    let entries =
        command::all(&source.client.database(&namespace.db), From::Pinned, command, &action).await?;
    let found = described(&namespace.db, &entries, &action)?;
    Ok(found.into_iter().find(|metadata| metadata.namespace == *namespace))
}

/// The UUID that a namespace has now; nothing where it does not exist or has none.
pub async fn uuid_of(source: &Source, namespace: &Namespace) -> Result<Option<[u8; 16]>> {
    uuid_on(&source.client, From::Pinned, namespace).await
}

pub(crate) async fn uuid_on(client: &Client, from: From, namespace: &Namespace) -> Result<Option<[u8; 16]>> {
    let action = format!("look for {namespace}");
    let command =
        rawdoc! { "listCollections": 1, "filter": { "name": namespace.collection.as_str() }, "cursor": {} };
    let found = command::all(&client.database(&namespace.db), from, command, &action).await?;
    Ok(found.first().and_then(|entry| uuid(entry)))
}

/// The raw indexes of a collection; a collection that is gone by now answers with nothing. Those that are being built are
/// among them only if `unfinished` ones are wanted.
pub async fn indexes(
    source: &Source,
    collection: &Collection,
    unfinished: bool,
) -> Result<Option<Vec<RawDocumentBuf>>> {
    let command = rawdoc! { "listIndexes": collection.address(), "cursor": {}, "includeBuildUUIDs": true };
    let listed = match all_indexes(&source.client, From::Pinned, collection, command).await {
        // Not every server knows that option.
        Err(error) if matches!(error.code(), Some(9 | 40415)) => {
            return list_indexes(&source.client, From::Pinned, collection).await;
        }
        listed => listed?,
    };
    let finished = |index: RawDocumentBuf| match index.get_document("spec") {
        Ok(spec) if index.get("buildUUID").is_ok_and(|build| build.is_some()) => {
            unfinished.then(|| spec.to_owned())
        }
        _ => Some(index),
    };
    Ok(listed.map(|listed| listed.into_iter().filter_map(finished).collect()))
}

pub(crate) async fn database_names(client: &Client) -> Result<Vec<String>> {
    let command = doc! { "listDatabases": 1, "nameOnly": true };
    names(&command::read(client, "admin", command).await?)
}

fn names(reply: &Document) -> Result<Vec<String>> {
    let databases =
        reply.get_array("databases").map_err(|error| Error::reply(LIST_DATABASES, error.to_string()))?;
    let name = |entry: &bson::Bson| Some(entry.as_document()?.get_str("name").ok()?.to_owned());
    Ok(databases.iter().filter_map(name).collect())
}

pub(crate) async fn list_collections(
    client: &Client,
    from: From,
    db: &str,
) -> Result<Vec<CollectionMetadata>> {
    let action = format!("list the collections of database {db}");
    let command = rawdoc! { "listCollections": 1, "cursor": {} };
    let entries = command::all(&client.database(db), from, command, &action).await?;
    described(db, &entries, &action)
}

fn described(db: &str, entries: &[RawDocumentBuf], action: &str) -> Result<Vec<CollectionMetadata>> {
    let mut collections: Vec<CollectionMetadata> = entries
        .iter()
        .map(|entry| metadata(db, entry).map_err(|text| Error::reply(action, text)))
        .collect::<Result<_>>()?;
    name_buckets(&mut collections);
    Ok(collections)
}

pub(crate) async fn list_indexes(
    client: &Client,
    from: From,
    collection: &Collection,
) -> Result<Option<Vec<RawDocumentBuf>>> {
    let command = rawdoc! { "listIndexes": collection.address(), "cursor": {} };
    all_indexes(client, from, collection, command).await
}

async fn all_indexes(
    client: &Client,
    from: From,
    collection: &Collection,
    command: RawDocumentBuf,
) -> Result<Option<Vec<RawDocumentBuf>>> {
    let namespace = &collection.namespace;
    let action = format!("list the indexes of {namespace}");
    match command::all(&client.database(&namespace.db), from, command, &action).await {
        Ok(indexes) => Ok(Some(indexes)),
        Err(error) if error.is_code(26) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A time series has no UUID of its own; its buckets' tells whether it is still the same one.
fn name_buckets(collections: &mut [CollectionMetadata]) {
    let uuids: HashMap<Namespace, Option<[u8; 16]>> =
        collections.iter().map(|metadata| (metadata.namespace.clone(), metadata.uuid)).collect();
    for series in collections.iter_mut().filter(|metadata| metadata.kind == CollectionKind::TimeSeries) {
        series.uuid = uuids.get(&series.data_namespace()).copied().flatten();
    }
}

fn uuid(entry: &RawDocument) -> Option<[u8; 16]> {
    let info = entry.get_document("info").ok()?;
    info.get_binary("uuid").ok()?.bytes.try_into().ok()
}

fn metadata(db: &str, entry: &RawDocument) -> Result<CollectionMetadata, String> {
    let name = entry.get_str("name").map_err(|error| format!("an entry has no name: {error}"))?;
    let kind = match entry.get_str("type").unwrap_or("collection") {
        "collection" => CollectionKind::Collection,
        "view" => CollectionKind::View,
        "timeseries" => CollectionKind::TimeSeries,
        other => return Err(format!("{db}.{name} is of an unknown type '{other}'")),
    };
    let kind = match (db, name) {
        ("admin", "system.users") => CollectionKind::Users,
        ("admin", "system.roles") => CollectionKind::Roles,
        _ => kind,
    };
    let options = entry.get_document("options").map_or_else(|_| RawDocumentBuf::new(), ToOwned::to_owned);
    Ok(CollectionMetadata {
        bucket_indexes: Vec::new(),
        namespace: Namespace::new(db, name),
        kind,
        options,
        uuid: uuid(entry),
        indexes: Vec::new(),
    })
}
