//! A dump that is killed again and again and gone on with: it restores to any time that it holds.

use bson::Timestamp;
use mongoark_test_support::corpus::Random;
use mongoark_test_support::fault::FailCommand;
use std::time::Duration;

use crate::desk::{Desk, as_argument, some_times};
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
    let client = desk.source.client().await;
    let slow = FailCommand::new(["find", "getMore", "listIndexes"]).app_name("mongoark");
    slow.block(Duration::from_millis(20 + random.below(60) as u64)).enable(&client).await;
    let mut runs = 0;
    let mut resumed = 0;
    loop {
        let log = format!("dump-{runs}.log");
        let mut dump = start(desk, &log);
        let kills = runs < KILLS;
        let lives = Duration::from_millis(if kills { 100 + random.below(1_500) as u64 } else { 180_000 });
        let ended = dump.lives_for(lives).await;
        resumed += usize::from(dump.printed().contains("going on behind"));
        match ended {
            Some(status) => {
                dump.expect_success(status);
                break;
            }
            None => dump.kill(),
        }
        // Killed behind its end, without a report: once more from the start.
        std::fs::remove_file(desk.path("dump.mongoark")).ok();
        runs += 1;
    }
    FailCommand::disable(&client).await;
    let model = writers.stop().await;
    let held = Held::read(desk);
    let mut times: Vec<Timestamp> = some_times(&model, held.consistent, held.end, 1, &mut random);
    times.extend([held.consistent, held.end]);
    for time in &times {
        restore(desk, &["--to", &as_argument(*time)], seed).await;
        desk.expect_state_at(&model, *time, seed, "after a restore of a resumed dump").await;
    }
    format!("{runs} kills, {resumed} resumed, {} entries", held.entries)
}

fn start(desk: &Desk, log: &str) -> Slowed {
    let (uri, report, archive) = (desk.source.uri(), desk.path("report"), desk.path("dump.mongoark"));
    let mut command = program();
    command.args(["dump", "--uri", &uri, "--no-encryption", "--report", arg(&report)]);
    command.args(["--resume", "--checkpoint-every", "0.05", arg(&archive)]);
    Slowed::start(&mut command, desk.path(log))
}
