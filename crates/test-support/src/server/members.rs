//! The members that a replica set is to have: how many, their priorities, tags and visibility.

use std::collections::{BTreeMap, BTreeSet};

use bson::{Document, doc};

use super::builder::Builder;

/// The members that a [`Builder`] of replica sets starts.
#[derive(Clone, Debug)]
pub struct Members {
    pub(super) count: usize,
    priorities: Vec<f64>,
    tags: BTreeMap<usize, Document>,
    pub(super) hidden: BTreeSet<usize>,
    pub(super) oplog_mb: u32,
}

impl Default for Members {
    fn default() -> Self {
        let (priorities, tags, hidden) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { count: 1, priorities, tags, hidden, oplog_mb: 64 }
    }
}

impl Members {
    /// A hidden member cannot be elected, whatever its priority was meant to be.
    pub(super) fn priority(&self, member: usize) -> f64 {
        let given = self.priorities.get(member).copied().unwrap_or(1.0);
        if self.hidden.contains(&member) { 0.0 } else { given }
    }

    /// The member that the set is initiated from: it alone has data then, and so is elected.
    pub(super) fn first_primary(&self) -> usize {
        (1..self.count)
            .fold(0, |best, member| if self.priority(member) > self.priority(best) { member } else { best })
    }

    pub(super) fn describe(&self, member: usize, address: &str) -> Document {
        let id = i32::try_from(member).expect("a handful of members");
        let mut described = doc! { "_id": id, "host": address, "priority": self.priority(member) };
        if self.hidden.contains(&member) {
            described.insert("hidden", true);
        }
        if let Some(tags) = self.tags.get(&member) {
            described.insert("tags", tags.clone());
        }
        described
    }
}

impl Builder<Members> {
    /// How many members.
    pub fn members(mut self, count: usize) -> Self {
        self.kind.count = count;
        self
    }

    /// The members' priorities, in order; 1 for those not given.
    pub fn priorities(mut self, priorities: impl IntoIterator<Item = f64>) -> Self {
        self.kind.priorities = priorities.into_iter().collect();
        self
    }

    /// A member's tags, such as `doc! { "use": "backup" }`.
    pub fn tags(mut self, member: usize, tags: Document) -> Self {
        self.kind.tags.insert(member, tags);
        self
    }

    /// Makes a member hidden, with priority 0.
    pub fn hidden(mut self, member: usize) -> Self {
        self.kind.hidden.insert(member);
        self
    }

    /// Size of the oplog, in MB; 64 unless given here.
    pub fn oplog_mb(mut self, megabytes: u32) -> Self {
        self.kind.oplog_mb = megabytes;
        self
    }
}
