//! A finding: one check's outcome, in words, with what to do about it.

use std::fmt;

/// How good a finding is. Later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// A backup can be made, and something about it is weaker than it could be, or could not be looked at.
    Warning,
    /// A backup would fail, or might not be worth having.
    Problem,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether anybody answers.
    Reachable,
    /// What kind of deployment it is.
    Deployment,
    /// One member of the set.
    Member,
    /// Whether the set has a primary and a majority.
    Majority,
    /// Whether all members run one version.
    Versions,
    /// The member that a dump would read.
    ReadFrom,
    /// `writeConcernMajorityJournalDefault`.
    MajorityJournal,
    /// The storage engine.
    StorageEngine,
    /// The journal.
    Journaling,
    /// The feature compatibility version.
    Fcv,
    /// Prepared transactions.
    Transactions,
    /// What the user may read.
    Permissions,
    /// Whether the user could restore.
    RestoreRights,
    /// How much there is to dump.
    Data,
    /// How long a dump takes.
    DumpTime,
    /// How far back the oplog reaches.
    OplogWindow,
    /// Room for the archive.
    FreeSpace,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// What of several it is about: a member's address, or what was refused.
    pub subject: Option<String>,
    /// How good it is.
    pub level: Level,
    /// What is so.
    pub what: String,
    /// What to do; nothing where it is ok.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub(super) fn ok(check: Check, what: impl Into<String>) -> Self {
        Self { check, subject: None, level: Level::Ok, what: what.into(), remedy: None }
    }

    /// Something is weaker than it could be.
    pub(super) fn warning(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, remedy: Some(remedy.into()), ..Self::ok(check, what) }
    }

    /// Something stands in the way.
    pub(super) fn problem(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Problem, remedy: Some(remedy.into()), ..Self::ok(check, what) }
    }

    /// The same, about one of several.
    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }
}

/// The worst level of all findings; ok where there are none.
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

impl Level {
    /// The word in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Check {
    /// The name by which a script knows it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Deployment => "deployment",
            Self::Member => "member",
            Self::Majority => "majority",
            Self::Versions => "versions",
            Self::ReadFrom => "read-from",
            Self::MajorityJournal => "majority-journal",
            Self::StorageEngine => "storage-engine",
            Self::Journaling => "journaling",
            Self::Fcv => "fcv",
            Self::Transactions => "transactions",
            Self::Permissions => "permissions",
            Self::RestoreRights => "restore-rights",
            Self::Data => "data",
            Self::DumpTime => "dump-time",
            Self::OplogWindow => "oplog-window",
            Self::FreeSpace => "free-space",
        }
    }
}

impl fmt::Display for Check {
    /// The name in a line for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fcv => f.write_str("FCV"),
            check => f.write_str(&check.id().replace('-', " ")),
        }
    }
}
