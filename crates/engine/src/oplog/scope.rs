//! How much of the oplog an archive holds, as its catalog and its end say it.

use crate::Result;
use crate::select::Selection;
use mongoark_bson_bytes::get;
use mongoark_model::Timestamp;

/// Where the oplog in an archive comes from: what is known before its entries are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// From a dump of mongodump, which says nothing of it.
    #[default]
    Converted,
    /// It was followed beside a dump's collections.
    Dump(Scope),
    /// It is a slice of a continuous capture, and the archive holds nothing else.
    Slice(SliceStart),
}

/// The oplog of a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Every entry from here on is in it.
    pub first: Timestamp,
    /// The documents in the archive hold the effect of everything up to here at least.
    pub seen: Timestamp,
    /// Which namespaces the dump took; entries on others may be in it, and mean nothing.
    pub selection: Selection,
}

/// What tells an entry of an oplog from every other one, of whatever set. Whoever has the same entry has the same history before
/// it: two sets, or two copies of one, may have written at the same time and in the same term, but not at the same millisecond
/// of the wall clock with the same time of the oplog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryId {
    /// Its time.
    pub time: Timestamp,
    /// The term of the primary that wrote it.
    pub term: Option<i64>,
    /// When it was written, milliseconds since 1970.
    pub wall_ms: Option<i64>,
}

impl EntryId {
    /// That of an entry.
    pub(crate) fn of(entry: &[u8]) -> Result<Self> {
        let field = |key| get(entry, key).ok().flatten();
        let term = field("t").and_then(|term| term.as_i64_lossless());
        let wall_ms = field("wall").and_then(|wall| wall.as_date());
        Ok(Self { time: super::time_of(entry)?, term, wall_ms })
    }

    /// An entry of which only the time is known.
    pub(crate) fn at(time: Timestamp) -> Self {
        Self { time, term: None, wall_ms: None }
    }

    /// Whether it can be told from others.
    pub(crate) fn is_known(&self) -> bool {
        self.term.is_some() && self.wall_ms.is_some()
    }

    /// Whether both are the same entry, as far as both are known.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let agree =
            |one: Option<i64>, other: Option<i64>| one.zip(other).is_none_or(|(one, other)| one == other);
        self.time == other.time && agree(self.term, other.term) && agree(self.wall_ms, other.wall_ms)
    }
}

/// Where a slice begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceStart {
    /// Every entry that came after this one is in it.
    pub after: EntryId,
    /// Whether each of those can be found in it, too, of which a replay has no use; slices of older versions left them out.
    pub has_every_entry: bool,
    /// Why it does not go on where another one ends.
    pub gap: Option<Gap>,
}

/// A time that no slice holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// The last entry that is held before it.
    pub since: Timestamp,
    /// The first entry that is held behind it comes after this one.
    pub until: Timestamp,
    /// What happened.
    pub why: String,
}

/// The times between which an archive can bring a deployment: in its END.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first entry, or of a slice the one before it.
    pub start: Timestamp,
    /// The first moment that a replay can stop at; of a slice its start.
    pub consistent: Timestamp,
    /// The last moment that a replay can stop at. A majority of the members had it.
    pub end: Timestamp,
    /// The term of the entry at the end; dumps of older versions do not tell.
    pub end_term: Option<i64>,
    /// When that entry was written, milliseconds since 1970; archives of older versions do not tell.
    pub end_wall_ms: Option<i64>,
}

impl Span {
    /// The entry at its end.
    pub(crate) fn last(&self) -> EntryId {
        EntryId { time: self.end, term: self.end_term, wall_ms: self.end_wall_ms }
    }
}
