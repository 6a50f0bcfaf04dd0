//! The flow of mongorestore: a dump of mongodump into a deployment. Collections, users and roles, oplog, indexes.

mod options;

pub use options::{Input, Options};

use crate::{Error, Stop};
use mongoark_deployment::Target;
use mongoark_monitor::Monitor;

/// What a run has done, whether it went well or not.
#[derive(Debug, Default)]
pub struct Report {
    /// Documents that this run wrote.
    pub restored: u64,
    /// Documents that it did not: there already, refused by a validator, or the ones at which it stopped.
    pub failed: u64,
    /// What ended the run before its time, or was not carried over: the exit code is 1.
    pub error: Option<Error>,
}

/// Restores a dump as mongorestore does. What it says on the way goes to the monitor in mongorestore's words: a step
/// is always printed, a detail from `-v` on. The last lines (`Failed: ...` and the counts) are the caller's.
pub async fn restore(
    _target: &Target,
    _input: Input,
    _options: &Options,
    _monitor: &Monitor,
    _stop: &Stop,
) -> Report {
    todo!()
}
