//! The documents of an archive's CATALOG and END records: what a deployment and each collection
//! are. The bytes are specified in docs/container-format.md, "Catalog documents"; options and
//! indexes stand in them exactly as the server sent them.

use crate::oplog::{EntryId, Gap, Origin, Scope, SliceStart, Span};
use crate::select::{Pattern, Selection};
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Element, Elements};
use mongoark_model::{
    CollectionKind, CollectionMetadata, Counts, DeploymentInfo, MemberChoice, Namespace, Timestamp,
    TopologyKind,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The stream number of the deployment's own catalog record; collections count from 1.
pub const DEPLOYMENT_STREAM: u32 = 0;
/// What the catalog document of an oplog says it is.
const OPLOG_KIND: &str = "oplog";

/// What an archive says of the deployment it was taken from.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentEntry {
    /// The deployment.
    pub info: DeploymentInfo,
    /// mongoark's version.
    pub tool_version: String,
    /// The version of mongodump, where the archive was made from a dump of it that tells.
    pub dump_tool: Option<String>,
    /// When the dump began, milliseconds since 1970.
    pub started_ms: i64,
}

impl DeploymentEntry {
    /// The document's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let info = &self.info;
        let mut out = Builder::new();
        out.str("kind", "deployment").str("tool", &self.tool_version).date("started", self.started_ms);
        match &info.topology {
            TopologyKind::Standalone => out.str("topology", "standalone"),
            TopologyKind::ReplicaSet(name) => out.str("topology", "replicaSet").str("set", name),
            TopologyKind::Sharded => out.str("topology", "sharded"),
            TopologyKind::Unknown => out.str("topology", "unknown"),
        };
        if let Some(id) = info.set_id {
            out.object_id("setId", id);
        }
        out.str("serverVersion", &info.server_version).nested_array("version", |numbers| {
            for (place, number) in info.version.iter().enumerate() {
                numbers.i32(place.to_string(), *number);
            }
        });
        if let Some(fcv) = &info.fcv {
            out.str("featureCompatibilityVersion", fcv);
        }
        out.str("member", &info.member.address).str("memberReason", &info.member.reason);
        if let Some(version) = &self.dump_tool {
            out.str("dumpTool", version);
        }
        out.finish()
    }

    /// Reads the document.
    pub fn decode(document: &[u8]) -> Result<Self> {
        let topology = match text(document, "topology")?.as_str() {
            "standalone" => TopologyKind::Standalone,
            "replicaSet" => TopologyKind::ReplicaSet(text(document, "set")?),
            "sharded" => TopologyKind::Sharded,
            "unknown" => TopologyKind::Unknown,
            other => return Err(Error::Catalog(format!("unknown topology '{other}'"))),
        };
        let mut version = [0; 3];
        let numbers = required(document, "version")?;
        for (place, number) in elements(numbers.as_array())?.iter().take(3).enumerate() {
            version[place] = number.as_i64_lossless().and_then(|n| i32::try_from(n).ok()).unwrap_or_default();
        }
        let member = MemberChoice::new(text(document, "member")?, text(document, "memberReason")?);
        let words =
            |key| Ok::<_, Error>(optional(document, key)?.and_then(|e| e.as_str()).map(str::to_owned));
        let fcv = words("featureCompatibilityVersion")?;
        let set_id = optional(document, "setId")?.and_then(|id| id.as_object_id());
        Ok(Self {
            info: DeploymentInfo {
                topology,
                server_version: text(document, "serverVersion")?,
                version,
                fcv,
                set_id,
                member,
            },
            tool_version: text(document, "tool")?,
            dump_tool: words("dumpTool")?,
            started_ms: required(document, "started")?.as_date().unwrap_or_default(),
        })
    }
}

/// The catalog document of the stream that holds oplog entries.
pub fn encode_oplog(origin: &Origin) -> Vec<u8> {
    let mut out = Builder::new();
    out.str("kind", OPLOG_KIND);
    match origin {
        Origin::Converted => {}
        Origin::Dump(scope) => {
            let patterns = |patterns: &[Pattern]| patterns.iter().map(Pattern::to_string).collect::<Vec<_>>();
            time(&mut out, "first", scope.first);
            time(&mut out, "seen", scope.seen);
            out.array_of_strs("include", patterns(&scope.selection.include));
            out.array_of_strs("exclude", patterns(&scope.selection.exclude));
        }
        Origin::Slice(slice) => {
            time(&mut out, "after", slice.after.time);
            if let Some(term) = slice.after.term {
                out.i64("afterTerm", term);
            }
            if let Some(wall_ms) = slice.after.wall_ms {
                out.date("afterWall", wall_ms);
            }
            if slice.has_every_entry {
                out.bool("everyEntry", true);
            }
            if let Some(gap) = &slice.gap {
                out.nested("gap", |out| {
                    time(out, "since", gap.since);
                    time(out, "until", gap.until);
                    out.str("why", &gap.why);
                });
            }
        }
    }
    out.finish()
}

