//! A dump that is killed again and again and gone on with: it restores to any time that it holds.

use bson::Timestamp;
use mongoark_test_support::corpus::Random;
use std::time::Duration;

use crate::desk::{Desk, a_while, as_argument, some_times};
use crate::native::{Held, restore};
use crate::seeds;
use crate::slowed::Slowed;
use crate::support::{arg, program};

/// Kills of one dump.
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_killed_and_resumed_restores_to_any_time_on_one_member() {
    let mut desk = Desk::start(1).await;
    seeds::each("resumed dump, one member", async |seed| check(&mut desk, seed).await).await;
}

async fn check(desk: &mut Desk, seed: u64) -> String {
    let mut random = Random::new(seed);
    let writers = desk.writers(seed).await;
    a_while(&mut random).await;
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut dump = start(desk);
        if dump.crawl_for(&mut random, Duration::from_millis(50)).await.is_some() {
            break;
        }
        dump.kill();
        kills += 1;
    }
    let mut dump = start(desk);
    let is_whole = desk.path("dump.mongoark").exists();
    if !is_whole {
        let status = dump.crawl(&mut random).await;
        dump.expect_success(status);
    }
    drop(dump);
    let model = writers.stop().await;
    let held = Held::read(desk);
    let mut times: Vec<Timestamp> = some_times(&model, held.consistent, held.end, 1, &mut random);
    times.extend([held.consistent, held.end]);
    for time in &times {
        restore(desk, &["--to", &as_argument(*time)], seed).await;
        desk.expect_state_at(&model, *time, seed, "after a restore of a resumed dump").await;
    }
    let log = std::fs::read_to_string(desk.path("dump.log")).unwrap();
    let resumed = log.lines().find(|line| line.contains("going on behind")).unwrap_or("begun anew");
    format!("{kills} kills, {} entries, {resumed}", held.entries)
}

fn start(desk: &Desk) -> Slowed {
    let (uri, report, archive) = (desk.source.uri(), desk.path("report"), desk.path("dump.mongoark"));
    let mut command = program();
    command.args(["dump", "--uri", &uri, "--no-encryption", "--report", arg(&report)]);
    command.args(["--resume", "--checkpoint-every", "0.05", arg(&archive)]);
    Slowed::start(&mut command, desk.path("dump.log"))
}
