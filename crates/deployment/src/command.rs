//! Commands with raw bodies, and cursors read whole for catalogs.

use crate::client::any_member;
use crate::error::{Error, Result, While};
use bson::{Document, RawDocumentBuf};
use futures_util::StreamExt;
use mongodb::{Client, Database};

/// Runs a command on whoever the client's pinning allows. For reads.
pub(crate) async fn read(client: &Client, db: &str, command: Document) -> Result<Document> {
    let name = command_name(&command);
    client
        .database(db)
        .run_command(command)
        .selection_criteria(any_member())
        .await
        .while_doing(|| format!("run {name} on {db}"))
}

/// Runs a command on the primary. For writes. Refuses a reply that reports a write concern error,
/// which the server sends with `ok: 1`.
pub(crate) async fn write(
    client: &Client,
    db: &str,
    command: RawDocumentBuf,
    action: &str,
) -> Result<Document> {
    let reply = client.database(db).run_raw_command(command).await.while_doing(|| action.to_owned())?;
    write_concern_error(&reply, action)?;
    Ok(reply)
}

/// The error that a reply's `writeConcernError` stands for.
pub(crate) fn write_concern_error(reply: &Document, action: &str) -> Result<()> {
    let Ok(error) = reply.get_document("writeConcernError") else { return Ok(()) };
    let code = error.get_i32("code").unwrap_or_default();
    let message = error.get_str("errmsg").unwrap_or("no message");
    Err(Error::new(
        crate::ErrorKind::Command(code),
        action,
        format!("written, but not acknowledged as asked: {message} (write concern error {code})"),
    ))
}

/// Runs a command that returns a cursor and hands each raw document to `take`.
pub(crate) async fn each(
    db: &Database,
    command: RawDocumentBuf,
    action: &str,
    mut take: impl FnMut(&bson::RawDocument) -> Result<()>,
) -> Result<()> {
    let mut cursor = db
        .run_raw_cursor_command(command)
        .selection_criteria(any_member())
        .batch()
        .await
        .while_doing(|| action.to_owned())?;
    while let Some(batch) = cursor.next().await {
        let batch = batch.while_doing(|| action.to_owned())?;
        for value in batch.doc_slices().while_doing(|| action.to_owned())? {
            let value = value.map_err(|error| Error::reply(action, error.to_string()))?;
            let document = value
                .as_document()
                .ok_or_else(|| Error::reply(action, "a batch holds something else than documents"))?;
            take(document)?;
        }
    }
    Ok(())
}

/// All raw documents of a command that returns a cursor. For catalogs, not for data.
pub(crate) async fn all(db: &Database, command: RawDocumentBuf, action: &str) -> Result<Vec<RawDocumentBuf>> {
    let mut documents = Vec::new();
    each(db, command, action, |document| {
        documents.push(document.to_owned());
        Ok(())
    })
    .await?;
    Ok(documents)
}

fn command_name(command: &Document) -> String {
    command.keys().next().cloned().unwrap_or_default()
}
