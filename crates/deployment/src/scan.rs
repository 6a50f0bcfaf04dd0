//! Reading a collection's documents as raw batches: one reply of the server, nothing decoded.
//!
//! A batch is handed on as it came; the caller copies its documents once, into a chunk.

use crate::client::any_member;
use crate::collection::Collection;
use crate::error::{Error, Result, While};
use crate::source::Source;
use crate::split::{self, Bound};
use bson::raw::{RawBsonRef, cstr};
use bson::{RawDocument, RawDocumentBuf, rawdoc};
use futures_util::StreamExt;
use mongoark_model::Namespace;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};

/// The document behind which a cursor was to go on is gone.
const KEY_NOT_FOUND: i32 = 211;

/// How documents are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Find {
    /// Only documents that match.
    pub(crate) filter: Option<RawDocumentBuf>,
    /// In natural order, with a token in each reply after which another cursor can go on.
    pub(crate) resumable: bool,
    /// The token to go on after.
    pub(crate) resume_after: Option<RawDocumentBuf>,
    /// Documents of the first reply.
    pub(crate) first_batch: u32,
    /// Of a view: the server runs an aggregation, which knows fewer options.
    pub(crate) is_view: bool,
    /// The buckets of a time series under its own name, where the server keeps no `system.buckets`.
    pub(crate) raw_data: bool,
}

impl Find {
    fn command(&self, collection: &Collection) -> RawDocumentBuf {
        let mut find = rawdoc! { "find": collection.address() };
        if let Some(filter) = &self.filter {
            find.append(cstr!("filter"), filter);
        }
        if self.resumable {
            find.append(cstr!("hint"), rawdoc! { "$natural": 1 });
            find.append(cstr!("$_requestResumeToken"), true);
        }
        if let Some(token) = &self.resume_after {
            find.append(cstr!("$_resumeAfter"), token);
        }
        if self.raw_data {
            find.append(cstr!("rawData"), true);
        }
        find.append(cstr!("batchSize"), i64::from(self.first_batch));
        if !self.is_view {
            find.append(cstr!("noCursorTimeout"), true);
        }
        find
    }
}

/// A cursor over a collection, or over the part of it that ends at a record id.
pub struct Scan {
    source: Source,
    collection: Collection,
    find: Find,
    batch_documents: u32,
    cursor: RawBatchCursor,
    /// Where this part ends; none: at the natural end.
    bound: Option<Bound>,
    /// Whether any batch was handed on.
    begun: bool,
    done: bool,
}

/// How far a scan has come: where another one goes on, on the same member. Record ids, and so places, differ between
/// members.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The server's token behind the last document; none before the first.
    pub after: Option<RawDocumentBuf>,
    /// Where a part of a collection ends: its last record id, and the highest one there was when it was begun.
    pub end: Option<(i64, i64)>,
}

impl Place {
    /// Behind this record, without an end; before the first one where there is none.
    fn behind(record: Option<i64>) -> Self {
        Self { after: record.map(|record| rawdoc! { "$recordId": record }), end: None }
    }

    /// Where what was stored since the parts of a collection were opened begins; nothing for what is no such part.
    pub fn behind_all_parts(&self) -> Option<Self> {
        self.end.map(|(_, newest)| Self::behind(Some(newest)))
    }

    /// Its record id, where it is a number.
    fn record(&self) -> Option<i64> {
        match self.after.as_ref()?.get("$recordId").ok()?? {
            RawBsonRef::Int64(id) => Some(id),
            _ => None,
        }
    }
}

/// Documents of one reply, in the server's order.
pub struct Batch {
    raw: RawBatch,
    /// How many of its documents belong to the part that is read.
    keep: usize,
}

impl Scan {
    /// Reads a whole collection in the server's own order; with `filter`, what it matches.
    pub async fn open(
        source: &Source,
        collection: &Collection,
        filter: Option<&RawDocument>,
        batch_documents: u32,
    ) -> Result<Self> {
        let filter = filter.map(ToOwned::to_owned);
        let find = Find { filter, first_batch: batch_documents, ..Find::default() };
        Self::start(source, collection, find, batch_documents, None).await
    }

