//! What the target removes by itself once a restore has ended: documents whose time is over, by the TTL of an index, of a time
//! series or of a clustered collection. A TTL is set last, and `--ttl suspend` sets one under which nothing expires.

use super::plan::Planned;
use crate::catalog::now_ms;
use crate::quote::counted;
use crate::replay::IndexCatalog;
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Elements};
use mongoark_deployment::{Target, indexes};
use mongoark_model::Namespace;
use mongoark_monitor::Monitor;
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

/// The field of an index, and the option of a collection.
const FIELD: &str = "expireAfterSeconds";
/// What stands before the name of a time series' buckets.
const BUCKETS: &str = "system.buckets.";

/// What becomes of the time after which documents expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// It is what it was at the source: the target is as the source was, and goes on to remove what has expired.
    #[default]
    Keep,
    /// Nothing expires until the operator says so: for an old backup whose documents would be gone within a minute.
    Suspend,
}

impl Ttl {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Suspend => "suspend",
        }
    }
}

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Self::Keep),
            "suspend" => Ok(Self::Suspend),
            other => Err(format!("'{other}' is neither keep nor suspend")),
        }
    }
}

/// A TTL that was suspended.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspended {
    /// The collection or time series on the target.
    pub namespace: Namespace,
    /// The index; nothing where the collection itself has a TTL.
    pub index: Option<String>,
    /// The command that arms it again, for the database of the collection.
    pub command: String,
}

/// Says how many of the collections to restore have documents that expire, before anything is written.
pub(super) fn tell(namespaces: &[Planned], ttl: Ttl, monitor: &Monitor) {
    let expires = |planned: &&Planned| {
        let has_ttl = |index: &RawDocumentBuf| !matches!(index.get(FIELD), Ok(None));
        let metadata = &planned.metadata;
        !matches!(metadata.options.get(FIELD), Ok(None)) || metadata.indexes.iter().any(has_ttl)
    };
    let count = namespaces.iter().filter(expires).count() as u64;
    if count == 0 {
        return;
    }
    let collections = counted(count, "collection has a TTL", "collections have a TTL");
    let message = match ttl {
        Ttl::Keep => format!(
            "{collections}: once the restore has ended, the target removes documents that are older than that, within about a \
             minute. To keep them, restore with --ttl suspend"
        ),
        Ttl::Suspend => format!(
            "{collections}: nothing expires until it is armed again; the commands are told at the end"
        ),
    };
    monitor.warn("", message);
}

/// Takes the times after which whole collections expire out of the catalog, by the names that `collMod` knows them by.
pub(super) fn of_collections(catalog: &IndexCatalog) -> BTreeMap<Namespace, (u8, Vec<u8>)> {
    let mut found = BTreeMap::new();
    // What the oplog says of the buckets comes after what the archive says of the series.
    let (buckets, series): (Vec<_>, Vec<_>) =
        catalog.iter().partition(|(namespace, _)| namespace.collection.starts_with(BUCKETS));
    for (namespace, indexes) in series.into_iter().chain(buckets) {
        let Some(expires) = &indexes.expires else { continue };
        let name = namespace.collection.strip_prefix(BUCKETS).unwrap_or(&namespace.collection);
        found.insert(Namespace::new(namespace.db.clone(), name), expires.clone());
    }
    found
}

/// The longest time that the target takes, seconds: 68 years, and of older servers the time since 1970.
pub(super) fn longest(target: &Target) -> i32 {
    if target.is_at_least(6, 0) {
        return i32::MAX;
    }
    // Their clock may be a little behind.
    i32::try_from(now_ms() / 1000 - 3600).unwrap_or(i32::MAX)
}

/// The indexes with a TTL of `longest` seconds, under which nothing expires, where `there` does not have the collection as its own; what was suspended.
pub(super) fn suspend(
    catalog: &mut IndexCatalog,
    there: &HashSet<Namespace>,
    longest: i32,
) -> Vec<Suspended> {
    let mut suspended = Vec::new();
    let namespaces: Vec<Namespace> = catalog.iter().map(|(namespace, _)| namespace.clone()).collect();
    for namespace in namespaces.into_iter().filter(|namespace| !there.contains(namespace)) {
        for spec in &mut catalog.entry(namespace.clone()).specs {
            let Ok(Some(after)) = bytes::get(spec.as_bytes(), FIELD) else { continue };
            let Some(never) = with_time(spec.as_bytes(), longest) else { continue };
            let index = indexes::name(spec).to_owned();
            let command = command(&namespace, |command| {
                command.nested("index", |change| {
                    change.str("name", &index).raw(after.kind, FIELD, after.value);
                });
            });
            suspended.push(Suspended { namespace: namespace.clone(), index: Some(index), command });
            *spec = never;
        }
    }
    suspended
}

