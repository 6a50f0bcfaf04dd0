//! What a writer writes with: its session, its randomness, the state that it knows of, and the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, Timestamp};
use mongodb::Client;

use super::change::Change;
use super::model::Step;
use super::observe::{changes_between, indexes, indexes_between, observe};
use super::session::{Done, Session, expect_written, patiently};
use super::state::{State, id_of};
use crate::corpus::Random;

/// Everything that a writer has in its hand.
pub(super) struct Pen {
    client: Client,
    session: Session,
    /// The databases that are its writer's alone.
    databases: Vec<String>,
    pub(super) random: Random,
    /// The state after its last step.
    pub(super) state: State,
    steps: Vec<Step>,
    /// Commands that were refused, by their first field.
    refused: BTreeMap<String, usize>,
}

/// What a pen leaves.
#[derive(Default)]
pub(super) struct Written {
    pub(super) databases: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) refused: BTreeMap<String, usize>,
}

impl Pen {
    pub(super) async fn new(client: &Client, databases: Vec<String>, seed: u64) -> Self {
        Self {
            client: client.clone(),
            session: Session::open(client).await,
            databases,
            random: Random::new(seed),
            state: State::default(),
            steps: Vec::new(),
            refused: BTreeMap::new(),
        }
    }

    /// The newest time that this pen knows of.
    pub(super) fn time(&self) -> Timestamp {
        self.session.time()
    }

    pub(super) fn finish(self) -> Written {
        Written { databases: self.databases, steps: self.steps, refused: self.refused }
    }

    /// A write of documents whose outcome is known beforehand.
    pub(super) async fn write(&mut self, database: &str, command: Document, changes: Vec<Change>) {
        let done = self.session.write(database, command.clone()).await;
        let done = done.unwrap_or_else(|error| panic!("{database}: {error}"));
        expect_written(&command, &done.reply);
        let exact = done.at_once && changes.len() == 1 && !self.is_full(&changes[0]);
        self.note(&done, exact, changes);
    }

    /// A write of single documents that may be refused: what came of it is read in all databases of this pen.
    pub(super) async fn observed_write(&mut self, database: &str, command: Document) {
        let (after, name) = (self.time(), name_of(&command));
        let done = self.session.write(database, command).await;
        if done.map_or(true, |done| done.reply.contains_key("writeErrors")) {
            *self.refused.entry(name).or_default() += 1;
        }
        self.observe(after).await;
    }

    /// Any command, which may be refused.
    pub(super) async fn observed(&mut self, database: &str, command: Document) {
        self.observed_all(database, [command]).await;
    }

    /// Several commands one after the other; all that came of them is read afterwards.
    pub(super) async fn observed_all(
        &mut self,
        database: &str,
        commands: impl IntoIterator<Item = Document>,
    ) {
        let after = self.time();
        for command in commands {
            let name = name_of(&command);
            if self.session.command(database, command).await.is_err() {
                *self.refused.entry(name).or_default() += 1;
            }
        }
        self.observe(after).await;
    }

    /// Notes what has changed in all databases of this pen since this time.
    async fn observe(&mut self, after: Timestamp) {
        let found = patiently(|| observe(&self.client, &self.databases)).await;
        let changes = changes_between(&self.state, &found);
        self.push(Step { after, until: self.time(), exact: false, changes });
    }

    /// A change of one collection's indexes: only these are read afterwards.
    pub(super) async fn indexes(&mut self, database: &str, collection: &str, command: Document) {
        let after = self.time();
        self.session.command(database, command).await.expect("a change of indexes");
        let name = format!("{database}.{collection}");
        let found = patiently(|| indexes(&self.client, database, collection)).await;
        let mut changes = Vec::new();
        indexes_between(&name, &self.state.namespaces[&name].indexes, &found, &mut changes);
        self.push(Step { after, until: self.time(), exact: false, changes });
    }

    /// A committed transaction whose outcome is known beforehand.
    pub(super) async fn transaction(
        &mut self,
        statements: &[(&str, Document)],
        pause: Duration,
        changes: Vec<Change>,
    ) {
        let done = self.session.transaction(statements, pause, true).await;
        self.note(&done, false, changes);
    }

    /// A transaction that comes to nothing.
    pub(super) async fn aborted(&mut self, statements: &[(&str, Document)], pause: Duration) {
        let done = self.session.transaction(statements, pause, false).await;
        self.note(&done, false, Vec::new());
    }

    /// A committed transaction that changes the catalog.
    pub(super) async fn observed_transaction(&mut self, statements: &[(&str, Document)]) {
        let after = self.time();
        self.session.transaction(statements, Duration::ZERO, true).await;
        self.observe(after).await;
    }

    /// Whether more happens than the change: a full capped collection loses documents a moment later.
    fn is_full(&self, change: &Change) -> bool {
        matches!(change, Change::Put(name, ..) if self.state.namespaces[name].is_capped())
    }

    fn note(&mut self, done: &Done, exact: bool, changes: Vec<Change>) {
        self.push(Step { after: done.after, until: done.until, exact, changes });
    }

    fn push(&mut self, step: Step) {
        for change in &step.changes {
            change.apply(&mut self.state);
        }
        self.steps.push(step);
    }
}

fn name_of(command: &Document) -> String {
    command.keys().next().cloned().unwrap_or_default()
}

/// A document that is put, as its writer knows it.
pub(super) fn put(name: &str, document: &Document) -> Change {
    let bytes = document.to_vec().expect("a document that can be written");
    Change::Put(name.to_owned(), id_of(&bytes), Arc::from(bytes))
}

/// A document that is removed.
pub(super) fn removed(name: &str, id: impl Into<bson::Bson>) -> Change {
    let key = bson::doc! { "_id": id.into() }.to_vec().expect("an _id that can be written");
    Change::Removed(name.to_owned(), id_of(&key))
}
