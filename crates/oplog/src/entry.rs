//! One entry, read as far as a replay needs: its operation, namespace, time, and the bytes of its parts.

use crate::class::uuid;
use crate::error::{Error, Result};
use mongoark_bson_bytes::{self as bytes, Builder, Element, Elements};
use mongoark_model::{Namespace, Timestamp};

/// Levels of applyOps within applyOps that are followed; servers make fewer.
const NESTED_MAX: usize = 10;

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `i`.
    Insert,
    /// `u`.
    Update,
    /// `d`.
    Delete,
    /// `c`.
    Command,
    /// `n`, and the bookkeeping of replicated record ids: `ci`, `cu`, `cd`, `km`.
    Nothing,
}

/// An entry of the oplog or an operation inside an applyOps, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What it does.
    pub op: Op,
    /// `database.collection`, or `database.$cmd` for a command.
    pub namespace: &'a str,
    /// When; an operation inside an applyOps has the time of the entry around it.
    pub ts: Option<Timestamp>,
    /// `o`: the document, the changes, or the command. Empty where there is none.
    pub object: &'a [u8],
    ui: Option<[u8; 16]>,
    object2: Option<&'a [u8]>,
    /// `lsid`: the session.
    pub(crate) lsid: Option<&'a [u8]>,
    pub(crate) txn_number: Option<i64>,
    /// Whether `prevOpTime` names an earlier entry of the same transaction.
    pub(crate) has_previous: bool,
    /// `multiOpType`: 1 for inserts of a retryable write that stand in one entry.
    pub(crate) multi_op_type: Option<i64>,
    bytes: &'a [u8],
}

/// The fields as they come, before any is required.
#[derive(Default)]
struct Fields<'a> {
    op: Option<Element<'a>>,
    namespace: Option<Element<'a>>,
    ts: Option<Timestamp>,
    object: Option<Element<'a>>,
    object2: Option<&'a [u8]>,
    ui: Option<[u8; 16]>,
    lsid: Option<&'a [u8]>,
    txn_number: Option<i64>,
    has_previous: bool,
    multi_op_type: Option<i64>,
}

impl<'a> Entry<'a> {
    /// Reads an entry of the oplog.
    pub fn parse(entry: &'a [u8]) -> Result<Self> {
        Self::inherit(entry, None)
    }

    /// Reads an operation whose time may be that of the entry around it.
    fn inherit(entry: &'a [u8], around: Option<Timestamp>) -> Result<Self> {
        let fields = Fields::read(entry)?;
        let ts = fields.ts.or(around);
        let missing = |field, wanted| Error::Field { ts, field, wanted };
        let op = fields.op.and_then(|op| op.as_str()).ok_or(missing("op", "a string"))?;
        let namespace = fields.namespace.and_then(|ns| ns.as_str()).ok_or(missing("ns", "a string"))?;
        let op = Op::named(op).ok_or_else(|| Error::UnknownOperation {
            ts,
            namespace: namespace.to_owned(),
            op: op.to_owned(),
        })?;
        let object = fields.object.and_then(|object| object.as_document());
        if object.is_none() && op != Op::Nothing {
            return Err(missing("o", "a document"));
        }
        Ok(Self {
            op,
            namespace,
            ts,
            object: object.unwrap_or_default(),
            object2: fields.object2,
            ui: fields.ui,
            lsid: fields.lsid,
            txn_number: fields.txn_number,
            has_previous: fields.has_previous,
            multi_op_type: fields.multi_op_type,
            bytes: entry,
        })
    }

