//! Errors of the flows.

use mongoark_container::ErrorKind as ArchiveErrorKind;
use mongoark_deployment::ErrorKind;
use mongoark_model::{Namespace, Timestamp};
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run failed as a whole. What failed for one namespace alone goes to the monitor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The deployment's side.
    #[error(transparent)]
    Deployment(#[from] mongoark_deployment::Error),
    /// The archive's side.
    #[error(transparent)]
    Archive(#[from] mongoark_container::Error),
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or a pipe could not be written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// The file, or what else takes the bytes.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// A collection's definition cannot be written in mongodump's format.
    #[error("cannot write the metadata of {namespace}: {source}")]
    Metadata {
        /// The collection.
        namespace: String,
        /// Why.
        source: mongoark_dump_format::Error,
    },
    /// A dump of mongodump is damaged.
    #[error("{location}: {source}")]
    Dump {
        /// The file or archive.
        location: String,
        /// What is wrong, and where.
        source: mongoark_dump_format::Error,
    },
    /// An oplog entry that cannot be read, or may not be replayed.
    #[error(transparent)]
    Oplog(#[from] mongoark_oplog::Error),
    /// An oplog entry that the target refused.
    #[error("cannot replay the oplog entry at {ts} ('{op}' on {namespace}): {source}")]
    Unreplayable {
        /// The entry's operation, as a letter.
        op: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its time.
        ts: Timestamp,
        /// What the target said.
        source: mongoark_deployment::Error,
    },
    /// The oplog writes to a collection that the target does not have, and does not drop it later.
    #[error(
        "cannot replay the oplog: {namespace}, which it writes to at {ts}, does not exist on the target; restore \
         that collection too"
    )]
    MissingCollection {
        /// The collection.
        namespace: Namespace,
        /// The first write to it.
        ts: Timestamp,
    },
    /// The oplog makes a collection that the target has as one of its own.
    #[error(
        "cannot replay the oplog: it creates {namespace} at {ts}, which the target has already; restore with \
         --existing drop to replace it, with --rename beside it, or into another deployment"
    )]
    InTheWay {
        /// The collection.
        namespace: Namespace,
        /// When it was created at the source.
        ts: Timestamp,
    },
    /// The oplog commits a transaction whose operations it does not have.
    #[error(
        "cannot replay the oplog: it commits transaction {id} at {ts}, but begins after that transaction began; \
         its changes would be lost"
    )]
    TransactionWithoutBeginning {
        /// The transaction.
        id: String,
        /// Where it is committed.
        ts: Timestamp,
    },
    /// More transactions are open at the same time than a server has.
    #[error("cannot replay the oplog: more than {max} transactions are open at once; the oplog is damaged")]
    TooManyTransactions {
        /// The limit.
        max: usize,
    },
    /// The oplog does not reach back to where it is needed.
    #[error(
        "the oplog no longer holds the entry at {needed}: it begins at {oldest} by now. It rolled over, or the member \
         was synced anew; dump from a quieter member, at a quieter time, or enlarge its oplog (replSetResizeOplog)"
    )]
    OplogLost {
        /// The entry that is needed.
        needed: Timestamp,
        /// The oldest that there is.
        oldest: Timestamp,
    },
    /// A slice of a captured oplog cannot be used.
    #[error("{path}: {source}", path = path.display())]
    Slice {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// The oplog could not be read at all.
    #[error("{0}; or dump with --no-oplog, into an archive that is of no single moment")]
    NoOplog(#[source] Box<Error>),
    /// The member took back what it had shown.
    #[error(
        "the member that is read has rolled back writes or was restarted while it was read: what was read may be lost there, \
         and then is of no one moment; dump again"
    )]
    RolledBack,
    /// The member that was read is lost, and no member can be read in its place.
    #[error("{lost}. No member of the set can be gone on with: {others}")]
    NoOtherMember {
        /// How it was lost.
        #[source]
        lost: Box<Error>,
        /// What is wrong with each of the others.
        others: String,
    },
    /// What was read is not known to last.
    #[error(
        "the last writes, at {consistent}, are not on a majority of the members, which has stood still at {committed}: \
         they may be rolled back, and so the archive would be of no sure moment. Wait until a majority of the members \
         is up, or dump with --no-oplog"
    )]
    NotCommitted {
        /// What was read is of this time.
        consistent: Timestamp,
        /// What a majority has.
        committed: Timestamp,
    },
    /// What a dump or a target does not allow; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// A collection that could not be restored.
    #[error("{namespace}: {action}: {source}")]
    Restoring {
        /// The collection, as the tools name it.
        namespace: String,
        /// What was being done.
        action: String,
        /// Why it failed.
        source: Box<Error>,
    },
    /// What is to be written is nothing that mongodump's format can hold.
    #[error("cannot write {what}: {source}")]
    Format {
        /// What was being made.
        what: String,
        /// Why.
        source: mongoark_dump_format::Error,
    },
    /// The oplog could not be replayed.
    #[error("restore error: error applying oplog: {0}")]
    Applying(#[source] Box<Error>),
    /// An archive's catalog is not what this version writes.
    #[error("the archive's catalog is not valid: {0}")]
    Catalog(String),
    /// What was asked for makes no sense, or selects nothing.
    #[error("{0}")]
    Usage(String),
    /// A collection that the restore would write to exists.
    #[error(
        "{namespace} exists on the target{others}; nothing was written. Use --existing merge to add to what is \
         there, --existing drop to replace it, or --rename to restore beside it"
    )]
    Exists {
        /// The first that exists.
        namespace: Namespace,
        /// ` and N more`, or nothing.
        others: String,
    },
    /// The same, and it may be what an earlier run has made.
    #[error(
        "{namespace} exists on the target{others}, and an earlier restore of this archive was broken off there; nothing \
         was written. Use --resume to go on with it, or --existing drop to restore anew"
    )]
    BrokenOff {
        /// The first that exists.
        namespace: Namespace,
        /// ` and N more`, or nothing.
        others: String,
    },
    /// Another run writes what this one would.
    #[error(
        "another run restores this archive into this target, and has taken over from this one; let it end, then look at \
         what it says"
    )]
    TakenOver,
    /// A pipe took back what it had given.
    #[error(
        "the archive takes back documents that were read already, because a cursor was lost during the dump. Save the archive to a file \
         and use that; a restore is begun anew, with --existing drop"
    )]
    Retracted,
    /// No secret could be had.
    #[error(transparent)]
    Secret(Box<dyn std::error::Error + Send + Sync>),
    /// The run was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A part of the pipeline ended before its time; the first cause is another error.
    #[error("{0} ended early")]
    PipelineClosed(&'static str),
}

