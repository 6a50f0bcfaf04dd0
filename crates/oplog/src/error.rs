//! What can be wrong with an entry, or forbid to replay it.

use crate::refusal::Refusal;
use mongoark_bson_bytes as bytes;
use mongoark_model::{Namespace, Timestamp};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an entry cannot be understood or may not be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not BSON.
    #[error("an oplog entry cannot be read: {0}; the oplog is damaged")]
    Bson(#[from] bytes::Error),
    /// A field is missing or of another type.
    #[error("the oplog entry{} has no field '{field}' that is {wanted}; the oplog is damaged", at(*.ts))]
    Field {
        /// The entry's time, where it has one.
        ts: Option<Timestamp>,
        /// The field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// An operation that this version does not know.
    #[error(
        "unknown oplog operation '{op}' on {namespace}{}: it cannot be replayed; stop before it with a limit",
        at(*.ts)
    )]
    UnknownOperation {
        /// The entry's time, where it has one.
        ts: Option<Timestamp>,
        /// Its namespace.
        namespace: String,
        /// What it says of itself.
        op: String,
    },
    /// A command that this version does not know.
    #[error(
        "unknown oplog command name {command} on {namespace}{}: it cannot be replayed; stop before it with a limit",
        at(*.ts)
    )]
    UnknownCommand {
        /// The entry's time, where it has one.
        ts: Option<Timestamp>,
        /// Its namespace.
        namespace: String,
        /// The command.
        command: String,
    },
    /// An entry whose replay would do harm.
    #[error("the oplog entry on {namespace}{} cannot be replayed: {refusal}; stop before it with a limit", at(*.ts))]
    Refused {
        /// The entry's time, where it has one.
        ts: Option<Timestamp>,
        /// Its namespace.
        namespace: String,
        /// Why.
        refusal: Refusal,
    },
    /// A change of an index that makes no sense.
    #[error("the oplog changes an index of {namespace} in a way that is not known: {what}")]
    IndexChange {
        /// The collection.
        namespace: Namespace,
        /// What is wrong.
        what: String,
    },
    /// Commands within commands, deeper than a server makes them.
    #[error("the oplog entry{} nests applyOps more than {max} levels deep; the oplog is damaged", at(*.ts))]
    TooDeep {
        /// The entry's time, where it has one.
        ts: Option<Timestamp>,
        /// Levels that are followed.
        max: usize,
    },
}

fn at(ts: Option<Timestamp>) -> String {
    ts.map(|ts| format!(" at {ts}")).unwrap_or_default()
}