/// Reads the catalog document of an oplog.
pub fn decode_oplog(document: &[u8]) -> Result<Origin> {
    if optional(document, "first")?.is_some() {
        let patterns = |key| {
            let texts = texts(document, key)?;
            texts.iter().map(|text| text.parse().map_err(Error::Catalog)).collect::<Result<Vec<Pattern>>>()
        };
        let selection = Selection { include: patterns("include")?, exclude: patterns("exclude")? };
        let (first, seen) = (timestamp(document, "first")?, timestamp(document, "seen")?);
        return Ok(Origin::Dump(Scope { first, seen, selection }));
    }
    if optional(document, "after")?.is_none() {
        return Ok(Origin::Converted);
    }
    let gap = match optional(document, "gap")?.and_then(|gap| gap.as_document()) {
        Some(gap) => Some(Gap {
            since: timestamp(gap, "since")?,
            until: timestamp(gap, "until")?,
            why: text(gap, "why")?,
        }),
        None => None,
    };
    let after = EntryId {
        time: timestamp(document, "after")?,
        term: optional(document, "afterTerm")?.and_then(|term| term.as_i64_lossless()),
        wall_ms: optional(document, "afterWall")?.and_then(|wall| wall.as_date()),
    };
    let has_every_entry = optional(document, "everyEntry")?.and_then(|every| every.as_bool()) == Some(true);
    Ok(Origin::Slice(SliceStart { after, has_every_entry, gap }))
}

fn time(out: &mut Builder, key: &str, time: Timestamp) {
    out.timestamp(key, time.seconds, time.increment);
}

fn timestamp(document: &[u8], key: &str) -> Result<Timestamp> {
    let time = required(document, key)?.as_timestamp();
    time.map(Timestamp::from).ok_or_else(|| Error::Catalog(format!("'{key}' is no timestamp")))
}

/// Whether this catalog document is that of an oplog.
pub fn is_oplog(document: &[u8]) -> bool {
    matches!(bytes::get(document, "kind"), Ok(Some(kind)) if kind.as_str() == Some(OPLOG_KIND))
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A collection's catalog document.
pub fn encode_collection(metadata: &CollectionMetadata) -> Vec<u8> {
    let mut out = Builder::new();
    out.str("kind", "collection")
        .str("db", &metadata.namespace.db)
        .str("collection", &metadata.namespace.collection)
        .str("type", metadata.kind.as_str())
        .document("options", metadata.options.as_bytes());
    if let Some(uuid) = &metadata.uuid {
        out.binary("uuid", 4, uuid);
    }
    out.array_of_documents("indexes", metadata.indexes.iter().map(|index| index.as_bytes()));
    if !metadata.bucket_indexes.is_empty() {
        out.array_of_documents("bucketIndexes", metadata.bucket_indexes.iter().map(|index| index.as_bytes()));
    }
    out.finish()
}

/// Reads a collection's catalog document.
pub fn decode_collection(document: &[u8]) -> Result<CollectionMetadata> {
    let kind: CollectionKind = text(document, "type")?.parse().map_err(Error::Catalog)?;
    let options = required(document, "options")?;
    let uuid = optional(document, "uuid")?.and_then(|uuid| uuid.as_binary());
    let indexes = elements(required(document, "indexes")?.as_array())?;
    let bucket_indexes = match optional(document, "bucketIndexes")? {
        Some(indexes) => elements(indexes.as_array())?.iter().map(raw_document).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    Ok(CollectionMetadata {
        bucket_indexes,
        namespace: Namespace::new(text(document, "db")?, text(document, "collection")?),
        kind,
        options: raw_document(&options)?,
        uuid: uuid.and_then(|(_, bytes)| bytes.try_into().ok()),
        indexes: indexes.iter().map(raw_document).collect::<Result<_>>()?,
    })
}

/// How far an archive is of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Each collection was read by itself, while others may have changed.
    PerCollection,
    /// With the oplog that it holds, all of it is of one moment.
    PointInTime,
    /// It holds a part of an oplog and no documents.
    Slice,
}

impl Consistency {
    /// The word in the archive and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerCollection => "per-collection",
            Self::PointInTime => "point-in-time",
            Self::Slice => "oplog-slice",
        }
    }
}

/// A namespace that changed while the dump ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The namespace.
    pub namespace: Namespace,
    /// What happened to it.
    pub what: String,
}

