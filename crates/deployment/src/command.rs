//! Commands with raw bodies, and cursors read whole for catalogs.

use crate::client::any_member;
use crate::error::{Error, Result, While};
use crate::lease::Lease;
use crate::patience::Patience;
use bson::{Document, RawDocumentBuf};
use futures_util::StreamExt;
use mongodb::options::{ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};

/// What `create` answers where the collection exists.
const NAMESPACE_EXISTS: i32 = 48;

/// Which member answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Whoever the client is pinned to.
    Pinned,
    /// The primary: what is about to be written must be compared with what is, not with what was.
    Primary,
}

impl From {
    fn criteria(self) -> SelectionCriteria {
        match self {
            Self::Pinned => any_member(),
            Self::Primary => SelectionCriteria::ReadPreference(ReadPreference::Primary),
        }
    }
}

/// Runs a command on whoever the client's pinning allows. For reads, which are tried again while the connection breaks.
pub(crate) async fn read(client: &Client, db: &str, command: Document) -> Result<Document> {
    let mut patience = Patience::default();
    loop {
        match ask(client, db, command.clone()).await {
            Err(error) if error.is_passing() => patience.wait(error).await?,
            answer => return answer,
        }
    }
}

/// The same, once: what a server says now is what counts.
pub(crate) async fn ask(client: &Client, db: &str, command: Document) -> Result<Document> {
    let name = command_name(&command);
    client
        .database(db)
        .run_command(command)
        .selection_criteria(any_member())
        .await
        .while_doing(|| format!("run {name} on {db}"))
}

/// Runs a command on the primary. For writes that may be repeated: it tries again while a failure `may_pass`: the
/// connection is broken or there is no primary. Refuses a reply that reports a write concern error,
/// which the server sends with `ok: 1`.
pub(crate) async fn write(
    client: &Client,
    db: &str,
    command: RawDocumentBuf,
    action: &str,
    may_pass: fn(&Error) -> bool,
) -> Result<Document> {
    write_under(None, client, db, command, action, may_pass).await
}

/// The same under a lease, which has to hold at each attempt.
pub(crate) async fn write_under(
    lease: Option<&Lease>,
    client: &Client,
    db: &str,
    command: RawDocumentBuf,
    action: &str,
    may_pass: fn(&Error) -> bool,
) -> Result<Document> {
    let mut patience = Patience::default();
    loop {
        if let Some(lease) = lease {
            lease.hold().await?;
        }
        let sent =
            client.database(db).run_raw_command(command.clone()).await.while_doing(|| action.to_owned());
        let done = sent.and_then(|reply| write_concern_error(&reply, action).map(|()| reply));
        match done {
            Err(error) if may_pass(&error) => patience.wait(error).await?,
            // The first attempt went through, and its answer was lost.
            Err(error) if error.is_code(NAMESPACE_EXISTS) && patience.was_needed() => {
                return Ok(Document::new());
            }
            done => return done,
        }
    }
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
    from: From,
    command: RawDocumentBuf,
    action: &str,
    mut take: impl FnMut(&bson::RawDocument) -> Result<()>,
) -> Result<()> {
    let mut cursor = db
        .run_raw_cursor_command(command)
        .selection_criteria(from.criteria())
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

/// All raw documents of a command that returns a cursor, which is tried again while the connection breaks. For catalogs,
/// not for data.
pub(crate) async fn all(
    db: &Database,
    from: From,
    command: RawDocumentBuf,
    action: &str,
) -> Result<Vec<RawDocumentBuf>> {
    let mut patience = Patience::default();
    loop {
        let mut documents = Vec::new();
        let take = |document: &bson::RawDocument| {
            documents.push(document.to_owned());
            Ok(())
        };
        match each(db, from, command.clone(), action, take).await {
            Err(error) if error.may_pass() => patience.wait(error).await?,
            Err(error) => return Err(error),
            Ok(()) => return Ok(documents),
        }
    }
}

fn command_name(command: &Document) -> String {
    command.keys().next().cloned().unwrap_or_default()
}
