//! Inserting raw documents: one command a batch, bytes as they came, every outcome accounted for.

use crate::command::write_concern_error;
use crate::error::{Error, ErrorKind, Result, While};
use crate::settle;
use crate::target::{Target, raw};
use bson::{Bson, Document, RawDocumentBuf};
use mongoark_bson_bytes as bytes;
use mongoark_bson_bytes::Builder;
use mongoark_model::Namespace;
use std::time::Duration;

/// Bytes of documents in one insert command, beyond which it is sent. A command may hold 16 MiB and
/// 16 KiB; a larger batch saves no server time (measured), and each one in flight costs its bytes
/// three times on the way.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Documents in one insert command; the server's own limit.
const BATCH_DOCUMENTS: usize = 100_000;
/// How often a batch is sent again after the connection broke or the primary changed.
const RETRIES: u32 = 6;

/// A document that the server did not take.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The raw document's `_id` element, kind and value; none where it has none.
    pub id: Option<(u8, Vec<u8>)>,
    /// The server's code: 11000 for a duplicate key, 121 for a validator.
    pub code: i32,
    /// The server's words.
    pub message: String,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct InsertOutcome {
    /// Documents that are now on the target by this run.
    pub inserted: u64,
    /// Documents that were there before, byte for byte.
    pub identical: u64,
    /// Documents that the server refused.
    pub rejected: Vec<Rejected>,
}

/// Writes documents into one collection.
#[derive(Clone, Debug)]
pub struct Inserter {
    target: Target,
    /// Where the documents go: for a time series its buckets.
    namespace: Namespace,
    /// Whether order matters, as in a capped collection: one batch at a time, stopping at an error.
    ordered: bool,
    /// Whether validators are passed by. Time series refuse the option.
    bypass_validation: bool,
    /// Whether a document that is already there, byte for byte, counts as written.
    accept_identical: bool,
}

impl Inserter {
    /// An inserter into `namespace`.
    pub fn new(target: &Target, namespace: Namespace) -> Self {
        let bypass_validation = !namespace.collection.starts_with("system.buckets.");
        Self { target: target.clone(), namespace, ordered: false, bypass_validation, accept_identical: false }
    }

    /// Keeps the documents' order, as a capped collection needs it.
    #[must_use]
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Counts a document that is already there byte for byte as identical, not as refused.
    #[must_use]
    pub fn accept_identical(mut self, accept: bool) -> Self {
        self.accept_identical = accept;
        self
    }

    /// Inserts concatenated raw documents, in as many commands as it takes.
    pub async fn insert(&self, documents: &[u8]) -> Result<InsertOutcome> {
        let mut outcome = InsertOutcome::default();
        let mut batch: Vec<&[u8]> = Vec::new();
        let mut batch_bytes = 0;
        for document in bytes::split_documents(documents) {
            let document = document.map_err(|error| Error::reply(self.action(), error.to_string()))?;
            if !batch.is_empty() && (batch_bytes + document.len() > BATCH_BYTES || batch.len() == BATCH_DOCUMENTS) {
                self.insert_batch(&batch, &mut outcome).await?;
                batch.clear();
                batch_bytes = 0;
            }
            batch.push(document);
            batch_bytes += document.len();
        }
        if !batch.is_empty() {
            self.insert_batch(&batch, &mut outcome).await?;
        }
        Ok(outcome)
    }

    async fn insert_batch(&self, batch: &[&[u8]], outcome: &mut InsertOutcome) -> Result<()> {
        let (reply, repeated) = self.send(batch).await?;
        let errors = write_errors(&reply);
        let refused: Vec<usize> = errors.iter().map(|error| error.index).collect();
        let mut taken = batch.len() - refused.len();
        if self.ordered && let Some(&first) = refused.first() {
            taken = first;
            self.refuse_rest(batch, first, &errors, outcome);
        } else {
            for error in errors {
                self.settle(batch, error, repeated, outcome).await?;
            }
        }
        outcome.inserted += taken as u64;
        self.keep_zero_timestamps(batch, &refused).await?;
        write_concern_error(&reply, &self.action())
    }

