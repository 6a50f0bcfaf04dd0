//! Naming what differs between two states.

use std::collections::{BTreeMap, BTreeSet};

use mongoark_bson_bytes::kind;

use super::{Digest, Fields, Namespace, State};

/// What to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Collections must have the same UUIDs.
    pub uuids: bool,
    /// An index of version 1 may have become one of version 2.
    pub newer_index_version: bool,
    /// Namespaces, users and roles that only the second state has are accepted.
    pub allow_more: bool,
    /// Databases that are not looked at.
    pub ignored_databases: BTreeSet<String>,
}

/// A line for each thing that `found` lacks, has beyond `expected`, or has otherwise; none if they agree.
pub fn differences(expected: &State, found: &State, options: &Options) -> Vec<String> {
    let mut lines = Vec::new();
    let looked_at = |full_name: &str| {
        let database = full_name.split_once('.').map_or(full_name, |(database, _)| database);
        !options.ignored_databases.contains(database)
    };
    for (name, expected) in expected.namespaces.iter().filter(|(name, _)| looked_at(name)) {
        match found.namespaces.get(name) {
            Some(found) => Pair { name, expected, found, options }.compare(&mut lines),
            None => lines.push(format!("{name:?}: missing")),
        }
    }
    let extra =
        found.namespaces.keys().filter(|name| looked_at(name) && !expected.namespaces.contains_key(*name));
    lines.extend(extra.filter(|_| !options.allow_more).map(|name| format!("{name:?}: unexpected")));
    accounts("user", &expected.users, &found.users, options, &mut lines);
    accounts("role", &expected.roles, &found.roles, options, &mut lines);
    lines
}

fn accounts(
    what: &str,
    expected: &BTreeMap<String, Fields>,
    found: &BTreeMap<String, Fields>,
    options: &Options,
    lines: &mut Vec<String>,
) {
    for (name, fields) in expected {
        match found.get(name) {
            Some(others) => fields.differences(others, &format!("{what} {name:?}"), lines),
            None => lines.push(format!("{what} {name:?}: missing")),
        }
    }
    let extra = found.keys().filter(|name| !options.allow_more && !expected.contains_key(*name));
    lines.extend(extra.map(|name| format!("{what} {name:?}: unexpected")));
}

/// A namespace that both have.
struct Pair<'a> {
    name: &'a str,
    expected: &'a Namespace,
    found: &'a Namespace,
    options: &'a Options,
}

impl Pair<'_> {
    fn compare(&self, lines: &mut Vec<String>) {
        let Self { name, expected, found, .. } = self;
        if expected.kind != found.kind {
            lines.push(format!("{name:?}: expected a {}, found a {}", expected.kind, found.kind));
        }
        if self.options.uuids && self.has_own_uuid() && expected.uuid != found.uuid {
            lines.push(format!("{name:?}: another UUID"));
        }
        self.documents(lines);
        expected.options.differences(&found.options, &format!("{name:?} options"), lines);
        self.indexes(lines);
    }

    /// The server alone chooses those of the collections behind views and time series.
    fn has_own_uuid(&self) -> bool {
        let collection = self.name.split_once('.').map_or("", |(_, collection)| collection);
        self.expected.uuid.is_some() && !collection.starts_with("system.")
    }

    fn documents(&self, lines: &mut Vec<String>) {
        let Self { name, expected, found, .. } = self;
        if expected.count != found.count {
            lines.push(format!("{name:?}: expected {} documents, found {}", expected.count, found.count));
        }
        if expected.sha256 == found.sha256 {
            if expected.natural_sha256 != found.natural_sha256 {
                lines.push(format!("{name:?}: the natural order differs"));
            }
            return;
        }
        match (&expected.small, &found.small) {
            (Some(expected), Some(found)) => self.each_document(expected, found, lines),
            _ => lines.push(format!("{name:?}: the documents differ")),
        }
    }

    fn each_document(
        &self,
        expected: &BTreeMap<String, Digest>,
        found: &BTreeMap<String, Digest>,
        lines: &mut Vec<String>,
    ) {
        for (id, digest) in expected {
            match found.get(id) {
                None => lines.push(format!("{:?} document {id}: missing", self.name)),
                Some(other) if other != digest => {
                    lines.push(format!("{:?} document {id}: differs", self.name));
                }
                Some(_) => {}
            }
        }
        let extra = found.keys().filter(|id| !expected.contains_key(*id));
        lines.extend(extra.map(|id| format!("{:?} document {id}: unexpected", self.name)));
    }

    fn indexes(&self, lines: &mut Vec<String>) {
        for (index, fields) in &self.expected.indexes {
            let of = format!("{:?} index {index:?}", self.name);
            match self.found.indexes.get(index) {
                None => lines.push(format!("{of}: missing")),
                Some(others) => self.index(fields, others, &of, lines),
            }
        }
        let extra = self.found.indexes.keys().filter(|index| !self.expected.indexes.contains_key(*index));
        lines.extend(extra.map(|index| format!("{:?} index {index:?}: unexpected", self.name)));
    }

    fn index(&self, expected: &Fields, found: &Fields, of: &str, lines: &mut Vec<String>) {
        let version = |fields: &Fields| fields.get("v").and_then(|v| v.as_i64_lossless());
        if self.options.newer_index_version && version(expected) == Some(1) && version(found) == Some(2) {
            let mut renewed = expected.clone();
            renewed.set("v", kind::INT32, 2_i32.to_le_bytes().to_vec());
            return renewed.differences(found, of, lines);
        }
        expected.differences(found, of, lines);
    }
}
