//! Building indexes as the source had them: key values, versions and options byte for byte, but
//! for what a server would read differently when it makes an index than when it lists one.

use crate::error::{Error, Result};
use crate::target::Target;
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Elements, Error as BytesError};
use mongoark_model::{CollectionMetadata, Namespace, TopologyKind};

/// Whether this is the index on `_id` that a server makes by itself: the key is `_id` alone with a
/// number that is 1, and there is no filter. `{_id: "hashed"}` or `{_id: -1}` are others.
pub fn is_default_id(index: &RawDocumentBuf) -> bool {
    let index = index.as_bytes();
    let Ok(Some(key)) = bytes::get(index, "key") else { return false };
    let Some(Ok(fields)) = key.as_document().map(Elements::new) else { return false };
    let fields: Vec<_> = fields.flatten().collect();
    let plain = matches!(bytes::get(index, "partialFilterExpression"), Ok(None));
    let one = fields.len() == 1 && fields[0].key == b"_id" && fields[0].as_i64_lossless() == Some(1);
    plain && one
}

/// The indexes that are to be built after the data: all but the one on `_id` and a clustered key.
pub fn to_build(metadata: &CollectionMetadata) -> Vec<RawDocumentBuf> {
    let wanted = |index: &&RawDocumentBuf| {
        let clustered = metadata.is_clustered() && index.get_bool("clustered").unwrap_or(false);
        !clustered && !is_default_id(index)
    };
    metadata.indexes.iter().filter(wanted).cloned().collect()
}

/// The name of an index, for messages.
pub fn name(index: &RawDocumentBuf) -> &str {
    index.get_str("name").unwrap_or("(no name)")
}

impl Target {
    /// Builds all of `indexes` on a collection with one command. A replica set is asked to commit
    /// by majority, so that one member that is down does not hold the restore up.
    pub async fn build_indexes(
        &self,
        namespace: &Namespace,
        indexes: &[RawDocumentBuf],
        collated: bool,
    ) -> Result<()> {
        let action = format!("build indexes on {namespace}");
        let specs: Vec<Vec<u8>> = indexes
            .iter()
            .map(|index| spec(index.as_bytes(), collated))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::reply(&action, error.to_string()))?;
        self.create_indexes(namespace, &specs, false).await
    }

    /// Builds all of `indexes` with one command as mongorestore does: with the server's latest index version unless
    /// `keep_version`, and without options that the server does not know.
    pub async fn build_indexes_as_tool(
        &self,
        namespace: &Namespace,
        indexes: &[RawDocumentBuf],
        collated: bool,
        keep_version: bool,
    ) -> Result<()> {
        let specs = indexes.iter().map(|index| tool_spec(index.as_bytes(), keep_version, collated));
        let specs: Vec<Vec<u8>> = specs
            .collect::<Result<_, _>>()
            .map_err(|error| Error::reply(format!("build indexes on {namespace}"), error.to_string()))?;
        self.create_indexes(namespace, &specs, true).await
    }

    async fn create_indexes(
        &self,
        namespace: &Namespace,
        specs: &[Vec<u8>],
        ignore_unknown: bool,
    ) -> Result<()> {
        let action = format!("build indexes on {namespace}");
        let mut command = Builder::new();
        command.str("createIndexes", &namespace.collection).array_of_documents("indexes", specs);
        if ignore_unknown {
            command.bool("ignoreUnknownIndexOptions", true);
        }
        if matches!(self.topology(), TopologyKind::ReplicaSet(_)) {
            command.str("commitQuorum", "majority");
        }
        self.run(&namespace.db, command, &action).await.map(drop)
    }
}

/// The definition that mongorestore sends for an index that was listed as `index`: with the server's latest
/// version unless `keep_version`, and otherwise as the source had it.
pub(crate) fn tool_spec(index: &[u8], keep_version: bool, collated: bool) -> Result<Vec<u8>, BytesError> {
    if keep_version {
        return spec(index, collated);
    }
    // What version 1 cannot say, the version that it becomes has to.
    let mut newer = Builder::with_capacity(index.len());
    for element in Elements::new(index)? {
        let element = element?;
        if element.key != b"v" {
            newer.element(&element);
        }
    }
    spec(&newer.finish(), collated)
}

