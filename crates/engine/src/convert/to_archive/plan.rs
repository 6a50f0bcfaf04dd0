//! What of a dump goes where in the archive, decided before a document is read.

use super::super::accounts::{self, Role};
use super::{DeploymentEntry, ToArchive, now_ms};
use crate::dump_input::{DumpInput, Entry, Place};
use crate::{Error, Result};
use mongoark_dump_format::archive::{OPLOG_COLLECTION, OPLOG_DB};
use mongoark_model::{
    CollectionKind, CollectionMetadata, DeploymentInfo, MemberChoice, Namespace, TopologyKind,
};
use mongoark_monitor::Monitor;
use std::collections::{BTreeMap, HashMap};
use std::fs;

/// Where the documents of an entry go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Into this stream, as documents.
    Documents(u32),
    /// Into this stream, as oplog entries.
    Oplog(u32),
    /// Nowhere: the oplog is counted, and left behind.
    Counted,
}

/// The archive to be.
pub(super) struct Plan {
    pub(super) deployment: DeploymentEntry,
    /// By name; the first one is stream 1.
    pub(super) collections: Vec<CollectionMetadata>,
    /// The oplog's stream, behind those of the collections.
    pub(super) oplog_stream: Option<u32>,
    /// The dump's entry that is the oplog.
    pub(super) oplog: Option<usize>,
    destinations: HashMap<usize, Destination>,
}

impl Plan {
    /// The entries that are read, in the dump's order.
    pub(super) fn wanted(&self) -> Vec<usize> {
        let mut wanted: Vec<usize> = self.destinations.keys().copied().collect();
        wanted.sort_unstable();
        wanted
    }

    pub(super) fn destination(&self, entry: usize) -> Option<Destination> {
        self.destinations.get(&entry).copied()
    }
}

/// Plans the archive. Reads all metadata.
pub(super) fn of(
    input: &DumpInput,
    folder: Option<&Place>,
    is_folder: bool,
    options: &ToArchive,
    monitor: &Monitor,
) -> Result<Plan> {
    // The prelude of one database's dump lies among its files; it is no stranger.
    let strangers = input.unknown().iter().filter(|line| !line.contains("prelude.json"));
    for line in strangers {
        // What looks like documents or metadata may be some: of another compression, or with a name cut.
        if names_data(line) {
            monitor.fail("", line, 0);
        } else {
            monitor.warn("", line);
        }
    }
    let mut collections: BTreeMap<Namespace, CollectionMetadata> = BTreeMap::new();
    let mut names: Vec<(usize, Namespace)> = Vec::new();
    let mut oplog = None;
    for (place, entry) in input.entries().iter().enumerate() {
        if is_oplog(entry) {
            oplog = Some(place);
        } else if let Some(collection) = collection(input, place, entry, monitor)? {
            if is_folder && entry.data.is_none() && collection.kind != CollectionKind::View {
                let name = collection.namespace.to_string();
                monitor.fail(name, "its documents are not in the dump: there is no .bson file", 0);
            }
            names.push((place, collection.namespace.clone()));
            collections.entry(collection.namespace.clone()).or_insert(collection);
        }
    }
    let streams: HashMap<Namespace, u32> = collections.keys().cloned().zip(1..).collect();
    let next = u32::try_from(streams.len() + 1)
        .map_err(|_| Error::Refused("the dump has too many collections".to_owned()))?;
    let to_stream = |(place, name): (usize, Namespace)| {
        streams.get(&name).map(|stream| (place, Destination::Documents(*stream)))
    };
    let mut destinations: HashMap<usize, Destination> = names.into_iter().filter_map(to_stream).collect();
    let oplog_stream = oplog.filter(|_| !options.without_oplog).map(|_| next);
    if let Some(place) = oplog {
        destinations.insert(place, oplog_stream.map_or(Destination::Counted, Destination::Oplog));
    }
    let deployment = deployment(input, folder, options)?;
    let collections = collections.into_values().collect();
    Ok(Plan { deployment, collections, oplog_stream, oplog, destinations })
}

