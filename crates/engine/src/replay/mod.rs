//! Replaying an oplog onto a deployment: entries in order, in batches, with barriers where the catalog
//! changes. Indexes are not built here: entries edit an [`IndexCatalog`], which the restore builds afterwards.

mod options;

pub use mongoark_oplog::{CollectionIndexes, IndexCatalog};
pub use options::{ReplayOptions, Replayed};

use crate::{Result, Stop};
use async_channel::Receiver;
use mongoark_deployment::Target;
use mongoark_monitor::Monitor;

/// Replays the oplog documents that come through `entries`: each message holds one or more whole
/// documents, one after the other, and an error ends the replay with that error. The channel should be
/// bounded; the replay holds one message, one batch for the server, and transactions up to a limit
/// in memory, the rest of them in a temporary file.
///
/// Ends with the first entry at or after [`ReplayOptions::limit`], without waiting for the rest: the
/// sender finds the channel closed. The first entry that cannot be replayed ends it with an error that
/// names the entry's time, namespace and operation.
pub async fn replay(
    _target: &Target,
    _entries: Receiver<Result<Vec<u8>>>,
    _options: &ReplayOptions,
    _indexes: &mut IndexCatalog,
    _monitor: &Monitor,
    _stop: &Stop,
) -> Result<Replayed> {
    todo!()
}