/// The definition to send for an index that was listed as `index`.
///
/// On a collection with a collation, an index listed without one is a simple one, and would get the
/// collection's when made: it is named. A version 1 index may not name any collation, so there the
/// simple one goes.
fn spec(index: &[u8], collated: bool) -> Result<Vec<u8>, BytesError> {
    let version_1 = bytes::get(index, "v")?.and_then(|v| v.as_i64_lossless()) == Some(1);
    let has_collation = bytes::get(index, "collation")?.is_some();
    let mut out = Builder::with_capacity(index.len() + 64);
    for element in Elements::new(index)? {
        let element = element?;
        match element.key {
            b"ns" => {}
            b"collation" if version_1 && is_simple(element.as_document()) => {}
            _ => {
                out.element(&element);
            }
        }
    }
    if collated && !has_collation && !version_1 {
        out.nested("collation", |collation| {
            collation.str("locale", "simple");
        });
    }
    Ok(out.finish())
}

fn is_simple(collation: Option<&[u8]>) -> bool {
    let locale = collation.and_then(|collation| bytes::get(collation, "locale").ok().flatten());
    locale.and_then(|locale| locale.as_str()) == Some("simple")
}

/// An index definition without `ns`, which older servers list and newer ones refuse.
pub(crate) fn without_namespace(index: &[u8]) -> Result<Vec<u8>, BytesError> {
    let mut out = Builder::with_capacity(index.len());
    for element in Elements::new(index)? {
        let element = element?;
        if element.key != b"ns" {
            out.element(&element);
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn only_a_plain_ascending_id_is_the_default_one() {
        for index in [
            rawdoc! { "key": { "_id": 1 } },
            rawdoc! { "key": { "_id": 1.0 } },
            rawdoc! { "key": { "_id": 1_i64 } },
        ] {
            assert!(is_default_id(&index), "{index:?}");
        }
        for index in [
            rawdoc! { "key": { "_id": "hashed" } },
            rawdoc! { "key": { "_id": -1 } },
            rawdoc! { "key": { "_id": 1, "a": 1 } },
            rawdoc! { "key": { "_id": 1 }, "partialFilterExpression": {} },
            rawdoc! { "key": { "a": 1 } },
            rawdoc! { "key": {} },
            rawdoc! {},
        ] {
            assert!(!is_default_id(&index), "{index:?}");
        }
    }

    #[test]
    fn a_newer_version_states_what_version_1_could_not() {
        let old = rawdoc! { "v": 1, "key": { "a": 1 }, "name": "a" };
        let simple = rawdoc! { "key": { "a": 1 }, "name": "a", "collation": { "locale": "simple" } };
        assert_eq!(tool_spec(old.as_bytes(), false, true).unwrap(), simple.as_bytes());
        assert_eq!(tool_spec(old.as_bytes(), true, true).unwrap(), old.as_bytes());
    }

    #[test]
    fn collations_are_stated_where_a_server_would_guess_otherwise() {
        let plain = rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a", "ns": "d.c" };
        let expected =
            rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a", "collation": { "locale": "simple" } };
        assert_eq!(spec(plain.as_bytes(), true).unwrap(), expected.as_bytes());
        let alone = rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a" };
        assert_eq!(spec(plain.as_bytes(), false).unwrap(), alone.as_bytes());
        let old = rawdoc! { "v": 1, "key": { "a": 1 }, "collation": { "locale": "simple" } };
        let stripped = rawdoc! { "v": 1, "key": { "a": 1 } };
        assert_eq!(spec(old.as_bytes(), true).unwrap(), stripped.as_bytes());
        let swedish = rawdoc! { "v": 2, "key": { "a": 1 }, "collation": { "locale": "sv" } };
        assert_eq!(spec(swedish.as_bytes(), true).unwrap(), swedish.as_bytes());
    }
}
