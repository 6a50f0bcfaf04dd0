//! mongoark: a MongoDB deployment into an encrypted archive, and back; and the tools of MongoDB by their names.
//!
//! The whole program: arguments, a command, an exit code. Commands stand in [`native`], one file
//! each; what a person sees of them stands in [`terminal`]. [`personality`] is what it does under the names of others.

mod allocator;
mod chain;
mod exit;
mod native;
mod personality;
mod report;
mod same_file;
mod secrecy;
mod secrets;
mod terminal;

use clap::Parser;
use personality::Tool;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use terminal::stdout;

fn main() -> ExitCode {
    allocator::keep_large_blocks();
    secrecy::keep_out_of_core_dumps();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some((tool, place)) = tool(&arguments) {
        return block_on(personality::run(tool, arguments.split_off(place + 1)));
    }
    match native::Cli::try_parse() {
        Ok(cli) => block_on(async { native::run(cli).await.code() }),
        Err(shown) if !shown.use_stderr() => print_help(&shown),
        Err(refused) => refused.exit(),
    }
}

/// Prints the help or the version that was asked for.
fn print_help(help: &clap::Error) -> ExitCode {
    let print = || stdout::check_stdout().and_then(|()| help.print()).and_then(|()| io::stdout().flush());
    match print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            terminal::say(&format!("mongoark: cannot write standard output: {error}"));
            exit::Exit::Failed.into()
        }
        _ => ExitCode::SUCCESS,
    }
}

/// The tool that was called, and the place of its name: `mongodump ..` by a link of that name, or
/// `mongoark mongodump ..`.
fn tool(arguments: &[OsString]) -> Option<(&'static Tool, usize)> {
    let program = Path::new(arguments.first()?).file_name()?;
    let names = [Some(program), arguments.get(1).map(OsString::as_os_str)];
    let called = |(place, name): (usize, Option<&OsStr>)| Some((Tool::named(name?.to_str()?)?, place));
    names.into_iter().enumerate().find_map(called)
}

fn block_on(run: impl Future<Output = u8>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::say(&format!("mongoark: cannot start: {error}"));
            return exit::Exit::Failed.into();
        }
    };
    let code = runtime.block_on(run);
    // Connections are closed by the end of the process; waiting for them could take seconds.
    runtime.shutdown_background();
    code.into()
}
