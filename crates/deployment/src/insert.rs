//! Inserting raw documents: one command a batch, bytes as they came, every outcome accounted for.

use crate::command::write_concern_error;
use crate::error::{Error, ErrorKind, Result, While};
use crate::patience::Patience;
use crate::settle::{self, There};
use crate::target::{Target, raw};
use crate::write_concern::Acknowledgment;
use bson::{Bson, Document, RawDocumentBuf};
use mongoark_bson_bytes as bytes;
use mongoark_bson_bytes::Builder;
use mongoark_model::Namespace;
use std::collections::HashSet;

/// Bytes of documents in one insert command, beyond which it is sent. A command may hold 16 MiB and
/// 16 KiB, but the driver copies each one in flight three
/// times on its way.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Documents in one insert command. The server takes 100,000, but then cannot tell of their errors:
/// each takes about 190 bytes of a reply, and 16 MiB are the most it can send.
const BATCH_DOCUMENTS: usize = 10_000;
/// What the server answers to a duplicate key.
const DUPLICATE_KEY: i32 = 11000;
/// What it answers to a bucket of a time series with several types in one field.
const MIXED_SCHEMA: i32 = 408;
/// Documents looked up at once after duplicate keys.
const LOOKED_UP: usize = 500;

/// A document that the server did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Those among them that were found there already where an earlier run may have written them: of two copies in an archive the
    /// second is found, too.
    pub found: u64,
    /// Documents that were there before, byte for byte.
    pub identical: u64,
    /// Documents that the server refused.
    pub rejected: Vec<Rejected>,
    /// Whether the first refusal ended the insertion, as [`Inserter::stop_at_error`] asks; what comes behind
    /// that document was not sent.
    pub stopped: bool,
}

/// Writes documents into one collection.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own, set by its own method")]
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
    /// Whether an ordered insertion ends with the first document that is refused.
    stop_at_error: bool,
    /// Whether any document may have been written before by a run whose answer nobody has.
    may_be_there: bool,
    /// Documents in one command.
    batch_documents: usize,
}

impl Inserter {
    /// An inserter into `namespace`.
    pub fn new(target: &Target, namespace: Namespace) -> Self {
        let bypass_validation = !is_buckets(&namespace);
        Self {
            target: target.clone(),
            namespace,
            ordered: false,
            bypass_validation,
            accept_identical: false,
            stop_at_error: false,
            may_be_there: false,
            batch_documents: BATCH_DOCUMENTS,
        }
    }

    /// Whether validators are passed by; they are unless this says otherwise. Time series never have them passed by.
    #[must_use]
    pub fn bypass_validation(mut self, bypass: bool) -> Self {
        self.bypass_validation = bypass && !is_buckets(&self.namespace);
        self
    }

    /// Keeps the documents' order and ends with the first one that is refused.
    #[must_use]
    pub fn stop_at_error(mut self, stop: bool) -> Self {
        self.ordered |= stop;
        self.stop_at_error = stop;
        self
    }

