//! Looking into an archive without a server: what it holds, and the documents of one namespace.

use crate::catalog::Summary;
use crate::reading::{Archive, Feed, Piece, Retracted};
pub use crate::reading::{Catalog, CatalogEntry};
use crate::{Error, Result, Stop};
use mongoark_model::Namespace;
use std::collections::{HashMap, HashSet};

/// What an archive holds, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Deployment and namespaces.
    pub catalog: Catalog,
    /// The end's summary.
    pub summary: Option<Summary>,
}

/// Lists an archive. A file's index tells; a pipe is read to its end and counted.
pub async fn list(archive: Archive, stop: &Stop) -> Result<Listing> {
    let is_file = archive.is_verified_ahead();
    let mut feed = Feed::start(archive, stop);
    let mut catalog = feed.catalog().await?;
    feed.take_only(HashSet::new());
    let mut counted: HashMap<u32, (u64, u64)> = HashMap::new();
    let summary = loop {
        match feed.next().await? {
            Piece::Chunk(chunk, _share, _) => {
                let sum = counted.entry(chunk.stream).or_default();
                sum.0 += u64::from(chunk.documents);
                sum.1 += chunk.bytes.len() as u64;
            }
            Piece::StreamEnd(_) => {}
            Piece::Retract(Retracted { stream, counts, .. }) => {
                let sum = counted.entry(stream).or_default();
                *sum = (sum.0.saturating_sub(counts.documents), sum.1.saturating_sub(counts.bytes));
            }
            Piece::End(summary) => break summary,
        }
    };
    if !is_file {
        for entry in &mut catalog.collections {
            (entry.documents, entry.bytes) = counted.get(&entry.stream).copied().unwrap_or_default();
        }
        if let Some(oplog) = &mut catalog.oplog {
            (oplog.documents, oplog.bytes) = counted.get(&oplog.stream).copied().unwrap_or_default();
        }
    }
    Ok(Listing { catalog, summary })
}

/// Hands each raw document of one namespace to `take`, in the archive's order, until it says stop
/// by returning false. Returns what the namespace is.
///
/// # Errors
/// Of the archive, or of `take`.
pub async fn documents<E: From<Error>>(
    archive: Archive,
    namespace: &Namespace,
    stop: &Stop,
    mut take: impl FnMut(&[u8]) -> Result<bool, E>,
) -> Result<CatalogEntry, E> {
    let mut feed = Feed::start(archive, stop);
    let catalog = feed.catalog().await.map_err(E::from)?;
    let entry = find(catalog, namespace).map_err(E::from)?;
    feed.take_only(HashSet::from([entry.stream]));
    loop {
        match feed.next().await.map_err(E::from)? {
            Piece::Chunk(chunk, _share, _) if chunk.stream == entry.stream => {
                for document in mongoark_bson_bytes::split_documents(&chunk.bytes) {
                    let document = document.map_err(|error| E::from(Error::Catalog(error.to_string())))?;
                    if !take(document)? {
                        return Ok(entry);
                    }
                }
                feed.recycle(chunk.bytes);
            }
            Piece::Retract(back) if back.stream == entry.stream => return Err(Error::Retracted.into()),
            Piece::Chunk(..) | Piece::StreamEnd(_) | Piece::Retract(_) => {}
            Piece::End(_) => return Ok(entry),
        }
    }
}

fn find(catalog: Catalog, namespace: &Namespace) -> Result<CatalogEntry> {
    let found = catalog.collections.into_iter().find(|entry| entry.metadata.namespace == *namespace);
    found.ok_or_else(|| {
        Error::Usage(format!("{namespace} is not in this archive; 'mongoark ls' shows what is"))
    })
}
