//! mongoark: a MongoDB deployment into an encrypted archive, and back.
//!
//! The whole program: arguments, a command, an exit code. Commands stand in [`native`], one file
//! each; what a person sees stands in [`terminal`].

mod exit;
mod native;
#[expect(dead_code, reason = "called under the names of the tools only")]
mod personality;
mod report;
mod secrets;
mod terminal;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = native::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mongoark: cannot start: {error}");
            return exit::Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(native::run(cli));
    // Connections are closed by the end of the process; waiting for them could take seconds.
    runtime.shutdown_background();
    exit.into()
}
