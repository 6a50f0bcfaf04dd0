//! A restore that is killed again and again, or whose target is, and gone on with: it ends as if it had never been.

use bson::Timestamp;
use mongoark_test_support::corpus::Random;
use mongoark_test_support::fault::FailCommand;
use mongoark_test_support::{connect, wipe};
use std::time::Duration;

use crate::desk::{Desk, as_argument, some_times};
use crate::native::{Held, start_dump};
use crate::seeds;
use crate::slowed::Slowed;
use crate::support::{arg, program};

/// Kills of one restore.
const KILLS: usize = 4;
/// Commands of a restore that are held up, so that kills meet every phase.
const SLOWED: [&str; 6] = ["create", "insert", "applyOps", "createIndexes", "update", "renameCollection"];

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_and_resumed_ends_as_any_other() {
    let mut desk = Desk::start(1).await;
    seeds::each("resumed restore", async |seed| check(&mut desk, seed).await).await;
}

async fn check(desk: &mut Desk, seed: u64) -> String {
    let mut random = Random::new(seed);
    let writers = desk.writers(seed).await;
    let mut dump = start_dump(desk);
    let status = dump.crawl(&mut random).await;
    dump.expect_success(status);
    let model = writers.stop().await;
    let held = Held::read(desk);
    let mut times: Vec<Timestamp> = some_times(&model, held.consistent, held.end, 1, &mut random);
    times.extend([held.consistent, held.end]);
    let mut told = Told::default();
    for time in &times {
        restore(desk, *time, &mut random, &mut told).await;
        desk.expect_state_at(&model, *time, seed, "after a restore that was resumed").await;
    }
    format!("{told:?}, {} entries", held.entries)
}

/// What runs found when they went on.
#[derive(Debug, Default)]
struct Told {
    kills: usize,
    crashes: usize,
    anew: usize,
    in_documents: usize,
    behind_them: usize,
    in_oplog: usize,
    behind_its_end: usize,
}

impl Told {
    fn add(&mut self, printed: &str) {
        let Some(line) = printed.lines().find(|line| line.contains("going on with the restore")) else {
            self.anew += 1;
            return;
        };
        let of = |what: &str| line.contains(what);
        if of("of the oplog") {
            self.in_oplog += 1;
        } else if of("behind its documents") {
            self.behind_them += 1;
        } else {
            self.in_documents += 1;
        }
    }
}

/// Restores onto the emptied target, in as many runs as it takes.
async fn restore(desk: &mut Desk, time: Timestamp, random: &mut Random, told: &mut Told) {
    wipe(&connect(&desk.target.uri()).await).await;
    let slow_for = Duration::from_millis(5 + random.below(40) as u64);
    for run in 0.. {
        let client = connect(&desk.target.uri()).await;
        FailCommand::new(SLOWED).app_name("mongoark").block(slow_for).enable(&client).await;
        let mut restore = start(desk, time, run);
        let kills = run < KILLS;
        let lives = Duration::from_millis(if kills { 100 + random.below(1_800) as u64 } else { 180_000 });
        let ended = restore.lives_for(lives).await;
        if run > 0 {
            told.add(&restore.printed());
        }
        if let Some(status) = ended {
            // Killed behind its end, when its notes were gone already: then the target is what it has to be.
            if run > 0 && restore.printed().contains("no restore of this archive was broken off") {
                told.behind_its_end += 1;
                assert!(restore.printed().contains("exists on the target"), "{}", restore.printed());
            } else {
                restore.expect_success(status);
            }
            FailCommand::disable(&client).await;
            return;
        }
        told.kills += 1;
        if random.below(3) == 0 {
            // The target dies too, and with it what it had not made durable.
            told.crashes += 1;
            desk.target.kill(0);
            restore.kill();
            desk.target.restart(0).await;
        } else {
            restore.kill();
        }
    }
}

fn start(desk: &Desk, time: Timestamp, run: usize) -> Slowed {
    let mut command = program();
    command.args(["restore", "--uri", &desk.target.uri(), "--to", &as_argument(time)]);
    command.args(["--resume", "--checkpoint-every", "0.05", arg(&desk.path("dump.mongoark"))]);
    Slowed::start(&mut command, desk.path(&format!("restore-{run}.log")))
}
