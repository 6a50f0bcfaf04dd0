//! A deployment that is written to, one that is restored onto, and the comparison of the latter with the model.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bson::Timestamp;
use mongoark_test_support::corpus::Random;
use mongoark_test_support::oracle::{self, Load, Model, Writers};
use mongoark_test_support::{Binary, ReplicaSet, connect, wipe};
use tempfile::TempDir;

use crate::support::run;
use crate::support::tools::Tools;

/// Differences that a failure names.
const NAMED: usize = 25;

/// Source, target, and a place for what is dumped. All of it serves one seed after the other.
pub struct Desk {
    pub source: ReplicaSet,
    pub target: ReplicaSet,
    pub folder: TempDir,
    pub tools: Tools,
}

impl Desk {
    pub async fn start(members: usize) -> Self {
        let set = |members| ReplicaSet::builder().members(members).oplog_mb(990).wired_tiger_cache_gb(0.5);
        let (source, target) = tokio::join!(set(members).start(), set(1).start());
        Self { source, target, folder: tempfile::tempdir().unwrap(), tools: Tools::link() }
    }

    /// Empties both deployments and the folder, and lets writers loose on the source.
    pub async fn writers(&mut self, seed: u64) -> Writers {
        self.folder = tempfile::tempdir().unwrap();
        let client = self.source.client().await;
        wipe(&client).await;
        let load = Load::of_version(&Binary::default_version());
        Writers::start(&client, seed, load).await
    }

    /// An election on the source, or the crash of a member, which comes back.
    pub async fn disturb(&mut self, random: &mut Random) {
        if random.below(2) == 0 {
            self.source.step_down().await;
        } else {
            let member = random.below(self.source.member_count());
            self.source.kill(member);
            a_while(random).await;
            self.source.restart(member).await;
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a restore onto the emptied target; it has to succeed.
    pub async fn restore(&self, command: &mut Command, seed: u64) {
        wipe(&connect(&self.target.uri()).await).await;
        let restored = run(command);
        if restored.code != 0 {
            let printed: Vec<&str> = restored.stderr.lines().collect();
            let end = printed[printed.len().saturating_sub(NAMED)..].join("\n");
            panic!(
                "seed {seed}: a restore ended with {}; files in {}:\n{end}",
                restored.code,
                self.keep(seed)
            );
        }
    }

    /// Fails unless the target is what the model was at this time, and keeps to what always holds.
    pub async fn expect_state_at(&self, model: &Model, time: Timestamp, seed: u64, what: &str) {
        let client = connect(&self.target.uri()).await;
        let found = oracle::observe(&client, model.databases()).await.unwrap();
        let mut lines = oracle::differences(&model.state_at(time), &found);
        lines.extend(oracle::broken_invariants(&found));
        let known = |name: &String| ["admin", "config", "local"].contains(&name.as_str());
        let extra = client.list_database_names().await.unwrap().into_iter().filter(|name| !known(name));
        let extra = extra.filter(|name| !model.databases().contains(name));
        lines.extend(extra.map(|name| format!("an unexpected database {name}")));
        if !lines.is_empty() {
            let (count, kept) = (lines.len(), self.keep(seed));
            lines.truncate(NAMED);
            panic!(
                "seed {seed}: {what} at {time}: {count} differences; files in {kept}:\n{}",
                lines.join("\n")
            );
        }
    }

    /// Fails unless all members of the source have the same.
    pub async fn expect_equal_members(&self, model: &Model, seed: u64) {
        let lines = oracle::differences_between_members(&self.source, model.databases(), model.last()).await;
        assert!(lines.is_empty(), "seed {seed}: {}", lines.join("\n"));
    }

    /// Copies what was dumped to where it stays, for whoever looks into a failure.
    fn keep(&self, seed: u64) -> String {
        let kept = std::env::temp_dir().join(format!("mongoark-oracle-{}-{seed}", std::process::id()));
        let copied = Command::new("cp").arg("-a").arg(self.folder.path()).arg(&kept).status();
        assert!(copied.unwrap().success());
        kept.display().to_string()
    }
}

/// Lets the writers write for a while.
pub async fn a_while(random: &mut Random) {
    tokio::time::sleep(Duration::from_millis(200 + random.below(600) as u64)).await;
}

/// Times after the first and up to the second one, at each of which something happened; none if nothing did.
pub fn some_times(
    model: &Model,
    from: Timestamp,
    to: Timestamp,
    count: usize,
    random: &mut Random,
) -> Vec<Timestamp> {
    let times = model.times_within(from, to);
    let count = if times.is_empty() { 0 } else { count };
    (0..count).map(|_| *random.pick(&times)).collect()
}

/// A time as the command line takes it.
pub fn as_argument(time: Timestamp) -> String {
    format!("{}:{}", time.time, time.increment)
}
