//! Which seeds a test runs.

use std::time::{SystemTime, UNIX_EPOCH};

const SEED: &str = "MONGOARK_ORACLE_SEED";
const RUNS: &str = "MONGOARK_ORACLE_RUNS";

/// Runs a test for each seed that it is to run, one unless more are asked for, and prints each before it begins and
/// when it has passed.
pub async fn each(what: &str, mut run: impl AsyncFnMut(u64) -> String) {
    for seed in seeds() {
        println!("oracle: {what}: {SEED}={seed} begins");
        let summary = run(seed).await;
        println!("oracle: {what}: {SEED}={seed} passed: {summary}");
    }
}

fn seeds() -> Vec<u64> {
    if let Some(seed) = number(SEED) {
        return vec![seed];
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = now.as_secs() % 1_000_000 * 1_000;
    (first..first + number(RUNS).unwrap_or(1)).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}
