//! Everything that a restore from a file will read, read once before anything is written: damage is found while nothing is dropped
//! and nothing is half there.

use super::ledger::Phase;
use super::plan::Plan;
use super::write::locked;
use crate::reading::{Feed, Piece};
use crate::verify::check_documents;
use crate::{Result, Stop};
use mongoark_monitor::Monitor;
use std::collections::HashMap;
use std::time::Instant;

/// Reads the chunks that this run will read, the oplog among them: authenticated, decompressed, and whole documents in each.
pub(super) async fn whole(
    mut feed: Feed,
    plan: &Plan,
    phase: Phase,
    oplog: Option<u32>,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<()> {
    let since = Instant::now();
    let mut streams: HashMap<u32, Option<u64>> = oplog.map(|stream| (stream, None)).into_iter().collect();
    let unwritten = plan.namespaces.iter().filter(|planned| {
        phase < Phase::Finishing || phase < Phase::Replaying && planned.metadata.kind.is_accounts()
    });
    streams.extend(unwritten.map(|planned| (planned.stream, locked(&planned.tally).reached.behind())));
    feed.take_behind(&streams);
    let bytes = plan.namespaces.iter().map(|planned| planned.bytes).sum();
    let item = monitor.item("verify", 0, bytes);
    loop {
        stop.check()?;
        match feed.next().await? {
            Piece::Chunk(chunk, _share, _) => {
                check_documents(&chunk)?;
                item.add(u64::from(chunk.documents), chunk.bytes.len() as u64);
                feed.recycle(chunk.bytes);
            }
            Piece::StreamEnd(_) | Piece::Retract(_) => {}
            Piece::End(_) => break,
        }
    }
    monitor.finish(&item);
    monitor.stage("verify", since);
    Ok(())
}
