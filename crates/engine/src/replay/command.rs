//! Commands of the oplog: each waits for the writes before it, edits the index catalog, and goes to the
//! server with what is left of it.

use super::Replay;
use super::write::unreplayable;
use crate::Result;
use mongoark_oplog::{Command, CommandKind, Entry, Error as OplogError, Remainder};

impl Replay<'_> {
    /// Runs a command.
    pub(super) async fn command(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<()> {
        self.done.applied += 1;
        self.flush().await?;
        self.absent.command(command)?;
        match command.kind {
            CommandKind::RenameCollection => self.rename(entry, command).await,
            CommandKind::Transaction | CommandKind::ApplyOps => {
                let wanted = "part of a transaction, with a session and a number";
                Err(OplogError::Field { ts: entry.ts, field: "lsid", wanted }.into())
            }
            _ => {
                let operation = match self.indexes.edit(command)? {
                    Remainder::Nothing => return Ok(()),
                    Remainder::Whole => entry.operation(self.options.preserve_uuids)?,
                    Remainder::Other(body) => entry.operation_with(&body, self.options.preserve_uuids)?,
                };
                self.run(entry, command, &operation).await
            }
        }
    }

    /// Has the server run it. What is done already (the collection was dropped, or exists) is no error.
    async fn run(&mut self, entry: &Entry<'_>, command: &Command<'_>, operation: &[u8]) -> Result<()> {
        let done = match command.kind {
            CommandKind::ConvertToCapped => self.target.convert_to_capped(command.db, command.body).await,
            _ => self.target.apply_ops(&[operation], true).await.map_err(|failure| failure.error),
        };
        done.map_err(|error| unreplayable(entry, error))
    }

    /// Renames a collection by the command, not through applyOps: where the collection is not there because
    /// it was renamed before, that would drop the one that has the new name; and one that stands in the way
    /// it would leave behind under a name of its own making.
    async fn rename(&mut self, entry: &Entry<'_>, command: &Command<'_>) -> Result<()> {
        let (from, to, replaces) = command.rename()?;
        let moved = self.target.rename(&from, &to, replaces).await;
        if moved.map_err(|error| unreplayable(entry, error))? {
            self.indexes.rename(&from, to);
        }
        Ok(())
    }
}
