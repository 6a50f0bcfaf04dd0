//! The dump's oplog onto what was restored.

use super::Context;
use super::plan::Plan;
use super::spill::Spill;
use crate::dump_input::{self, Documents, DumpInput};
use crate::replay::{self, IndexCatalog, Places, ReplayOptions};
use crate::{Error, Result};
use mongoark_model::Timestamp;
use std::path::PathBuf;

/// Batches on their way to the replay.
const QUEUED: usize = 4;

/// Where the oplog is.
pub(super) enum OplogSource {
    /// In a file.
    File(PathBuf),
    /// At the end of an archive.
    Documents(Documents),
    /// In the middle of an archive, and kept aside.
    Spill(Spill),
}

/// The file of the oplog, where it is in one.
pub(super) fn file_of(context: &Context, dump: &DumpInput, plan: &Plan) -> Option<PathBuf> {
    let given = context.options.oplog_file.clone();
    given.or_else(|| dump.file(plan.oplog?).map(ToOwned::to_owned))
}

/// Replays the oplog. What it does to indexes goes to the catalog.
pub(super) async fn replay(
    context: &Context,
    oplog: OplogSource,
    places: Places,
    catalog: &mut IndexCatalog,
) -> Result<()> {
    context.monitor.step("replaying oplog");
    let options = ReplayOptions {
        limit: context.options.oplog_limit.map(Timestamp::from),
        preserve_uuids: context.options.preserve_uuid,
        // With their UUIDs preserved, the server finds collections itself.
        places: if context.options.preserve_uuid { Places::default() } else { places },
        expected_bytes: expected_bytes(context, &oplog),
        ..ReplayOptions::default()
    };
    let entries = entries(context, oplog);
    let replayed =
        replay::replay(&context.target, entries, &options, catalog, &context.monitor, &context.stop).await;
    let replayed = replayed.map_err(|source| Error::Applying(Box::new(source)))?;
    context.monitor.step(format!("applied {} oplog entries", replayed.applied));
    Ok(())
}

/// Bytes of entries, where they are in a file as they are.
fn expected_bytes(context: &Context, oplog: &OplogSource) -> u64 {
    match oplog {
        OplogSource::File(path) if !context.options.gzip => {
            std::fs::metadata(path).map_or(0, |metadata| metadata.len())
        }
        _ => 0,
    }
}

fn entries(context: &Context, oplog: OplogSource) -> async_channel::Receiver<Result<Vec<u8>>> {
    let (sender, entries) = async_channel::bounded(QUEUED);
    match oplog {
        OplogSource::Spill(spill) => _ = std::thread::spawn(move || spill.send(&sender)),
        OplogSource::Documents(documents) => _ = tokio::spawn(forward(documents, sender)),
        OplogSource::File(path) => {
            let documents = dump_input::of_file(path, context.options.gzip, &context.stop);
            tokio::spawn(forward(documents, sender));
        }
    }
    entries
}

async fn forward(mut documents: Documents, to: async_channel::Sender<Result<Vec<u8>>>) {
    loop {
        let message = match documents.next().await {
            Ok(None) => return,
            Ok(Some(batch)) => Ok(batch.bytes),
            Err(error) => Err(error),
        };
        let is_error = message.is_err();
        if to.send(message).await.is_err() || is_error {
            return;
        }
    }
}
