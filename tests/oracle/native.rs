//! `mongoark dump` and `mongoark restore`, to the end of the dump and to any time from its consistent one on.

use bson::Timestamp;
use mongoark_test_support::corpus::Random;
use serde_json::Value;
use std::time::Duration;

use crate::desk::{Desk, a_while, as_argument, some_times};
use crate::seeds;
use crate::slowed::Slowed;
use crate::support::{arg, program};

/// Restores to a random time besides those to both ends.
const TIMES: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restores_to_any_time_that_it_holds_on_one_member() {
    let mut desk = Desk::start(1).await;
    seeds::each("dump, one member", async |seed| check(&mut desk, seed, false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restores_to_any_time_through_an_election_on_three_members() {
    let mut desk = Desk::start(3).await;
    seeds::each("dump, three members", async |seed| check(&mut desk, seed, true).await).await;
}

async fn check(desk: &mut Desk, seed: u64, election: bool) -> String {
    let mut random = Random::new(seed);
    let writers = desk.writers(seed).await;
    a_while(&mut random).await;
    let mut dump = start_dump(desk);
    let status = if election {
        let moment = Duration::from_millis(300 + random.below(1_500) as u64);
        let step_down = async {
            tokio::time::sleep(moment).await;
            desk.source.step_down().await
        };
        tokio::join!(dump.crawl(&mut random), step_down).0
    } else {
        dump.crawl(&mut random).await
    };
    a_while(&mut random).await;
    let model = writers.stop().await;
    dump.expect_success(status);
    let held = Held::read(desk);
    restore(desk, &[], seed).await;
    desk.expect_state_at(&model, held.end, seed, "after a restore to the end").await;
    let mut times = some_times(&model, held.consistent, held.end, TIMES, &mut random);
    times.push(*random.pick(&[held.consistent, held.end]));
    for time in &times {
        restore(desk, &["--to", &as_argument(*time)], seed).await;
        desk.expect_state_at(&model, *time, seed, "after restore --to").await;
    }
    desk.expect_equal_members(&model, seed).await;
    let changes = model.changes_within(held.start, held.end);
    format!("{} entries, {changes} changes, restored to {} times", held.entries, times.len() + 1)
}

/// What a report says of the oplog in a dump.
pub struct Held {
    pub start: Timestamp,
    pub consistent: Timestamp,
    pub end: Timestamp,
    pub entries: u64,
}

impl Held {
    pub fn read(desk: &Desk) -> Self {
        let report: Value = serde_json::from_slice(&std::fs::read(desk.path("report")).unwrap()).unwrap();
        let oplog = &report["result"]["oplog"];
        let time = |field: &str| {
            let text = oplog[field].as_str().unwrap_or_else(|| panic!("no {field} in {report}"));
            let (seconds, ordinal) = text.split_once(':').unwrap();
            Timestamp { time: seconds.parse().unwrap(), increment: ordinal.parse().unwrap() }
        };
        let entries = oplog["entries"].as_u64().unwrap();
        Self { start: time("start"), consistent: time("consistent"), end: time("end"), entries }
    }
}

/// A dump of the whole source, with a report.
pub fn start_dump(desk: &Desk) -> Slowed {
    let (uri, report, archive) = (desk.source.uri(), desk.path("report"), desk.path("dump.mongoark"));
    let mut command = program();
    command.args(["dump", "--uri", &uri, "--no-encryption", "--report", arg(&report), arg(&archive)]);
    Slowed::start(&mut command, desk.path("dump.log"))
}

/// A restore of that dump onto the emptied target.
pub async fn restore(desk: &Desk, more: &[&str], seed: u64) {
    let mut command = program();
    command.args(["restore", "--uri", &desk.target.uri()]).args(more).arg(desk.path("dump.mongoark"));
    desk.restore(&mut command, seed).await;
}
