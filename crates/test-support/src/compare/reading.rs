//! Raw documents from a server's cursors.

use bson::RawDocumentBuf;
use futures_util::StreamExt;
use mongoark_bson_bytes::{Elements, get_path};
use mongodb::Client;

/// The result of reading a deployment.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a deployment could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver or the server failed.
    #[error("{what}: {source}")]
    Server {
        /// What was being read.
        what: String,
        /// What went wrong.
        source: Box<mongodb::error::Error>,
    },
    /// An answer that is not BSON.
    #[error("an answer of the server: {0}")]
    Bson(#[from] mongoark_bson_bytes::Error),
    /// An answer without something that belongs there.
    #[error("an answer of the server has no {0}")]
    Missing(&'static str),
}

/// Wraps a driver's error with what was being read.
pub(super) fn at(what: impl Into<String>) -> impl FnOnce(mongodb::error::Error) -> Error {
    let what = what.into();
    move |source| Error::Server { what, source: Box::new(source) }
}

/// Hands each raw document that a command's cursor gives to `each`, in order.
pub(crate) async fn for_each(
    client: &Client,
    database: &str,
    command: Vec<u8>,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let command = RawDocumentBuf::from_bytes(command).map_err(|error| at(database)(error.into()))?;
    let what = || format!("{database}: {command:?}").chars().take(200).collect::<String>();
    let cursor = client.database(database).run_raw_cursor_command(command.clone()).batch().await;
    let mut batches = cursor.map_err(at(what()))?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(at(what()))?;
        for document in Elements::new(documents_of(batch.as_raw_document().as_bytes())?)? {
            each(document?.as_document().ok_or(Error::Missing("document in a batch"))?)?;
        }
    }
    Ok(())
}

/// All raw documents of a command's cursor, for those that are few.
pub(crate) async fn all(client: &Client, database: &str, command: Vec<u8>) -> Result<Vec<Vec<u8>>> {
    let mut documents = Vec::new();
    for_each(client, database, command, |document| {
        documents.push(document.to_vec());
        Ok(())
    })
    .await?;
    Ok(documents)
}

fn documents_of(reply: &[u8]) -> Result<&[u8]> {
    for batch in ["firstBatch", "nextBatch"] {
        if let Some(array) = get_path(reply, &["cursor", batch])?.and_then(|element| element.as_array()) {
            return Ok(array);
        }
    }
    Err(Error::Missing("batch"))
}
