//! The demo itself.
//!
//! Two replica sets start, one gets sample data, `mongoark` carries it to the other by way of an encrypted archive,
//! and every namespace is compared. Servers and files are gone afterwards, also when something fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mongoark_test_support::{ReplicaSet, corpus};

use super::{comparison, report};
use crate::Result;
use crate::execute::execute;

pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("a runtime: {error}"))?;
    runtime.block_on(show())
}

/// The whole story, top down.
async fn show() -> Result<()> {
    let files = tempfile::tempdir().map_err(|error| format!("a folder for the archive: {error}"))?;
    println!("starting two replica sets");
    let (source, target) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
    let (from, to) = (source.client().await, target.client().await);
    println!("loading a sample");
    let loaded = corpus::load_sample(&from).await.map_err(|error| format!("the sample: {error}"))?;
    println!("{} documents, {:.1} MB", loaded.documents, loaded.bytes as f64 / 1_000_000.0);
    let carried = carry(&source.uri(), &target.uri(), files.path())?;
    let comparison = comparison::compare(&from, &to).await?;
    report::print(&comparison, &carried);
    if comparison.is_equal() { Ok(()) } else { Err("the two deployments differ".to_owned()) }
}

/// How long each command took, and what it made.
pub(super) struct Carried {
    pub(super) dump: Duration,
    pub(super) verify: Duration,
    pub(super) restore: Duration,
    pub(super) archive_bytes: u64,
}

/// Dumps, verifies and restores with a new key, as an operator would.
fn carry(source: &str, target: &str, folder: &Path) -> Result<Carried> {
    let (key, archive) = (folder.join("demo.key"), folder.join("demo.mongoark"));
    mongoark(&["key", "generate"], &key)?;
    let key_file = key.display().to_string();
    let dump = mongoark(&["dump", "--uri", source, "--key-file", &key_file], &archive)?;
    let verify = mongoark(&["verify", "--key-file", &key_file], &archive)?;
    let restore = mongoark(&["restore", "--uri", target, "--key-file", &key_file], &archive)?;
    let archive_bytes = std::fs::metadata(&archive).map_err(|error| format!("the archive: {error}"))?.len();
    Ok(Carried { dump, verify, restore, archive_bytes })
}

/// Runs the `mongoark` that was built together with this program.
fn mongoark(arguments: &[&str], file: &Path) -> Result<Duration> {
    let own = std::env::current_exe().map_err(|error| format!("the path of this program: {error}"))?;
    let binary: PathBuf = own.with_file_name(format!("mongoark{}", std::env::consts::EXE_SUFFIX));
    let begin = Instant::now();
    execute(Command::new(binary).args(arguments).arg(file))?;
    Ok(begin.elapsed())
}
