//! Making a checkpoint durable beside the writing, which goes on meanwhile.

use crate::{Error, Result};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

/// Syncs one file, at most once at a time. A failure is kept: the system tells it only once.
pub(super) struct Syncer {
    file: Option<File>,
    path: PathBuf,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Syncer {
    /// For a file, or for a stream that cannot be synced.
    pub(super) fn new(file: Option<File>, path: PathBuf) -> Self {
        Self { file, path, running: None }
    }

    /// Begins to sync, unless the last sync is still under way; that one's failure is told.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.settle()?;
        let Some(file) = &self.file else { return Ok(()) };
        let file = file.try_clone().map_err(|source| self.failed(source))?;
        self.running = Some(thread::spawn(move || file.sync_data()));
        Ok(())
    }

    /// Waits for the sync that is under way.
    pub(super) fn settle(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let synced = running.join().map_err(|_| Error::PipelineClosed("the sync of the archive"))?;
        synced.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { what: self.path.display().to_string(), source }
    }
}
