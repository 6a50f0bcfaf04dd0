//! How much of the oplog an archive holds, as its catalog and its end say it.

use crate::select::Selection;
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

/// Where a slice begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceStart {
    /// Every entry that came after this one is in it.
    pub after: Timestamp,
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
    /// The term of the entry at the end; a slice has it.
    pub end_term: Option<i64>,
}
