//! A dump whose member is lost: it dies, comes back at once or stands still. The dump goes on with another one, and restores to any time
//! that it holds.

use mongoark_test_support::corpus::Random;
use mongoark_test_support::fault::FailCommand;
use std::time::Duration;

use crate::desk::{Desk, a_while, as_argument, some_times};
use crate::native::{Held, restore};
use crate::seeds;
use crate::slowed::Slowed;
use crate::support::{arg, program};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restores_to_any_time_through_the_loss_of_its_member_on_three_members() {
    let mut desk = Desk::start(3).await;
    seeds::each("dump, a member lost", async |seed| check(&mut desk, seed).await).await;
}

async fn check(desk: &mut Desk, seed: u64) -> String {
    let mut random = Random::new(seed);
    let writers = desk.writers(seed).await;
    let slow = FailCommand::new(["find", "getMore", "listIndexes"]).app_name("mongoark");
    let slow = slow.block(Duration::from_millis(10 + random.below(30) as u64));
    for member in 0..3 {
        slow.enable(&desk.source.member_client(member).await).await;
    }
    a_while(&mut random).await;
    let mut dump = start(desk);
    let mut losses = 0;
    let mut paused = None;
    // At the most two, each of whichever member is read then.
    let status = loop {
        let lives = if losses < 2 { 200 + random.below(1_200) as u64 } else { 180_000 };
        let ended = dump.lives_for(Duration::from_millis(lives)).await;
        if let Some(status) = ended {
            break status;
        }
        let Some(member) = read_from(desk, &dump.printed()) else { continue };
        losses += 1;
        match random.below(3) {
            0 if paused.is_none() => {
                desk.source.pause(member);
                paused = Some(member);
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            // The others are a majority only while they are two.
            _ if paused.is_some() => {}
            _ => {
                desk.source.kill(member);
                a_while(&mut random).await;
                if random.below(2) == 0 {
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
                desk.source.restart(member).await;
            }
        }
    };
    if let Some(member) = paused {
        desk.source.resume(member);
    }
    let printed = dump.printed();
    dump.expect_success(status);
    let model = writers.stop().await;
    desk.source.wait_until_ready().await;
    for member in 0..3 {
        FailCommand::disable(&desk.source.member_client(member).await).await;
    }
    let held = Held::read(desk);
    let mut times = some_times(&model, held.consistent, held.end, 1, &mut random);
    times.extend([held.consistent, held.end]);
    for time in &times {
        restore(desk, &["--to", &as_argument(*time)], seed).await;
        desk.expect_state_at(&model, *time, seed, "after a restore").await;
    }
    desk.expect_equal_members(&model, seed).await;
    let moves = printed.matches("going on with").count();
    format!("{losses} losses, {moves} moves, {} entries", held.entries)
}

fn start(desk: &Desk) -> Slowed {
    let (report, archive) = (desk.path("report"), desk.path("dump.mongoark"));
    let uri = format!(
        "{}&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&heartbeatFrequencyMS=1000",
        desk.source.uri()
    );
    let mut command = program();
    command.args(["dump", "--uri", &uri, "--no-encryption", "--retry-for", "3"]);
    command.args(["--report", arg(&report), arg(&archive)]);
    Slowed::start(&mut command, desk.path("dump.log"))
}

/// The member that the dump says it reads; nothing before it says so.
fn read_from(desk: &Desk, printed: &str) -> Option<usize> {
    let place = |member: &usize| {
        let address = desk.source.address(*member);
        let marks = [format!("from {address} "), format!("going on with {address}")];
        marks.iter().filter_map(|mark| printed.rfind(mark.as_str())).max()
    };
    (0..desk.source.member_count()).filter(|member| place(member).is_some()).max_by_key(place)
}
