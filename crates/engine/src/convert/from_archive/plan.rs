//! What of an archive goes where in the dump, decided before a document is read.

use super::super::accounts;
use super::UNKNOWN_VERSION;
use crate::dump_output::Entry;
use crate::reading::Catalog;
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_deployment::indexes;
use mongoark_model::Counts;
use mongoark_monitor::Monitor;
use std::collections::{HashMap, HashSet};

/// A stream that goes into the dump.
pub(super) struct Taken {
    /// Its place among the entries.
    pub(super) entry: usize,
    pub(super) name: String,
    /// As far as the archive's index tells ahead.
    pub(super) expected: Counts,
}

/// The dump to be.
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    pub(super) server_version: String,
    /// The version of mongodump that the archive knows of.
    pub(super) dump_tool: Option<String>,
    /// Collections, views and time series.
    pub(super) namespaces: usize,
    /// What is taken of each stream that goes into the dump.
    pub(super) streams: HashMap<u32, Taken>,
    /// The document of `admin.system.version`, and its place among the entries.
    pub(super) schema: Option<(usize, RawDocumentBuf)>,
    /// The oplog's stream.
    pub(super) oplog: Option<u32>,
    /// The oplog's stream, where it is left behind and counted.
    pub(super) counted: Option<u32>,
}

impl Plan {
    /// The streams that are read.
    pub(super) fn taken(&self) -> HashSet<u32> {
        self.streams.keys().copied().chain(self.counted).collect()
    }
}

pub(super) fn of(catalog: Catalog, without_oplog: bool, monitor: &Monitor) -> Result<Plan> {
    let (server_version, dump_tool) = match catalog.deployment {
        Some(deployment) => (deployment.info.server_version, deployment.dump_tool),
        None => (String::new(), None),
    };
    let server_version = if server_version.is_empty() { UNKNOWN_VERSION.to_owned() } else { server_version };
    let (mut entries, mut streams) = (Vec::new(), HashMap::new());
    let mut has_accounts = false;
    for found in &catalog.collections {
        match Entry::of(&found.metadata, &server_version) {
            Ok(entry) => {
                has_accounts |= found.metadata.kind.is_accounts();
                let expected = Counts::new(found.documents, found.bytes);
                let name = found.metadata.namespace.to_string();
                for index in found.metadata.bucket_indexes.iter().map(indexes::name) {
                    let why =
                        "was made on the buckets of this time series, for which the format has no place";
                    monitor.fail(name.clone(), format!("index {index} {why}"), 0);
                }
                streams.insert(found.stream, Taken { entry: entries.len(), name, expected });
                entries.push(entry);
            }
            // One collection that text cannot describe keeps no other behind.
            Err(Error::Metadata { namespace, source }) => {
                monitor.fail(namespace, format!("left behind: {source}"), found.documents);
            }
            Err(error) => return Err(error),
        }
    }
    let namespaces = entries.len();
    let schema = has_accounts.then(|| accounts::version(&server_version)).transpose()?;
    let schema = schema.map(|(entry, document)| {
        entries.push(entry);
        (entries.len() - 1, document)
    });
    let stream = catalog.oplog.as_ref().map(|oplog| oplog.stream);
    let (oplog, counted) = if without_oplog { (None, stream) } else { (stream, None) };
    if let Some(found) = catalog.oplog.as_ref().filter(|_| !without_oplog) {
        let expected = Counts::new(found.documents, found.bytes);
        streams.insert(found.stream, Taken { entry: entries.len(), name: "oplog".to_owned(), expected });
        entries.push(Entry::oplog());
    }
    Ok(Plan { entries, server_version, dump_tool, namespaces, streams, schema, oplog, counted })
}
