//! How fast a deployment can be dumped: a real dump into nothing, stopped after a while.

use crate::archive::default_codec;
use crate::bench::{self, Settings};
use crate::dump::default_jobs;
use crate::select::Selection;
use crate::{Error, Result, Stop};
use mongoark_deployment::Source;
use mongoark_monitor::{Monitor, Record};
use std::time::{Duration, Instant};

/// How often it is looked whether documents come, and whether it is enough.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a dump did until it was stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// Raw BSON that it read, bytes.
    pub bytes: u64,
    /// How long it read documents, seconds.
    pub seconds: f64,
    /// How long it took before that, for catalog, indexes and sizes, seconds.
    pub catalog_seconds: f64,
    /// Whether it came to its end by itself.
    pub whole: bool,
    /// What it could not read.
    pub failures: Vec<String>,
}

impl Pace {
    /// How long a dump of this much takes, seconds; none where too little was read to tell.
    pub fn dump_seconds(&self, data_bytes: u64) -> Option<f64> {
        if self.whole {
            return Some(self.catalog_seconds + self.seconds);
        }
        let rate = self.bytes as f64 / self.seconds;
        (rate.is_finite() && rate > 0.0).then(|| self.catalog_seconds + data_bytes as f64 / rate)
    }
}

/// Dumps into nothing until documents have come for `sample`.
///
/// # Errors
/// What would end a dump.
pub(super) async fn measure(source: &Source, sample: Duration, stop: &Stop) -> Result<Pace> {
    let settings = Settings {
        selection: Selection::default(),
        codec: default_codec(),
        jobs: default_jobs(),
        encrypted: true,
        file: None,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (monitor, enough, since) = (Monitor::silent(), Stop::default(), Instant::now());
    let clock = tokio::spawn(ring(monitor.clone(), sample, stop.clone(), enough.clone()));
    let dumped = bench::measure(source, settings, &monitor, &enough).await;
    clock.abort();
    stop.check()?;
    let whole = match dumped {
        Ok(_) => true,
        Err(Error::Interrupted) => false,
        Err(error) => return Err(error),
    };
    Ok(pace(&monitor.record(), whole, since.elapsed()))
}

/// Asks the dump to stop when documents have come for long enough, or the user will not wait.
async fn ring(monitor: Monitor, sample: Duration, stop: Stop, enough: Stop) {
    let begun = |monitor: &Monitor| !monitor.running().is_empty() || !monitor.record().items.is_empty();
    while !begun(&monitor) && !stop.is_requested() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let since = Instant::now();
    while since.elapsed() < sample && !stop.is_requested() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    enough.request();
}

fn pace(record: &Record, whole: bool, elapsed: Duration) -> Pace {
    let stage = |name| record.stages.iter().find(|stage| stage.name == name).map(|stage| stage.seconds);
    let failure = |failure: &mongoark_monitor::Failure| format!("{}: {}", failure.subject, failure.message);
    let catalog_seconds = stage("catalog").unwrap_or_default();
    Pace {
        bytes: record.items.iter().map(|item| item.bytes).sum(),
        seconds: stage("documents").unwrap_or(elapsed.as_secs_f64() - catalog_seconds),
        catalog_seconds,
        whole,
        failures: record.failures.iter().map(failure).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stands_for_all() {
        let part =
            Pace { bytes: 1_000_000, seconds: 2.0, catalog_seconds: 1.0, whole: false, failures: Vec::new() };
        assert_eq!(part.dump_seconds(10_000_000), Some(21.0));
        let whole = Pace { whole: true, ..part.clone() };
        assert_eq!(whole.dump_seconds(10_000_000), Some(3.0), "nothing is left to estimate");
        let nothing = Pace { bytes: 0, ..part };
        assert_eq!(nothing.dump_seconds(10_000_000), None);
        assert_eq!(Pace { seconds: 0.0, ..nothing }.dump_seconds(1), None);
    }
}
