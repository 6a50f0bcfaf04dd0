//! Creating a collection, view or time series as the source had it, options byte for byte.

use crate::error::{Error, Result};
use crate::indexes;
use crate::target::Target;
use mongoark_bson_bytes::{Builder, Elements, Error as BytesError};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};

/// How mongorestore has a collection made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// No options of the source's, and the server's own index on `_id`.
    pub without_options: bool,
    /// The index on `_id` keeps its version instead of getting the server's latest.
    pub keep_index_version: bool,
    /// The UUID that it gets; needs the right to run applyOps.
    pub uuid: Option<[u8; 16]>,
}

impl Target {
    /// Creates it with its raw options and its index on `_id`; no other index, no document.
    pub async fn create(&self, metadata: &CollectionMetadata) -> Result<()> {
        let action = format!("create {}", metadata.namespace);
        let command = create_command(metadata).map_err(|error| Error::reply(&action, error.to_string()))?;
        self.run(&metadata.namespace.db, command, &action).await.map(drop)
    }

    /// Creates it as mongorestore does, leaving out or changing options that servers refuse by now.
    pub async fn create_as(&self, metadata: &CollectionMetadata, how: CreateOptions) -> Result<()> {
        let action = format!("create {}", metadata.namespace);
        let command = self.tool_command(metadata, how);
        let mut command = command.map_err(|error| Error::reply(&action, error.to_string()))?;
        let db = &metadata.namespace.db;
        match how.uuid {
            Some(uuid) => self.run("admin", with_uuid(db, &command.finish(), uuid), &action).await.map(drop),
            None => self.run(db, command, &action).await.map(drop),
        }
    }

    /// Sets after how long the documents of a time series or a clustered collection expire: the kind and the value of a BSON
    /// element, as `create` takes it.
    pub async fn set_expiry(&self, namespace: &Namespace, kind: u8, value: &[u8]) -> Result<()> {
        let mut command = Builder::new();
        command.str("collMod", &namespace.collection).raw(kind, "expireAfterSeconds", value);
        let action = format!("set after how long the documents of {namespace} expire");
        self.run(&namespace.db, command, &action).await.map(drop)
    }

    /// Lets a time series have buckets with several types in one field; `namespace` may name the buckets.
    pub(crate) async fn allow_mixed_schema(&self, namespace: &Namespace) -> Result<()> {
        let collection =
            namespace.collection.strip_prefix("system.buckets.").unwrap_or(&namespace.collection);
        let mut command = Builder::new();
        command.str("collMod", collection).bool("timeseriesBucketsMayHaveMixedSchemaData", true);
        let action = format!("allow {}.{collection} to have several types in one field", namespace.db);
        self.run(&namespace.db, command, &action).await.map(drop)
    }

    fn tool_command(&self, metadata: &CollectionMetadata, how: CreateOptions) -> Result<Builder, BytesError> {
        let mut command = Builder::new();
        command.str("create", &metadata.namespace.collection);
        if how.without_options {
            return Ok(command);
        }
        let id_index = id_index(metadata);
        for option in Elements::new(metadata.options.as_bytes())? {
            let option = option?;
            match option.key {
                // A server's own doing, which none takes as an order.
                b"recordIdsReplicated" => {}
                b"autoIndexId" if id_index.is_some() || self.is_at_least(8, 2) => {}
                // Servers from 4.0 on refuse a collection without an index on _id outside of `local`.
                b"autoIndexId" if metadata.namespace.db != "local" => _ = command.bool("autoIndexId", true),
                _ => _ = command.element(&option),
            }
        }
        if let Some(index) = id_index {
            let keep_version = how.keep_index_version || how.uuid.is_some();
            command.document("idIndex", &indexes::tool_spec(index.as_bytes(), keep_version, false)?);
        }
        Ok(command)
    }
}

/// The same command as an oplog entry: the only way to name a UUID.
fn with_uuid(db: &str, create: &[u8], uuid: [u8; 16]) -> Builder {
    let mut entry = Builder::new();
    entry.str("op", "c").str("ns", format!("{db}.$cmd")).binary("ui", 4, &uuid).document("o", create);
    let mut command = Builder::new();
    command.array_of_documents("applyOps", [entry.finish()]);
    command
}

/// The index on `_id` that goes along with a create command.
fn id_index(metadata: &CollectionMetadata) -> Option<&bson::RawDocumentBuf> {
    let may_have_one = metadata.kind == CollectionKind::Collection && !metadata.is_clustered();
    metadata.indexes.iter().find(|index| may_have_one && indexes::is_default_id(index))
}

fn create_command(metadata: &CollectionMetadata) -> Result<Builder, BytesError> {
    let mut command = Builder::new();
    command.str("create", &metadata.namespace.collection);
    for option in Elements::new(metadata.options.as_bytes())? {
        command.element(&option?);
    }
    if let Some(id_index) = id_index(metadata) {
        command.document("idIndex", &indexes::without_namespace(id_index.as_bytes())?);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;
    use mongoark_model::Namespace;

    #[test]
    fn options_are_copied_and_the_id_index_goes_along() {
        let id_index = rawdoc! { "v": 1, "key": { "_id": 1 }, "name": "_id_", "ns": "d.c" };
        let metadata = CollectionMetadata {
            bucket_indexes: Vec::new(),
            namespace: Namespace::new("d", "c"),
            kind: CollectionKind::Collection,
            options: rawdoc! { "capped": true, "size": 4096.0 },
            uuid: None,
            indexes: vec![rawdoc! { "v": 2, "key": { "_id": "hashed" }, "name": "h" }, id_index],
        };
        let expected = rawdoc! {
            "create": "c", "capped": true, "size": 4096.0,
            "idIndex": { "v": 1, "key": { "_id": 1 }, "name": "_id_" },
        };
        assert_eq!(create_command(&metadata).unwrap().finish(), expected.as_bytes());
    }
}