    /// Sends at most so many documents in one command.
    #[must_use]
    pub fn batch_documents(mut self, documents: usize) -> Self {
        self.batch_documents = documents.clamp(1, BATCH_DOCUMENTS);
        self
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

    /// Whether an earlier run may have written any of the documents, and nobody knows which: one that is there with the
    /// same bytes counts as inserted.
    #[must_use]
    pub fn may_be_there(mut self, may: bool) -> Self {
        self.may_be_there = may;
        self
    }

    /// Inserts concatenated raw documents, in as many commands as it takes.
    pub async fn insert(&self, documents: &[u8]) -> Result<InsertOutcome> {
        let mut outcome = InsertOutcome::default();
        let mut batch: Vec<&[u8]> = Vec::new();
        let mut batch_bytes = 0;
        for document in bytes::split_documents(documents) {
            let document = document.map_err(|error| Error::reply(self.action(), error.to_string()))?;
            if !batch.is_empty()
                && (batch_bytes + document.len() > BATCH_BYTES || batch.len() == self.batch_documents)
            {
                self.insert_batch(&batch, &mut outcome).await?;
                if outcome.stopped {
                    return Ok(outcome);
                }
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

    /// Inserts a batch until the server has answered for good.
    async fn insert_batch(&self, batch: &[&[u8]], outcome: &mut InsertOutcome) -> Result<()> {
        if self.ordered {
            return self.insert_in_order(batch.to_vec(), outcome).await;
        }
        // Once an answer was lost, a duplicate may be this run's own document.
        let mut lost = self.may_be_there;
        let mut patience = Patience::default();
        loop {
            match self.send(batch).await {
                Err(error) if error.may_pass() && self.target.retries_writes() => {
                    patience.wait(error).await?;
                    lost = true;
                }
                reply => {
                    let reply = reply?;
                    let mixed = self.of_mixed_schema(batch, &reply);
                    self.account(batch, &reply, lost, outcome).await?;
                    return self.insert_mixed(mixed, outcome).await;
                }
            }
        }
    }

    /// The buckets that the server refused because a time series holds several types in one field.
    fn of_mixed_schema<'a>(&self, batch: &[&'a [u8]], reply: &Document) -> Vec<&'a [u8]> {
        let errors = write_errors(reply).into_iter().filter(|error| self.needs_mixed_schema(error));
        errors.filter_map(|error| batch.get(error.index).copied()).collect()
    }

    fn needs_mixed_schema(&self, error: &WriteError) -> bool {
        error.code == MIXED_SCHEMA && is_buckets(&self.namespace)
    }

    /// Allows a time series to have such buckets, and sends them again.
    async fn insert_mixed(&self, batch: Vec<&[u8]>, outcome: &mut InsertOutcome) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.target.allow_mixed_schema(&self.namespace).await?;
        let reply = self.send(&batch).await?;
        let errors = write_errors(&reply);
        if let Some(error) = errors.iter().find(|error| self.needs_mixed_schema(error)) {
            return Err(Error::reply(self.action(), error.message.clone()));
        }
        self.account(&batch, &reply, false, outcome).await.map(drop)
    }

