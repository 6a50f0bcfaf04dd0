//! Naming what a server has otherwise than expected.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::state::{Namespace, State, Texts};
use super::text::quoted;

/// A line for each difference; databases, then users, then roles.
pub(super) fn lines(expected: &State, found: &State, options: Options) -> Vec<String> {
    let mut lines = Vec::new();
    for (database, both) in pairs(&expected.databases, &found.databases) {
        match both {
            Both(Some(expected), Some(found)) => collections(database, expected, found, options, &mut lines),
            Both(Some(_), None) => lines.push(format!("database {}: missing", quoted(database.as_bytes()))),
            Both(None, _) => lines.push(format!("database {}: unexpected", quoted(database.as_bytes()))),
        }
    }
    accounts("user", &expected.users, &found.users, &mut lines);
    accounts("role", &expected.roles, &found.roles, &mut lines);
    lines
}

/// What two maps have under one key.
struct Both<'a, V>(Option<&'a V>, Option<&'a V>);

/// All keys of two maps, in order.
fn pairs<'a, V>(
    expected: &'a BTreeMap<String, V>,
    found: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a String, Both<'a, V>)> {
    let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    keys.into_iter().map(|key| (key, Both(expected.get(key), found.get(key))))
}

fn accounts(
    what: &str,
    expected: &BTreeMap<String, Texts>,
    found: &BTreeMap<String, Texts>,
    lines: &mut Vec<String>,
) {
    for (name, both) in pairs(expected, found) {
        let of = format!("{what} {}", quoted(name.as_bytes()));
        match both {
            Both(Some(expected), Some(found)) => fields(&of, expected, found, lines),
            Both(Some(_), None) => lines.push(format!("{of}: missing")),
            Both(None, _) => lines.push(format!("{of}: unexpected")),
        }
    }
}

fn collections(
    database: &str,
    expected: &BTreeMap<String, Namespace>,
    found: &BTreeMap<String, Namespace>,
    options: Options,
    lines: &mut Vec<String>,
) {
    for (collection, both) in pairs(expected, found) {
        let of = quoted(format!("{database}.{collection}").as_bytes());
        match both {
            Both(Some(expected), Some(found)) => {
                Pair { collection, of, expected, found, options }.compare(lines);
            }
            Both(Some(_), None) => lines.push(format!("{of}: missing")),
            Both(None, _) => lines.push(format!("{of}: unexpected")),
        }
    }
}

/// A namespace that is expected and there.
struct Pair<'a> {
    collection: &'a str,
    /// The full name as lines begin with it.
    of: String,
    expected: &'a Namespace,
    found: &'a Namespace,
    options: Options,
}

impl Pair<'_> {
    fn compare(&self, lines: &mut Vec<String>) {
        let Self { of, expected, found, .. } = self;
        let mut value = |what: &str, expected: &str, found: &str| {
            if expected != found {
                lines.push(format!("{of}: {what} differs: expected {expected}, found {found}"));
            }
        };
        value("type", &expected.kind, &found.kind);
        value("count", &expected.count.to_string(), &found.count.to_string());
        value("sha256", &expected.sha256, &found.sha256);
        if let Some(uuid) = expected.uuid.as_deref().filter(|_| self.options.uuids && self.has_own_uuid()) {
            value("uuid", uuid, found.uuid.as_deref().unwrap_or("none"));
        }
        self.documents(lines);
        let is_own = self.options.later_release && self.collection.starts_with("system.buckets.");
        let made = if is_own { Some("validator") } else { None };
        let found = with_the_same(made, &found.options, &expected.options);
        fields(&format!("{of} options"), &expected.options, &found, lines);
        self.indexes(lines);
    }

    /// The server chooses those of the collections behind views and time series.
    fn has_own_uuid(&self) -> bool {
        !["system.views", "system.buckets."].iter().any(|prefix| self.collection.starts_with(prefix))
    }

    fn documents(&self, lines: &mut Vec<String>) {
        let Self { of, expected, found, .. } = self;
        if expected.sha256 == found.sha256 {
            let natural = expected.natural_sha256.as_ref();
            if natural.is_some() && natural != found.natural_sha256.as_ref() {
                lines.push(format!("{of}: natural order differs"));
            }
        } else if let (Some(expected), Some(found)) = (&expected.documents, &found.documents) {
            fields(&format!("{of} documents"), expected, found, lines);
        }
    }

    fn indexes(&self, lines: &mut Vec<String>) {
        for (name, both) in pairs(&self.expected.indexes, &self.found.indexes) {
            let of = format!("{}: index {}", self.of, quoted(name.as_bytes()));
            match both {
                Both(Some(expected), Some(found)) => self.index(&of, expected, found, lines),
                Both(Some(_), None) => lines.push(format!("{of}: missing")),
                Both(None, _) => lines.push(format!("{of}: unexpected")),
            }
        }
    }

    fn index(&self, of: &str, expected: &Texts, found: &Texts, lines: &mut Vec<String>) {
        let is_version = |index: &Texts, version: u8| {
            index.get("v").is_some_and(|v| *v == format!("{{\"$numberInt\":\"{version}\"}}"))
        };
        let is_renewed = is_version(expected, 1) && is_version(found, 2);
        let is_clustered = found.get("clustered").is_some_and(|clustered| clustered == "true");
        let renewed = (is_renewed && !self.options.keep_index_version).then_some("v");
        let made = (is_clustered && self.options.later_release).then_some("expireAfterSeconds");
        let found = with_the_same(renewed.into_iter().chain(made), found, expected);
        fields(of, expected, &found, lines);
    }
}

/// The fields that were found, but those of these names as they are expected.
fn with_the_same<'a>(names: impl IntoIterator<Item = &'a str>, found: &Texts, expected: &Texts) -> Texts {
    let mut same = found.clone();
    for name in names {
        same.remove(name);
        same.extend(expected.get(name).map(|text| (name.to_owned(), text.clone())));
    }
    same
}

/// A line for each name whose text differs.
fn fields(of: &str, expected: &Texts, found: &Texts, lines: &mut Vec<String>) {
    for (name, both) in pairs(expected, found) {
        match both {
            Both(Some(expected), None) => lines.push(format!("{of}: missing {name}: {}", cut(expected))),
            Both(Some(expected), Some(found)) if expected != found => {
                lines.push(format!("{of}: {name} differs: expected {}, found {}", cut(expected), cut(found)));
            }
            Both(None, Some(found)) => lines.push(format!("{of}: unexpected {name}: {}", cut(found))),
            Both(..) => {}
        }
    }
}

/// The text, all of it ASCII, no longer than is good to read.
fn cut(text: &str) -> &str {
    text.get(..300).unwrap_or(text)
}
