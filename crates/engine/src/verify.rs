//! Checking an archive without a server: every record, checksum, key and count, from the first byte
//! to the last.

use crate::catalog::{DeploymentEntry, Summary};
use crate::reading::{Archive, Feed, Piece, Retracted};
use crate::{Error, Result, Stop};
use mongoark_model::Counts;
use mongoark_monitor::Monitor;
use std::collections::HashMap;

/// What was checked.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The deployment it was taken from.
    pub deployment: Option<DeploymentEntry>,
    /// Namespaces in its catalog.
    pub namespaces: usize,
    /// Documents and bytes that were read.
    pub read: Counts,
    /// Oplog entries, and their bytes.
    pub oplog: Counts,
    /// What the archive says of itself.
    pub summary: Summary,
}

/// Reads the whole archive. Each chunk's documents are walked too: a chunk that does not hold the
/// number of whole documents it states is an error.
pub async fn verify(archive: Archive, monitor: &Monitor, stop: &Stop) -> Result<VerifyReport> {
    let mut feed = Feed::start(archive, stop);
    let catalog = feed.catalog().await?;
    let oplog = catalog.oplog.as_ref().map(|oplog| oplog.stream);
    feed.take_only(catalog.streams().into_iter().chain(oplog).collect());
    let item = monitor.item("verify", 0, 0);
    let mut streams: HashMap<u32, Counts> = HashMap::new();
    let summary = loop {
        match feed.next().await? {
            Piece::Chunk(chunk, _share, _) => {
                check_documents(&chunk)?;
                let counts = Counts::new(u64::from(chunk.documents), chunk.bytes.len() as u64);
                item.add(counts.documents, counts.bytes);
                *streams.entry(chunk.stream).or_default() += counts;
                feed.recycle(chunk.bytes);
            }
            Piece::StreamEnd(_) => {}
            Piece::Retract(Retracted { stream, counts, .. }) => {
                if let Some(sum) = streams.get_mut(&stream) {
                    *sum = sum.less(counts);
                }
            }
            Piece::End(summary) => break summary,
        }
    };
    monitor.finish(&item);
    let oplog = oplog.and_then(|stream| streams.remove(&stream)).unwrap_or_default();
    let mut read = Counts::default();
    for counts in streams.into_values() {
        read += counts;
    }
    let summary = summary.ok_or_else(|| Error::Catalog("the end has no summary".to_owned()))?;
    if summary.totals != read {
        return Err(Error::Catalog(format!("it states {:?}, but {read:?} were read", summary.totals)));
    }
    let namespaces = catalog.collections.len();
    Ok(VerifyReport { deployment: catalog.deployment, namespaces, read, oplog, summary })
}

/// Whether a chunk holds the number of whole documents that it states.
pub(crate) fn check_documents(chunk: &mongoark_container::Chunk) -> Result<()> {
    let mut documents = 0;
    for document in mongoark_bson_bytes::split_documents(&chunk.bytes) {
        document.map_err(|error| Error::Catalog(format!("a chunk of stream {}: {error}", chunk.stream)))?;
        documents += 1;
    }
    if documents != chunk.documents {
        let message = format!(
            "a chunk of stream {} states {} documents, but holds {documents}",
            chunk.stream, chunk.documents
        );
        return Err(Error::Catalog(message));
    }
    Ok(())
}
