//! The model itself, before anything is dumped: it agrees with the deployment that was written to.

use mongoark_test_support::corpus::Random;
use mongoark_test_support::{Binary, connect, oracle};

use crate::desk::{Desk, a_while, some_times};
use crate::seeds;

const TIMES: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn the_model_agrees_with_the_source_on_one_member() {
    let mut desk = Desk::start(1).await;
    seeds::each("the model, one member", async |seed| check(&mut desk, seed, false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_agrees_with_the_source_after_elections_and_crashes_on_three_members() {
    let mut desk = Desk::start(3).await;
    seeds::each("the model, three members", async |seed| check(&mut desk, seed, true).await).await;
}

async fn check(desk: &mut Desk, seed: u64, trouble: bool) -> String {
    let mut random = Random::new(seed);
    let writers = desk.writers(seed).await;
    a_while(&mut random).await;
    if trouble {
        desk.disturb(&mut random).await;
    }
    a_while(&mut random).await;
    a_while(&mut random).await;
    let model = writers.stop().await;
    let client = connect(&desk.source.uri()).await;
    let found = oracle::observe(&client, model.databases()).await.unwrap();
    let lines = oracle::differences(&model.state_at(model.last()), &found);
    assert!(lines.is_empty(), "seed {seed}: {}", lines.join("\n"));
    let mut same = 0;
    for time in some_times(&model, model.prepared(), model.last(), TIMES, &mut random) {
        let state = model.state_at(time);
        assert_eq!(oracle::broken_invariants(&state), Vec::<String>::new(), "seed {seed} at {time}");
        if Binary::find(&Binary::default_version()).is_at_least(5, 0) {
            let (lines, agree) = oracle::snapshot_differences(&client, &state, time).await;
            assert!(lines.is_empty(), "seed {seed}: {}", lines.join("\n"));
            same += agree;
        }
    }
    desk.expect_equal_members(&model, seed).await;
    let changes = model.changes_within(model.prepared(), model.last());
    format!("{changes} changes, {same} collections as in snapshots, refused {:?}", model.refused())
}
