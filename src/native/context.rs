//! What every command has: a logger, a monitor, a way to be stopped, and a way to end.

use super::{OutputArgs, report_file};
use crate::chain::chain;
use crate::exit::Exit;
use crate::report;
use crate::same_file::is_named_by;
use crate::secrets::{SecretArgs, SecretError};
use crate::terminal::{Logger, Progress, Verbosity, say, stdout};
use mongoark_engine::container::{Header, Limits, Secret};
use mongoark_engine::reading::Archive;
use mongoark_engine::{Error, Stop};
use mongoark_monitor::Monitor;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is said of an archive whose maker nobody can tell.
pub const NOT_ENCRYPTED: &str = "not encrypted: nothing shows who wrote this";
/// The name that stands for standard input or output.
const DASH: &str = "-";

/// What every command has.
pub struct Context {
    /// For the person.
    pub logger: Logger,
    /// For the run.
    pub monitor: Monitor,
    /// Where progress is drawn.
    pub progress: Progress,
    /// Set by the first interrupt.
    pub stop: Stop,
    report: Option<PathBuf>,
}

/// Whether the path stands for a pipe.
pub fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == DASH
}

impl Context {
    /// From the flags on output.
    pub fn new(output: &OutputArgs) -> Self {
        let verbosity = match (output.quiet, output.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, 1) => Verbosity::Verbose,
            (false, _) => Verbosity::Debug,
        };
        let plain = output.log_format == crate::terminal::LogFormat::Json;
        let progress = Progress::new(output.quiet || plain, plain);
        let logger = Logger::new(output.log_format, verbosity, progress.clone());
        let monitor = Monitor::new(logger.clone());
        Self { logger, monitor, progress, stop: Stop::default(), report: output.report.clone() }
    }

    /// Empties the report of an earlier run, which would tell of this one until it has ended. A file that another
    /// argument names is no report, and stays.
    pub fn clear_report(&self, arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
        let Some(path) = &self.report else { return Ok(()) };
        let arguments: Vec<OsString> = arguments.collect();
        // The value of the flag itself is an argument, too, unless the two are one.
        let own = usize::from(arguments.iter().any(|argument| argument == "--report"));
        let is_same = |argument: &&OsString| {
            // A flag and its value may be one argument.
            let value =
                argument.to_str().filter(|text| text.starts_with("--") && !text.starts_with("--report="));
            let value = value.and_then(|text| text.split_once('=')).map(|(_, value)| Path::new(value));
            is_named_by(Path::new(argument), path) || value.is_some_and(|value| is_named_by(value, path))
        };
        if arguments.iter().filter(is_same).count() > own {
            return Err(format!("--report {}: another argument names the same file", path.display()));
        }
        report_file::prepare(path)
            .map_err(|error| format!("cannot write the report to {}: {error}", path.display()))
    }

    /// Tells what is wrong with an archive that can be read all the same.
    pub fn warn_of(&self, archive: &Archive, path: &Path) {
        for warning in archive.warnings() {
            self.monitor.warn(path.display().to_string(), warning);
        }
    }

    /// Ends a command: the report is written, a failure told, and the exit code decided.
    pub fn end(&self, command: &str, outcome: Result<Value, Error>) -> Exit {
        let (exit, result) = match &outcome {
            Ok(result) => (Exit::of_run(&self.monitor), result.clone()),
            Err(error) => (Exit::of_error(error), Value::Null),
        };
        if let Err(error) = &outcome {
            self.logger.error(&chain(error));
        }
        let error = outcome.err().map(|error| chain(&error));
        self.write_report(command, exit, &result, error.as_deref())
    }

    /// A command line that cannot be followed.
    pub fn usage(&self, message: &str) -> Exit {
        self.logger.error(message);
        Exit::Usage
    }

    /// A failure that is no error of the engine.
    pub fn failed(&self, error: &dyn std::error::Error) -> Exit {
        self.logger.error(&chain(error));
        Exit::Failed
    }

    /// Writes the report, where one was asked for; the exit code with which to end.
    pub fn write_report(&self, command: &str, exit: Exit, result: &Value, error: Option<&str>) -> Exit {
        let Some(path) = &self.report else { return exit };
        let run = report::run(command, exit, result, error, &self.monitor.record());
        match report_file::write(path, &format!("{run:#}\n")) {
            Ok(()) => exit,
            Err(error) => {
                self.logger.error(&format!("cannot write the report to {}: {error}", path.display()));
                if exit == Exit::Whole { Exit::Failed } else { exit }
            }
        }
    }
}

/// Whether a file can be made there, or one that is there replaced; a message says why not.
pub fn check_output(path: &Path, overwrite: bool) -> Result<(), String> {
    let name = path.display();
    if is_pipe(path) {
        return Ok(());
    }
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Err(format!("{name} exists and is a folder: give another name")),
        Ok(found) if !found.is_file() => {
            Err(format!("{name} exists and is no regular file: name a file, or - for standard output"))
        }
        Ok(_) if !overwrite => Err(format!("{name} exists; give --overwrite to replace it")),
        _ if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            Err(format!("{name} names a folder: name the file that is to be made in it"))
        }
        _ => match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            Some(folder) => Err(format!("there is no folder {}", folder.display())),
            None => Ok(()),
        },
    }
}

/// Prints the lines that were asked for, each escaped. False where whoever read them has gone away, having seen enough.
pub fn to_stdout<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<bool, Error> {
    stdout::print_lines(lines).map_err(not_printed)
}

/// The error of standard output.
pub fn not_printed(source: io::Error) -> Error {
    Error::Write { what: "standard output".to_owned(), source }
}

/// The secrets for an archive, once its header tells which it needs.
pub fn unlock(secrets: &SecretArgs) -> impl Fn(&Header) -> Result<Vec<Secret>, Error> + '_ {
    |header| secrets.to_open(header).map_err(|error: SecretError| Error::Secret(Box::new(error)))
}

/// Opens an archive for reading, asking for its secret where it needs one. A file is opened by
/// its index, or with `whole` from its first byte to its last.
pub fn open(path: &Path, secrets: &SecretArgs, whole: bool) -> Result<Archive, Error> {
    let unlock = unlock(secrets);
    let limits = Limits::default();
    let archive = if is_pipe(path) {
        let stdin: Box<dyn Read + Send> = Box::new(io::stdin());
        Archive::open_stream(stdin, &unlock, &limits)?
    } else if whole {
        Archive::open_whole(path, &unlock, &limits)?
    } else {
        Archive::open_file(path, &unlock, &limits)?
    };
    Ok(archive)
}

/// The first interrupt asks the run to stop after the work at hand; a second one ends at once.
pub fn stop_on_signals(stop: Stop) {
    tokio::spawn(async move {
        loop {
            next_signal().await;
            if stop.is_requested() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            say("interrupted: ending after the work at hand; once more to end at once");
            stop.request();
        }
    });
}

#[cfg(unix)]
async fn next_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn next_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
