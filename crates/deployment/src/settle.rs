//! Single documents on the target: whether one is there byte for byte, and putting one in place
//! of what the server made of it.

use crate::command::{self, From};
use crate::error::{Error, Result};
use crate::target::{Target, raw};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Element, Elements};
use mongoark_model::Namespace;
use std::collections::HashMap;

/// What the target holds under a document's `_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    /// Nothing.
    Nothing,
    /// The very same bytes.
    Same,
    /// The same but for zero timestamps at the top level, which the server replaced on insert.
    SameButTime,
    /// Another document.
    Other,
}

/// What the target holds in place of each of these documents, in one look-up.
pub(crate) async fn look_up(
    target: &Target,
    namespace: &Namespace,
    documents: &[&[u8]],
) -> Result<Vec<There>> {
    let action = format!("look for documents in {namespace}");
    let mut ids = Builder::new();
    for (place, document) in documents.iter().enumerate() {
        let id = id_of(document, namespace)?;
        ids.raw(id.kind, place.to_string(), id.value);
    }
    let mut find = Builder::new();
    // The collection's own collation is the one its index on _id has. It may match more than was
    // asked for; documents are told apart by their bytes.
    find.str("find", &namespace.collection).nested("filter", |filter| {
        filter.nested("_id", |within| {
            within.array("$in", &ids.finish());
        });
    });
    let database = target.client.database(&namespace.db);
    let mut found: HashMap<(u8, Vec<u8>), RawDocumentBuf> = HashMap::new();
    for document in command::all(&database, From::Primary, raw(&mut find)?, &action).await? {
        let id = id_of(document.as_bytes(), namespace)?;
        found.insert((id.kind, id.value.to_vec()), document);
    }
    documents
        .iter()
        .map(|document| {
            let id = id_of(document, namespace)?;
            let there = found.get(&(id.kind, id.value.to_vec()));
            Ok(there.map_or(There::Nothing, |there| compare(document, there.as_bytes())))
        })
        .collect()
}

fn compare(document: &[u8], there: &[u8]) -> There {
    if document == there {
        return There::Same;
    }
    match with_zero_timestamps_of(document, there) {
        Some(masked) if masked == document => There::SameButTime,
        _ => There::Other,
    }
}

/// `there` with zero where `document` has a zero timestamp at the top level.
fn with_zero_timestamps_of(document: &[u8], there: &[u8]) -> Option<Vec<u8>> {
    if document.len() != there.len() || !bytes::has_zero_timestamp(document).ok()? {
        return None;
    }
    let mut masked = there.to_vec();
    for element in Elements::new(document).ok()? {
        let element = element.ok()?;
        if element.kind == bytes::kind::TIMESTAMP && element.key != b"_id" && element.value == [0; 8] {
            masked.get_mut(element.value_offset()..element.value_offset() + 8)?.fill(0);
        }
    }
    Some(masked)
}

/// Writes this document in place of the one with its `_id`, by an update whose new value is a
/// literal: nothing in it is replaced or interpreted. To pass a validator by takes a right of its own.
pub(crate) async fn replace(
    target: &Target,
    namespace: &Namespace,
    document: &[u8],
    bypass_validation: bool,
) -> Result<()> {
    let action = format!("keep a zero timestamp in {namespace}");
    let id = id_of(document, namespace)?;
    let mut update = Builder::new();
    update.document("q", &by_id(&id));
    update.nested_array("u", |pipeline| {
        pipeline.nested("0", |stage| {
            stage.nested("$replaceRoot", |replace| {
                replace.nested("newRoot", |root| {
                    root.document("$literal", document);
                });
            });
        });
    });
    simple_collation(&mut update);
    let mut command = Builder::new();
    command.str("update", &namespace.collection);
    if bypass_validation {
        command.bool("bypassDocumentValidation", true);
    }
    command.array_of_documents("updates", [update.finish()]);
    let reply = target.run(&namespace.db, command, &action).await?;
    if let Some(error) = reply.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
        return Err(Error::reply(action, error.to_string()));
    }
    if reply.get_i32("n").unwrap_or_default() != 1 {
        return Err(Error::reply(action, "the document is gone: somebody else writes to this collection"));
    }
    Ok(())
}

fn id_of<'a>(document: &'a [u8], namespace: &Namespace) -> Result<Element<'a>> {
    let id = bytes::get(document, "_id").ok().flatten();
    id.ok_or_else(|| Error::reply(format!("look for a document in {namespace}"), "it has no _id"))
}

/// `{_id: {$eq: id}}`: an `_id` that is a document is compared, never read as operators.
fn by_id(id: &Element<'_>) -> Vec<u8> {
    let mut filter = Builder::new();
    filter.nested("_id", |filter| {
        filter.raw(id.kind, "$eq", id.value);
    });
    filter.finish()
}

/// Strings equal under the collection's collation are different `_id`s under another.
fn simple_collation(command: &mut Builder) {
    command.nested("collation", |collation| {
        collation.str("locale", "simple");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_told_from_what_the_server_made_of_its_zero_timestamps() {
        let document = |time: u32, n: i32| {
            let mut out = Builder::new();
            out.timestamp("_id", 0, 0).timestamp("t", time, 0).i32("n", n).timestamp("u", 7, 7);
            out.finish()
        };
        assert_eq!(compare(&document(0, 1), &document(0, 1)), There::Same);
        assert_eq!(compare(&document(0, 1), &document(99, 1)), There::SameButTime);
        assert_eq!(compare(&document(0, 1), &document(99, 2)), There::Other);
        assert_eq!(compare(&document(5, 1), &document(99, 1)), There::Other);
        assert_eq!(compare(&document(0, 1), &[5, 0, 0, 0, 0]), There::Other);
    }
}
