//! Reading the oplog of the member that is read: where it stands, where a dump has to start in it, and
//! its entries as they come.

use crate::client::any_member;
use crate::command::{self, From};
use crate::error::{Error, ErrorKind, Result, While};
use crate::patience::Patience;
use crate::scan::Batch;
use crate::source::Source;
use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf, Timestamp, rawdoc};
use futures_util::StreamExt;
use mongoark_model::TopologyKind;
use mongodb::options::CursorType;
use mongodb::raw_batch_cursor::RawBatchCursor;
use std::time::Duration;

/// The oplog of a replica set's member, in database `local`.
const COLLECTION: &str = "oplog.rs";
/// How long the server waits for new entries before it answers without any.
const AWAIT: Duration = Duration::from_secs(1);

/// Where a member's oplog stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last entry that the member has applied.
    pub last_applied: Timestamp,
    /// The last entry that the member knows to be on a majority: it cannot be rolled back.
    pub last_committed: Timestamp,
    /// Grows with every rollback of this member.
    pub rollback_id: i32,
}

/// Where a dump has to start in the oplog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The first entry that is needed: the last one there was, or the beginning of the oldest
    /// transaction that was open then.
    pub first: Timestamp,
    /// The term of that entry.
    pub term: i64,
    /// Whether that entry itself matters, as the beginning of a transaction that was open. If not, its effect is in
    /// whatever is read from now on, and only its being there counts.
    pub is_open: bool,
    /// The last entry after the open transactions were asked for. The effect of everything up to here is in what
    /// cursors opened from now on read.
    pub seen: Timestamp,
}

/// An entry of the oplog. Members that have the same entry have the same entries before it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its time.
    pub time: Timestamp,
    /// The term of the primary that wrote it. Time and term together name one entry of a set.
    pub term: i64,
    /// When it was written, milliseconds since 1970: tells a set from others of its name.
    pub wall_ms: i64,
}

/// The newest entry of the member's oplog, which comes after all whose effect could be seen before.
pub async fn newest(source: &Source) -> Result<Mark> {
    has_oplog(source)?;
    let command = rawdoc! {
        "find": COLLECTION,
        "sort": { "$natural": -1 },
        "projection": { "ts": 1, "t": 1, "wall": 1 },
        "limit": 1,
        "singleBatch": true,
    };
    let action = "read the newest oplog entry";
    let entry = first_of(source, "local", command, action).await?;
    mark(&entry.ok_or_else(|| Error::new(ErrorKind::Unsupported, action, "the oplog is empty"))?)
}

/// Whether the member's oplog has this entry.
pub async fn has(source: &Source, wanted: &Mark) -> Result<bool> {
    has_oplog(source)?;
    let command = rawdoc! {
        "find": COLLECTION,
        "filter": { "ts": wanted.time },
        "projection": { "ts": 1, "t": 1, "wall": 1 },
        "limit": 1,
        "singleBatch": true,
    };
    let found = first_of(source, "local", command, "look for an entry of the oplog").await?;
    Ok(found.map(|entry| mark(&entry)).transpose()?.as_ref() == Some(wanted))
}

fn mark(entry: &RawDocument) -> Result<Mark> {
    let wrong = |error: bson::error::Error| Error::reply("read an oplog entry", error.to_string());
    Ok(Mark {
        time: entry.get_timestamp("ts").map_err(wrong)?,
        term: entry.get_i64("t").map_err(wrong)?,
        wall_ms: entry.get_datetime("wall").map_err(wrong)?.timestamp_millis(),
    })
}

