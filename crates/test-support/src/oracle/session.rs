//! A writer's session: writes that are done exactly once and known to be, through elections and lost connections.
//!
//! The driver repeats a write once at most and keeps the times of its answers to itself, so commands are sent bare, with
//! numbers of their own. Everything is written with majority: what was acknowledged is never rolled back.

use std::future::Future;
use std::time::{Duration, Instant};

use bson::{Document, Timestamp, doc};
use mongodb::error::{Error, ErrorKind, Result};
use mongodb::{Client, ClientSession};

/// Longer than any election.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);
/// What a server answers that is no longer, or not yet, the one to ask; or that found something in the way.
const PASSING: [i32; 20] =
    [6, 7, 24, 50, 64, 89, 91, 112, 134, 189, 246, 262, 276, 9001, 10107, 11600, 11602, 12587, 13435, 13436];
const NO_SUCH_TRANSACTION: i32 = 251;

/// A session of its own, and the newest time that it knows of.
pub(super) struct Session {
    client: Client,
    open: ClientSession,
    number: i64,
    time: Timestamp,
}

/// An acknowledged step.
pub(super) struct Done {
    pub(super) reply: Document,
    /// It happened after this time ...
    pub(super) after: Timestamp,
    /// ... and not after this one.
    pub(super) until: Timestamp,
    /// It was answered the first time it was sent.
    pub(super) at_once: bool,
}

impl Session {
    pub(super) async fn open(client: &Client) -> Self {
        let open = client.start_session().await.expect("a session");
        let time = Timestamp { time: 0, increment: 0 };
        let mut opened = Self { client: client.clone(), open, number: 0, time };
        opened.time = opened.now().await;
        opened
    }

    /// The newest time that this session knows of.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    /// A write of documents, sent again under the same number until its outcome is known. Documents may be refused
    /// one by one; the reply tells.
    pub(super) async fn write(&mut self, database: &str, command: Document) -> Result<Done> {
        self.number += 1;
        let mut command = with_majority(command);
        command.insert("txnNumber", self.number);
        self.repeat(database, &command).await
    }

    /// A command that has no number, sent again until the server answers it, be it with a refusal. What was done
    /// at the first time may be refused at the second one: look at what is there afterwards.
    pub(super) async fn command(&mut self, database: &str, command: Document) -> Result<Done> {
        let command = with_majority(command);
        let after = self.time;
        let done = self.repeat(database, &command).await;
        // What a refused command did after all happened by now.
        self.time = self.now().await;
        done.map(|done| Done { after, until: self.time, ..done })
    }

    /// A transaction of these statements, each with its database, tried until it is committed, or aborted at its
    /// end if it is not to be. `pause` is waited after each statement.
    pub(super) async fn transaction(
        &mut self,
        statements: &[(&str, Document)],
        pause: Duration,
        commit: bool,
    ) -> Done {
        let (after, deadline) = (self.time, Instant::now() + PATIENCE);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(statements, pause, commit).await {
                Ok(reply) => {
                    self.time = self.now().await;
                    return Done { reply, after, until: self.time, at_once: attempts == 1 };
                }
                Err(error) => error,
            };
            assert!(is_transient(&error), "a transaction with {}: {error}", shown(&statements[0].1));
            assert!(
                Instant::now() < deadline,
                "no transaction in {PATIENCE:?}, {attempts} attempts: {error}"
            );
            self.end("abortTransaction").await.ok();
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(
        &mut self,
        statements: &[(&str, Document)],
        pause: Duration,
        commit: bool,
    ) -> Result<Document> {
        self.number += 1;
        for (index, (database, statement)) in statements.iter().enumerate() {
            let mut command = statement.clone();
            command.insert("txnNumber", self.number);
            command.insert("autocommit", false);
            if index == 0 {
                command.insert("startTransaction", true);
            }
            let database = self.client.database(database);
            let reply = database.run_command(command).session(&mut self.open).await?;
            expect_written(statement, &reply);
            tokio::time::sleep(pause).await;
        }
        if commit { self.end("commitTransaction").await } else { self.end("abortTransaction").await }
    }

    /// Ends the transaction under way, asking until the outcome is known.
    async fn end(&mut self, how: &str) -> Result<Document> {
        let command = with_majority(doc! { how: 1, "txnNumber": self.number, "autocommit": false });
        self.repeat("admin", &command).await.map(|done| done.reply)
    }

    async fn repeat(&mut self, database: &str, command: &Document) -> Result<Done> {
        let (after, deadline) = (self.time, Instant::now() + PATIENCE);
        let database = self.client.database(database);
        let mut at_once = true;
        loop {
            match database.run_command(command.clone()).session(&mut self.open).await {
                Ok(reply) if !is_uncertain(&reply) => {
                    let until = reply.get_timestamp("operationTime").expect("an answer with its time");
                    self.time = self.time.max(until);
                    return Ok(Done { reply, after, until, at_once });
                }
                Err(error) if !is_passing(&error) => return Err(error),
                uncertain => assert!(
                    Instant::now() < deadline,
                    "no answer in {PATIENCE:?} to {}: {uncertain:?}",
                    shown(command)
                ),
            }
            at_once = false;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A time by which everything had happened that this session asked for.
    async fn now(&self) -> Timestamp {
        let ping = || async {
            let reply = self.client.database("admin").run_command(doc! { "ping": 1 }).await?;
            reply.get_timestamp("operationTime").map_err(|error| Error::custom(error.to_string()))
        };
        patiently(ping).await.max(self.time)
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none for a long time.
pub(super) async fn patiently<T, E, F>(mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = std::result::Result<T, E>>,
    E: std::fmt::Display,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "no answer in {PATIENCE:?}: {error}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn with_majority(mut command: Document) -> Document {
    command.insert("writeConcern", doc! { "w": "majority", "wtimeout": 60_000 });
    command
}

/// Whether the server could not tell what became of the write.
fn is_uncertain(reply: &Document) -> bool {
    reply.contains_key("writeConcernError")
}

/// Fails on a write that was refused.
pub(super) fn expect_written(command: &Document, reply: &Document) {
    assert!(!reply.contains_key("writeErrors"), "{}: {reply}", shown(command));
}

fn code_of(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

/// Whether the same command may be answered otherwise a little later.
fn is_passing(error: &Error) -> bool {
    match code_of(error) {
        Some(code) => PASSING.contains(&code) && !error.contains_label("TransientTransactionError"),
        None => true,
    }
}

/// Whether a transaction has to be begun anew.
fn is_transient(error: &Error) -> bool {
    let begin_again = |code| PASSING.contains(&code) || code == NO_SUCH_TRANSACTION;
    error.contains_label("TransientTransactionError") || code_of(error).is_none_or(begin_again)
}

fn shown(command: &Document) -> String {
    command.to_string().chars().take(300).collect()
}