    /// Inserts a batch in order. The server stops at an error; what comes behind it is sent again. A
    /// document that is there already is never sent: servers up to 4.4 make room in a full capped
    /// collection before they find the duplicate, and so lose its oldest document.
    async fn insert_in_order(&self, mut batch: Vec<&[u8]>, outcome: &mut InsertOutcome) -> Result<()> {
        let mut lost = self.may_be_there;
        let mut look = self.accept_identical || lost;
        let mut patience = Patience::default();
        while !batch.is_empty() {
            if std::mem::take(&mut look) {
                batch = self.without_those_there(&batch, lost, outcome).await?;
                continue;
            }
            match self.send(&batch).await {
                Err(error) if error.may_pass() && self.target.retries_writes() => {
                    patience.wait(error).await?;
                    (lost, look) = (true, true);
                }
                reply => {
                    let tried = self.account(&batch, &reply?, lost, outcome).await?;
                    batch.drain(..tried);
                }
            }
            if self.stop_at_error && !outcome.rejected.is_empty() {
                outcome.stopped = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The documents of which the target has nothing under their `_id`; the others are booked. Where an answer was lost,
    /// all before the last one that is there were inserted: those that are gone made room for later ones.
    async fn without_those_there<'a>(
        &self,
        batch: &[&'a [u8]],
        lost: bool,
        outcome: &mut InsertOutcome,
    ) -> Result<Vec<&'a [u8]>> {
        let mut there = Vec::with_capacity(batch.len());
        for some in batch.chunks(LOOKED_UP) {
            there.extend(settle::look_up(&self.target, &self.namespace, some).await?);
        }
        let is_there = |there: &There| matches!(there, There::Same | There::SameButTime);
        let done = if lost { there.iter().rposition(is_there).map_or(0, |last| last + 1) } else { 0 };
        let mut missing = Vec::new();
        for (place, (document, there)) in batch.iter().zip(there).enumerate() {
            match there {
                There::Nothing if place < done => outcome.inserted += 1,
                There::Nothing => missing.push(*document),
                There::Same if !lost => outcome.identical += 1,
                _ => {
                    let message = "another document has this _id on the target";
                    self.book(document, there, message, outcome).await?;
                }
            }
        }
        Ok(missing)
    }

    /// Sends the batch once. A step-down while the server waits for the majority comes as a write
    /// concern error: what was written may be rolled back, so that is a failure that may pass.
    async fn send(&self, batch: &[&[u8]]) -> Result<Document> {
        self.target.hold().await?;
        let database = self.target.client.database(&self.namespace.db);
        let reply = database.run_raw_command(self.command(batch)?).await.while_doing(|| self.action());
        // The key of a duplicate that is not UTF-8 stands in the reply as it is.
        let reply = reply.or_else(|error| error.reply_in_utf8().ok_or(error))?;
        match write_concern_error(&reply, &self.action()) {
            Err(error) if error.may_pass() => Err(error),
            _ => Ok(reply),
        }
    }

    /// Books what a reply says; returns how many documents were tried.
    async fn account(
        &self,
        batch: &[&[u8]],
        reply: &Document,
        lost: bool,
        outcome: &mut InsertOutcome,
    ) -> Result<usize> {
        let errors = write_errors(reply);
        if let Some(error) = errors.iter().find(|error| error.index >= batch.len()) {
            let message = format!("the server names document {} of {}", error.index, batch.len());
            return Err(Error::reply(self.action(), message));
        }
        let first = errors.first().map(|error| error.index);
        let tried = if self.ordered { first.map_or(batch.len(), |first| first + 1) } else { batch.len() };
        let refused: HashSet<usize> = errors.iter().map(|error| error.index).collect();
        let inserted = (tried - refused.len()) as u64;
        // Who asks for no acknowledgment gets no count.
        if self.target.write_concern.w != Acknowledgment::Members(0) {
            check_count(reply, inserted).map_err(|message| Error::reply(self.action(), message))?;
        }
        outcome.inserted += inserted;
        if !self.target.keeps_zero_timestamps() {
            self.keep_zero_timestamps(&batch[..tried], &refused, outcome).await?;
        }
        write_concern_error(reply, &self.action())?;
        let errors = errors.into_iter().filter(|error| !self.needs_mixed_schema(error)).collect();
        self.settle(batch, errors, lost, outcome).await?;
        Ok(tried)
    }

    /// Books one document by what the target holds in its place.
    async fn book(
        &self,
        document: &[u8],
        there: There,
        message: &str,
        outcome: &mut InsertOutcome,
    ) -> Result<()> {
        match there {
            There::Same => {
                outcome.inserted += 1;
                outcome.found += 1;
            }
            There::SameButTime => {
                if self.replace(document, outcome).await? {
                    outcome.inserted += 1;
                }
            }
            There::Nothing | There::Other => {
                let error = WriteError { index: 0, code: DUPLICATE_KEY, message: message.to_owned() };
                outcome.rejected.push(rejected(document, &error));
            }
        }
        Ok(())
    }

    fn command(&self, batch: &[&[u8]]) -> Result<RawDocumentBuf> {
        let size: usize = batch.iter().map(|document| document.len() + 8).sum();
        let mut command = Builder::with_capacity(size + 512);
        command.str("insert", &self.namespace.collection).bool("ordered", self.ordered);
        if self.bypass_validation {
            command.bool("bypassDocumentValidation", true);
        }
        if self.target.keeps_zero_timestamps() {
            command.bool("bypassEmptyTsReplacement", true);
        }
        if self.target.has_raw_data() {
            command.bool("rawData", true);
        }
        self.target.complete(&mut command);
        command.array_of_documents("documents", batch);
        raw(&mut command)
    }

    /// Tells duplicates of the very same document from documents that were refused.
    async fn settle(
        &self,
        batch: &[&[u8]],
        errors: Vec<WriteError>,
        lost: bool,
        outcome: &mut InsertOutcome,
    ) -> Result<()> {
        let (duplicates, others): (Vec<WriteError>, Vec<WriteError>) = errors
            .into_iter()
            .partition(|error| error.code == DUPLICATE_KEY && (lost || self.accept_identical));
        outcome.rejected.extend(others.iter().map(|error| rejected(batch[error.index], error)));
        for some in duplicates.chunks(LOOKED_UP) {
            let documents: Vec<&[u8]> = some.iter().map(|error| batch[error.index]).collect();
            match settle::look_up(&self.target, &self.namespace, &documents).await {
                Ok(there) => {
                    for ((error, document), there) in some.iter().zip(documents).zip(there) {
                        if there == There::Same && !lost {
                            outcome.identical += 1;
                        } else if lost {
                            self.book(document, there, &error.message, outcome).await?;
                        } else {
                            outcome.rejected.push(rejected(document, error));
                        }
                    }
                }
                Err(cause) => outcome.rejected.extend(some.iter().map(|error| {
                    let message =
                        format!("{}; whether it is the same document is unknown: {cause}", error.message);
                    // Nobody knows whether this run wrote it: that is another failure than a duplicate.
                    let code = if lost { 0 } else { error.code };
                    rejected(batch[error.index], &WriteError { code, message, ..error.clone() })
                })),
            }
        }
        Ok(())
    }

    /// The server replaces `Timestamp(0, 0)` at the top level of an inserted document by the current
    /// time. The documents that hold one are written once more, by an update that does not.
    async fn keep_zero_timestamps(
        &self,
        batch: &[&[u8]],
        refused: &HashSet<usize>,
        outcome: &mut InsertOutcome,
    ) -> Result<()> {
        for (place, document) in batch.iter().enumerate() {
            let has_zero = bytes::has_zero_timestamp(document)
                .map_err(|error| Error::reply(self.action(), error.to_string()))?;
            if has_zero && !refused.contains(&place) && !self.replace(document, outcome).await? {
                outcome.inserted -= 1;
            }
        }
        Ok(())
    }

    /// Puts a document in place of what the server made of it. Where the user may not, that document
    /// alone is refused.
    async fn replace(&self, document: &[u8], outcome: &mut InsertOutcome) -> Result<bool> {
        match settle::replace(&self.target, &self.namespace, document, self.bypass_validation).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Command(_) | ErrorKind::Unauthorized) => {
                let message =
                    format!("stored, but with the current time in place of Timestamp(0, 0): {error}");
                outcome.rejected.push(rejected(document, &WriteError { index: 0, code: 0, message }));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn action(&self) -> String {
        format!("insert into {}", self.namespace)
    }
}

fn is_buckets(namespace: &Namespace) -> bool {
    namespace.collection.starts_with("system.buckets.")
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

/// The server's own count must be what its errors leave: a document that is neither counted nor refused is lost.
fn check_count(reply: &Document, inserted: u64) -> Result<(), String> {
    let counted = match reply.get("n") {
        Some(Bson::Int32(n)) => u64::try_from(*n).ok(),
        Some(Bson::Int64(n)) => u64::try_from(*n).ok(),
        _ => None,
    };
    match counted {
        Some(counted) if counted == inserted => Ok(()),
        Some(counted) => Err(format!(
            "the server counts {counted} documents written, but names errors that leave {inserted}"
        )),
        None => Err("the server does not say how many documents were written".to_owned()),
    }
}

fn rejected(document: &[u8], error: &WriteError) -> Rejected {
    let id = bytes::get(document, "_id").ok().flatten();
    Rejected {
        id: id.map(|id| (id.kind, id.value.to_vec())),
        code: error.code,
        message: error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn a_reply_whose_count_is_not_what_its_errors_leave_is_no_success() {
        assert_eq!(check_count(&doc! { "n": 5 }, 5), Ok(()));
        assert_eq!(check_count(&doc! { "n": 5_i64 }, 5), Ok(()));
        for reply in [doc! { "n": 4 }, doc! { "n": 6 }, doc! { "n": -1 }, doc! { "ok": 1 }] {
            assert!(check_count(&reply, 5).is_err(), "{reply}");
        }
    }
}
