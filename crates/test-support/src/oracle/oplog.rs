//! When things happened: a source's oplog, read for the times of its entries.

use std::collections::HashMap;

use bson::Timestamp;
use mongoark_bson_bytes::{Builder, Element, Elements, get};
use mongodb::Client;

use super::change::{Sign, database_of};
use super::state::id_of;
use crate::compare::reading::{Result, for_each};

/// The times at which each sign is in the oplog, in their order.
#[derive(Debug, Default)]
pub(super) struct Times {
    times: HashMap<Sign, Vec<Timestamp>>,
    /// Signs of transactions that are not committed yet, by session and number.
    open: HashMap<Vec<u8>, Vec<Sign>>,
}

impl Times {
    /// Reads what happened after `after` and up to `until`.
    pub(super) async fn read(client: &Client, after: Timestamp, until: Timestamp) -> Self {
        let mut times = Self::default();
        let find = Builder::new()
            .str("find", "oplog.rs")
            .nested("filter", |filter| {
                filter.nested("ts", |ts| {
                    ts.timestamp("$gt", after.time, after.increment);
                    ts.timestamp("$lte", until.time, until.increment);
                });
            })
            .finish();
        let read = for_each(client, "local", find, |entry| times.entry(entry)).await;
        read.expect("an oplog that can be read");
        times
    }

    /// The times of the first and the last of these signs within `(after, until]`; of the first sign that is there at
    /// all.
    pub(super) fn within(
        &self,
        signs: &[Sign],
        after: Timestamp,
        until: Timestamp,
    ) -> Option<(Timestamp, Timestamp)> {
        signs.iter().find_map(|sign| {
            let times = self.times.get(sign)?;
            let begin = times.partition_point(|time| *time <= after);
            let end = times.partition_point(|time| *time <= until);
            let times = times.get(begin..end)?;
            Some((*times.first()?, *times.last()?))
        })
    }

    fn entry(&mut self, entry: &[u8]) -> Result<()> {
        let time = get(entry, "ts")?.and_then(|ts| ts.as_timestamp()).expect("an entry with its time");
        let time = Timestamp { time: time.0, increment: time.1 };
        let mut signs = Vec::new();
        read_operation(entry, &mut signs)?;
        let transaction = transaction_of(entry)?;
        if is_partial(entry)? {
            self.open.entry(transaction).or_default().extend(signs);
            return Ok(());
        }
        let earlier = self.open.remove(&transaction).unwrap_or_default();
        for sign in earlier.into_iter().chain(signs) {
            let times = self.times.entry(sign).or_default();
            if times.last() != Some(&time) {
                times.push(time);
            }
        }
        Ok(())
    }
}

/// Session and number of a transaction; the same nothing for all entries that have none, and are never partial.
fn transaction_of(entry: &[u8]) -> Result<Vec<u8>> {
    let mut key = Vec::new();
    for field in ["lsid", "txnNumber"] {
        if let Some(element) = get(entry, field)? {
            key.extend_from_slice(element.value);
        }
    }
    Ok(key)
}

fn is_partial(entry: &[u8]) -> Result<bool> {
    let object = get(entry, "o")?.and_then(|o| o.as_document());
    Ok(match object {
        Some(object) => get(object, "partialTxn")?.is_some(),
        None => false,
    })
}

fn read_operation(operation: &[u8], signs: &mut Vec<Sign>) -> Result<()> {
    let text = |field| -> Result<&str> { Ok(get(operation, field)?.and_then(|e| e.as_str()).unwrap_or("")) };
    let document =
        |field| -> Result<Option<&[u8]>> { Ok(get(operation, field)?.and_then(|e| e.as_document())) };
    let (op, name) = (text("op")?, text("ns")?.to_owned());
    let Some(object) = document("o")? else { return Ok(()) };
    match op {
        "i" => signs.push(Sign::Put(name, id_of(object))),
        "u" => signs.push(Sign::Put(name, id_of(document("o2")?.unwrap_or(object)))),
        "d" => signs.push(Sign::Removed(name, id_of(object))),
        "c" => read_command(database_of(&name), object, signs)?,
        _ => {}
    }
    Ok(())
}

fn read_command(database: &str, object: &[u8], signs: &mut Vec<Sign>) -> Result<()> {
    let Some(first) = Elements::new(object)?.next().transpose()? else { return Ok(()) };
    let name = || format!("{database}.{}", first.as_str().unwrap_or_default());
    let text = |field| -> Result<String> {
        Ok(get(object, field)?.and_then(|e| e.as_str()).unwrap_or_default().to_owned())
    };
    match first.key_str().unwrap_or_default() {
        "create" => signs.push(Sign::Appeared(name())),
        "drop" => signs.push(Sign::Gone(name())),
        "collMod" => signs.push(Sign::Modified(name())),
        "renameCollection" => signs.push(Sign::Appeared(text("to")?)),
        "dropDatabase" => signs.push(Sign::DatabaseGone(database.to_owned())),
        "createIndexes" => signs.push(Sign::Built(name(), text("name")?)),
        "dropIndexes" | "deleteIndexes" => signs.push(Sign::Unbuilt(name(), text("index")?)),
        "commitIndexBuild" => {
            for index in items(object, "indexes")? {
                let index = index.as_document().map_or(Ok(None), |index| get(index, "name"))?;
                let index = index.and_then(|name| name.as_str()).unwrap_or_default();
                signs.push(Sign::Built(name(), index.to_owned()));
            }
        }
        "applyOps" => {
            for operation in items(object, "applyOps")? {
                operation.as_document().map_or(Ok(()), |operation| read_operation(operation, signs))?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn items<'a>(object: &'a [u8], field: &str) -> Result<Vec<Element<'a>>> {
    let Some(array) = get(object, field)?.and_then(|e| e.as_array()) else { return Ok(Vec::new()) };
    Ok(Elements::new(array)?.collect::<std::result::Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, rawdoc};

    fn insert(id: i32) -> RawDocumentBuf {
        rawdoc! { "op": "i", "ns": "d.c", "o": { "_id": id } }
    }

    fn part(seconds: u32, number: i64, object: RawDocumentBuf) -> RawDocumentBuf {
        let ts = Timestamp { time: seconds, increment: 0 };
        rawdoc! { "ts": ts, "op": "c", "ns": "admin.$cmd", "lsid": { "id": 1 }, "txnNumber": number, "o": object }
    }

    #[test]
    fn a_transaction_happens_at_its_last_entry() {
        let mut times = Times::default();
        for entry in [
            part(1, 7, rawdoc! { "applyOps": [insert(1)], "partialTxn": true }),
            part(2, 8, rawdoc! { "applyOps": [insert(2)] }),
            part(3, 7, rawdoc! { "applyOps": [insert(3)], "count": 2_i64 }),
            part(4, 9, rawdoc! { "applyOps": [insert(2)] }),
        ] {
            times.entry(entry.as_bytes()).unwrap();
        }
        let time_of = |id: i32| {
            let put = Sign::Put("d.c".to_owned(), id_of(rawdoc! { "_id": id }.as_bytes()));
            let (after, until) = (Timestamp { time: 0, increment: 0 }, Timestamp { time: 9, increment: 0 });
            times.within(&[put], after, until).map(|(first, last)| (first.time, last.time))
        };
        assert_eq!([1, 2, 3, 4].map(time_of), [Some((3, 3)), Some((2, 4)), Some((3, 3)), None]);
    }
}