    /// Reads what a view shows; with `filter`, what of it matches.
    pub async fn view(
        source: &Source,
        collection: &Collection,
        filter: Option<&RawDocument>,
        batch_documents: u32,
    ) -> Result<Self> {
        let filter = filter.map(ToOwned::to_owned);
        let find = Find { filter, is_view: true, first_batch: batch_documents, ..Find::default() };
        Self::start(source, collection, find, batch_documents, None).await
    }

    /// Reads a whole collection in natural order, so that [`Self::reopen`] can go on after a cursor's loss. With
    /// `raw_data` the buckets of a time series that has no collection of buckets.
    pub async fn resumable(
        source: &Source,
        collection: &Collection,
        raw_data: bool,
        batch_documents: u32,
    ) -> Result<Self> {
        let find = Find { resumable: true, raw_data, first_batch: batch_documents, ..Find::default() };
        match Self::start(source, collection, find.clone(), batch_documents, None).await {
            // Views and mongos know no tokens.
            Err(error) if split::is_unsupported(&error) => {
                let find = Find { resumable: false, ..find };
                Self::start(source, collection, find, batch_documents, None).await
            }
            opened => opened,
        }
    }

    /// Starts a prepared `find`; batches after the first hold `batch_documents` at most.
    pub(crate) async fn start(
        source: &Source,
        collection: &Collection,
        find: Find,
        batch_documents: u32,
        bound: Option<Bound>,
    ) -> Result<Self> {
        let cursor = open_cursor(source, collection, &find, batch_documents).await?;
        let (source, collection) = (source.clone(), collection.clone());
        Ok(Self { source, collection, find, batch_documents, cursor, bound, begun: false, done: false })
    }

    /// Reads on from a place of another scan of the same collection.
    ///
    /// # Errors
    /// Also where the document of that place is gone by now (211, `KeyNotFound`).
    pub async fn from_place(
        source: &Source,
        collection: &Collection,
        place: &Place,
        batch_documents: u32,
    ) -> Result<Self> {
        let find = Find {
            resumable: true,
            resume_after: place.after.clone(),
            first_batch: batch_documents,
            ..Find::default()
        };
        let bound = place.end.map(|(end, newest)| Bound { end, newest });
        Self::start(source, collection, find, batch_documents, bound).await
    }

    /// The same from a place that has no end. Where the document of that place is gone by now, it goes on behind the last one
    /// before it: none is passed over.
    pub async fn rest(
        source: &Source,
        collection: &Collection,
        place: &Place,
        batch_documents: u32,
    ) -> Result<Self> {
        let mut place = place.clone();
        loop {
            match (Self::from_place(source, collection, &place, batch_documents).await, place.record()) {
                (Err(error), Some(gone)) if error.is_code(KEY_NOT_FOUND) => {
                    let before = split::last_record_before(source, collection, gone).await?;
                    place = Place::behind(before);
                }
                (opened, _) => return opened,
            }
        }
    }

    /// How far it has come; nothing where the server names no places.
    pub fn place(&self) -> Option<Place> {
        let is_known = self.find.resumable && (!self.begun || self.find.resume_after.is_some());
        let end = self.bound.map(|bound| (bound.end, bound.newest));
        (is_known && !self.find.raw_data).then(|| Place { after: self.find.resume_after.clone(), end })
    }

    /// Opens another cursor in place of one that was lost, behind the last document that was handed on, under the
    /// name that the collection has now. False where the server named no place to go on.
    ///
    /// # Errors
    /// Also where the document of that place is gone by now (211, `KeyNotFound`).
    pub async fn reopen(&mut self, namespace: &Namespace) -> Result<bool> {
        if self.begun && self.find.resume_after.is_none() {
            return Ok(false);
        }
        self.find.first_batch = self.batch_documents;
        self.collection.namespace = namespace.clone();
        self.cursor = open_cursor(&self.source, &self.collection, &self.find, self.batch_documents).await?;
        Ok(true)
    }

