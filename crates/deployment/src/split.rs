//! One large collection read by several cursors at once, in natural order.
//!
//! Record ids of sampled documents cut the collection into parts; a cursor starts behind a part's
//! lower bound with `$_resumeAfter` and ends at its upper bound. The last part ends at the highest
//! record id there was at the start; what was stored since is the oplog's, or where there is none that of one more cursor, which
//! is opened when all others have ended ([`Scan::rest`]). What the server says of positions (`postBatchResumeToken`)
//! tells when a bound has been passed; then the batch that passed it is cut by looking up the
//! record ids of some of its documents.
//!
//! Absent: splitting of capped collections (their order is part of the data), of time series and
//! clustered collections (their record ids are no numbers), of views, and through mongos.

use crate::collection::Collection;
use crate::command::{self, From};
use crate::error::{Error, Result};
use crate::scan::{Find, Scan};
use crate::source::Source;
use bson::raw::RawBsonRef;
use bson::{RawDocument, rawdoc};
use mongoark_bson_bytes::{self as bytes, Builder};
use mongoark_model::Namespace;
use std::collections::HashMap;

/// Sampled documents for each part: enough for parts of nearly one size.
const SAMPLES_PER_PART: usize = 32;
/// Where a part ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// The last record id that belongs to the part.
    pub(crate) end: i64,
    /// The highest record id there was when the parts were opened.
    pub(crate) newest: i64,
}

/// Documents looked up in one round of the search for a bound in a batch.
const PROBES_PER_ROUND: usize = 32;

