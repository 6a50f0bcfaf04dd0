//! Two deployments, namespace by namespace: what `test-support` captures of each, and the server's own dbHash.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use mongoark_test_support::compare::{Namespace, Options, State, capture};
use mongodb::{Client, Database};

use crate::Result;

/// What the two hold, side by side.
pub(super) struct Comparison {
    /// Every namespace that one of them has, by name.
    pub(super) rows: Vec<Row>,
    /// Everything that differs, users and roles too, in words.
    pub(super) differences: Vec<String>,
}

/// One namespace.
pub(super) struct Row {
    pub(super) namespace: String,
    /// Documents and bytes on the source.
    pub(super) documents: u64,
    pub(super) bytes: u64,
    /// Whether the server's hash of the data is the same; `None` where neither has one, as views.
    pub(super) same_hash: Option<bool>,
    pub(super) same_indexes: bool,
    pub(super) same_options: bool,
}

impl Row {
    pub(super) fn is_equal(&self) -> bool {
        self.same_hash != Some(false) && self.same_indexes && self.same_options
    }
}

impl Comparison {
    pub(super) fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.rows.iter().all(Row::is_equal)
    }
}

pub(super) async fn compare(source: &Client, target: &Client) -> Result<Comparison> {
    let before = capture(source).await.map_err(text)?;
    let after = capture(target).await.map_err(text)?;
    let mut rows = Vec::new();
    for name in databases(&before, &after) {
        let (one, other) = (source.database(&name), target.database(&name));
        let (one_hashes, other_hashes) = tokio::try_join!(hashes(&one), hashes(&other))?;
        for (name, pair) in namespaces(&name, &before, &after) {
            let same_hash = same_hash(one_hashes.get(name), other_hashes.get(name));
            rows.push(row(&one, name, pair, same_hash).await?);
        }
    }
    Ok(Comparison { rows, differences: before.differences(&after, &Options::default()) })
}

async fn row(
    source: &Database,
    name: &str,
    (before, after): Pair<'_>,
    same_hash: Option<bool>,
) -> Result<Row> {
    let both = before.zip(after);
    let bytes = match before {
        Some(namespace) if namespace.kind == "collection" => size(source, name).await?,
        _ => 0,
    };
    Ok(Row {
        namespace: format!("{}.{name}", source.name()),
        documents: before.map_or(0, |namespace| namespace.count),
        bytes,
        same_hash,
        same_indexes: both.is_some_and(|(before, after)| before.indexes == after.indexes),
        same_options: both
            .is_some_and(|(before, after)| before.kind == after.kind && before.options == after.options),
    })
}

fn same_hash(before: Option<&Bson>, after: Option<&Bson>) -> Option<bool> {
    (before.is_some() || after.is_some()).then(|| before == after)
}

fn databases(before: &State, after: &State) -> Vec<String> {
    let names = before.namespaces.keys().chain(after.namespaces.keys());
    let mut databases: Vec<String> =
        names.filter_map(|name| name.split_once('.')).map(|(database, _)| database.to_owned()).collect();
    databases.sort();
    databases.dedup();
    databases
}

/// One namespace on the source and on the target.
type Pair<'a> = (Option<&'a Namespace>, Option<&'a Namespace>);

/// The collections of one database in either state, by name.
fn namespaces<'a>(database: &str, before: &'a State, after: &'a State) -> BTreeMap<&'a str, Pair<'a>> {
    let full_names = before.namespaces.keys().chain(after.namespaces.keys());
    let pairs = full_names.filter_map(|full_name| {
        let (of, name) = full_name.split_once('.')?;
        (of == database).then(|| (name, (before.namespaces.get(full_name), after.namespaces.get(full_name))))
    });
    pairs.collect()
}

/// The server's hash of each collection's data.
async fn hashes(database: &Database) -> Result<Document> {
    let answer = database.run_command(doc! { "dbHash": 1 }).await.map_err(text)?;
    answer.get_document("collections").cloned().map_err(text)
}

/// Bytes of a collection's documents; 0 if it has none.
async fn size(database: &Database, name: &str) -> Result<u64> {
    let command = doc! { "aggregate": name, "cursor": {}, "pipeline": [
        { "$group": { "_id": null, "bytes": { "$sum": { "$bsonSize": "$$ROOT" } } } },
    ] };
    let mut cursor = database.run_cursor_command(command).await.map_err(text)?;
    if !cursor.advance().await.map_err(text)? {
        return Ok(0);
    }
    match cursor.current().get("bytes").map_err(text)? {
        Some(bson::RawBsonRef::Int32(bytes)) => Ok(bytes.unsigned_abs().into()),
        Some(bson::RawBsonRef::Int64(bytes)) => Ok(bytes.unsigned_abs()),
        other => Err(format!("the size of {name} is {other:?}")),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use mongoark_test_support::{ReplicaSet, wipe};

    use super::*;

    #[tokio::test]
    async fn what_is_missing_or_changed_differs() {
        let (one, other) = tokio::join!(ReplicaSet::single(), ReplicaSet::single());
        let (one, other) = (one.client().await, other.client().await);
        let load = async |client: &Client, x: i32| {
            let things = client.database("shop").collection::<Document>("things");
            things.insert_one(doc! { "_id": 1, "x": x }).await.unwrap();
        };
        load(&one, 1).await;
        let missing = compare(&one, &other).await.unwrap();
        assert_eq!((missing.rows.len(), missing.differences.len()), (1, 1));
        assert_eq!((missing.rows[0].same_hash, missing.rows[0].documents), (Some(false), 1));

        load(&other, 1).await;
        assert!(compare(&one, &other).await.unwrap().is_equal());

        wipe(&other).await;
        load(&other, 2).await;
        let changed = compare(&one, &other).await.unwrap();
        let row = &changed.rows[0];
        assert!(row.same_hash == Some(false) && row.same_indexes && row.same_options && !changed.is_equal());
    }
}
