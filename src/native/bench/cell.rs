//! One cell: a dump in a fresh process of this program, so that its CPU and its memory are its own.
//! Both ends of the conversation are here: flags and one variable go in, one line of JSON comes out.

use super::process::{self, Finished};
use super::table::{Program, Sample};
use super::{Bench, BenchArgs, failure};
use crate::chain::chain;
use crate::exit::Exit;
use crate::native::context::{Context, not_printed};
use crate::native::dump::SelectArgs;
use crate::terminal::stdout;
use mongoark_engine::bench::{self, Measured, Settings};
use mongoark_engine::container::Codec;
use mongoark_engine::deployment::{Source, SourceOptions};
use mongoark_engine::{Error, Result};
use std::io;
use std::path::Path;
use std::process::Command;

/// The connection string goes to a cell by this variable: arguments can be seen by everybody.
const URI_VARIABLE: &str = "MONGOARK_URI";

/// What a cell is measured with.
pub struct Cell<'a> {
    /// How chunks are compressed.
    pub codec: Codec,
    /// Cursors open at once.
    pub jobs: u16,
    /// Whether the archive is encrypted.
    pub encrypted: bool,
    /// Where the archive goes; without it, nowhere.
    pub file: Option<&'a Path>,
}

/// What a cell answers: the figures, or why there are none.
type Answer = std::result::Result<Measured, String>;

/// Measures a cell in a process of its own.
pub async fn measure(bench: &Bench<'_>, cell: &Cell<'_>) -> Result<(Measured, Sample)> {
    let action = || format!("measure {}", Program::Mongoark { codec: cell.codec, jobs: cell.jobs });
    let finished = match command(bench, cell) {
        Ok(command) => process::run(command).await,
        Err(error) => Err(error),
    };
    let finished = finished.map_err(|error| failure(action(), error.to_string()))?;
    if bench.context.stop.is_requested() && !finished.status.success()
        || finished.status.code() == Some(i32::from(Exit::Interrupted.code()))
    {
        return Err(Error::Interrupted);
    }
    let measured = answer(&finished).map_err(|why| failure(action(), why))?;
    let sample = Sample {
        seconds: finished.seconds,
        cpu_seconds: finished.usage.map(|usage| usage.cpu_seconds),
        rss_bytes: finished.usage.map(|usage| usage.rss_bytes),
        documents: measured.documents,
        bytes: measured.bytes,
        archive_bytes: measured.archive_bytes,
    };
    Ok((measured, sample))
}

fn command(bench: &Bench<'_>, cell: &Cell<'_>) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(URI_VARIABLE, &bench.args.uri.uri).args(["--quiet", "bench", "--cell"]);
    command.arg(format!("--codec={}", cell.codec)).arg(format!("--jobs={}", cell.jobs));
    command.args(selection(bench.select));
    if !cell.encrypted {
        command.arg("--no-encryption");
    }
    if let Some(file) = cell.file {
        command.arg("--to").arg(file);
    }
    Ok(command)
}

fn selection(select: &SelectArgs) -> Vec<String> {
    let mut arguments = Vec::new();
    arguments.extend(select.db.iter().map(|db| format!("--db={db}")));
    arguments.extend(select.collection.iter().map(|collection| format!("--collection={collection}")));
    arguments.extend(select.include.iter().map(|pattern| format!("--include={pattern}")));
    arguments.extend(select.exclude.iter().map(|pattern| format!("--exclude={pattern}")));
    arguments
}

fn answer(finished: &Finished) -> Answer {
    match serde_json::from_slice::<Answer>(&finished.stdout) {
        Ok(answer) => answer,
        Err(_) => Err(format!("its process ended with {}: {}", finished.status, finished.stderr.trim_end())),
    }
}

/// The other end: measures in this process, and answers on standard output.
pub async fn run(args: &BenchArgs, context: &Context) -> Exit {
    let measured = dump(args, context).await;
    let exit = measured.as_ref().map_or_else(Exit::of_error, |_| Exit::Whole);
    let answer: Answer = measured.map_err(|error| chain(&error));
    let printed = serde_json::to_string(&answer).map_err(io::Error::from);
    match printed.and_then(|answer| stdout::print(&answer)) {
        Ok(_) => exit,
        Err(error) => context.failed(&not_printed(error)),
    }
}

async fn dump(args: &BenchArgs, context: &Context) -> Result<Measured> {
    let ([codec], [jobs]) = (&args.codec[..], &args.jobs[..]) else {
        return Err(Error::Usage("a cell has one codec and one number of cursors".to_owned()));
    };
    let settings = Settings {
        selection: args.select.selection(),
        codec: *codec,
        jobs: usize::from(*jobs),
        encrypted: !args.no_encryption,
        file: args.to.clone(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let source = Source::connect(&args.uri.connection_string(), &SourceOptions::default()).await?;
    bench::measure(&source, settings, &context.monitor, &context.stop).await
}
