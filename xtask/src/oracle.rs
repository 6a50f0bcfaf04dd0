//! `cargo xtask oracle`: the tests of `tests/oracle` for many seeds and servers, each seed in a process of its own; a
//! table of what passed at the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mongoark_test_support::DEFAULT_VERSION;

use crate::execute::{cargo, execute, target_directory, text};
use crate::{Result, servers};

/// Always the same choice, so that nothing is built twice.
const TESTS: [&str; 3] = ["test", "--test", "oracle"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 10)]
    runs: u64,
    /// The first seed; each run takes the next number.
    #[arg(long)]
    seed: Option<u64>,
    /// Members of the set that is written to: 1 or 3; both unless given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=3))]
    members: Option<u8>,
    /// Servers, such as `6.0.5,4.4.2`.
    #[arg(long, default_value = DEFAULT_VERSION)]
    servers: String,
    /// One kind of run alone: `model`, `personality`, `native`, `captures`, `resumed` or `resumed_restore`.
    #[arg(long)]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let versions: Vec<&str> = arguments.servers.split(',').map(str::trim).collect();
    for version in &versions {
        servers::provide(version)?;
    }
    execute(cargo(TESTS).arg("--no-run"))?;
    let first = arguments.seed.unwrap_or_else(fresh_seed);
    let mut table = Table::default();
    for version in versions {
        for seed in first..first + arguments.runs {
            one_seed(arguments, version, seed, &mut table)?;
        }
    }
    table.report()
}

/// Runs the chosen tests with one seed, and keeps what they print if one fails.
fn one_seed(arguments: &Arguments, version: &str, seed: u64, table: &mut Table) -> Result<()> {
    let begin = Instant::now();
    let mut command = tests(arguments, version, seed);
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", text(&command)))?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    let failed = table.take(version, seed, &printed);
    let verdict = if failed.is_empty() && output.status.success() {
        "passed".to_owned()
    } else {
        format!("FAILED ({}), see {}", failed.join(", "), keep(version, seed, &printed)?.display())
    };
    println!("{version} seed {seed}: {verdict}, {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn tests(arguments: &Arguments, version: &str, seed: u64) -> Command {
    let mut command = cargo(TESTS);
    command.args(["--", "--nocapture", "--test-threads", "1"]);
    command.args(arguments.only.iter().map(|kind| format!("{kind}::")));
    match arguments.members {
        Some(1) => _ = command.args(["--skip", "on_three_members"]),
        Some(_) => _ = command.args(["--skip", "on_one_member"]),
        None => {}
    }
    command.env("MONGOARK_ORACLE_SEED", seed.to_string()).env("MONGOARK_TEST_SERVER", version);
    command
}

fn keep(version: &str, seed: u64, printed: &str) -> Result<PathBuf> {
    let folder = target_directory().join("oracle");
    let path = folder.join(format!("{version}-{seed}.log"));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, printed));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_secs() % 1_000_000 * 1_000)
}

/// For each server and kind of run the seeds that passed and those that did not.
#[derive(Default)]
struct Table {
    rows: BTreeMap<(String, String), (Vec<u64>, Vec<u64>)>,
}

impl Table {
    /// Adds the runs that are named in this output; those that began and did not pass.
    fn take(&mut self, version: &str, seed: u64, printed: &str) -> Vec<String> {
        let named = |end: &str| {
            let middle = format!(": MONGOARK_ORACLE_SEED={seed} {end}");
            let lines = printed.lines().filter_map(|line| line.split_once("oracle: "));
            lines.filter_map(|(_, rest)| Some(rest.split_once(&middle)?.0.to_owned())).collect::<Vec<_>>()
        };
        let passed = named("passed");
        let mut failed = Vec::new();
        for what in named("begins") {
            let row = self.rows.entry((version.to_owned(), what.clone())).or_default();
            if passed.contains(&what) {
                row.0.push(seed);
            } else {
                row.1.push(seed);
                failed.push(what);
            }
        }
        failed
    }

    /// Prints the table; an error if a run failed or there was none.
    fn report(&self) -> Result<()> {
        println!("\n{:<8} {:<28} {:>6} {:>6}  failed seeds", "server", "what", "passed", "failed");
        for ((version, what), (passed, failed)) in &self.rows {
            let seeds: Vec<String> = failed.iter().map(ToString::to_string).collect();
            println!("{version:<8} {what:<28} {:>6} {:>6}  {}", passed.len(), failed.len(), seeds.join(" "));
        }
        let failed: usize = self.rows.values().map(|row| row.1.len()).sum();
        match failed {
            0 if self.rows.is_empty() => Err("no run of the oracle began".to_owned()),
            0 => Ok(()),
            _ => Err(format!("{failed} runs of the oracle failed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_began_and_did_not_pass_has_failed() {
        let mut table = Table::default();
        let printed = "test a ... oracle: dump: MONGOARK_ORACLE_SEED=7 begins\n\
                       oracle: dump: MONGOARK_ORACLE_SEED=7 passed: 5 changes\n\
                       oracle: capture: MONGOARK_ORACLE_SEED=7 begins\nthread panicked";
        assert_eq!(table.take("6.0.5", 7, printed), ["capture"]);
        assert_eq!(table.report(), Err("1 runs of the oracle failed".to_owned()));
        assert!(Table::default().report().is_err());
    }
}
