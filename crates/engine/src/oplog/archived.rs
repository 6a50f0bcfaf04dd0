//! Entries into the chunks of an archive, beside the documents.

use super::part::Part;
use super::{EntrySink, Kept, kept};
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
}

impl ArchivedOplog {
    /// All of an oplog.
    pub(crate) fn whole(input: &ArchiveInput, stream: u32) -> Self {
        Self { input: input.clone(), stream, open: None, counts: Counts::default(), part: None }
    }

    /// The oplog of a dump that takes what is selected; `taken` are its collections' UUIDs.
    pub(crate) fn beside(
        input: &ArchiveInput,
        stream: u32,
        selection: &Selection,
        taken: HashSet<[u8; 16]>,
    ) -> Self {
        let part = selection.is_partial().then(|| Part::new(selection, taken));
        Self { part, ..Self::whole(input, stream) }
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
    async fn take(&mut self, entry: &[u8], _time: Timestamp) -> Result<()> {
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
