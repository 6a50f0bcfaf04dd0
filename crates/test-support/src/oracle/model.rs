//! The log of all writers: what changed when, and from that the state at any time.

use std::collections::BTreeMap;

use bson::Timestamp;
use mongodb::Client;

use super::change::Change;
use super::oplog::Times;
use super::pen::Written;
use super::state::{Aspect, State};

/// What a writer did in one step.
#[derive(Debug)]
pub(super) struct Step {
    /// The time before which it did not happen.
    pub(super) after: Timestamp,
    /// The time by which all of it had happened.
    pub(super) until: Timestamp,
    /// Whether it was one write, answered at once: then it happened at `until` exactly.
    pub(super) exact: bool,
    pub(super) changes: Vec<Change>,
}

/// What a source held at any time from the end of its preparation on.
#[derive(Debug)]
pub struct Model {
    /// By time; changes of the same time in the order in which they have to be made.
    changes: Vec<(Timestamp, Change)>,
    /// What one step changed more than once: nobody saw it between the first change and the last. A command that was
    /// sent again after an election is such a step.
    unsettled: Vec<Unsettled>,
    databases: Vec<String>,
    refused: BTreeMap<String, usize>,
    prepared: Timestamp,
    last: Timestamp,
}

#[derive(Debug)]
struct Unsettled {
    first: Timestamp,
    last: Timestamp,
    namespace: String,
    aspect: Aspect,
}

impl Model {
    /// Finds the exact time of each change in the oplog of the source.
    ///
    /// # Panics
    /// When the oplog shows a change at another time than the server said, or not at all.
    pub(super) async fn settle(client: &Client, written: Written, prepared: Timestamp) -> Self {
        let Written { databases, steps, refused } = written;
        let zero = Timestamp { time: 0, increment: 0 };
        let after = steps.iter().map(|step| step.after).min().unwrap_or(zero);
        let last = steps.iter().map(|step| step.until).max().unwrap_or(zero);
        let times = Times::read(client, after, last).await;
        let (mut changes, mut unsettled) = (Vec::new(), Vec::new());
        for step in &steps {
            for change in &step.changes {
                let (first, last) = times_of(step, change, &times);
                changes.push((last, change.clone()));
                if let (true, Some((namespace, aspect))) = (first < last, change.aspect()) {
                    unsettled.push(Unsettled { first, last, namespace, aspect });
                }
            }
        }
        // Stable, so that changes of one time stay in their order.
        changes.sort_by_key(|(time, _)| *time);
        Self { changes, unsettled, databases, refused, prepared, last }
    }

    /// The state after every change up to this time, those at the time itself among them.
    pub fn state_at(&self, time: Timestamp) -> State {
        let mut state = State::default();
        for (_, change) in self.changes.iter().take_while(|(at, _)| *at <= time) {
            change.apply(&mut state);
        }
        for unsettled in self.unsettled.iter().filter(|it| it.first <= time && time < it.last) {
            if let Some(namespace) = state.namespaces.get_mut(&unsettled.namespace) {
                namespace.unsettle(unsettled.aspect.clone());
            }
        }
        state
    }

    /// Every database that a writer wrote to.
    pub fn databases(&self) -> &[String] {
        &self.databases
    }

    /// How many commands of each name were refused; the model knows what came of them.
    pub fn refused(&self) -> &BTreeMap<String, usize> {
        &self.refused
    }

    /// When the writers began.
    pub fn prepared(&self) -> Timestamp {
        self.prepared
    }

    /// When the last write had happened.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// How many changes there are after a time and up to another one.
    pub fn changes_within(&self, after: Timestamp, until: Timestamp) -> usize {
        self.changes.iter().filter(|(at, _)| *at > after && *at <= until).count()
    }

    /// The times of all changes after a time and up to another one, each once.
    pub fn times_within(&self, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let times = self.changes.iter().map(|(at, _)| *at).filter(|at| *at > after && *at <= until);
        let mut times: Vec<_> = times.collect();
        times.dedup();
        times
    }
}

fn times_of(step: &Step, change: &Change, times: &Times) -> (Timestamp, Timestamp) {
    let signs = change.signs();
    let found = times.within(&signs, step.after, step.until);
    let (first, time) = found.unwrap_or_else(|| {
        panic!("the oplog shows nothing of {signs:?} after {} and up to {}", step.after, step.until)
    });
    assert!(
        !step.exact || time == step.until,
        "{signs:?} is at {time} in the oplog, the server said {}",
        step.until
    );
    (first, time)
}
