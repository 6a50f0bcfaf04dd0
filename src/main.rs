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
mod secrets;
mod terminal;

use clap::Parser;
use personality::Tool;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_large_blocks();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some((tool, place)) = tool(&arguments) {
        return block_on(personality::run(tool, arguments.split_off(place + 1)));
    }
    let cli = native::Cli::parse();
    block_on(async { Box::pin(native::run(cli)).await.code() })
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
