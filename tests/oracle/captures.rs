//! `mongoark oplog capture` beside a dump: any time up to the end of the last slice can be restored, whatever happened
//! to the capture and to the members of the set meanwhile.

use bson::Timestamp;
use mongoark_test_support::corpus::Random;
use std::time::Duration;

use crate::desk::{Desk, a_while, as_argument, some_times};
use crate::native::{Held, restore, start_dump};
use crate::seeds;
use crate::slowed::Slowed;
use crate::support::{arg, program};

const TIMES: usize = 3;
/// Long enough for a slice or two.
const SOME_SLICES: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_restores_to_any_time_on_one_member() {
    let mut desk = Desk::start(1).await;
    seeds::each("capture, one member", async |seed| check(&mut desk, seed).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_restores_to_any_time_through_crashes_on_three_members() {
    let mut desk = Desk::start(3).await;
    seeds::each("capture, three members", async |seed| check(&mut desk, seed).await).await;
}

async fn check(desk: &mut Desk, seed: u64) -> String {
    let mut random = Random::new(seed);
    let writers = desk.writers(seed).await;
    let mut capture = start_capture(desk, 0);
    a_while(&mut random).await;
    let mut dump = start_dump(desk);
    let status = dump.crawl(&mut random).await;
    dump.expect_success(status);
    let held = Held::read(desk);
    trouble(desk, &mut capture, &mut random).await;
    tokio::time::sleep(SOME_SLICES).await;
    let model = writers.stop().await;
    // Everything is written: the capture comes to it while it is asked to end, or a moment before.
    tokio::time::sleep(SOME_SLICES).await;
    let status = capture.terminate().await;
    capture.expect_success(status);
    let mut times = some_times(&model, held.consistent, model.last(), TIMES, &mut random);
    times.push(model.last());
    for time in &times {
        restore_to(desk, *time, seed).await;
        desk.expect_state_at(&model, *time, seed, "after a restore with captured slices").await;
    }
    desk.expect_equal_members(&model, seed).await;
    let changes = model.changes_within(held.end, model.last());
    format!("{changes} changes after the dump, restored to {} times", times.len())
}

/// Crashes of the capture; on a set of several members an election, or the crash of a member.
async fn trouble(desk: &mut Desk, capture: &mut Slowed, random: &mut Random) {
    a_while(random).await;
    if random.below(2) == 0 {
        capture.kill();
        a_while(random).await;
        *capture = start_capture(desk, 1);
    }
    if desk.source.member_count() > 1 {
        desk.disturb(random).await;
    }
}

fn start_capture(desk: &Desk, number: usize) -> Slowed {
    let (uri, slices) = (desk.source.uri(), desk.path("slices"));
    let mut command = program();
    command.args(["oplog", "capture", "--uri", &uri, "--out", arg(&slices)]);
    command.args(["--no-encryption", "--slice-seconds", "2"]);
    Slowed::start(&mut command, desk.path(&format!("capture-{number}.log")))
}

async fn restore_to(desk: &Desk, time: Timestamp, seed: u64) {
    let slices = desk.path("slices");
    restore(desk, &["--oplog-dir", arg(&slices), "--to", &as_argument(time)], seed).await;
}
