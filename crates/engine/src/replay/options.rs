//! What a replay is told, and what it tells.

use super::{Disputes, Marks, Places};
use mongoark_model::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet};

/// How to replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    /// The first time that is not replayed any more (exclusive); all of the oplog where none is given.
    pub limit: Option<Timestamp>,
    /// Whether collections keep the UUIDs of the entries. The target's collections must have them.
    pub preserve_uuids: bool,
    /// Up to this time (inclusive) the data that was restored may be younger than the entries: an update
    /// of a document that is not there is no error. Nothing means: the whole oplog.
    pub overlap_until: Option<Timestamp>,
    /// Up to this time (inclusive) a transaction may be committed whose beginning is not in the oplog: its
    /// changes are in the data already. Later ones are an error.
    pub committed_until: Option<Timestamp>,
    /// Whether entries at or before the time of the one before them are repetitions, to be passed over.
    /// For oplogs that are put together from pieces which overlap.
    pub skip_repeated: bool,
    /// Where the collections of the source are on the target.
    pub places: Places,
    /// Documents that could not be inserted, of which the oplog may make what is right.
    pub disputes: Disputes,
    /// Where to write down how far the replay is, and where an earlier one ended; nothing: nowhere.
    pub marks: Option<Marks>,
    /// Bytes of oplog that are to come, for the progress; 0 where unknown.
    pub expected_bytes: u64,
}

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries applied, counted as mongorestore does: the operations of a transaction one by one, commands
    /// that only edit the index catalog too, bookkeeping and no-ops not.
    pub applied: u64,
    /// Entries passed over: no-ops, bookkeeping of the server, namespaces that are not restored.
    pub skipped: u64,
    /// Transactions that were not committed by the end of the oplog; nothing of them was applied.
    pub unfinished: u64,
    /// Users and roles that the oplog changes and the target keeps as its own.
    pub kept: BTreeSet<String>,
    /// The `_id`s (kind and value) of documents that could not be inserted, and of which the oplog says nothing, by stream.
    pub unsettled: HashMap<u32, HashSet<(u8, Vec<u8>)>>,
    /// The time of the last entry that was looked at.
    pub last: Option<Timestamp>,
}