/// Whether the file that a line ends with, in its quotes, has the name of documents or metadata.
fn names_data(line: &str) -> bool {
    let name = line.rsplit('`').nth(1).unwrap_or(line);
    [".bson", ".bson.gz", ".metadata.json", ".metadata.json.gz"].iter().any(|end| name.ends_with(end))
}

fn is_oplog(entry: &Entry) -> bool {
    entry.namespace.db == OPLOG_DB && entry.namespace.collection == OPLOG_COLLECTION
}

/// What an entry is in the archive; nothing where the archive has no place for it and needs none.
fn collection(
    input: &DumpInput,
    place: usize,
    entry: &Entry,
    monitor: &Monitor,
) -> Result<Option<CollectionMetadata>> {
    let name = &entry.namespace;
    let metadata = match accounts::role(name) {
        Role::Version => {
            monitor.detail(format!("{name} stays behind: it is the server's own"));
            return Ok(None);
        }
        Role::Holds(kind) if entry.metadata.is_none() => return Ok(Some(accounts::collection(kind))),
        Role::Holds(kind) => {
            let metadata = accounts::described(input.metadata(place)?, name, entry.metadata.as_deref())?;
            let namespace = accounts::collection(kind).namespace;
            return Ok(Some(CollectionMetadata { kind, namespace, ..metadata }));
        }
        Role::None => input.metadata(place)?,
    };
    if metadata.is_none() && entry.is_buckets {
        let data = entry.data.as_deref().unwrap_or_default();
        let message =
            format!("{data} holds the buckets of the time series {name}, whose metadata are missing");
        return Err(Error::Refused(message));
    }
    if metadata.is_none() {
        monitor.warn(name.to_string(), "the dump has no metadata: it becomes a collection without options");
    }
    let collection = accounts::described(metadata, name, entry.metadata.as_deref())?;
    if entry.is_buckets && collection.kind != CollectionKind::TimeSeries {
        let message = format!("{name} has buckets, but its metadata are not those of a time series");
        return Err(Error::Refused(message));
    }
    Ok(Some(collection))
}

fn deployment(input: &DumpInput, folder: Option<&Place>, options: &ToArchive) -> Result<DeploymentEntry> {
    let (mut server, mut tool) =
        (input.server_version().map(str::to_owned), input.tool_version().map(str::to_owned));
    if let (None, Some(Place::Folder(path))) = (&server, folder) {
        (server, tool) = below(path)?;
    }
    let server_version = server.unwrap_or_default();
    let info = DeploymentInfo {
        topology: TopologyKind::Unknown,
        version: numbers(&server_version),
        server_version,
        fcv: None,
        set_id: None,
        member: MemberChoice::new("a dump of mongodump", "converted from a dump"),
    };
    let tool_version = options.tool_version.clone();
    Ok(DeploymentEntry { info, tool_version, dump_tool: tool, started_ms: now_ms() })
}

/// The versions that the dump of one database states in that database's folder.
fn below(folder: &std::path::Path) -> Result<(Option<String>, Option<String>)> {
    let wrong = |source| Error::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        for gzip in [false, true] {
            if path.join(if gzip { "prelude.json.gz" } else { "prelude.json" }).is_file() {
                let database = DumpInput::open(Place::Database { path, db: String::new() }, gzip)?;
                let text = |version: Option<&str>| version.map(str::to_owned);
                return Ok((text(database.server_version()), text(database.tool_version())));
            }
        }
    }
    Ok((None, None))
}

/// The first three numbers of a version, 0 where there is none.
fn numbers(version: &str) -> [i32; 3] {
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_first_three_numbers() {
        for (text, expected) in
            [("6.0.5", [6, 0, 5]), ("8.1.0-rc3", [8, 1, 0]), ("7.2", [7, 2, 0]), ("", [0, 0, 0])]
        {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }
}