/// Where the oplog of the source's member stands. Role `backup` is enough.
pub async fn position(source: &Source) -> Result<Position> {
    let action = "ask where the oplog stands";
    has_oplog(source)?;
    let last = last(source).await?;
    let mut find = rawdoc! { "find": COLLECTION, "filter": { "ts": { "$gte": last } }, "limit": 1 };
    // What it was about may not be text that can be decoded.
    find.append(cstr!("projection"), rawdoc! { "ts": 1 });
    find.append(cstr!("singleBatch"), true);
    find.append(cstr!("$oplogQueryData"), 1);
    let database = source.client.database("local");
    let mut patience = Patience::default();
    let reply = loop {
        let reply = database.run_raw_command(find.clone()).selection_criteria(any_member()).await;
        match reply.while_doing(|| action.to_owned()) {
            Err(error) if error.is_passing() => patience.wait(error).await?,
            reply => break reply?,
        }
    };
    let data = reply
        .get_document("$oplogQueryData")
        .map_err(|_| Error::reply(action, "the server's answer lacks $oplogQueryData"))?;
    let time = |key: &str| data.get_document(key).and_then(|time| time.get_timestamp("ts"));
    let wrong = |error: bson::error::Error| Error::reply(action, error.to_string());
    Ok(Position {
        last_applied: time("lastOpApplied").map_err(wrong)?,
        last_committed: time("lastOpCommitted").map_err(wrong)?,
        rollback_id: data.get_i32("rbid").map_err(wrong)?,
    })
}

/// Where a dump that begins now has to start. To be asked before the first cursor is opened.
///
/// It begins at what a majority has: a primary writes entries side by side, and behind the newest one there may be
/// older ones that are not there yet. In what a majority has there are no such holes.
pub async fn start(source: &Source) -> Result<Start> {
    has_oplog(source)?;
    let before = last_of_majority(source).await?;
    let open = oldest_transaction(source).await?;
    let seen = last(source).await?;
    let first = open.map_or(before, |open| open.min(before));
    let gone =
        || Error::new(ErrorKind::Unsupported, "read the oplog", "its first entry that is needed is gone");
    let term = term_of(source, first).await?.ok_or_else(gone)?;
    Ok(Start { first, term, is_open: open.is_some_and(|open| open <= before), seen })
}

/// The term of the entry of this time; nothing where there is no such entry. Time and term together name one entry,
/// whatever was rolled back or synced anew.
pub async fn term_of(source: &Source, time: Timestamp) -> Result<Option<i64>> {
    has_oplog(source)?;
    let action = "look for an entry of the oplog";
    let command = rawdoc! {
        "find": COLLECTION,
        "filter": { "ts": time },
        "projection": { "t": 1 },
        "limit": 1,
        "singleBatch": true,
    };
    let Some(entry) = first_of(source, "local", command, action).await? else { return Ok(None) };
    entry.get_i64("t").map(Some).map_err(|error| Error::reply(action, error.to_string()))
}

/// What tells one initial sync of the member from another: the document that the server keeps of its last one, empty where
/// there was none. Nothing where the user may not read it.
pub async fn initial_sync(source: &Source) -> Result<Option<Vec<u8>>> {
    has_oplog(source)?;
    let command = rawdoc! { "find": "replset.initialSyncId", "limit": 1, "singleBatch": true };
    match first_of(source, "local", command, "ask when the member was synced").await {
        Ok(found) => Ok(Some(found.map(RawDocumentBuf::into_bytes).unwrap_or_default())),
        Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(None),
        Err(error) => Err(error),
    }
}

/// The time of the newest entry that a majority has.
async fn last_of_majority(source: &Source) -> Result<Timestamp> {
    const MAJORITY_NOT_ENABLED: i32 = 148;
    match end_of_oplog(source, -1, Level::Majority).await {
        // Servers of 4.4 can be run without it.
        Err(error) if error.is_code(MAJORITY_NOT_ENABLED) => last(source).await,
        found => found,
    }
}

/// The time of the oldest entry that is still there.
pub async fn oldest(source: &Source) -> Result<Timestamp> {
    has_oplog(source)?;
    end_of_oplog(source, 1, Level::Local).await
}

/// The time of the newest entry.
pub async fn last(source: &Source) -> Result<Timestamp> {
    has_oplog(source)?;
    end_of_oplog(source, -1, Level::Local).await
}

/// Whether the cursor lost its place because the oplog rolled over it.
pub fn is_rolled_over(error: &Error) -> bool {
    const CAPPED_POSITION_LOST: i32 = 136;
    error.is_code(CAPPED_POSITION_LOST)
}