impl Error {
    /// Whether the same command with `--resume` may succeed where a restore ended with this error.
    pub(crate) fn may_be_gone_on_after(&self) -> bool {
        match self {
            Self::Archive(error) => {
                matches!(error.kind(), ArchiveErrorKind::Truncated | ArchiveErrorKind::Io)
            }
            Self::Unreplayable { source, .. } => source.may_pass(),
            Self::Slice { source, .. } | Self::Restoring { source, .. } | Self::Applying(source) => {
                source.may_be_gone_on_after()
            }
            // A full disk can be emptied, a right can be given.
            Self::Deployment(_)
            | Self::Interrupted
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::PipelineClosed(_) => true,
            _ => false,
        }
    }

    /// Whether this only follows from another part's failure.
    pub(crate) fn is_consequence(&self) -> bool {
        match self {
            Self::PipelineClosed(_) => true,
            // Who has taken over, and from whom, is told by whoever found out.
            Self::Deployment(error) => error.kind() == ErrorKind::Fenced,
            Self::Unreplayable { source, .. } => source.kind() == ErrorKind::Fenced,
            Self::Restoring { source, .. } | Self::Applying(source) => source.is_consequence(),
            _ => false,
        }
    }
}

/// Of two failures the one that tells the cause.
pub(crate) fn cause_of<T, U>(first: Result<T>, second: Result<U>) -> Result<(T, U)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(first), Err(second)) => Err(if first.is_consequence() { second } else { first }),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}
