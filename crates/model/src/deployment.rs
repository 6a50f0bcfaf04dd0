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
    /// The member that is read.
    pub member: MemberChoice,
}