    /// The database that the namespace names.
    pub fn db(&self) -> &'a str {
        self.namespace.split_once('.').map_or(self.namespace, |(db, _)| db)
    }

    /// The collection that the namespace names: `$cmd` for a command.
    pub fn collection(&self) -> &'a str {
        self.namespace.split_once('.').map_or("", |(_, collection)| collection)
    }

    /// The namespace that a write goes to.
    pub fn target(&self) -> Namespace {
        Namespace::new(self.db(), self.collection())
    }

    /// `ui`: the UUID of the collection, whatever name it had.
    pub fn uuid(&self) -> Option<[u8; 16]> {
        self.ui
    }

    /// The `_id` of the document that a write is about.
    pub fn id(&self) -> Result<Option<Element<'a>>> {
        let of = match self.op {
            Op::Update => self.object2.unwrap_or_default(),
            _ => self.object,
        };
        if of.is_empty() { Ok(None) } else { Ok(bytes::get(of, "_id")?) }
    }

    /// The same operation on another collection: `ns`, and of a command the collection that it names first.
    pub fn relocated(&self, to: &Namespace) -> Result<Vec<u8>> {
        let namespace = match self.op {
            Op::Command => format!("{}.$cmd", to.db),
            _ => format!("{}.{}", to.db, to.collection),
        };
        let mut out = Builder::with_capacity(self.bytes.len() + namespace.len());
        if let Some(ts) = self.ts {
            out.timestamp("ts", ts.seconds, ts.increment);
        }
        for element in Elements::new(self.bytes)? {
            let element = element?;
            match element.key {
                b"ns" => _ = out.str("ns", &namespace),
                b"o" if self.op == Op::Command => {
                    out.document("o", &with_first(self.object, &to.collection)?);
                }
                b"ts" => {}
                _ => _ = out.element(&element),
            }
        }
        Ok(out.finish())
    }

    /// The operation as applyOps takes it: what it does, and nothing of the session, the term or the
    /// time at which it was done. `o` and `o2` are copied byte for byte; the UUID stays where it is asked for.
    pub fn operation(&self, keep_uuid: bool) -> Result<Vec<u8>> {
        let mut out = Builder::with_capacity(self.bytes.len());
        for element in Elements::new(self.bytes)? {
            let element = element?;
            match element.key {
                b"op" | b"ns" | b"o" | b"o2" | b"b" => _ = out.element(&element),
                b"ui" if keep_uuid => _ = out.element(&element),
                _ => {}
            }
        }
        Ok(out.finish())
    }

    /// The same with another `o`.
    pub fn operation_with(&self, object: &[u8], keep_uuid: bool) -> Result<Vec<u8>> {
        let mut out = Builder::with_capacity(self.bytes.len());
        for element in Elements::new(self.bytes)? {
            let element = element?;
            match element.key {
                b"o" => _ = out.document("o", object),
                b"op" | b"ns" | b"o2" => _ = out.element(&element),
                b"ui" if keep_uuid => _ = out.element(&element),
                _ => {}
            }
        }
        Ok(out.finish())
    }

    /// The operations that are to be applied for this entry, in order: itself, or those inside its
    /// applyOps, at every level. The second value counts the applyOps that were opened.
    pub fn flatten(&self) -> Result<(Vec<Entry<'a>>, u64)> {
        let (mut flat, mut opened) = (Vec::new(), 0);
        self.flatten_into(&mut flat, &mut opened, 0)?;
        Ok((flat, opened))
    }

    fn flatten_into(&self, flat: &mut Vec<Entry<'a>>, opened: &mut u64, level: usize) -> Result<()> {
        let Some(operations) = self.nested()? else {
            flat.push(*self);
            return Ok(());
        };
        if level == NESTED_MAX {
            return Err(Error::TooDeep { ts: self.ts, max: NESTED_MAX });
        }
        *opened += 1;
        for operation in operations {
            self.inner(&operation?)?.flatten_into(flat, opened, level + 1)?;
        }
        Ok(())
    }

    /// The operations of an applyOps; nothing where this is none.
    fn nested(&self) -> Result<Option<Elements<'a>>> {
        if self.op != Op::Command {
            return Ok(None);
        }
        let Some(operations) = bytes::get(self.object, "applyOps")? else { return Ok(None) };
        let wanted = Error::Field { ts: self.ts, field: "o.applyOps", wanted: "an array" };
        Ok(Some(Elements::new(operations.as_array().ok_or(wanted)?)?))
    }

    fn inner(&self, operation: &Element<'a>) -> Result<Entry<'a>> {
        let wanted = Error::Field { ts: self.ts, field: "o.applyOps", wanted: "an array of documents" };
        Entry::inherit(operation.as_document().ok_or(wanted)?, self.ts)
    }
}

impl<'a> Fields<'a> {
    fn read(entry: &'a [u8]) -> Result<Self> {
        let mut fields = Self::default();
        for element in Elements::new(entry)? {
            let element = element?;
            match element.key {
                b"op" => fields.op = Some(element),
                b"ns" => fields.namespace = Some(element),
                b"o" => fields.object = Some(element),
                b"o2" => fields.object2 = element.as_document(),
                b"ui" => fields.ui = uuid(&element),
                b"ts" => fields.ts = element.as_timestamp().map(Timestamp::from),
                b"lsid" => fields.lsid = element.as_document(),
                b"txnNumber" => fields.txn_number = element.as_i64_lossless(),
                b"multiOpType" => fields.multi_op_type = element.as_i64_lossless(),
                b"prevOpTime" => fields.has_previous = names_an_entry(&element)?,
                _ => {}
            }
        }
        Ok(fields)
    }
}

