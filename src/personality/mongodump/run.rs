//! A run of `mongodump`.

use super::barrier;
use super::job::{Job, JobError};
use crate::chain::chain;
use crate::personality::go_text::{Errno, quoted};
use crate::personality::log::{ALWAYS, DEBUG_HIGH, Log, Watcher};
use crate::personality::progress::{Progress, Unit};
use crate::personality::tool::MONGODUMP;
use crate::personality::{FAILED, connection, signals};
use mongoark_engine::deployment::{self, ReadMode, ReadPreference, Source, SourceOptions};
use mongoark_engine::mongodump::{Form, Options, dump};
use mongoark_engine::{Error as EngineError, Stop};
use mongoark_monitor::Monitor;
use std::io;

/// Why a dump failed.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("error parsing --readPreference : {0}")]
    ReadPreference(String),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("can't create session: {}", chain(.0))]
    Session(deployment::Error),
    #[error("failed to open barrier file {}: {}", quoted(file), Errno(source))]
    Barrier { file: String, source: io::Error },
    #[error("received termination signal")]
    Interrupted,
    #[error("{}", chain(.0))]
    Engine(EngineError),
}

/// Runs to an exit code.
pub async fn main(job: Job, log: Log) -> u8 {
    job.settled.warn(&log);
    log.line(DEBUG_HIGH, "initializing mongodump object");
    match run(&job, &log).await {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(error) => {
            log.line(ALWAYS, &format!("Failed: {error}"));
            FAILED
        }
    }
}

/// Whether everything was dumped.
async fn run(job: &Job, log: &Log) -> Result<bool, RunError> {
    let stop = Stop::default();
    let asked = stop.clone();
    signals::watch(log.clone(), Some(move || asked.request())).map_err(RunError::Signals)?;
    let preference = read_preference(&job.settled.typed.dump.read_preference)?;
    let options = job.options()?;
    let connection = connection::open(&job.settled, &MONGODUMP).await.map_err(RunError::Session)?;
    let source_options = SourceOptions {
        read_preference: preference,
        otherwise: ReadMode::Primary,
        lag_max: None,
        ..SourceOptions::default()
    };
    let source = Source::through(&connection, &source_options).await.map_err(RunError::Session)?;
    let file = &job.settled.typed.dump.writes_done_barrier;
    if !file.is_empty() && !options.oplog {
        let waited = barrier::wait_for(file, log, &stop).await;
        waited.map_err(|source| RunError::Barrier { file: file.clone(), source })?;
    }
    let progress = Progress::new(log.clone(), Unit::Documents);
    let monitor = Monitor::new(Watcher::new(log.clone(), progress.clone()));
    let place = place(&options);
    let display = progress.show(monitor.clone());
    let outcome = dump(&source, options, &monitor, &stop).await;
    drop(display);
    match outcome {
        Ok(_) => Ok(!monitor.has_failures()),
        Err(error) => {
            log.line(ALWAYS, &format!("the dump is not whole: do not rely on what was written to {place}"));
            Err(match error {
                EngineError::Interrupted => RunError::Interrupted,
                error => RunError::Engine(error),
            })
        }
    }
}

fn read_preference(text: &str) -> Result<Option<ReadPreference>, RunError> {
    (!text.is_empty()).then(|| text.parse().map_err(RunError::ReadPreference)).transpose()
}

/// Where a dump goes, for a message.
fn place(options: &Options) -> String {
    match &options.output {
        Form::Directory(path) | Form::Archive(path) => path.display().to_string(),
        Form::ArchiveStream(_) | Form::Documents(_) => "standard output".to_owned(),
    }
}