    /// Sends the batch until the server answers, and tells whether it was sent more than once: then
    /// a duplicate may be this run's own document.
    async fn send(&self, batch: &[&[u8]]) -> Result<(Document, bool)> {
        let mut attempt = 0;
        loop {
            let database = self.target.client.database(&self.namespace.db);
            let reply = database.run_raw_command(self.command(batch)?).await.while_doing(|| self.action());
            match reply {
                Ok(reply) => return Ok((reply, attempt > 0)),
                Err(error) if attempt < RETRIES && is_passing(&error) => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn command(&self, batch: &[&[u8]]) -> Result<RawDocumentBuf> {
        let size: usize = batch.iter().map(|document| document.len() + 8).sum();
        let mut command = Builder::with_capacity(size + 512);
        command.str("insert", &self.namespace.collection).bool("ordered", self.ordered);
        if self.bypass_validation {
            command.bool("bypassDocumentValidation", true);
        }
        self.target.write_concern.append_to(&mut command);
        command.array_of_documents("documents", batch);
        raw(&mut command)
    }

    /// An ordered batch stops at its first error: what came behind it was not tried.
    fn refuse_rest(&self, batch: &[&[u8]], first: usize, errors: &[WriteError], outcome: &mut InsertOutcome) {
        outcome.rejected.push(rejected(batch[first], &errors[0]));
        let untried = WriteError { index: 0, code: 0, message: "not tried: an earlier document failed".to_owned() };
        outcome.rejected.extend(batch[first + 1..].iter().map(|document| rejected(document, &untried)));
    }

    async fn settle(
        &self,
        batch: &[&[u8]],
        error: WriteError,
        repeated: bool,
        outcome: &mut InsertOutcome,
    ) -> Result<()> {
        let Some(&document) = batch.get(error.index) else {
            return Err(Error::reply(self.action(), "the server names a document that was not sent"));
        };
        if error.code == 11000 && (repeated || self.accept_identical) {
            match settle::is_there(&self.target, &self.namespace, document).await {
                Ok(true) if repeated => {
                    outcome.inserted += 1;
                    return Ok(());
                }
                Ok(true) => {
                    outcome.identical += 1;
                    return Ok(());
                }
                Ok(false) => {}
                Err(cause) => {
                    let message = format!("{}; whether it is the same document is unknown: {cause}", error.message);
                    outcome.rejected.push(rejected(document, &WriteError { message, ..error }));
                    return Ok(());
                }
            }
        }
        outcome.rejected.push(rejected(document, &error));
        Ok(())
    }

    /// The server replaces `Timestamp(0, 0)` at the top level of an inserted document by the current
    /// time. The documents that hold one are written once more, by an update that does not.
    async fn keep_zero_timestamps(&self, batch: &[&[u8]], refused: &[usize]) -> Result<()> {
        for (place, document) in batch.iter().enumerate() {
            let has_zero = bytes::has_zero_timestamp(document)
                .map_err(|error| Error::reply(self.action(), error.to_string()))?;
            if has_zero && !refused.contains(&place) {
                settle::replace(&self.target, &self.namespace, document).await?;
            }
        }
        Ok(())
    }

    fn action(&self) -> String {
        format!("insert into {}", self.namespace)
    }
}

/// Whether sending again may help: the connection broke, or the primary changed or is shutting down.
pub(crate) fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Network)
        || matches!(
            error.code(),
            Some(6 | 7 | 89 | 91 | 189 | 262 | 9001 | 10107 | 11600 | 11602 | 13435 | 13436)
        )
}

#[derive(Clone, Debug)]
struct WriteError {
    index: usize,
    code: i32,
    message: String,
}

fn write_errors(reply: &Document) -> Vec<WriteError> {
    let read = |error: &Bson| {
        let error = error.as_document()?;
        Some(WriteError {
            index: usize::try_from(error.get_i32("index").ok()?).ok()?,
            code: error.get_i32("code").unwrap_or_default(),
            message: error.get_str("errmsg").unwrap_or("no message").to_owned(),
        })
    };
    reply.get_array("writeErrors").into_iter().flatten().filter_map(read).collect()
}

fn rejected(document: &[u8], error: &WriteError) -> Rejected {
    let id = bytes::get(document, "_id").ok().flatten();
    Rejected {
        id: id.map(|id| (id.kind, id.value.to_vec())),
        code: error.code,
        message: error.message.clone(),
    }
}