    /// The next batch; nothing after the last. A batch may be empty.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        let Some(raw) = self.cursor.next().await else { return Ok(None) };
        let raw = raw.while_doing(|| format!("read {}", self.collection.namespace))?;
        let mut batch = Batch::whole(raw);
        if let Some(bound) = self.bound {
            self.stop_at(bound, &mut batch).await?;
        }
        self.begun = true;
        self.find.resume_after = batch.token();
        Ok(Some(batch))
    }

    /// Cuts the batch that passes the part's end, and ends the scan there.
    async fn stop_at(&mut self, bound: Bound, batch: &mut Batch) -> Result<()> {
        match batch.record_id() {
            Some(last) if last < bound.end => {}
            Some(last) if last == bound.end => self.done = true,
            _ => {
                let documents: Vec<&[u8]> = batch.documents()?.collect::<Result<_>>()?;
                let keep = split::documents_up_to(&self.source, &self.collection, &documents, bound).await?;
                self.done = keep < documents.len();
                batch.keep = keep;
            }
        }
        Ok(())
    }
}

async fn open_cursor(
    source: &Source,
    collection: &Collection,
    find: &Find,
    batch_documents: u32,
) -> Result<RawBatchCursor> {
    let database = source.client.database(&collection.namespace.db);
    let cursor = database
        .run_raw_cursor_command(find.command(collection))
        .selection_criteria(any_member())
        .batch_size(batch_documents)
        .batch()
        .await;
    cursor.while_doing(|| format!("read {}", collection.namespace))
}

impl Batch {
    /// All documents of a reply.
    pub(crate) fn whole(raw: RawBatch) -> Self {
        Self { raw, keep: usize::MAX }
    }

    /// The raw documents, each checked to lie within the reply.
    pub fn documents(&self) -> Result<Documents<'_>> {
        let array = self.raw.doc_slices().while_doing(|| "read a batch".to_owned())?;
        let bytes = array.as_bytes();
        // A BSON array: its length, then elements, then a NUL.
        let body = bytes.get(4..bytes.len().saturating_sub(1)).unwrap_or_default();
        Ok(Documents { rest: body, left: self.keep })
    }

    /// The place after which a scan would go on, where the server said it.
    fn token(&self) -> Option<RawDocumentBuf> {
        let cursor = self.raw.as_raw_document().get_document("cursor").ok()?;
        cursor.get_document("postBatchResumeToken").ok().map(ToOwned::to_owned)
    }

    /// That place as a record id.
    fn record_id(&self) -> Option<i64> {
        match self.token()?.get("$recordId").ok()?? {
            RawBsonRef::Int64(id) => Some(id),
            _ => None,
        }
    }
}

/// The documents of a batch, in order.
pub struct Documents<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Documents<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let document = take_document(&mut self.rest);
        if document.is_none() {
            self.rest = &[];
        }
        Some(document.ok_or_else(|| Error::reply("read a batch", "a document is longer than its reply")))
    }
}

/// Takes one array element that holds a document: type 3, its index as key, the document.
fn take_document<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (3, after_kind) = (*rest.first()?, &rest[1..]) else { return None };
    let key = after_kind.iter().position(|&byte| byte == 0)?;
    let value = &after_kind[key + 1..];
    let length = usize::try_from(i32::from_le_bytes(*value.first_chunk::<4>()?)).ok()?;
    if length < 5 || length > value.len() {
        return None;
    }
    let (document, after) = value.split_at(length);
    *rest = after;
    Some(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_documents_and_refuses_what_is_not_one() {
        let array = bson::rawdoc! { "0": {"a": 1}, "1": {} };
        let bytes = array.as_bytes();
        let mut rest = &bytes[4..bytes.len() - 1];
        assert_eq!(take_document(&mut rest).map(<[u8]>::len), Some(12));
        assert_eq!(take_document(&mut rest).map(<[u8]>::len), Some(5));
        assert!(rest.is_empty());
        for bad in [
            &[2, b'0', 0, 5, 0, 0, 0, 0][..],
            &[3, b'0', 0, 9, 0, 0, 0, 0],
            &[3, b'0', 0, 4, 0, 0, 0],
            &[3, b'0'],
            &[3],
        ] {
            assert_eq!(take_document(&mut &bad[..]), None, "{bad:?}");
        }
    }
}
