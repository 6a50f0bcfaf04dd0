//! Creating a collection, view or time series as the source had it, options byte for byte.

use crate::error::{Error, Result};
use crate::indexes;
use crate::target::Target;
use mongoark_bson_bytes::{Builder, Elements, Error as BytesError};
use mongoark_model::{CollectionKind, CollectionMetadata};

impl Target {
    /// Creates it with its raw options and its index on `_id`; no other index, no document.
    pub async fn create(&self, metadata: &CollectionMetadata) -> Result<()> {
        let action = format!("create {}", metadata.namespace);
        let command = create_command(metadata).map_err(|error| Error::reply(&action, error.to_string()))?;
        self.run(&metadata.namespace.db, command, &action).await.map(drop)
    }
}

fn create_command(metadata: &CollectionMetadata) -> Result<Builder, BytesError> {
    let mut command = Builder::new();
    command.str("create", &metadata.namespace.collection);
    for option in Elements::new(metadata.options.as_bytes())? {
        command.element(&option?);
    }
    if metadata.kind == CollectionKind::Collection && !metadata.is_clustered() {
        let id_index = metadata.indexes.iter().find(|index| indexes::is_default_id(index));
        if let Some(id_index) = id_index {
            command.document("idIndex", &indexes::without_namespace(id_index.as_bytes())?);
        }
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
