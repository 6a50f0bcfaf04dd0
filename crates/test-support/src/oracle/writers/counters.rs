//! Numbers without gaps: each is inserted, then a counter says so.

use bson::doc;

use super::insert;
use crate::oracle::checks::integer;
use crate::oracle::pen::{Pen, put};
use crate::oracle::state::State;
use crate::oracle::writer::Writer;

const PREFIX: &str = "counter_";

pub(in crate::oracle) struct Counters {
    database: String,
    numbers: i32,
}

impl Counters {
    pub(in crate::oracle) fn new(number: usize) -> Self {
        Self { database: format!("{PREFIX}{number}"), numbers: 0 }
    }
}

impl Writer for Counters {
    fn databases(&self) -> Vec<String> {
        vec![self.database.clone()]
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        pen.observed(&self.database, doc! { "create": "numbers" }).await;
        pen.observed(&self.database, insert("counter", vec![doc! { "_id": 0, "n": 0 }])).await;
    }

    async fn step(&mut self, pen: &mut Pen) {
        self.numbers += 1;
        let number = doc! { "_id": self.numbers };
        let changes = vec![put(&format!("{}.numbers", self.database), &number)];
        pen.write(&self.database, insert("numbers", vec![number]), changes).await;
        let count = doc! { "q": { "_id": 0 }, "u": { "$inc": { "n": 1 } } };
        let changes = vec![put(&format!("{}.counter", self.database), &doc! { "_id": 0, "n": self.numbers })];
        pen.write(&self.database, doc! { "update": "counter", "updates": [count] }, changes).await;
    }
}

/// Counters that missed a number or are ahead of one.
pub(in crate::oracle) fn broken(state: &State) -> Vec<String> {
    let of_counters = state.namespaces.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let counters = of_counters.filter_map(|(name, counter)| Some((name.strip_suffix(".counter")?, counter)));
    let mut lines = Vec::new();
    for (database, counter) in counters {
        let counted: i64 = counter.documents().map(|(_, counter)| integer(counter, "n")).sum();
        let numbers = state.namespaces.get(&format!("{database}.numbers"));
        let mut numbers: Vec<i64> = numbers
            .into_iter()
            .flat_map(|numbers| numbers.documents().map(|(_, number)| integer(number, "_id")))
            .collect();
        numbers.sort_unstable();
        if let Some((expected, found)) = (1..).zip(&numbers).find(|(expected, found)| *expected != **found) {
            lines.push(format!("{database}: {found} comes where {expected} should be"));
        }
        let last = numbers.last().copied().unwrap_or(0);
        if last != counted && last != counted + 1 {
            lines.push(format!("{database}: {counted} numbers were counted, the last one is {last}"));
        }
    }
    lines
}
