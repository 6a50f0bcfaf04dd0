//! `cargo xtask demo`: a dump and a restore from end to end, on servers of its own.
//!
//! Two replica sets start, one gets sample data, `mongoark` carries it to the other by way of an encrypted archive,
//! and every namespace is compared. Servers and files are gone afterwards, also when something fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mongoark_test_support::{Binary, ReplicaSet, corpus};

use crate::execute::{cargo, execute, target_directory};
use crate::{Result, servers};

mod comparison;
mod report;

pub(crate) fn run() -> Result<()> {
    servers::provide(&Binary::default_version())?;
    execute(&mut cargo(["build", "--release", "--package", "mongoark"]))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("a runtime: {error}"))?;
    runtime.block_on(show())
}

/// The whole story, top down.
async fn show() -> Result<()> {
    let files = tempfile::tempdir().map_err(|error| format!("a folder for the archive: {error}"))?;
    println!("starting two replica sets");
    let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
    println!("loading a sample");
    let (from, to) = (source.client().await, target.client().await);
    let loaded = corpus::load_sample(&from).await.map_err(|error| format!("the sample: {error}"))?;
    println!("{} documents, {:.1} MB", loaded.documents, loaded.bytes as f64 / 1_000_000.0);
    let carried = carry(&source.uri(), &target.uri(), files.path())?;
    let rows = comparison::compare(&from, &to).await?;
    report::print(&rows, &carried);
    let different = rows.iter().filter(|row| !row.is_equal()).count();
    if different == 0 { Ok(()) } else { Err(format!("{different} namespaces differ")) }
}

/// How long each command took, and what it made.
struct Carried {
    dump: Duration,
    verify: Duration,
    restore: Duration,
    archive_bytes: u64,
}

/// Dumps, verifies and restores with a new key, as an operator would.
fn carry(source: &str, target: &str, folder: &Path) -> Result<Carried> {
    let (key, archive) = (folder.join("demo.key"), folder.join("demo.mongoark"));
    mongoark(&["key", "generate"], &[&key])?;
    let key_file = key.display().to_string();
    let dump = mongoark(&["dump", "--uri", source, "--key-file", &key_file], &[&archive])?;
    let verify = mongoark(&["verify", "--key-file", &key_file], &[&archive])?;
    let restore = mongoark(&["restore", "--uri", target, "--key-file", &key_file], &[&archive])?;
    let archive_bytes = std::fs::metadata(&archive).map_err(|error| format!("the archive: {error}"))?.len();
    Ok(Carried { dump, verify, restore, archive_bytes })
}

fn mongoark(arguments: &[&str], files: &[&PathBuf]) -> Result<Duration> {
    let binary = target_directory().join("release").join(format!("mongoark{}", std::env::consts::EXE_SUFFIX));
    let begin = Instant::now();
    execute(Command::new(binary).args(arguments).args(files))?;
    Ok(begin.elapsed())
}
