//! Development commands, run as `cargo xtask <command>`: fetch test servers, demo, test, oracle, soak, fuzz,
//! bench.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod demo;
mod execute;
mod fuzz;
mod oracle;
mod servers;
mod soak;
mod test;

/// What a command says when it fails, for people to read.
type Result<T> = std::result::Result<T, String>;

/// Development commands of mongoark.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetches MongoDB servers for the tests, into the target directory.
    Mongod(servers::Arguments),
    /// Shows a dump and a restore from end to end, on two fresh servers.
    Demo,
    /// Runs every check: formatting, lints, all tests including those on real servers.
    Test(test::Arguments),
    /// Runs the oracle of dumps and captures for many seeds.
    Oracle(oracle::Arguments),
    /// Runs everything that lives from chance, over and over for so many minutes: kills, elections, faults.
    Soak(soak::Arguments),
    /// Runs the fuzz targets for a while each.
    Fuzz(fuzz::Arguments),
    /// Compares speed with the mongodump and mongorestore on PATH.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Mongod(arguments) => servers::run(&arguments),
        Command::Demo => demo::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Oracle(arguments) => oracle::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
