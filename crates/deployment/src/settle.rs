//! Single documents on the target: whether one is there byte for byte, and putting one in place
//! of what the server made of it.

use crate::error::{Error, Result, While};
use crate::target::{Target, raw};
use futures_util::StreamExt;
use mongoark_bson_bytes::{self as bytes, Builder, Element};
use mongoark_model::Namespace;
use std::collections::HashSet;

/// Which of these documents the target holds byte for byte, in one look-up.
pub(crate) async fn are_there(
    target: &Target,
    namespace: &Namespace,
    documents: &[&[u8]],
) -> Result<Vec<bool>> {
    let action = || format!("look for documents in {namespace}");
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
    let wanted: HashSet<&[u8]> = documents.iter().copied().collect();
    let mut there: HashSet<&[u8]> = HashSet::new();
    let database = target.client.database(&namespace.db);
    let mut cursor = database.run_raw_cursor_command(raw(&mut find)?).batch().await.while_doing(action)?;
    while let Some(batch) = cursor.next().await {
        let batch = batch.while_doing(action)?;
        for found in batch.doc_slices().while_doing(action)? {
            let found = found.map_err(|error| Error::reply(action(), error.to_string()))?;
            let same = found.as_document().and_then(|found| wanted.get(found.as_bytes()));
            there.extend(same);
        }
    }
    Ok(documents.iter().map(|document| there.contains(document)).collect())
}

/// Writes this document in place of the one with its `_id`, by an update whose new value is a
/// literal: nothing in it is replaced or interpreted.
pub(crate) async fn replace(target: &Target, namespace: &Namespace, document: &[u8]) -> Result<()> {
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
    command
        .str("update", &namespace.collection)
        .bool("bypassDocumentValidation", true)
        .array_of_documents("updates", [update.finish()]);
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
