//! Reading a deployment into a [`State`].

use std::collections::BTreeMap;

use bson::doc;
use mongoark_bson_bytes::{Builder, get, get_path};
use mongodb::Client;
use sha2::{Digest as _, Sha256};

use super::fields::{Fields, value_text};
use super::reading::{Error, Result, all, at, for_each};
use super::{Digest, Namespace, SMALL_DOCUMENTS, State, accounts};

/// Reads everything that [`State`] holds; memory grows by 32 bytes a document.
pub async fn capture(client: &Client) -> Result<State> {
    let admin = client.database("admin");
    let info = admin.run_command(doc! { "buildInfo": 1 }).await.map_err(at("buildInfo"))?;
    let mut namespaces = BTreeMap::new();
    for database in client.list_database_names().await.map_err(at("listDatabases"))? {
        if !matches!(database.as_str(), "local" | "config") {
            capture_database(client, &database, &mut namespaces).await?;
        }
    }
    Ok(State {
        server_version: info.get_str("version").unwrap_or_default().to_owned(),
        namespaces,
        users: accounts::users(client).await?,
        roles: accounts::roles(client).await?,
    })
}

async fn capture_database(
    client: &Client,
    database: &str,
    namespaces: &mut BTreeMap<String, Namespace>,
) -> Result<()> {
    let list = Builder::new().i32("listCollections", 1).finish();
    for listed in all(client, database, list).await? {
        let name = get(&listed, "name")?.and_then(|name| name.as_str()).ok_or(Error::Missing("name"))?;
        if !is_skipped(database, name) {
            let namespace = capture_namespace(client, database, name, &listed).await?;
            namespaces.insert(format!("{database}.{name}"), namespace);
        }
    }
    Ok(())
}

/// What belongs to the server, or is gone as soon as a restore has ended.
fn is_skipped(database: &str, collection: &str) -> bool {
    match database {
        "admin" => collection.starts_with("system.") || collection.starts_with("temp"),
        _ => collection == "system.profile",
    }
}

async fn capture_namespace(client: &Client, database: &str, name: &str, listed: &[u8]) -> Result<Namespace> {
    let kind = get(listed, "type")?.and_then(|kind| kind.as_str()).ok_or(Error::Missing("type"))?;
    let options = get(listed, "options")?.and_then(|options| options.as_document());
    let options = Fields::of(options.ok_or(Error::Missing("options"))?)?;
    let uuid = get_path(listed, &["info", "uuid"])?.and_then(|uuid| uuid.as_binary());
    let indexes = if kind == "view" { BTreeMap::new() } else { indexes(client, database, name).await? };
    let mut documents = Documents::new(options.contains("capped"));
    let find = Builder::new().str("find", name).finish();
    for_each(client, database, find, |document| documents.add(document)).await?;
    Ok(Namespace {
        kind: kind.to_owned(),
        uuid: uuid.map(|(_, bytes)| bytes.to_vec()),
        options,
        indexes,
        count: documents.digests.len() as u64,
        small: documents.small(),
        natural_sha256: documents.natural.take().map(|natural| natural.finalize().into()),
        sha256: documents.sorted(),
    })
}

async fn indexes(client: &Client, database: &str, collection: &str) -> Result<BTreeMap<String, Fields>> {
    let list = Builder::new().str("listIndexes", collection).finish();
    let mut indexes = BTreeMap::new();
    for index in all(client, database, list).await? {
        let name = get(&index, "name")?.and_then(|name| name.as_str()).ok_or(Error::Missing("index name"))?;
        let mut fields = Fields::of(&index)?;
        // What the server keeps of an index on a time series, in an order of its own.
        fields.sort_document("originalSpec")?;
        indexes.insert(name.to_owned(), fields);
    }
    Ok(indexes)
}

/// The digests of a collection's documents, gathered while they pass.
struct Documents {
    digests: Vec<Digest>,
    natural: Option<Sha256>,
    ids: Vec<String>,
}

impl Documents {
    fn new(is_capped: bool) -> Self {
        Self { digests: Vec::new(), natural: is_capped.then(Sha256::new), ids: Vec::new() }
    }

    fn add(&mut self, document: &[u8]) -> Result<()> {
        self.digests.push(Sha256::digest(document).into());
        if let Some(natural) = &mut self.natural {
            natural.update(document);
        }
        if self.digests.len() <= SMALL_DOCUMENTS {
            let id = get(document, "_id")?;
            self.ids.push(id.map_or_else(|| "(no _id)".to_owned(), |id| value_text(id.kind, id.value)));
        }
        Ok(())
    }

    /// The digest of each by its `_id`; nothing if they are many or two look alike.
    fn small(&self) -> Option<BTreeMap<String, Digest>> {
        if self.digests.len() > SMALL_DOCUMENTS {
            return None;
        }
        let by_id: BTreeMap<_, _> = self.ids.iter().cloned().zip(self.digests.iter().copied()).collect();
        (by_id.len() == self.digests.len()).then_some(by_id)
    }

    /// One digest of all, whatever order they came in.
    fn sorted(mut self) -> Digest {
        self.digests.sort_unstable();
        let mut all = Sha256::new();
        for digest in &self.digests {
            all.update(digest);
        }
        all.finalize().into()
    }
}
