//! `cargo xtask test`: every check of the project, in order, each command printed; a summary with times at the end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mongoark_test_support::DEFAULT_VERSION;

use crate::execute::{cargo, execute};
use crate::{Result, fuzz, servers};

mod outcome;

use outcome::{Tests, run_tests};

/// Always the same choice of crates and features, so that nothing is built twice.
const EVERYTHING: [&str; 3] = ["--workspace", "--features", "xtask/demo"];
/// The test files that older servers run too.
const ON_EVERY_SERVER: [&str; 5] =
    ["roundtrip", "servers", "personality_goldens", "personality_forms", "point_in_time"];
/// The older servers that CI runs those files on besides the default one. Some tests of one behaviour start all of
/// them whatever server is under test, so that they are always there.
const OLDER_IN_CI: [&str; 2] = ["4.4.2", "5.0.4"];
/// What the writers of the oracle do in a test run.
const ORACLE_SEED: &str = "7";
/// Tests of one file that run side by side, on two cores as well.
const TEST_THREADS: &str = "4";
/// Seconds for each fuzz target in CI.
const FUZZ_SECONDS_IN_CI: u64 = 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Servers for the round trips: `default`, `all`, or versions such as `4.4.2,5.0.4`; with CI=true `default`
    /// means two older servers too.
    #[arg(long, default_value = "default")]
    servers: String,
    /// Formatting, lints and unit tests only: no server is needed but by unit tests that ask for one.
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let older = older_servers(&arguments.servers, in_ci)?;
    let mut steps = Steps::default();
    steps.must("formatting", || execute(&mut cargo(["fmt", "--all", "--check"])).map(drop))?;
    steps.must("lints", lint)?;
    if arguments.quick {
        steps.tests("unit tests", &["--lib", "--bins"], DEFAULT_VERSION);
        return steps.finish();
    }
    let needed: BTreeSet<&str> =
        [DEFAULT_VERSION].into_iter().chain(OLDER_IN_CI).chain(older.iter().copied()).collect();
    steps.must("servers", || needed.iter().copied().try_for_each(servers::provide))?;
    steps.tests("tests", &["--no-fail-fast"], DEFAULT_VERSION);
    for version in older {
        let mut arguments = vec!["--no-fail-fast"];
        arguments.extend(ON_EVERY_SERVER.iter().flat_map(|file| ["--test", file]));
        steps.tests(&format!("round trips on {version}"), &arguments, version);
    }
    if in_ci && fuzz::exists() {
        steps.try_to("fuzzing", || fuzz::all(FUZZ_SECONDS_IN_CI, false));
    }
    steps.finish()
}

fn lint() -> Result<()> {
    execute(cargo(["clippy"]).args(EVERYTHING).args(["--all-targets", "--", "-D", "warnings"])).map(drop)
}

/// The servers besides the default one that this choice means.
fn older_servers(choice: &str, in_ci: bool) -> Result<Vec<&'static str>> {
    match choice {
        "default" if in_ci => Ok(OLDER_IN_CI.to_vec()),
        "default" => Ok(Vec::new()),
        "all" => Ok(servers::PACKAGES
            .iter()
            .map(|package| package.version)
            .filter(|v| *v != DEFAULT_VERSION)
            .collect()),
        list => {
            let versions =
                list.split(',').map(|version| servers::package(version.trim()).map(|found| found.version));
            versions.filter(|version| *version != Ok(DEFAULT_VERSION)).collect()
        }
    }
}

/// The steps done so far.
#[derive(Default)]
struct Steps {
    done: Vec<(String, Duration, Result<()>)>,
    tests: Tests,
}

impl Steps {
    /// A step without which the rest is not worth running.
    fn must(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        self.try_to(name, step);
        if self.has_failed() { self.report() } else { Ok(()) }
    }

    fn try_to(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let begin = Instant::now();
        let result = step();
        if let Err(message) = &result {
            println!("{message}");
        }
        self.done.push((name.to_owned(), begin.elapsed(), result));
    }

    /// Runs cargo test against this server and counts what it reports.
    fn tests(&mut self, name: &str, arguments: &[&str], version: &str) {
        let mut tests = Tests::default();
        self.try_to(name, || {
            let mut command = cargo(["test"]);
            command.args(EVERYTHING).args(arguments);
            command.env("MONGOARK_TEST_SERVER", version);
            // They wait for servers more than they work.
            if std::env::var_os("RUST_TEST_THREADS").is_none() {
                command.env("RUST_TEST_THREADS", TEST_THREADS);
            }
            // The same seed every time; `cargo xtask oracle` looks for new ones.
            if std::env::var_os("MONGOARK_ORACLE_SEED").is_none() {
                command.env("MONGOARK_ORACLE_SEED", ORACLE_SEED);
            }
            run_tests(&mut command, &mut tests)
        });
        self.tests.add(&tests);
    }

    fn has_failed(&self) -> bool {
        self.done.iter().any(|(_, _, result)| result.is_err())
    }

    fn finish(&self) -> Result<()> {
        self.report()
    }

    /// Prints every step with its time and the sum of all tests; an error names the steps that failed.
    fn report(&self) -> Result<()> {
        println!("\n== summary");
        for (name, time, result) in &self.done {
            let verdict = if result.is_ok() { "ok" } else { "FAILED" };
            println!("{name:<28} {:>8.1} s  {verdict}", time.as_secs_f64());
        }
        let failed: Vec<&str> =
            self.done.iter().filter(|step| step.2.is_err()).map(|(name, ..)| name.as_str()).collect();
        let total = self.done.iter().map(|(_, time, _)| *time).sum();
        println!("{}", self.tests.line(failed.is_empty(), total));
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_of_servers() {
        assert!(older_servers("default", false).unwrap().is_empty());
        assert_eq!(older_servers("default", true).unwrap(), OLDER_IN_CI);
        assert_eq!(older_servers("all", false).unwrap(), ["4.4.2", "5.0.4", "6.0.27"]);
        assert_eq!(older_servers("5.0.4, 6.0.5", true).unwrap(), ["5.0.4"]);
        assert!(older_servers("3.6", false).is_err());
    }

    #[test]
    fn a_failed_step_fails_the_run_and_is_named() {
        let mut steps = Steps::default();
        steps.try_to("first", || Ok(()));
        steps.try_to("second", || Err("why".to_owned()));
        assert_eq!(steps.finish(), Err("failed: second".to_owned()));
    }
}