/// What the END record says of the whole dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When the dump ended, milliseconds since 1970.
    pub finished_ms: i64,
    /// How far it is of one moment.
    pub consistency: Consistency,
    /// Between which times it can bring a deployment; nothing where it is of no one moment.
    pub span: Option<Span>,
    /// All documents and bytes.
    pub totals: Counts,
    /// Namespaces that changed meanwhile.
    pub changes: Vec<Change>,
    /// What was not carried over, one text each.
    pub failures: Vec<String>,
    /// What to know, one text each.
    pub warnings: Vec<String>,
}

impl Summary {
    /// The document's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Builder::new();
        out.str("kind", "summary")
            .date("finished", self.finished_ms)
            .str("consistency", self.consistency.as_str())
            .i64("documents", self.totals.documents.cast_signed())
            .i64("bytes", self.totals.bytes.cast_signed());
        if let Some(span) = &self.span {
            out.nested("oplog", |out| {
                time(out, "start", span.start);
                time(out, "consistent", span.consistent);
                time(out, "end", span.end);
                if let Some(term) = span.end_term {
                    out.i64("endTerm", term);
                }
                if let Some(wall_ms) = span.end_wall_ms {
                    out.date("endWall", wall_ms);
                }
            });
        }
        let change = |change: &Change| {
            let mut out = Builder::new();
            out.str("db", &change.namespace.db)
                .str("collection", &change.namespace.collection)
                .str("what", &change.what);
            out.finish()
        };
        out.array_of_documents("changes", self.changes.iter().map(change));
        out.array_of_strs("failures", &self.failures).array_of_strs("warnings", &self.warnings);
        out.finish()
    }

    /// Reads the document.
    pub fn decode(document: &[u8]) -> Result<Self> {
        let consistency = match text(document, "consistency")?.as_str() {
            "per-collection" => Consistency::PerCollection,
            "point-in-time" => Consistency::PointInTime,
            "oplog-slice" => Consistency::Slice,
            other => return Err(Error::Catalog(format!("unknown consistency '{other}'"))),
        };
        let changes = elements(required(document, "changes")?.as_array())?
            .iter()
            .map(|change| {
                let change =
                    change.as_document().ok_or_else(|| Error::Catalog("a change is no document".into()))?;
                let namespace = Namespace::new(text(change, "db")?, text(change, "collection")?);
                Ok(Change { namespace, what: text(change, "what")? })
            })
            .collect::<Result<_>>()?;
        let span = match optional(document, "oplog")?.and_then(|span| span.as_document()) {
            Some(span) => Some(Span {
                start: timestamp(span, "start")?,
                consistent: timestamp(span, "consistent")?,
                end: timestamp(span, "end")?,
                end_term: optional(span, "endTerm")?.and_then(|term| term.as_i64_lossless()),
                end_wall_ms: optional(span, "endWall")?.and_then(|wall| wall.as_date()),
            }),
            None if consistency == Consistency::PerCollection => None,
            None => return Err(Error::Catalog("'oplog' is missing".to_owned())),
        };
        Ok(Self {
            finished_ms: required(document, "finished")?.as_date().unwrap_or_default(),
            consistency,
            span,
            totals: Counts::new(whole(document, "documents")?, whole(document, "bytes")?),
            changes,
            failures: texts(document, "failures")?,
            warnings: texts(document, "warnings")?,
        })
    }
}

fn optional<'a>(document: &'a [u8], key: &str) -> Result<Option<Element<'a>>> {
    bytes::get(document, key).map_err(|error| Error::Catalog(error.to_string()))
}

fn required<'a>(document: &'a [u8], key: &str) -> Result<Element<'a>> {
    optional(document, key)?.ok_or_else(|| Error::Catalog(format!("'{key}' is missing")))
}

fn text(document: &[u8], key: &str) -> Result<String> {
    let text = required(document, key)?.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Error::Catalog(format!("'{key}' is no text")))
}

fn texts(document: &[u8], key: &str) -> Result<Vec<String>> {
    let texts = elements(required(document, key)?.as_array())?;
    Ok(texts.iter().filter_map(|text| text.as_str().map(ToOwned::to_owned)).collect())
}

fn whole(document: &[u8], key: &str) -> Result<u64> {
    let number = required(document, key)?.as_i64_lossless().and_then(|n| u64::try_from(n).ok());
    number.ok_or_else(|| Error::Catalog(format!("'{key}' is no whole number")))
}

fn elements(array: Option<&[u8]>) -> Result<Vec<Element<'_>>> {
    let array = array.ok_or_else(|| Error::Catalog("a list is missing".to_owned()))?;
    let invalid = |error: bytes::Error| Error::Catalog(error.to_string());
    Elements::new(array).map_err(invalid)?.map(|element| element.map_err(invalid)).collect()
}

