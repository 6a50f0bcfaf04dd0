//! The oplog of the dump's time, in mongodump's forms: followed from before the first collection was looked at until the
//! last one is read.
//!
//! A folder gets the entries as they come. In an archive they have to stand behind all collections, because mongorestore
//! replays them last and reads an archive once; until then they wait in a [`Spool`].

use super::forbidden;
use super::read::Context;
use crate::archive::OpenChunk;
use crate::dump_output::CHUNK_BYTES;
use crate::oplog::{Beginning, Capture, EntrySink, settle};
use crate::quote::counted;
use crate::spool::Spool;
use crate::{Error, Result};
use mongoark_deployment::oplog::Level;
use mongoark_model::Timestamp;
use std::sync::Arc;

/// Bytes of entries gathered before they go to a spool.
const SPOOL_BYTES: usize = 1024 * 1024;

/// The oplog as it is being followed.
pub(super) struct DumpedOplog {
    beginning: Beginning,
    stream: usize,
    capture: Capture<Entries>,
}

/// Entries on their way to the output.
struct Entries {
    context: Arc<Context>,
    count: u64,
    store: Store,
}

/// Where entries go.
enum Store {
    /// To the output's own stream.
    Output { stream: usize, open: Option<OpenChunk> },
    /// Aside for the time being.
    Aside { spool: Spool, gathered: Vec<u8> },
}

impl DumpedOplog {
    /// Begins to follow the oplog into this stream of the output.
    pub(super) fn begin(context: &Arc<Context>, beginning: Beginning, stream: usize) -> Result<Self> {
        let store = if context.is_archive {
            Store::Aside { spool: Spool::new(), gathered: Vec::new() }
        } else {
            context.run.sink.open(stream)?;
            Store::Output { stream, open: None }
        };
        // As the tools do: where the majority stands still, a dump is better than none.
        let following = context.run.following(Level::Local);
        let entries = Entries { context: Arc::clone(context), count: 0, store };
        let capture = Capture::begin(&following, beginning.clone(), ".oplog", entries);
        Ok(Self { beginning, stream, capture })
    }

    /// Ends the capture where the oplog stands now, and writes it. Returns the number of entries.
    pub(super) async fn finish(self, context: &Context) -> Result<u64> {
        let end = end(context, &self.beginning).await;
        let entries = self.capture.finish(end).await.map_err(in_words_of_the_tools)?.sink;
        context.run.monitor.step("writing captured oplog to ``");
        let count = entries.count;
        entries.store.finish(context, self.stream).await?;
        context.run.sink.end(self.stream).await?;
        context.run.monitor.step(format!("\tdumped {}", counted(count, "oplog entry", "oplog entries")));
        Ok(count)
    }

    /// Ends the capture of a run that has failed; returns its own failure, if there is one.
    pub(super) async fn abandon(self) -> Option<Error> {
        self.capture.abandon().await.map(in_words_of_the_tools)
    }
}

/// Up to where entries are wanted, once these can no longer be rolled back.
async fn end(context: &Context, beginning: &Beginning) -> Result<Timestamp> {
    let settled = settle(&context.run.source, beginning, &context.run.stop).await?;
    if !settled.is_committed() {
        let message = "the last entries are not on a majority of the members; the dump holds them all the same, even \
                       if they should be rolled back";
        context.run.monitor.warn("oplog", message);
    }
    Ok(settled.consistent)
}

/// Scripts look for mongodump's words where the oplog was too small.
fn in_words_of_the_tools(error: Error) -> Error {
    match error {
        Error::OplogLost { .. } => {
            let message =
                "oplog overflow: mongodump was unable to capture all new oplog entries during execution";
            Error::Refused(message.to_owned())
        }
        other => other,
    }
}

impl EntrySink for Entries {
    async fn take(&mut self, entry: &[u8], _time: Timestamp) -> Result<()> {
        if let Some(reason) = forbidden::why(entry) {
            return Err(Error::Refused(reason));
        }
        self.store.push(&self.context, entry).await?;
        self.count += 1;
        Ok(())
    }
}

impl Store {
    async fn push(&mut self, context: &Context, entry: &[u8]) -> Result<()> {
        match self {
            Self::Output { stream, open } => {
                let mut chunk = match open.take() {
                    Some(chunk) => chunk,
                    None => context.run.sink.open_chunk().await?,
                };
                if chunk.is_full_for(entry.len()) {
                    context.run.sink.send(*stream, chunk)?;
                    chunk = context.run.sink.open_chunk().await?;
                }
                chunk.push(entry);
                *open = Some(chunk);
            }
            Self::Aside { spool, gathered } => {
                gathered.extend_from_slice(entry);
                if gathered.len() >= SPOOL_BYTES {
                    spool.append(std::mem::take(gathered)).await?;
                }
            }
        }
        Ok(())
    }

    /// Hands all that is not in the output yet to it.
    async fn finish(self, context: &Context, stream: usize) -> Result<()> {
        match self {
            Self::Output { open: Some(chunk), .. } => context.run.sink.send(stream, chunk),
            Self::Output { open: None, .. } => Ok(()),
            Self::Aside { mut spool, gathered } => {
                spool.append(gathered).await?;
                let mut entries = spool.read_back().await?;
                loop {
                    context.run.stop.check()?;
                    let bytes = entries.read(CHUNK_BYTES).await?;
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    context.run.sink.write(stream, &bytes).await?;
                }
            }
        }
    }
}