/// A command whose first field, where it is text, is this.
fn with_first(command: &[u8], name: &str) -> Result<Vec<u8>> {
    let mut out = Builder::with_capacity(command.len() + name.len());
    for (place, element) in Elements::new(command)?.enumerate() {
        let element = element?;
        match element.as_str() {
            Some(_) if place == 0 => _ = out.str(element.key, name),
            _ => _ = out.element(&element),
        }
    }
    Ok(out.finish())
}

/// Whether a `prevOpTime` is another than `{ts: Timestamp(0, 0), ..}`.
fn names_an_entry(previous: &Element<'_>) -> Result<bool> {
    let Some(previous) = previous.as_document() else { return Ok(false) };
    let ts = bytes::get(previous, "ts")?.and_then(|ts| ts.as_timestamp());
    Ok(ts.is_some_and(|ts| ts != (0, 0)))
}

impl Op {
    fn named(name: &str) -> Option<Self> {
        match name {
            "i" => Some(Self::Insert),
            "u" => Some(Self::Update),
            "d" => Some(Self::Delete),
            "c" => Some(Self::Command),
            "n" | "ci" | "cu" | "cd" | "km" => Some(Self::Nothing),
            _ => None,
        }
    }

    /// The letter that stands for it in an entry.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Insert => "i",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Command => "c",
            Self::Nothing => "n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, Timestamp as BsonTimestamp, rawdoc};

    fn insert() -> RawDocumentBuf {
        rawdoc! {
            "lsid": { "id": 1 }, "txnNumber": 4_i64, "op": "i", "ns": "d.c.e", "ui": "u", "o": { "_id": 1 },
            "o2": { "_id": 1 }, "stmtId": 0, "ts": BsonTimestamp { time: 7, increment: 3 },
            "prevOpTime": { "ts": BsonTimestamp { time: 0, increment: 0 }, "t": -1_i64 },
        }
    }

    #[test]
    fn an_operation_loses_its_session_its_time_and_its_uuid() {
        let bytes = insert();
        let entry = Entry::parse(bytes.as_bytes()).unwrap();
        assert_eq!((entry.op, entry.ts), (Op::Insert, Some(Timestamp::new(7, 3))));
        assert_eq!((entry.db(), entry.collection()), ("d", "c.e"));
        let bare = rawdoc! { "op": "i", "ns": "d.c.e", "o": { "_id": 1 }, "o2": { "_id": 1 } };
        assert_eq!(entry.operation(false).unwrap(), bare.as_bytes());
        let kept = rawdoc! { "op": "i", "ns": "d.c.e", "ui": "u", "o": { "_id": 1 }, "o2": { "_id": 1 } };
        assert_eq!(entry.operation(true).unwrap(), kept.as_bytes());
    }

    #[test]
    fn operations_inside_inherit_the_time_and_are_found_at_every_level() {
        let inner = rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "applyOps": [insert(), insert()] } };
        let outer = rawdoc! {
            "op": "c", "ns": "admin.$cmd", "ts": BsonTimestamp { time: 9, increment: 1 },
            "o": { "applyOps": [{ "op": "n", "ns": "" }, inner] },
        };
        let (flat, opened) = Entry::parse(outer.as_bytes()).unwrap().flatten().unwrap();
        assert_eq!((flat.len(), opened), (3, 2));
        assert_eq!(flat[0].ts, Some(Timestamp::new(9, 1)));
        assert_eq!(flat[1].ts, Some(Timestamp::new(7, 3)));
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let mut entry = insert();
        for _ in 0..=NESTED_MAX {
            entry = rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "applyOps": [entry] } };
        }
        let error = Entry::parse(entry.as_bytes()).unwrap().flatten().unwrap_err();
        assert!(matches!(error, Error::TooDeep { .. }), "{error}");
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let text = |entry: RawDocumentBuf| Entry::parse(entry.as_bytes()).unwrap_err().to_string();
        assert!(text(rawdoc! { "ns": "d.c" }).contains("'op'"));
        assert!(text(rawdoc! { "op": "i", "o": {} }).contains("'ns'"));
        assert!(text(rawdoc! { "op": "i", "ns": "d.c" }).contains("'o'"));
        let ts = BsonTimestamp { time: 5, increment: 6 };
        let unknown = text(rawdoc! { "op": "xi", "ns": "d.c", "o": {}, "ts": ts });
        assert!(unknown.contains("'xi' on d.c at 5:6"), "{unknown}");
    }
}
