//! A collection as commands that read it name it.

use bson::RawBson;
use bson::spec::BinarySubtype;
use mongoark_model::Namespace;

/// A collection to read.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its name, which commands use where there is no UUID. Messages always do.
    pub namespace: Namespace,
    /// Its UUID, by which the server finds it under whatever name it has by now. That takes the right `useUUID`, which
    /// role `backup` has; mongos takes names alone.
    pub uuid: Option<[u8; 16]>,
}

impl Collection {
    /// A collection by its name.
    pub fn named(namespace: &Namespace) -> Self {
        Self { namespace: namespace.clone(), uuid: None }
    }

    /// What stands in a command in the place of its name.
    pub(crate) fn address(&self) -> RawBson {
        match self.uuid {
            Some(uuid) => {
                RawBson::Binary(bson::Binary { subtype: BinarySubtype::Uuid, bytes: uuid.to_vec() })
            }
            None => RawBson::String(self.namespace.collection.clone()),
        }
    }
}
