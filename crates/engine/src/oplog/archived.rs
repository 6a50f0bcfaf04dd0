//! Entries into the chunks of an archive, beside the documents.

use super::part::Part;
use super::{Beginning, EntrySink, Kept, kept};
use crate::Result;
use crate::archive::{ArchiveInput, OpenChunk};
use crate::select::Selection;
use mongoark_container::ChunkKind;
use mongoark_model::{Counts, Timestamp};
use std::collections::HashSet;

/// The oplog's stream of an archive.
pub(crate) struct ArchivedOplog {
    input: ArchiveInput,
    stream: u32,
    open: Option<OpenChunk>,
    counts: Counts,
    part: Option<Part>,
    /// An entry that is followed from, but not needed.
    passed_over: Option<Timestamp>,
}

impl ArchivedOplog {
    /// All of an oplog.
    pub(crate) fn whole(input: &ArchiveInput, stream: u32) -> Self {
        Self {
            input: input.clone(),
            stream,
            open: None,
            counts: Counts::default(),
            part: None,
            passed_over: None,
        }
    }

    /// The oplog of a dump that takes what is selected; `taken` are its collections' UUIDs.
    pub(crate) fn beside(
        input: &ArchiveInput,
        stream: u32,
        beginning: &Beginning,
        selection: &Selection,
        taken: HashSet<[u8; 16]>,
    ) -> Self {
        let part = selection.is_partial().then(|| Part::new(selection, taken));
        let passed_over = (!beginning.needs_first()).then(|| beginning.first());
        Self { part, passed_over, ..Self::whole(input, stream) }
    }

    /// Copies an entry into the open chunk; a full one goes.
    pub(crate) async fn push(&mut self, entry: &[u8]) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.input.open_chunk().await?,
        };
        if open.is_full_for(entry.len()) {
            self.input.send_as(ChunkKind::Oplog, self.stream, open)?;
            open = self.input.open_chunk().await?;
        }
        open.push(entry);
        self.open = Some(open);
        self.counts += Counts::new(1, entry.len() as u64);
        Ok(())
    }

    /// Sends what is left and closes the stream.
    pub(crate) fn finish(self) -> Result<Counts> {
        if let Some(open) = self.open {
            self.input.send_as(ChunkKind::Oplog, self.stream, open)?;
        }
        self.input.stream_end(self.stream)?;
        Ok(self.counts)
    }
}

impl EntrySink for ArchivedOplog {
    async fn take(&mut self, entry: &[u8], time: Timestamp) -> Result<()> {
        if self.passed_over == Some(time) {
            return Ok(());
        }
        let is_of_part = match &mut self.part {
            Some(part) => part.takes(entry)?,
            None => true,
        };
        match kept(entry)? {
            Kept::Whole if is_of_part => self.push(entry).await,
            Kept::Whole | Kept::Not => Ok(()),
        }
    }
}