/// Opens up to `parts` cursors that together read every document once. Nothing where the collection
/// cannot be cut so; the caller then reads it with one cursor.
///
/// # Errors
/// Whatever the server answers to the sampling or to the cursors, but for refusals that only mean
/// that splitting does not work here.
pub async fn open(
    source: &Source,
    collection: &Collection,
    parts: usize,
    batch_documents: u32,
) -> Result<Option<Vec<Scan>>> {
    let Some(mut bounds) = bounds(source, collection, parts).await? else { return Ok(None) };
    let Some(newest) = highest_record_id(source, collection).await? else { return Ok(None) };
    bounds.retain(|&bound| bound < newest);
    // From the last part to the first: a part's end is the start that its successor really got.
    let mut opened = Vec::new();
    let mut end = newest;
    while let Some(start) = bounds.pop() {
        match resume_after(source, collection, Some(start), Bound { end, newest }, batch_documents).await {
            Ok(scan) => {
                opened.push(scan);
                end = start;
            }
            // The record is gone by now; the part before reaches up to the same end.
            Err(error) if error.is_code(211) => {}
            Err(error) if is_unsupported(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    match resume_after(source, collection, None, Bound { end, newest }, batch_documents).await {
        Ok(scan) => opened.push(scan),
        Err(error) if is_unsupported(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    opened.reverse();
    Ok(Some(opened))
}

/// Codes with which a server says that it does not know or allow these options.
pub(crate) fn is_unsupported(error: &Error) -> bool {
    matches!(error.code(), Some(2 | 9 | 14 | 40415 | 51054 | 50840 | 72 | 167 | 17260))
}

async fn resume_after(
    source: &Source,
    collection: &Collection,
    start: Option<i64>,
    bound: Bound,
    batch_documents: u32,
) -> Result<Scan> {
    let find = Find {
        resumable: true,
        resume_after: start.map(|start| rawdoc! { "$recordId": start }),
        // One document: the cursor is to be opened, not read; its part's turn may come late.
        first_batch: 1,
        ..Find::default()
    };
    Scan::start(source, collection, find, batch_documents, Some(bound)).await
}

/// Record ids that cut the collection into about equal parts, ascending.
async fn bounds(source: &Source, collection: &Collection, parts: usize) -> Result<Option<Vec<i64>>> {
    let sampled = sample(source, &collection.namespace, parts * SAMPLES_PER_PART).await?;
    let ids: Vec<&[u8]> = sampled.iter().map(Vec::as_slice).collect();
    let mut records: Vec<i64> = record_ids(source, collection, &ids).await?.into_values().collect();
    records.sort_unstable();
    records.dedup();
    if records.len() < parts * 2 {
        return Ok(None);
    }
    Ok(Some((1..parts).map(|part| records[part * records.len() / parts]).collect()))
}

/// Documents `{_id}` of a random sample. An aggregation knows names alone; documents that another collection gave have
/// no record ids here, or such as cut this one too.
async fn sample(source: &Source, namespace: &Namespace, size: usize) -> Result<Vec<Vec<u8>>> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let command = rawdoc! {
        "aggregate": namespace.collection.as_str(),
        "pipeline": [{ "$sample": { "size": size } }, { "$project": { "_id": 1 } }],
        "cursor": {},
    };
    let action = format!("sample {namespace}");
    let documents =
        command::all(&source.client.database(&namespace.db), From::Pinned, command, &action).await?;
    Ok(documents.into_iter().map(bson::RawDocumentBuf::into_bytes).collect())
}

async fn highest_record_id(source: &Source, collection: &Collection) -> Result<Option<i64>> {
    let command = rawdoc! {
        "find": collection.address(),
        "sort": { "$natural": -1 },
        "limit": 1,
        "projection": { "_id": 1 },
        "showRecordId": true,
    };
    let namespace = &collection.namespace;
    let action = format!("find the end of {namespace}");
    let last = command::all(&source.client.database(&namespace.db), From::Pinned, command, &action).await?;
    Ok(last.first().and_then(|document| record_id(document)))
}

/// The highest record id below this one; nothing where there is none.
pub(crate) async fn last_record_before(
    source: &Source,
    collection: &Collection,
    record: i64,
) -> Result<Option<i64>> {
    let namespace = &collection.namespace;
    let action = format!("find a place in {namespace}");
    // From the end: what was stored since is little, as a rule.
    let mut limit = 1_000_i64;
    loop {
        let command = rawdoc! {
            "find": collection.address(),
            "sort": { "$natural": -1 },
            "limit": limit,
            "projection": { "_id": 1 },
            "showRecordId": true,
        };
        let (mut seen, mut found) = (0, None);
        let database = source.client.database(&namespace.db);
        command::each(&database, From::Pinned, command, &action, |document| {
            seen += 1;
            found = found.or(record_id(document).filter(|id| *id < record));
            Ok(())
        })
        .await?;
        if found.is_some() || seen < limit {
            return Ok(found);
        }
        limit = limit.saturating_mul(16);
    }
}

/// The record ids of documents by the raw bytes of their `_id` element. Each of `documents` is a
/// raw document with an `_id`; those that are gone by now, or have none, are left out.
async fn record_ids(
    source: &Source,
    collection: &Collection,
    documents: &[&[u8]],
) -> Result<HashMap<Vec<u8>, i64>> {
    let mut wanted = Builder::new();
    for (index, document) in documents.iter().enumerate() {
        if let Some((kind, value)) = id_of(document) {
            wanted.raw(kind, index.to_string().as_bytes(), value);
        }
    }
    let mut within = Builder::new();
    within.raw(4, b"$in", &wanted.finish());
    let mut filter = Builder::new();
    filter.raw(3, b"_id", &within.finish());
    let filter = bson::RawDocumentBuf::from_bytes(filter.finish())
        .map_err(|error| Error::reply("build a filter", error.to_string()))?;
    // No collation is given: the collection's own is the one its index on _id has. It may match
    // more documents than were asked for; they are told apart by their bytes.
    let command = rawdoc! {
        "find": collection.address(),
        "filter": filter,
        "projection": { "_id": 1 },
        "showRecordId": true,
        "hint": { "_id": 1 },
    };
    let mut found = HashMap::new();
    let namespace = &collection.namespace;
    let action = format!("look up record ids of {namespace}");
    command::each(&source.client.database(&namespace.db), From::Pinned, command, &action, |document| {
        if let (Some(record), Some((kind, value))) = (record_id(document), id_of(document.as_bytes())) {
            found.insert(key_of(kind, value), record);
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// How many of the leading `documents` of a natural-order batch have a record id up to `end`.
///
/// Record ids ascend in a batch, so the bound is searched for with a few look-ups in each round.
/// A document that is gone or was stored anew since tells nothing of its old place; its neighbours
/// do. Where the bound lies among such documents alone they are left out: each was deleted while
/// the dump ran.
///
/// A record id above the highest one at opening belongs to a document that was stored since: it too
/// tells nothing of its old place.
pub(crate) async fn documents_up_to(
    source: &Source,
    collection: &Collection,
    documents: &[&[u8]],
    bound: Bound,
) -> Result<usize> {
    // All before `low` belong to the part, all from `high` on do not.
    let (mut low, mut high) = (0, documents.len());
    let mut width = PROBES_PER_ROUND;
    while low < high {
        let step = ((high - low) / width).max(1);
        let places: Vec<usize> = (low..high).step_by(step).collect();
        let probes: Vec<&[u8]> = places.iter().map(|&place| documents[place]).collect();
        let records = record_ids(source, collection, &probes).await?;
        let sides: Vec<(usize, bool)> = places
            .iter()
            .filter_map(|&place| {
                let (kind, value) = id_of(documents[place])?;
                let record = *records.get(&key_of(kind, value))?;
                (record <= bound.newest).then_some((place, record <= bound.end))
            })
            .collect();
        let new_low = sides.iter().rfind(|(_, within)| *within).map_or(low, |(place, _)| place + 1);
        let new_high = sides.iter().find(|(place, _)| *place >= new_low).map_or(high, |(place, _)| *place);
        if step == 1 {
            return Ok(new_low);
        }
        if (new_high - new_low) * 2 > high - low {
            // Too many probes were gone: look at more places.
            width *= 4;
        }
        (low, high) = (new_low, new_high);
    }
    Ok(low)
}

fn id_of(document: &[u8]) -> Option<(u8, &[u8])> {
    let element = bytes::get(document, "_id").ok()??;
    Some((element.kind, element.value))
}

fn key_of(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(value.len() + 1);
    key.push(kind);
    key.extend_from_slice(value);
    key
}

fn record_id(document: &RawDocument) -> Option<i64> {
    match document.get("$recordId").ok()?? {
        RawBsonRef::Int64(id) => Some(id),
        _ => None,
    }
}
