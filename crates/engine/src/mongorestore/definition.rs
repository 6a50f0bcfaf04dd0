//! What is made on the target: each collection's definition from its metadata, and the indexes that are built last.

use super::Context;
use super::plan::{Plan, dotted};
use crate::dump_input::{DumpInput, Entry};
use crate::quote::quoted;
use crate::replay::{CollectionIndexes, IndexCatalog, Places};
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_bson_bytes as bytes;
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};

/// A collection, view or time series to be restored.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Its number in the dump.
    pub(super) entry: usize,
    /// What to make, under its name on the target.
    pub(super) metadata: CollectionMetadata,
    /// Whether the dump has metadata of it: only then anything is known of its indexes.
    pub(super) has_metadata: bool,
    /// Where its documents are; none where it has none.
    pub(super) data: Option<String>,
    /// Bytes to come, where they are known.
    pub(super) bytes: u64,
}

impl Definition {
    /// Its name as log lines show it.
    pub(super) fn shown(&self) -> String {
        quoted(&dotted(&self.metadata.namespace))
    }
}

/// Reads the metadata of everything that is planned.
pub(super) fn read(context: &Context, dump: &DumpInput, plan: &Plan) -> Result<Vec<Definition>> {
    let mut definitions = Vec::with_capacity(plan.collections.len());
    for (place, namespace) in &plan.collections {
        let Some(entry) = dump.entries().get(*place) else { continue };
        definitions.push(definition(context, dump, *place, entry, namespace)?);
    }
    add_old_indexes(dump, plan, &mut definitions)?;
    Ok(definitions)
}

fn definition(
    context: &Context,
    dump: &DumpInput,
    place: usize,
    entry: &Entry,
    namespace: &Namespace,
) -> Result<Definition> {
    if let Some(location) = &entry.metadata {
        let (name, location) = (quoted(&dotted(namespace)), quoted(location));
        context.monitor.step(format!("reading metadata for {name} from {location}"));
    }
    let metadata = dump.metadata(place)?;
    let has_metadata = metadata.is_some();
    let mut metadata = match metadata {
        Some(metadata) => {
            let location = entry.metadata.clone().unwrap_or_default();
            let made = metadata.into_collection(namespace.clone());
            made.map_err(|source| Error::Dump { location, source })?
        }
        None => CollectionMetadata {
            bucket_indexes: Vec::new(),
            namespace: namespace.clone(),
            kind: CollectionKind::Collection,
            options: RawDocumentBuf::new(),
            uuid: None,
            indexes: Vec::new(),
        },
    };
    if entry.is_buckets {
        metadata.kind = CollectionKind::TimeSeries;
    }
    let bytes = if context.options.gzip { 0 } else { entry.bytes };
    Ok(Definition { entry: place, metadata, has_metadata, data: entry.data.clone(), bytes })
}

/// Dumps of very old servers have the indexes of a database in one collection, and no metadata.
fn add_old_indexes(dump: &DumpInput, plan: &Plan, definitions: &mut [Definition]) -> Result<()> {
    for (place, _) in &plan.old_indexes {
        let Some(documents) = dump.whole(*place)? else {
            let message = "an archive with system.indexes instead of metadata cannot be restored";
            return Err(Error::Refused(message.to_owned()));
        };
        for index in bytes::split_documents(&documents) {
            let index = index.map_err(|error| Error::Refused(format!("system.indexes: {error}")))?;
            let namespace = bytes::get(index, "ns").ok().flatten();
            let namespace = namespace.and_then(|ns| ns.as_str()?.parse::<Namespace>().ok());
            let mut of_it = definitions.iter_mut().filter(|definition| !definition.has_metadata);
            let found = of_it.find(|definition| {
                let entry = dump.entries().get(definition.entry);
                entry.map(|entry| &entry.namespace.collection) == namespace.as_ref().map(|ns| &ns.collection)
            });
            if let (Some(found), Ok(index)) = (found, RawDocumentBuf::from_bytes(index.to_vec())) {
                found.metadata.indexes.push(index);
            }
        }
    }
    Ok(())
}

/// The indexes of every collection that the dump tells of.
pub(super) fn index_catalog(definitions: &[Definition]) -> IndexCatalog {
    let mut catalog = IndexCatalog::new();
    for Definition { metadata, has_metadata, .. } in definitions {
        if *has_metadata || !metadata.indexes.is_empty() {
            let indexes = CollectionIndexes {
                specs: metadata.indexes.clone(),
                collated: is_collated(&metadata.options),
                ..CollectionIndexes::default()
            };
            catalog.insert(metadata.namespace.clone(), indexes);
        }
    }
    catalog
}

/// Where the collections of the dump are, by their UUIDs; those that are restored under other names are not among
/// them, for the tools replay an oplog by its own names.
pub(super) fn places(dump: &DumpInput, definitions: &[Definition]) -> Places {
    let mut places = Places::default();
    for Definition { entry, metadata, .. } in definitions {
        let source = dump.entries().get(*entry).map(|entry| &entry.namespace);
        if source == Some(&metadata.namespace) {
            places.insert(metadata, metadata);
        }
    }
    places
}

/// Whether a collection's collation is another than the simple one.
fn is_collated(options: &RawDocumentBuf) -> bool {
    options
        .get_document("collation")
        .is_ok_and(|collation| !collation.get_str("locale").is_ok_and(|locale| locale == "simple"))
}
