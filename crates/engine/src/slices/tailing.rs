//! Reading what a majority of a replica set has written, on whichever member can be read: without a gap, and each entry
//! once.

use crate::oplog::{EntryId, tail};
use crate::{Error, Result};
use async_channel::Receiver;
use mongoark_deployment::oplog::{self, Level, Tail};
use mongoark_deployment::{Batch, Connection, Error as DeploymentError, Source, SourceOptions};
use mongoark_model::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a member may take to come to where the last one was.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often the caller looks at other things.
const TICK: Duration = Duration::from_millis(200);

/// Where reading begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// Behind this entry, which must be there.
    Behind(EntryId),
    /// Behind this time: the entry of it must be there, or the one that follows it directly.
    After(Timestamp),
}

/// What comes of reading.
pub(super) enum Tailed {
    /// Entries, the first of them the one to go on behind where that was not passed by yet.
    Batch(Batch),
    /// Nothing for the moment.
    Nothing,
    /// The cursor ended and another one is needed, maybe on another member.
    Ended(Option<DeploymentError>),
}

/// A cursor on one member.
pub(super) struct Tailing {
    pub(super) source: Source,
    incoming: Receiver<mongoark_deployment::Result<Batch>>,
    opened: Instant,
    has_begun: bool,
}

impl Tailing {
    /// Chooses a member and opens a cursor there.
    pub(super) async fn open(
        connection: &Connection,
        options: &SourceOptions,
        from: Timestamp,
    ) -> Result<Self> {
        let source = Source::through(connection, options).await?;
        let incoming = tail(Tail::open(&source, from.into(), Level::Majority).await?);
        Ok(Self { source, incoming, opened: Instant::now(), has_begun: false })
    }

    /// What comes next, or nothing after a moment.
    pub(super) async fn next(&mut self) -> Tailed {
        match timeout(TICK, self.incoming.recv()).await {
            Ok(Ok(Ok(batch))) => Tailed::Batch(batch),
            Ok(Ok(Err(error))) => Tailed::Ended(Some(error)),
            Ok(Err(_)) => Tailed::Ended(None),
            // A member that never comes to where the last one was is none to wait for.
            Err(_) if !self.has_begun && self.opened.elapsed() > CATCH_UP => Tailed::Ended(None),
            Err(_) => Tailed::Nothing,
        }
    }

    /// Whether the first entry that comes is the one that must be there; what is wrong where it is not.
    pub(super) fn check_first(&mut self, from: From, first: EntryId) -> Option<String> {
        if std::mem::replace(&mut self.has_begun, true) {
            return None;
        }
        match from {
            From::Behind(place) if place.may_be(&first) => None,
            From::After(time) if first.time == time || first.time == time.next() => None,
            From::Behind(place) if place.time == first.time => Some(format!(
                "the entry at {} is another one by now: the set took back what a majority had",
                place.time
            )),
            From::Behind(_) | From::After(_) => Some(format!(
                "the oplog begins at {} by now: it rolled over while nobody captured it, or the member was synced anew",
                first.time
            )),
        }
    }

    /// Whether the first entry has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }
}

/// Behind which time a capture begins that has nothing before it: early enough for the transactions that are open now.
pub(super) async fn beginning(connection: &Connection, options: &SourceOptions) -> Result<Timestamp> {
    let source = Source::through(connection, options).await?;
    Ok(before(oplog::start(&source).await?.first.into()))
}

/// The greatest timestamp before this one.
fn before(time: Timestamp) -> Timestamp {
    match time.increment.checked_sub(1) {
        Some(increment) => Timestamp { increment, ..time },
        None => Timestamp::new(time.seconds.saturating_sub(1), u32::MAX),
    }
}

/// Whether trying again, maybe on another member, may help.
pub(super) fn is_passing(error: &Error) -> bool {
    use mongoark_deployment::ErrorKind;
    match error {
        Error::Deployment(error) => {
            error.is_passing()
                || error.kind() == ErrorKind::Unreachable
                || crate::scan::is_lost_cursor(error)
                || oplog::is_rolled_over(error)
        }
        _ => false,
    }
}
