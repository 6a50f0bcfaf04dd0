//! What is known of a deployment as a whole: its shape, versions, and the member that is read.

use std::fmt;

/// The shape of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopologyKind {
    /// One server without an oplog.
    Standalone,
    /// A replica set of this name.
    ReplicaSet(String),
    /// A sharded cluster, seen through mongos.
    Sharded,
    /// Not known: a dump of mongodump does not tell.
    Unknown,
}

impl fmt::Display for TopologyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone => f.write_str("standalone"),
            Self::ReplicaSet(name) => write!(f, "replica set {name}"),
            Self::Sharded => f.write_str("sharded cluster"),
            Self::Unknown => f.write_str("deployment of unknown shape"),
        }
    }
}

/// The member a run reads from, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberChoice {
    /// `host:port`, as the set names it.
    pub address: String,
    /// One sentence for the report.
    pub reason: String,
    /// How far it was behind the newest write of the set when it was chosen, seconds; nothing where that is not known.
    pub lag_seconds: Option<u64>,
}

/// Beyond what members that keep up are behind each other: an idle primary writes only every ten seconds.
const NOTICEABLE_LAG_SECONDS: u64 = 10;

impl MemberChoice {
    /// Without knowing how far it is behind others.
    pub fn new(address: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { address: address.into(), reason: reason.into(), lag_seconds: None }
    }

    /// What to warn of where the member is noticeably behind.
    pub fn warning(&self) -> Option<String> {
        let seconds = self.lag_seconds.filter(|seconds| *seconds > NOTICEABLE_LAG_SECONDS)?;
        let Self { address, reason, .. } = self;
        Some(format!(
            "{address} is {seconds} s behind the newest write of the set: what is read is that much older ({reason})"
        ))
    }
}

/// Facts of a deployment that a dump carries along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentInfo {
    /// Its shape.
    pub topology: TopologyKind,
    /// `version` of `buildInfo`.
    pub server_version: String,
    /// `versionArray` of `buildInfo`: major, minor, patch.
    pub version: [i32; 3],
    /// The feature compatibility version, where the user may read it.
    pub fcv: Option<String>,
    /// The id that a replica set was given when it was initiated, where it can be learnt. Sets of the same name have others; a
    /// copy of a member's files has the same.
    pub set_id: Option<[u8; 12]>,
    /// The member that is read.
    pub member: MemberChoice,
}