/// Which entries are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the member has.
    Local,
    /// What it knows to be on a majority, and so can never be rolled back.
    Majority,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Majority => "majority",
        }
    }
}

/// A cursor that follows the oplog, and waits at its end for what comes.
pub struct Tail {
    cursor: RawBatchCursor,
}

impl Tail {
    /// Follows the oplog from its first entry at or after `from`.
    pub async fn open(source: &Source, from: Timestamp, level: Level) -> Result<Self> {
        has_oplog(source)?;
        let command = rawdoc! {
            "find": COLLECTION,
            "filter": { "ts": { "$gte": from } },
            "tailable": true,
            "awaitData": true,
            "noCursorTimeout": true,
            "readConcern": { "level": level.as_str() },
        };
        let database = source.client.database("local");
        let cursor = database
            .run_raw_cursor_command(command)
            .selection_criteria(any_member())
            .cursor_type(CursorType::TailableAwait)
            .max_time(AWAIT)
            .batch()
            .await
            .while_doing(|| "read the oplog".to_owned())?;
        Ok(Self { cursor })
    }

    /// The next entries, in order. Empty after about a second without any; nothing when the server has
    /// closed the cursor. [`is_rolled_over`] tells the error of a cursor that was too slow.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        let Some(raw) = self.cursor.next().await else { return Ok(None) };
        raw.while_doing(|| "read the oplog".to_owned()).map(|raw| Some(Batch::whole(raw)))
    }
}

/// Refuses a deployment that keeps no oplog, or none that could be read as one.
fn has_oplog(source: &Source) -> Result<()> {
    let missing = match &source.info().topology {
        TopologyKind::ReplicaSet(_) => return Ok(()),
        TopologyKind::Standalone => "the server is no member of a replica set and so keeps no oplog",
        TopologyKind::Sharded => "a sharded cluster has an oplog for each shard, and mongos has none",
        TopologyKind::Unknown => "the shape of the deployment is not known",
    };
    Err(Error::new(ErrorKind::Unsupported, "read the oplog", missing))
}

/// The time of the first entry in natural order, or with -1 of the last.
async fn end_of_oplog(source: &Source, direction: i32, level: Level) -> Result<Timestamp> {
    let command = rawdoc! {
        "find": COLLECTION,
        "sort": { "$natural": direction },
        "projection": { "ts": 1 },
        "limit": 1,
        "singleBatch": true,
        "readConcern": { "level": level.as_str() },
    };
    let action = if direction < 0 { "read the newest oplog entry" } else { "read the oldest oplog entry" };
    let entry = first_of(source, "local", command, action).await?;
    let entry = entry.ok_or_else(|| Error::new(ErrorKind::Unsupported, action, "the oplog is empty"))?;
    timestamp(&entry, "ts", action)
}

/// When the oldest transaction began that is prepared or in progress.
async fn oldest_transaction(source: &Source) -> Result<Option<Timestamp>> {
    let action = "look for open transactions in config.transactions";
    let command = rawdoc! {
        "find": "transactions",
        "filter": { "state": { "$in": ["prepared", "inProgress"] } },
        "sort": { "startOpTime": 1 },
        "limit": 1,
        "singleBatch": true,
        "readConcern": { "level": "local" },
    };
    let Some(found) = first_of(source, "config", command, action).await? else { return Ok(None) };
    let start = found.get_document("startOpTime");
    let start = start.map_err(|error| Error::reply(action, error.to_string()))?;
    timestamp(start, "ts", action).map(Some)
}

async fn first_of(
    source: &Source,
    db: &str,
    command: RawDocumentBuf,
    action: &str,
) -> Result<Option<RawDocumentBuf>> {
    let found = command::all(&source.client.database(db), From::Pinned, command, action).await?;
    Ok(found.into_iter().next())
}

fn timestamp(document: &RawDocument, key: &str, action: &str) -> Result<Timestamp> {
    document.get_timestamp(key).map_err(|error| Error::reply(action, error.to_string()))
}
