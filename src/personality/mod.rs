//! The names of the MongoDB Database Tools: what mongoark does when it is called by one of them.
//!
//! [`run`] goes from arguments to an exit code: [`options`] reads the command line by the tables of [`flags`],
//! [`settle`] makes flags and connection string one, and each tool's folder decides what its own flags mean and runs
//! the engine. What is said goes through [`log`] and [`progress`].

mod bsondump;
mod config;
mod connection;
mod connstring;
mod flags;
mod go_text;
mod log;
mod mongodump;
mod mongorestore;
mod options;
mod password;
mod progress;
mod settle;
mod signals;
mod stdio;
mod tool;
mod uri_options;

pub use tool::Tool;

use flags::{FlagError, Typed, help};
use log::{ALWAYS, Log};
use options::OptionsError;
use std::ffi::OsString;
use std::io::Write;
use tool::Name;

/// The exit code of everything that failed.
const FAILED: u8 = 1;

/// What a command line asks for.
enum Command {
    Print(String),
    Bsondump(bsondump::run::Options),
    Mongodump(Box<mongodump::Job>),
    Mongorestore(Box<mongorestore::Job>),
}

/// Why a command line is refused, in the words of the tools.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("error parsing command line options: {0}")]
    Options(#[from] OptionsError),
    #[error("error parsing command line options: error parsing positional arguments: {0}")]
    Arguments(&'static str),
    #[error("error parsing command line options: error parsing write concern: {0}")]
    WriteConcern(String),
    #[error(transparent)]
    Bsondump(#[from] bsondump::flags::UsageError),
}

/// Runs a tool with the arguments behind its name, to its exit code. Needs a runtime.
pub async fn run(tool: &'static Tool, arguments: Vec<OsString>) -> u8 {
    // Verbosity is known once the flags are read; until then everything of weight is said.
    let early = Log::new(0, false);
    match read(tool, arguments, &early) {
        Ok((command, log)) => command.run(log).await,
        Err(Refusal::Options(OptionsError::Flag(error @ FlagError::Verbosity))) => {
            early.line(ALWAYS, &error.to_string());
            u8::MAX
        }
        Err(refusal) => {
            early.line(ALWAYS, &refusal.to_string());
            early.line(ALWAYS, &tool.hint());
            FAILED
        }
    }
}

/// Reads a command line to the end. Nothing is connected to, but a password may be asked for.
fn read(tool: &Tool, arguments: Vec<OsString>, early: &Log) -> Result<(Command, Log), Refusal> {
    let arguments = options::texts(arguments)?;
    options::warn_of_secrets(&arguments, early);
    let (typed, others) = options::read(tool, &arguments)?;
    let log = Log::new(u8::try_from(typed.general.verbosity).unwrap_or(u8::MAX), is_quiet(&typed));
    let shown = shown(tool, &typed);
    let command = match tool.is {
        Name::Bsondump => Command::Bsondump(bsondump::flags::options(typed.bson, others)?),
        Name::Mongodump => {
            let (settled, others) = options::connect(typed, others, early)?;
            Command::Mongodump(Box::new(mongodump::Job::new(settled, &others)?))
        }
        Name::Mongorestore => {
            let (settled, others) = options::connect(typed, others, early)?;
            settled.warn(&log);
            Command::Mongorestore(Box::new(mongorestore::Job::new(settled, others)?))
        }
    };
    Ok((shown.map_or(command, Command::Print), log))
}

/// A level below 0 is as quiet as `--quiet`.
fn is_quiet(typed: &Typed) -> bool {
    typed.general.quiet || typed.general.verbosity < 0
}

/// What is shown in place of a run.
fn shown(tool: &Tool, typed: &Typed) -> Option<String> {
    if typed.general.help {
        Some(help::help(tool))
    } else {
        typed.general.version.then(|| help::version(tool))
    }
}

impl Command {
    async fn run(self, log: Log) -> u8 {
        match self {
            Self::Print(text) => {
                // Who asked for it may be gone.
                _ = std::io::stdout().write_all(text.as_bytes());
                0
            }
            Self::Bsondump(options) => bsondump::main(options, log).await,
            Self::Mongodump(job) => mongodump::main(*job, log).await,
            Self::Mongorestore(job) => mongorestore::main(*job, log).await,
        }
    }
}
