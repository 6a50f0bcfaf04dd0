//! Commands of the oplog: each waits for the writes before it, edits the index catalog, and goes to the
//! server with what is left of it.

use super::Replay;
use super::places::Step;
use super::write::unreplayable;
use crate::Result;
use mongoark_model::Namespace;
use mongoark_oplog::{Class, Command, CommandKind, Entry, Error as OplogError, Remainder};

impl Replay<'_> {
    /// Does what a command comes to where its collections are now.
    pub(super) async fn step(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<()> {
        match self.places.of_command(entry, command)? {
            Step::Same => self.command(entry, command).await,
            Step::Elsewhere(bytes) => {
                let entry = Entry::parse(&bytes)?;
                match entry.class()? {
                    Class::Command(command) => self.command(&entry, &command).await,
                    Class::Skip(_) | Class::Write => Ok(()),
                }
            }
            Step::Create(bytes, target) => self.create(&Entry::parse(&bytes)?, &target).await,
            Step::Rename { from, to, replace } => {
                self.begin(command).await?;
                self.rename(entry, &from, to, replace).await
            }
            Step::Drop(namespaces) => {
                self.begin(command).await?;
                for namespace in namespaces {
                    self.indexes.forget(&namespace);
                    self.disputes.forget(&namespace);
                    if self.is_done() {
                        continue;
                    }
                    let dropped = self.target.drop(&namespace).await;
                    dropped.map_err(|error| unreplayable(entry, error))?;
                }
                Ok(())
            }
            Step::Nothing => {
                self.done.skipped += 1;
                match command.kind {
                    // Both names are free of who had them before.
                    CommandKind::RenameCollection if !self.is_done() => self.absent.command(command),
                    _ => Ok(()),
                }
            }
        }
    }

    /// A command waits for the writes before it.
    async fn begin(&mut self, command: &Command<'_>) -> Result<()> {
        self.done.applied += 1;
        if self.is_done() {
            return Ok(());
        }
        self.flush().await?;
        self.absent.command(command)
    }

    /// Makes a collection, which must not be there already: it would be somebody else's.
    async fn create(&mut self, entry: &Entry<'_>, target: &Namespace) -> Result<()> {
        let Class::Command(command) = entry.class()? else { return Ok(()) };
        // What belongs to the server or the operator is added to, here as elsewhere in a restore.
        let is_buckets = target.collection.starts_with(super::BUCKETS);
        let is_shared = target.is_system() && !is_buckets || target.db == "config";
        if self.places.guards_target() && !is_shared {
            self.make_room(target, entry.ts).await?;
        }
        self.command(entry, &command).await?;
        self.note_created(entry, target).await
    }

    /// Takes down which collection it is that was made: a run that resumes has to know it from another one of that name.
    async fn note_created(&mut self, entry: &Entry<'_>, target: &Namespace) -> Result<()> {
        let (Some(source), true) = (entry.uuid(), self.options.marks.is_some()) else { return Ok(()) };
        if !self.is_done() {
            let made = self.target.uuid(target).await?;
            let places = &self.places;
            self.place.created.retain(|source, _| places.knows(source));
            self.place.created.extend(made.map(|made| (source, made)));
        }
        self.places.note(source, self.place.created.get(&source).copied());
        Ok(())
    }

    /// Runs a command.
    async fn command(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<()> {
        self.begin(command).await?;
        match command.kind {
            CommandKind::Transaction | CommandKind::ApplyOps => {
                let wanted = "part of a transaction, with a session and a number";
                Err(OplogError::Field { ts: entry.ts, field: "lsid", wanted }.into())
            }
            CommandKind::CreateIndexes | CommandKind::CommitIndexBuild
                if !self.is_there(&command.collection()?).await? =>
            {
                if !self.is_done() {
                    self.absent.is_missing(command.collection()?, entry.ts);
                }
                self.came_to_nothing();
                Ok(())
            }
            kind => {
                if matches!(kind, CommandKind::Drop) {
                    self.disputes.forget(&command.collection()?);
                }
                let operation = match self.indexes.edit(command)? {
                    Remainder::Nothing => return Ok(()),
                    Remainder::Whole => entry.operation(self.options.preserve_uuids)?,
                    Remainder::Other(body) => entry.operation_with(&body, self.options.preserve_uuids)?,
                };
                self.run(entry, command, &operation).await
            }
        }
    }

    /// Whether there is a collection. An index on one that was gone before the dump looked would bring it back, or be
    /// found at the next one of its name.
    async fn is_there(&self, namespace: &Namespace) -> Result<bool> {
        Ok(self.indexes.get(namespace).is_some() || self.target.exists(namespace).await?)
    }

    /// Has the server run it. What is done already (the collection was dropped, or exists) is no error.
    async fn run(&mut self, entry: &Entry<'_>, command: &Command<'_>, operation: &[u8]) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let done = if command.kind == CommandKind::ConvertToCapped {
            self.target.convert_to_capped(command.db, command.body).await
        } else {
            let sent = self.fenced(&[operation]);
            self.target.apply_ops(&sent, true).await.map_err(|failure| failure.error)
        };
        if let Err(error) = &done {
            self.check_fence(error).await?;
        }
        done.map_err(|error| unreplayable(entry, error))
    }

    /// Renames a collection by the command, not through applyOps: where the collection is not there because
    /// it was renamed before, that would drop the one that has the new name; and one that stands in the way
    /// it would leave behind under a name of its own making.
    async fn rename(
        &mut self,
        entry: &Entry<'_>,
        from: &Namespace,
        to: Namespace,
        replace: bool,
    ) -> Result<()> {
        let moved = if self.is_done() { Ok(false) } else { self.target.rename(from, &to, replace).await };
        let was_moved = self.may_be_done() && self.indexes.get(from).is_some();
        if moved.map_err(|error| unreplayable(entry, error))? || was_moved {
            self.disputes.rename(from, &to);
            self.indexes.rename(from, to);
        }
        Ok(())
    }
}
