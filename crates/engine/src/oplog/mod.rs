//! The oplog of a time: found where it has to begin, followed while a dump runs, ended at what a majority has.
//!
//! [`Beginning`] is asked before anything else is read, [`Capture`] follows from there into an [`EntrySink`], and
//! [`settle`] tells where it may end. [`kept`] says which entries an archive of mongoark keeps; [`archived`] puts them
//! into its chunks. Replaying is [`crate::replay`]'s.

mod archived;
mod beginning;
mod follow;
mod kept;
mod part;
mod scope;
mod settle;

pub(crate) use archived::ArchivedOplog;
pub(crate) use beginning::Beginning;
pub(crate) use follow::{Capture, EntrySink, Following, tail};
pub(crate) use kept::{Kept, kept, stand_in};
pub use scope::{EntryId, Gap, Origin, Scope, SliceStart, Span};
pub(crate) use settle::{Settled, settle};

use crate::{Error, Result};
use mongoark_bson_bytes::get;
use mongoark_model::Timestamp;

/// The time of an entry.
pub(crate) fn time_of(entry: &[u8]) -> Result<Timestamp> {
    let time = get(entry, "ts").ok().flatten().and_then(|ts| ts.as_timestamp());
    time.map(Timestamp::from).ok_or_else(|| Error::Refused("an oplog entry has no time".to_owned()))
}
