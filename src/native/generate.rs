//! `mongoark completions` and `mongoark man`: made from the same definitions as `--help`.

use super::Cli;
use super::context::{Context, not_printed};
use crate::exit::Exit;
use crate::terminal::stdout;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use mongoark_engine::Error;
use std::path::PathBuf;

/// Flags of `mongoark completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Flags of `mongoark man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// The directory that the pages are written into
    directory: PathBuf,
}

/// Prints completions on standard output.
pub fn completions(args: &CompletionsArgs, context: &Context) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mongoark", &mut script);
    match stdout::print(&String::from_utf8_lossy(&script)) {
        Ok(_) => Exit::Whole,
        Err(error) => context.failed(&not_printed(error)),
    }
}

/// Writes a page for the program and one for each command.
pub fn man(args: &ManArgs, context: &Context) -> Exit {
    match clap_mangen::generate_to(Cli::command(), &args.directory) {
        Ok(()) => Exit::Whole,
        Err(source) => {
            let what = format!("the pages into {}", args.directory.display());
            context.failed(&Error::Write { what, source })
        }
    }
}
