//! The native commands: what was typed, and which file does it.

mod bench;
mod cat;
mod context;
mod convert;
mod doctor;
mod dump;
mod generate;
mod key;
mod ls;
mod oplog;
mod report_file;
mod restore;
mod salvage;
mod verify;

use crate::exit::Exit;
use clap::{Args, Parser, Subcommand};
use context::Context;
use std::path::PathBuf;

/// Dump a MongoDB deployment into an encrypted archive, and bring it back whole
#[derive(Debug, Parser)]
#[command(name = "mongoark", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 everything was carried over; 1 failed; 2 wrong usage; 3 finished, but the report \
                          names what was not carried over; 130 interrupted.\n\n\
                          'mongoark mongodump', 'mongoark mongorestore' and 'mongoark bsondump' do what the tools of \
                          these names do, as do links of these names; each has its own --help.";

/// What is said, and how.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Say only what failed; show no progress
    #[arg(long, short, global = true, help_heading = "Output")]
    quiet: bool,
    /// Say more: -v names each collection, -vv each detail
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    verbose: u8,
    /// How log lines on stderr look
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    log_format: crate::terminal::LogFormat,
    /// Write the run as JSON to this file, for its owner alone: it names namespaces, and the _id of each document that failed
    #[arg(long, global = true, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Dump a deployment into an archive
    Dump(dump::DumpArgs),
    /// Restore an archive into a deployment
    Restore(restore::RestoreArgs),
    /// Check every record, checksum, key and count of an archive; needs no server
    Verify(verify::VerifyArgs),
    /// List what an archive holds
    Ls(ls::LsArgs),
    /// Print the documents of one namespace of an archive
    Cat(cat::CatArgs),
    /// Make an archive of a dump of mongodump, or a dump of an archive; needs no server
    Convert(convert::ConvertArgs),
    /// Make a whole archive of what is left of a damaged or unfinished one; needs no server
    Salvage(salvage::SalvageArgs),
    /// Capture a replica set's oplog without end, to restore to any second
    #[command(subcommand)]
    Oplog(oplog::OplogCommand),
    /// Make key files and change an archive's secrets
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Say what a deployment lends to a safe backup, and what stands in its way
    Doctor(doctor::DoctorArgs),
    /// Measure how fast a deployment can be dumped
    Bench(bench::BenchArgs),
    /// Print shell completions
    Completions(generate::CompletionsArgs),
    /// Write man pages into a directory
    Man(generate::ManArgs),
}

/// Runs the command to its exit code.
pub async fn run(cli: Cli) -> Exit {
    let context = Context::new(&cli.output);
    if let Err(message) = context.clear_report(std::env::args_os()) {
        return context.usage(&message);
    }
    let stop = context.stop.clone();
    context::stop_on_signals(stop);
    match cli.command {
        Command::Dump(args) => dump::run(args, &context).await,
        Command::Restore(args) => Box::pin(restore::run(args, &context)).await,
        Command::Verify(args) => verify::run(args, &context).await,
        Command::Ls(args) => ls::run(&args, &context).await,
        Command::Cat(args) => cat::run(args, &context).await,
        Command::Convert(args) => convert::run(args, &context).await,
        Command::Salvage(args) => salvage::run(args, &context).await,
        Command::Oplog(command) => oplog::run(command, &context).await,
        Command::Key(command) => key::run(command, &context),
        Command::Doctor(args) => doctor::run(&args, &context).await,
        Command::Bench(args) => bench::run(args, &context).await,
        Command::Completions(args) => generate::completions(&args, &context),
        Command::Man(args) => generate::man(&args, &context),
    }
}
