//! A run of `mongorestore`.

use super::job::{Job, JobError};
use crate::chain::chain;
use crate::personality::log::{ALWAYS, DEBUG_HIGH, INFO, Log, Watcher};
use crate::personality::progress::{Progress, Unit};
use crate::personality::tool::MONGORESTORE;
use crate::personality::{FAILED, connection, signals};
use mongoark_engine::deployment::{self, Target, TargetOptions, UriWriteConcern, WriteConcern};
use mongoark_engine::mongorestore::{Report, restore};
use mongoark_engine::{Error as EngineError, Stop};
use mongoark_monitor::Monitor;
use std::io;

/// Why a restore did not come about.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("Failed: {0}")]
    Job(#[from] JobError),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("error connecting to host: {}", chain(.0))]
    Connect(deployment::Error),
    #[error("error parsing write concern: {0}")]
    WriteConcern(String),
}

/// Runs to an exit code.
pub async fn main(job: Job, log: Log) -> u8 {
    match run(&job, &log).await {
        Ok(code) => code,
        Err(error) => {
            log.line(ALWAYS, &error.to_string());
            if matches!(error, StartError::Job(_)) {
                let acknowledged = write_concern(&job, &UriWriteConcern::default());
                let acknowledged = acknowledged.is_ok_and(|concern| concern.is_acknowledged());
                log.line(ALWAYS, &counts(&Report::default(), acknowledged));
            }
            FAILED
        }
    }
}

async fn run(job: &Job, log: &Log) -> Result<u8, StartError> {
    let stop = Stop::default();
    let asked = stop.clone();
    signals::watch(log.clone(), Some(move || asked.request())).map_err(StartError::Signals)?;
    log.line(DEBUG_HIGH, "checking options");
    job.check()?;
    for deprecation in job.deprecations() {
        log.line(ALWAYS, deprecation);
    }
    let options = job.options()?;
    let input = job.input()?;
    let connection = connection::open(&job.settled, &MONGORESTORE).await.map_err(StartError::Connect)?;
    let concern = write_concern(job, connection.write_concern())?;
    log.line(INFO, &format!("using write concern: {concern}"));
    let is_acknowledged = concern.is_acknowledged();
    let target_options = TargetOptions { write_concern: Some(concern) };
    let target = Target::through(&connection, &target_options).await.map_err(StartError::Connect)?;
    if job.is_of_default_folder() {
        log.line(ALWAYS, "using default 'dump' directory");
    }
    let progress = Progress::new(log.clone(), Unit::Bytes);
    let monitor = Monitor::new(Watcher::new(log.clone(), progress.clone()));
    let display = progress.show(monitor.clone());
    let report = restore(&target, input, &options, &monitor, &stop).await;
    drop(display);
    Ok(end(&report, is_acknowledged, monitor.has_failures(), log))
}

fn write_concern(job: &Job, uri: &UriWriteConcern) -> Result<WriteConcern, StartError> {
    let flag = job.settled.typed.restore.write_concern.as_str();
    WriteConcern::of_tool(Some(flag), uri).map_err(StartError::WriteConcern)
}

/// The last lines, and the exit code.
fn end(report: &Report, is_acknowledged: bool, has_failures: bool, log: &Log) -> u8 {
    match &report.error {
        Some(EngineError::Interrupted) => log.line(ALWAYS, "Failed: received termination signal"),
        Some(error) => log.line(ALWAYS, &format!("Failed: {}", chain(error))),
        None => {}
    }
    log.line(ALWAYS, &counts(report, is_acknowledged));
    if report.error.is_some() || has_failures { FAILED } else { 0 }
}

/// Without acknowledgement nobody knows the numbers.
fn counts(report: &Report, is_acknowledged: bool) -> String {
    let (restored, failed) = (report.restored, report.failed);
    if is_acknowledged {
        format!("{restored} document(s) restored successfully. {failed} document(s) failed to restore.")
    } else {
        "done".to_owned()
    }
}
