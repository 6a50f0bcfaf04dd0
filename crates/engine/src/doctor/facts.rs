//! What is known of a deployment, each with the reason where it is not, and the figures that follow from it.

use super::pace::Pace;
use crate::Result;
use mongoark_deployment as deployment;
use mongoark_deployment::health::{
    Compatibility, Member, MemberState, OplogWindow, Prepared, Right, SetConfig, Storage, User,
};
use mongoark_model::{DeploymentInfo, TopologyKind};
use std::path::PathBuf;
use std::time::Duration;

/// An oplog that holds so much of what it may hold is full: the server cuts it in pieces.
const FULL: f64 = 0.9;

/// All that was learnt of a deployment.
#[derive(Debug)]
pub struct Facts {
    /// Its shape.
    pub topology: TopologyKind,
    /// The set's configuration; of a set alone.
    pub config: Option<deployment::Result<SetConfig>>,
    /// The set's members.
    pub members: Vec<Member>,
    /// The member that a dump would read, or why there is none.
    pub chosen: deployment::Result<Chosen>,
    /// Room for the archive, where it could be asked for.
    pub space: Option<Space>,
}

/// The member that a dump would read, and what it answers.
#[derive(Debug)]
pub struct Chosen {
    /// The deployment as it sees it.
    pub info: DeploymentInfo,
    /// Its storage; nothing of a mongos, which has none.
    pub storage: Option<deployment::Result<Storage>>,
    /// Its feature compatibility version; nothing of a mongos.
    pub compatibility: Option<deployment::Result<Compatibility>>,
    /// Its prepared transactions; of a set alone.
    pub prepared: Option<deployment::Result<Prepared>>,
    /// Its oplog; of a set alone.
    pub oplog: Option<deployment::Result<OplogWindow>>,
    /// Who is signed in.
    pub user: deployment::Result<User>,
    /// The reads of a dump, and what came of each.
    pub rights: Vec<Right>,
    /// What a dump would take.
    pub data: Result<Data>,
    /// How fast it can be dumped; nothing where that was not asked for.
    pub pace: Option<Result<Pace>>,
}

/// What a dump would take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Databases that have any of it.
    pub databases: usize,
    /// Collections and time series.
    pub collections: usize,
    /// Raw BSON, bytes.
    pub bytes: u64,
    /// Databases and collections whose size was refused.
    pub unknown: usize,
    /// Whether there may be databases that the user cannot see.
    pub is_part: bool,
}

/// Room for the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// The folder that was asked about.
    pub path: PathBuf,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
}

/// Figures that follow from the facts; none where a fact is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Raw BSON that a dump would take, bytes.
    pub data_bytes: Option<u64>,
    /// How long a dump would take, seconds.
    pub dump_seconds: Option<f64>,
    /// How far apart the ends of the oplog are, seconds.
    pub oplog_seconds: Option<f64>,
    /// How far apart they will be once the oplog is full, seconds; only of one that is not.
    pub oplog_seconds_full: Option<f64>,
    /// Room for the archive, bytes.
    pub free_bytes: Option<u64>,
}

impl Figures {
    /// What follows from these facts.
    pub fn of(facts: &Facts) -> Self {
        let chosen = facts.chosen.as_ref().ok();
        let data = chosen.and_then(|chosen| chosen.data.as_ref().ok()).map(|data| data.bytes);
        let pace = chosen.and_then(|chosen| chosen.pace.as_ref()?.as_ref().ok());
        let oplog = chosen.and_then(|chosen| chosen.oplog.as_ref()?.as_ref().ok());
        let seconds = oplog.map(|oplog| f64::from(oplog.newest.time.saturating_sub(oplog.oldest.time)));
        Self {
            data_bytes: data,
            dump_seconds: pace.and_then(|pace| pace.dump_seconds(data?)),
            oplog_seconds: seconds,
            oplog_seconds_full: oplog.and_then(|oplog| seconds_when_full(seconds?, oplog.size?)),
            free_bytes: facts.space.as_ref().map(|space| space.free_bytes),
        }
    }

    /// How long an entry stays in the oplog, seconds.
    pub fn window_seconds(&self) -> Option<f64> {
        self.oplog_seconds_full.or(self.oplog_seconds)
    }
}

/// An oplog that was never full drops nothing: its age says little. What its size will hold at the rate so far does.
fn seconds_when_full(seconds: f64, (used_bytes, max_bytes): (u64, u64)) -> Option<f64> {
    let fill = used_bytes as f64 / max_bytes as f64;
    // An entry of this very second is a second old: less would tell nothing.
    (fill > 0.0 && fill < FULL).then(|| seconds.max(1.0) / fill)
}

/// How far each member is behind the newest write that any member has, less the delay that it is meant to have; none
/// of those that have no data, or do not answer.
pub fn lags(members: &[Member], delays: impl Fn(&str) -> Duration) -> Vec<Option<Duration>> {
    let last_write = |member: &Member| member.answer.as_ref().ok()?.last_write_ms;
    let newest = members.iter().filter_map(last_write).max().unwrap_or_default();
    let lag = |member: &Member| {
        let behind = match member.answer.as_ref().ok()?.state {
            MemberState::Primary => 0,
            MemberState::Arbiter => return None,
            _ => u64::try_from(newest.saturating_sub(last_write(member)?)).unwrap_or_default(),
        };
        Some(Duration::from_millis(behind).saturating_sub(delays(&member.address)))
    };
    members.iter().map(lag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oplog_that_is_not_full_has_its_rate_and_not_its_age() {
        assert_eq!(seconds_when_full(60.0, (10, 100)), Some(600.0));
        assert_eq!(seconds_when_full(0.0, (1, 100)), Some(100.0));
        assert_eq!(seconds_when_full(60.0, (95, 100)), None);
        assert_eq!(seconds_when_full(60.0, (0, 100)), None);
    }
}
