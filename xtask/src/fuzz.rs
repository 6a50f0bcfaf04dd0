//! `cargo xtask fuzz`: every target of the crate in `fuzz/`, for a while each.
//!
//! The targets are built with libFuzzer's coverage by plain cargo on the stable compiler, so nothing else is
//! installed. Each begins with the inputs that `fixtures/fuzz` has for it, else with the archives of the container;
//! new inputs and findings go below `target/fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::Result;
use crate::execute::{cargo, execute, execute_quietly, root, target_directory};

/// Coverage as libFuzzer reads it.
const COVERAGE: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// An input that takes more memory than this is a finding.
const LIMITS: [&str; 4] =
    ["-rss_limit_mb=512", "-malloc_limit_mb=128", "-print_final_stats=1", "-verbosity=0"];
/// Targets that run at the same time.
const AT_ONCE: usize = 2;
/// Inputs to begin with, in a folder for each target.
const SEEDS: &str = "fixtures/fuzz";
/// Those of a target without a folder.
const ARCHIVES: &str = "fixtures/container/v1";

/// Targets that need the engine, which takes minutes to build. CI tries what they try by a test of the engine.
const OF_THE_ENGINE: [&str; 2] = ["catalog", "checkpoint"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    all(arguments.seconds, true)
}

/// Whether the project has fuzz targets.
pub(crate) fn exists() -> bool {
    root().join("fuzz/Cargo.toml").is_file()
}

/// Runs every target for so many seconds, two at a time, those of the engine if asked for; an error names those that
/// found something.
pub(crate) fn all(seconds: u64, with_engine: bool) -> Result<()> {
    let mut targets = targets(&root().join("fuzz/fuzz_targets"))?;
    targets.retain(|target| with_engine || !OF_THE_ENGINE.contains(&target.as_str()));
    let binaries = build(with_engine)?;
    let mut failed = Vec::new();
    for some in targets.chunks(AT_ONCE) {
        let ended: Vec<Result<()>> = thread::scope(|scope| {
            let binaries = &binaries;
            let run = |target: &String| {
                let target = target.clone();
                scope.spawn(move || fuzz(&binaries.join(&target), &target, seconds))
            };
            let running: Vec<_> = some.iter().map(run).collect();
            let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
            ended
                .map(|one| one.unwrap_or_else(|_| Err("a fuzz target could not be run".to_owned())))
                .collect()
        });
        failed.extend(ended.into_iter().filter_map(Result::err));
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The names of the targets, one file each.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<String> =
        sources.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    if names.is_empty() { Err(format!("no fuzz target in {}", folder.display())) } else { Ok(names) }
}

/// Builds all targets; returns the folder of their executables.
fn build(with_engine: bool) -> Result<PathBuf> {
    let host = host()?;
    let directory = target_directory().join("fuzz");
    // Naming the host as the target keeps the coverage out of build scripts.
    let mut command = cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    command.args(with_engine.then_some("--features=engine"));
    command.arg("--target-dir").arg(&directory).env("RUSTFLAGS", COVERAGE.join(" "));
    execute(&mut command)?;
    Ok(directory.join(host).join("release"))
}

fn fuzz(binary: &Path, target: &str, seconds: u64) -> Result<()> {
    let directory = target_directory().join("fuzz");
    let (corpus, findings) = (directory.join("corpus").join(target), directory.join("findings").join(target));
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = Command::new(binary);
    command.arg(format!("-max_total_time={seconds}")).args(LIMITS);
    command.arg(format!("-artifact_prefix={}/", findings.display())).arg(corpus).arg(seeds(target));
    execute(&mut command).map(drop)
}

fn seeds(target: &str) -> PathBuf {
    let own = root().join(SEEDS).join(target);
    if own.is_dir() { own } else { root().join(ARCHIVES) }
}

/// The platform that rustc builds for by itself.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = execute_quietly(Command::new(rustc).arg("-vV"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("rustc does not name its host:\n{text}"))
}
