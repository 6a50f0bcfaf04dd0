//! `cargo xtask soak`: the tests that live from chance, for as long as asked: dumps and restores under writers, kills,
//! elections, bad networks, commands and disks that fail. One after the other with the next seed, until the time is over.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use mongoark_test_support::DEFAULT_VERSION;

use crate::execute::{cargo, execute, target_directory, text};
use crate::{Result, servers};

/// One kind of test: its file, the tests of it, and the variable that takes the seed.
struct Kind {
    file: &'static str,
    tests: &'static str,
    seed: &'static str,
    more: &'static [(&'static str, &'static str)],
}

const ORACLE: &str = "MONGOARK_ORACLE_SEED";
const SURVIVE: &str = "MONGOARK_SURVIVE_SEED";
const TEN: &[(&str, &str)] = &[("MONGOARK_SURVIVE_RUNS", "10")];

const KINDS: [Kind; 10] = [
    Kind { file: "oracle", tests: "resumed_restore::", seed: ORACLE, more: &[] },
    Kind { file: "survive_commands", tests: "restores_live", seed: SURVIVE, more: TEN },
    Kind { file: "oracle", tests: "resumed::", seed: ORACLE, more: &[] },
    Kind { file: "survive", tests: "bad_network", seed: SURVIVE, more: TEN },
    Kind { file: "oracle", tests: "native::", seed: ORACLE, more: &[] },
    Kind { file: "oracle", tests: "lost_member::", seed: ORACLE, more: &[] },
    Kind { file: "survive_commands", tests: "dumps_live", seed: SURVIVE, more: TEN },
    Kind { file: "oracle", tests: "personality::", seed: ORACLE, more: &[] },
    Kind { file: "oracle", tests: "captures::", seed: ORACLE, more: &[] },
    Kind { file: "disk_faults", tests: "", seed: "MONGOARK_DISK_SEED", more: &[] },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// The first seed; each round takes another.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server.
    #[arg(long, default_value = DEFAULT_VERSION)]
    server: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    servers::provide(&arguments.server)?;
    let files = ["oracle", "survive", "survive_commands", "disk_faults"];
    execute(cargo(["test", "--no-run"]).args(files.iter().flat_map(|file| ["--test", file])))?;
    let end = Instant::now() + Duration::from_secs(arguments.minutes * 60);
    let mut done: BTreeMap<(&str, &str), (u32, Vec<u64>)> = BTreeMap::new();
    // Ten apart: a round of some tests takes ten seeds.
    for round in 0.. {
        let seed = arguments.seed + round * 10;
        for kind in &KINDS {
            if Instant::now() >= end {
                return report(&done);
            }
            let row = done.entry((kind.file, kind.tests)).or_default();
            if one(kind, seed, &arguments.server)? {
                row.0 += 1;
            } else {
                row.1.push(seed);
            }
        }
    }
    report(&done)
}

/// Runs one kind once; what it prints is kept if it fails.
fn one(kind: &Kind, seed: u64, server: &str) -> Result<bool> {
    let mut command = cargo(["test", "--test", kind.file, "--", "--nocapture", "--test-threads", "1"]);
    command.arg(kind.tests).env(kind.seed, seed.to_string()).env("MONGOARK_TEST_SERVER", server);
    command.envs(kind.more.iter().copied());
    let begin = Instant::now();
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", text(&command)))?;
    let passed = output.status.success();
    println!(
        "{} {:.1} s: {}",
        if passed { "passed" } else { "FAILED" },
        begin.elapsed().as_secs_f64(),
        text(&command)
    );
    if !passed {
        let path = target_directory().join("soak").join(format!("{}-{seed}.log", kind.file));
        let folder = path.parent().unwrap_or(&path);
        let printed = [output.stdout, output.stderr].concat();
        let kept = fs::create_dir_all(folder).and_then(|()| fs::write(&path, printed));
        kept.map_err(|error| format!("{}: {error}", path.display()))?;
        println!("see {}", path.display());
    }
    Ok(passed)
}

/// Prints what was run; an error if anything failed, or nothing was run.
fn report(done: &BTreeMap<(&str, &str), (u32, Vec<u64>)>) -> Result<()> {
    println!("\n{:<20} {:<20} {:>6} {:>6}  failed seeds", "file", "tests", "passed", "failed");
    for ((file, tests), (passed, failed)) in done {
        let seeds: Vec<String> = failed.iter().map(ToString::to_string).collect();
        println!("{file:<20} {tests:<20} {passed:>6} {:>6}  {}", failed.len(), seeds.join(" "));
    }
    let failed: usize = done.values().map(|(_, failed)| failed.len()).sum();
    match failed {
        0 if done.is_empty() => Err("there was no time for a single run".to_owned()),
        0 => Ok(()),
        _ => Err(format!("{failed} runs failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_run_fails_the_soak_and_no_run_is_no_success() {
        let mut done = BTreeMap::new();
        assert!(report(&done).is_err());
        done.insert(("oracle", "native::"), (3, Vec::new()));
        assert_eq!(report(&done), Ok(()));
        done.insert(("survive", ""), (3, vec![7]));
        assert_eq!(report(&done), Err("1 runs failed".to_owned()));
    }
}