/// A collection whose own TTL is not set.
pub(super) fn suspended(namespace: Namespace, (kind, after): &(u8, Vec<u8>)) -> Suspended {
    let command = command(&namespace, |command| _ = command.raw(*kind, FIELD, after));
    Suspended { command, namespace, index: None }
}

fn with_time(spec: &[u8], seconds: i32) -> Option<RawDocumentBuf> {
    let mut out = Builder::with_capacity(spec.len());
    for element in Elements::new(spec).ok()? {
        let element = element.ok()?;
        if element.key == FIELD.as_bytes() {
            out.i32(FIELD, seconds);
        } else {
            out.element(&element);
        }
    }
    RawDocumentBuf::from_bytes(out.finish()).ok()
}

/// The command as a shell takes it.
fn command(namespace: &Namespace, change: impl FnOnce(&mut Builder)) -> String {
    let mut command = Builder::new();
    command.str("collMod", &namespace.collection);
    change(&mut command);
    let mut db = Builder::new();
    db.str("", &namespace.db);
    let db = text(&db.finish());
    let db = db.strip_prefix("{\"\":").and_then(|db| db.strip_suffix('}')).unwrap_or_default();
    format!("db.getSiblingDB({db}).runCommand({})", text(&command.finish()))
}

fn text(document: &[u8]) -> String {
    let mut text = Vec::new();
    // A document that was just built can be written.
    let _ = mongoark_bson_text::write_relaxed(document, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::CollectionIndexes;
    use bson::rawdoc;

    fn catalog() -> IndexCatalog {
        let mut catalog = IndexCatalog::deferring_expiry();
        let specs = vec![
            rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a" },
            rawdoc! { "v": 2, "key": { "t": 1 }, "name": "t\"", "expireAfterSeconds": 3600_i64, "sparse": true },
        ];
        let expires = Some((0x10, 60_i32.to_le_bytes().to_vec()));
        catalog.insert(Namespace::new("d", "c"), CollectionIndexes { specs, ..CollectionIndexes::default() });
        catalog
            .insert(Namespace::new("d", "s"), CollectionIndexes { expires, ..CollectionIndexes::default() });
        catalog
    }

    #[test]
    fn what_is_suspended_can_be_armed_again() {
        let mut suspended_one = catalog();
        assert!(suspend(&mut suspended_one, &HashSet::from([Namespace::new("d", "c")]), i32::MAX).is_empty());
        let found = suspend(&mut suspended_one, &HashSet::new(), i32::MAX);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].command,
            r#"db.getSiblingDB("d").runCommand({"collMod":"c","index":{"name":"t\"","expireAfterSeconds":3600}})"#
        );
        let spec = &suspended_one.get(&Namespace::new("d", "c")).unwrap().specs[1];
        let never = rawdoc! { "v": 2, "key": { "t": 1 }, "name": "t\"", "expireAfterSeconds": i32::MAX, "sparse": true };
        assert_eq!(spec.as_bytes(), never.as_bytes());
        let whole = of_collections(&suspended_one);
        let (namespace, after) = whole.first_key_value().unwrap();
        assert_eq!(
            suspended(namespace.clone(), after).command,
            r#"db.getSiblingDB("d").runCommand({"collMod":"s","expireAfterSeconds":60})"#
        );
    }

    #[test]
    fn the_oplog_has_the_last_word_on_a_time_series() {
        let mut catalog = catalog();
        let after = (0x12, 90_i64.to_le_bytes().to_vec());
        let indexes = CollectionIndexes { expires: Some(after.clone()), ..CollectionIndexes::default() };
        catalog.insert(Namespace::new("d", "system.buckets.s"), indexes);
        let whole = of_collections(&catalog);
        assert_eq!(whole.into_iter().collect::<Vec<_>>(), [(Namespace::new("d", "s"), after)]);
    }
}
