//! The documents of a prelude: the archive's header, one entry a namespace.

use super::BUCKETS_PREFIX;
use crate::error::HeaderFault;
use mongoark_bson_bytes::{Builder, Element, Elements, kind};
use std::borrow::Cow;

/// The first server version that keeps a time series' data under its own name.
const VIEWLESS_TIME_SERIES: (i64, i64) = (8, 3);

/// The archive's own header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveHeader {
    /// `concurrent_collections`: how many collections were read at once.
    pub concurrent_collections: i32,
    /// `version` of the format: `0.1`.
    pub version: String,
    /// `server_version`.
    pub server_version: String,
    /// `tool_version`.
    pub tool_version: String,
}

/// One namespace that the archive holds.
///
/// A time series has one entry, with its own name and `kind` `timeseries`; its data come in blocks of
/// `system.buckets.<name>`, and there is no entry of that name ([`Self::data_collection`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceEntry {
    /// The database; empty for the oplog.
    pub db: String,
    /// The collection; of a time series the view's name, while its blocks are named `system.buckets.<name>`.
    pub collection: String,
    /// The metadata text; empty where there is none: the oplog, and the `$admin.system.users`, `.roles` and
    /// `.version` of one database's accounts.
    pub metadata: String,
    /// Estimated bytes. The peer always writes 0. Read from any number; one beyond an int32 becomes the nearest.
    pub size: i32,
    /// `collection`, `view`, `timeseries`, or empty.
    pub kind: String,
}

impl NamespaceEntry {
    /// The collection that the blocks of this entry name. It is another one only for a time series of a server
    /// before 8.3; a `server_version` that cannot be read counts as such.
    pub fn data_collection(&self, server_version: &str) -> Cow<'_, str> {
        if self.kind == "timeseries" && !keeps_time_series_whole(server_version) {
            Cow::Owned(format!("{BUCKETS_PREFIX}{}", self.collection))
        } else {
            Cow::Borrowed(&self.collection)
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut doc = Builder::with_capacity(self.metadata.len() + 128);
        doc.str("db", &self.db).str("collection", &self.collection).str("metadata", &self.metadata);
        doc.i32("size", self.size).str("type", &self.kind).finish()
    }

    /// Unknown fields are passed over and missing ones are empty, as the peer has it.
    pub(super) fn decode(doc: &[u8]) -> Result<Self, HeaderFault> {
        let (mut db, mut collection, mut metadata) = (String::new(), String::new(), String::new());
        let (mut kind, mut size) = (String::new(), 0);
        for element in Elements::new(doc)? {
            let element = element?;
            match element.key {
                b"db" => db = text("db", &element)?,
                b"collection" => collection = text("collection", &element)?,
                b"metadata" => metadata = text("metadata", &element)?,
                b"size" => size = number("size", &element)?,
                b"type" => kind = text("type", &element)?,
                _ => {}
            }
        }
        if collection.is_empty() {
            return Err(HeaderFault::NoCollection);
        }
        Ok(Self { db, collection, metadata, size, kind })
    }
}

impl ArchiveHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut doc = Builder::new();
        doc.i32("concurrent_collections", self.concurrent_collections).str("version", &self.version);
        doc.str("server_version", &self.server_version).str("tool_version", &self.tool_version).finish()
    }

    /// Unknown fields are passed over and missing ones are empty, as the peer has it.
    pub(super) fn decode(doc: &[u8]) -> Result<Self, HeaderFault> {
        let (mut version, mut server_version, mut tool_version) =
            (String::new(), String::new(), String::new());
        let mut concurrent_collections = 0;
        for element in Elements::new(doc)? {
            let element = element?;
            match element.key {
                b"concurrent_collections" => {
                    concurrent_collections = number("concurrent_collections", &element)?;
                }
                b"version" => version = text("version", &element)?,
                b"server_version" => server_version = text("server_version", &element)?,
                b"tool_version" => tool_version = text("tool_version", &element)?,
                _ => {}
            }
        }
        Ok(Self { concurrent_collections, version, server_version, tool_version })
    }
}

/// A string; null is an empty one.
pub(super) fn text(field: &'static str, element: &Element<'_>) -> Result<String, HeaderFault> {
    if element.kind == kind::NULL {
        return Ok(String::new());
    }
    element.as_str().map(str::to_owned).ok_or(HeaderFault::Type { field, expected: "a string in UTF-8" })
}

fn number(field: &'static str, element: &Element<'_>) -> Result<i32, HeaderFault> {
    let number = element.as_i64_lossless().ok_or(HeaderFault::Type { field, expected: "a whole number" })?;
    Ok(i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX }))
}

/// Whether a server of this version has no `system.buckets` collections.
fn keeps_time_series_whole(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<i64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= VIEWLESS_TIME_SERIES,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str) -> NamespaceEntry {
        let (db, collection) = ("d".to_owned(), "c".to_owned());
        NamespaceEntry { db, collection, metadata: "{}".to_owned(), size: 7, kind: kind.to_owned() }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        assert_eq!(NamespaceEntry::decode(&entry("view").encode()), Ok(entry("view")));
        let header = ArchiveHeader {
            concurrent_collections: 4,
            version: "0.1".to_owned(),
            server_version: "6.0.5".to_owned(),
            tool_version: "100.18.0".to_owned(),
        };
        assert_eq!(ArchiveHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn what_an_older_or_newer_tool_wrote_is_understood() {
        let mut doc = Builder::new();
        let doc =
            doc.str("collection", "c").null("metadata").i64("size", 1 << 40).str("colour", "red").finish();
        let read = NamespaceEntry::decode(&doc).unwrap();
        assert_eq!((read.db.as_str(), read.metadata.as_str(), read.size), ("", "", i32::MAX));
    }

    #[test]
    fn a_field_of_another_type_is_refused() {
        let doc = Builder::new().str("collection", "c").i32("metadata", 1).finish();
        let fault = NamespaceEntry::decode(&doc).unwrap_err();
        assert_eq!(fault, HeaderFault::Type { field: "metadata", expected: "a string in UTF-8" });
        let doc = Builder::new().str("collection", [0xff]).finish();
        assert!(NamespaceEntry::decode(&doc).is_err());
        assert_eq!(NamespaceEntry::decode(&Builder::new().finish()), Err(HeaderFault::NoCollection));
    }

    #[test]
    fn the_blocks_of_a_time_series_are_named_by_its_server() {
        for (version, name) in [
            ("6.0.5", "system.buckets.c"),
            ("8.2.9", "system.buckets.c"),
            ("unreadable", "system.buckets.c"),
            ("8.3.0-rc1", "c"),
            ("10.0.0", "c"),
        ] {
            assert_eq!(entry("timeseries").data_collection(version), name, "{version}");
        }
        assert_eq!(entry("collection").data_collection("6.0.5"), "c");
    }
}
