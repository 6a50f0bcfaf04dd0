//! A query as it is sent to the collection that holds the documents.

use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{Builder, Elements, get};
use mongoark_bson_text::write_relaxed;
use mongoark_model::CollectionMetadata;

/// The query for the buckets of a time series: conditions on its metaField, under the name that it has there.
///
/// # Errors
/// A condition on anything else, which no bucket can answer.
pub(super) fn on_buckets(query: &RawDocumentBuf, series: &CollectionMetadata) -> Result<RawDocumentBuf> {
    let meta = meta_field(series)?;
    let mut rewritten = Builder::new();
    let invalid = |error: mongoark_bson_bytes::Error| Error::Usage(format!("the query is no BSON: {error}"));
    for element in Elements::new(query.as_bytes()).map_err(invalid)? {
        let element = element.map_err(invalid)?;
        let key = rewritten_key(element.key, &meta).ok_or_else(|| not_on_meta(query, series))?;
        rewritten.raw(element.kind, &key, element.value);
    }
    RawDocumentBuf::from_bytes(rewritten.finish())
        .map_err(|error| Error::Usage(format!("the query is no BSON: {error}")))
}

fn meta_field(series: &CollectionMetadata) -> Result<String> {
    let options = get(series.options.as_bytes(), "timeseries").ok().flatten();
    let options = options.and_then(|options| options.as_document());
    let meta = options.and_then(|options| get(options, "metaField").ok().flatten());
    meta.and_then(|meta| meta.as_str().map(ToOwned::to_owned)).ok_or_else(|| {
        let name = crate::quote::quoted_namespace(&series.namespace);
        Error::Usage(format!("could not determine the metaField for {name}"))
    })
}

/// `meta` for the metaField itself, `meta.<rest>` for what lies in it.
fn rewritten_key(key: &[u8], meta: &str) -> Option<Vec<u8>> {
    let rest = key.strip_prefix(meta.as_bytes())?;
    match rest.first() {
        None | Some(b'.') => Some([b"meta", rest].concat()),
        Some(_) => None,
    }
}

fn not_on_meta(query: &RawDocumentBuf, series: &CollectionMetadata) -> Error {
    let mut text = Vec::new();
    // A query that cannot be shown is still refused.
    _ = write_relaxed(query.as_bytes(), &mut text);
    Error::Usage(format!(
        "cannot process query {} for timeseries collection {}. mongodump only processes queries on metadata fields \
         for timeseries collections.",
        String::from_utf8_lossy(&text),
        crate::quote::quoted_namespace(&series.namespace)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;
    use mongoark_model::{CollectionKind, Namespace};

    fn series() -> CollectionMetadata {
        CollectionMetadata {
            bucket_indexes: Vec::new(),
            namespace: Namespace::new("d", "t"),
            kind: CollectionKind::TimeSeries,
            options: rawdoc! { "timeseries": { "timeField": "at", "metaField": "who" } },
            uuid: None,
            indexes: Vec::new(),
        }
    }

    #[test]
    fn conditions_on_the_meta_field_are_renamed() {
        let query = rawdoc! { "who": 1, "who.name": { "$in": ["a"] } };
        let expected = rawdoc! { "meta": 1, "meta.name": { "$in": ["a"] } };
        assert_eq!(on_buckets(&query, &series()).unwrap(), expected);
    }

    #[test]
    fn any_other_condition_is_refused() {
        for query in [rawdoc! { "at": 1 }, rawdoc! { "whom": 1 }, rawdoc! { "$or": [] }] {
            let error = on_buckets(&query, &series()).unwrap_err().to_string();
            assert!(error.contains("for timeseries collection `d.t`. mongodump only processes"), "{error}");
        }
        let mut bare = series();
        bare.options = rawdoc! { "timeseries": { "timeField": "at" } };
        let error = on_buckets(&rawdoc! { "at": 1 }, &bare).unwrap_err().to_string();
        assert_eq!(error, "could not determine the metaField for `d.t`");
    }
}
