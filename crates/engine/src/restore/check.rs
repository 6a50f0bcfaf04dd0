//! Everything that a restore from a file will read, read once before anything is written: damage is found while nothing is dropped
//! and nothing is half there.

use super::ledger::Phase;
use super::plan::Plan;
use super::write::locked;
use crate::reading::{Feed, Piece};
use crate::verify::check_documents;
use crate::{Error, Result, Stop};
use mongoark_deployment::Target;
use mongoark_monitor::Monitor;
use mongoark_oplog::{Entry, Error as OplogError, Op};
use std::collections::HashMap;
use std::time::Instant;

/// Servers before 5.0 do not understand how newer ones write an update down.
fn refuse_deltas(entries: &[u8]) -> Result<()> {
    for entry in mongoark_bson_bytes::split_documents(entries) {
        let entry = Entry::parse(entry.map_err(OplogError::from)?)?;
        for operation in entry.flatten()?.0 {
            let version = mongoark_bson_bytes::get(operation.object, "$v").map_err(OplogError::from)?;
            let is_delta = version.and_then(|version| version.as_i64_lossless()) == Some(2);
            if operation.op == Op::Update && is_delta {
                return Err(Error::Usage(format!(
                    "the archive's oplog has updates of a newer server, which this one cannot replay ({} on {}): restore into a \
                     server from 5.0 on, or with --no-oplog",
                    operation.ts.unwrap_or_default(),
                    operation.namespace
                )));
            }
        }
    }
    Ok(())
}

/// Reads the chunks that this run will read, the oplog among them: authenticated, decompressed, and whole documents in each.
pub(super) async fn whole(
    target: &Target,
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
                if Some(chunk.stream) == oplog && !target.is_at_least(5, 0) {
                    refuse_deltas(&chunk.bytes)?;
                }
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