fn raw_document(element: &Element<'_>) -> Result<RawDocumentBuf> {
    let document = element.as_document().map(<[u8]>::to_vec);
    let document = document.ok_or_else(|| Error::Catalog("an entry is no document".to_owned()))?;
    RawDocumentBuf::from_bytes(document).map_err(|error| Error::Catalog(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn entries_read_back_as_they_were() {
        let info = DeploymentInfo {
            topology: TopologyKind::ReplicaSet("rs0".into()),
            server_version: "6.0.5".into(),
            version: [6, 0, 5],
            fcv: Some("6.0".into()),
            set_id: Some([5; 12]),
            member: MemberChoice::new("h:1", "why"),
        };
        let mut entry =
            DeploymentEntry { info, tool_version: "0.1.0".into(), dump_tool: None, started_ms: 1 };
        assert_eq!(DeploymentEntry::decode(&entry.encode()).unwrap(), entry);
        (entry.info.topology, entry.info.set_id) = (TopologyKind::Unknown, None);
        entry.dump_tool = Some("100.18.0".into());
        assert_eq!(DeploymentEntry::decode(&entry.encode()).unwrap(), entry);
        assert!(!is_oplog(&entry.encode()) && !is_oplog(&[]));

        let metadata = CollectionMetadata {
            bucket_indexes: vec![rawdoc! { "v": 2, "name": "own" }],
            namespace: Namespace::new("d", "c.x"),
            kind: CollectionKind::TimeSeries,
            options: rawdoc! { "a": f64::NAN, "b": { "$oid": "x" } },
            uuid: Some([7; 16]),
            indexes: vec![rawdoc! { "v": 2 }, rawdoc! {}],
        };
        let read = decode_collection(&encode_collection(&metadata)).unwrap();
        assert_eq!(read.options.as_bytes(), metadata.options.as_bytes());
        assert_eq!(
            (read.namespace, read.kind, read.uuid, read.indexes, read.bucket_indexes),
            (metadata.namespace, metadata.kind, metadata.uuid, metadata.indexes, metadata.bucket_indexes)
        );

        let mut summary = Summary {
            finished_ms: 2,
            consistency: Consistency::PerCollection,
            span: None,
            totals: Counts::new(3, 4),
            changes: vec![Change { namespace: Namespace::new("a", "b"), what: "dropped".into() }],
            failures: vec!["f".into()],
            warnings: vec!["w".into(), String::new()],
        };
        assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
        summary.consistency = Consistency::PointInTime;
        assert!(Summary::decode(&summary.encode()).is_err(), "it must say which");
        let at = |seconds| Timestamp::new(seconds, 2);
        summary.span = Some(Span { start: at(1), consistent: at(2), end: at(3), ..Span::default() });
        assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
        summary.span = summary.span.map(|span| Span { end_term: Some(4), end_wall_ms: Some(5), ..span });
        assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
    }

    #[test]
    fn the_origin_of_an_oplog_reads_back_as_it_was() {
        let at = |seconds| Timestamp::new(seconds, 2);
        let selection = Selection {
            include: vec![Pattern::exact("d", Some("a*b"))],
            exclude: vec!["d.x*".parse().unwrap()],
        };
        let gap = Gap { since: at(1), until: at(3), why: "rolled over".into() };
        for origin in [
            Origin::Converted,
            Origin::Dump(Scope { first: at(1), seen: at(2), selection }),
            Origin::Slice(SliceStart { after: EntryId::at(at(3)), has_every_entry: false, gap: None }),
            Origin::Slice(SliceStart {
                after: EntryId { time: at(3), term: Some(4), wall_ms: Some(5) },
                has_every_entry: true,
                gap: Some(gap),
            }),
        ] {
            let encoded = encode_oplog(&origin);
            assert!(is_oplog(&encoded));
            assert_eq!(decode_oplog(&encoded).unwrap(), origin);
        }
        assert!(decode_oplog(rawdoc! { "kind": "oplog", "first": 1 }.as_bytes()).is_err());
    }

    #[test]
    fn a_catalog_of_any_other_shape_is_an_error() {
        for document in [rawdoc! {}, rawdoc! { "type": 1 }, rawdoc! { "type": "no such", "options": {} }] {
            assert!(matches!(decode_collection(document.as_bytes()), Err(Error::Catalog(_))));
            assert!(matches!(Summary::decode(document.as_bytes()), Err(Error::Catalog(_))));
            assert!(matches!(DeploymentEntry::decode(document.as_bytes()), Err(Error::Catalog(_))));
        }
        assert!(decode_collection(&[1, 2, 3]).is_err());
    }
}
