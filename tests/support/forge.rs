//! Archives made record by record: what no dump would write, or only on a bad day.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongoark_container::{Chunk, ChunkKind, SealScratch, Sealer, Sequencer, WriteOptions, Writer, create};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An archive that is being made.
pub struct Forge {
    sequencer: Sequencer,
    sealer: Sealer,
    writer: Writer<Vec<u8>>,
    /// Chunks of each stream so far, and documents and bytes that count.
    next: BTreeMap<u32, u32>,
    counted: BTreeMap<u64, (u64, u64)>,
    ended: Vec<u32>,
}

impl Forge {
    /// An archive of a replica set's dump, not encrypted, with nothing in it yet.
    pub fn new() -> Self {
        Self::with(&WriteOptions::default())
    }

    pub fn with(options: &WriteOptions) -> Self {
        let (sequencer, sealer, writer) = create(Vec::new(), options).unwrap();
        let mut forge = Self {
            sequencer,
            sealer,
            writer,
            next: BTreeMap::new(),
            counted: BTreeMap::new(),
            ended: Vec::new(),
        };
        forge.catalog(
            0,
            &doc! {
                "kind": "deployment", "tool": "0.1.0", "started": bson::DateTime::from_millis(1),
                "topology": "replicaSet", "set": "rs0", "serverVersion": "6.0.5", "version": [6, 0, 5],
                "member": "h:1", "memberReason": "forged",
            },
        );
        forge
    }

    pub fn catalog(&mut self, stream: u32, document: &Document) {
        let ticket = self.sequencer.control().unwrap();
        self.writer.append_catalog(ticket, stream, &document.to_vec().unwrap()).unwrap();
    }

    /// A plain collection.
    pub fn collection(&mut self, stream: u32, db: &str, name: &str) {
        self.described(stream, db, name, "collection", doc! {}, uuid(stream));
    }

    pub fn described(
        &mut self,
        stream: u32,
        db: &str,
        name: &str,
        kind: &str,
        options: Document,
        uuid: Bson,
    ) {
        let mut document = doc! {
            "kind": "collection", "db": db, "collection": name, "type": kind, "options": options,
            "indexes": [{ "v": 2, "key": { "_id": 1 }, "name": "_id_" }],
        };
        if uuid != Bson::Null {
            document.insert("uuid", uuid);
        }
        self.catalog(stream, &document);
    }

    /// The oplog of a dump; without a beginning that of a dump of mongodump.
    pub fn oplog(&mut self, stream: u32, first: Option<u32>) {
        let mut document = doc! { "kind": "oplog" };
        if let Some(first) = first {
            let empty: Vec<Bson> = Vec::new();
            document.extend(
                doc! { "first": ts(first), "seen": ts(first), "include": empty.clone(), "exclude": empty },
            );
        }
        self.catalog(stream, &document);
    }

    /// Appends a chunk; its record number.
    pub fn chunk(&mut self, kind: ChunkKind, stream: u32, documents: &[RawDocumentBuf]) -> u64 {
        let bytes: Vec<u8> = documents.iter().flat_map(|document| document.as_bytes().to_vec()).collect();
        let ticket = self.sequencer.chunk().unwrap();
        let seq = ticket.seq();
        let next = self.next.entry(stream).or_default();
        let count = u32::try_from(documents.len()).unwrap();
        if kind == ChunkKind::Data {
            self.counted.insert(seq, (u64::from(count), bytes.len() as u64));
        }
        let chunk = Chunk { kind, stream, stream_seq: *next, documents: count, bytes };
        *next += 1;
        let sealed = self.sealer.seal(ticket, &chunk, &mut SealScratch::new()).unwrap();
        self.writer.append_chunk(sealed).unwrap();
        seq
    }

    pub fn documents(&mut self, stream: u32, documents: &[RawDocumentBuf]) -> u64 {
        self.chunk(ChunkKind::Data, stream, documents)
    }

    pub fn entries(&mut self, stream: u32, entries: &[RawDocumentBuf]) -> u64 {
        self.chunk(ChunkKind::Oplog, stream, entries)
    }

    pub fn retract(&mut self, stream: u32, first: u64, last: u64) {
        let ticket = self.sequencer.control().unwrap();
        self.writer.append_retract(ticket, stream, first, last).unwrap();
        self.counted.retain(|seq, _| !(first..=last).contains(seq));
    }

    /// Bytes so far.
    pub fn position(&self) -> usize {
        usize::try_from(self.writer.position()).unwrap()
    }

    /// Ends a stream before the archive's end.
    pub fn end(&mut self, stream: u32) {
        let ticket = self.sequencer.control().unwrap();
        self.writer.append_stream_end(ticket, stream).unwrap();
        self.ended.push(stream);
    }

    /// The whole archive. With an oplog it is of the moments from `consistent` to `end`.
    pub fn finish(mut self, oplog: Option<(u32, u32, u32)>) -> Vec<u8> {
        for stream in self.next.keys().copied().collect::<Vec<_>>() {
            if !self.ended.contains(&stream) {
                self.end(stream);
            }
        }
        let documents: u64 = self.counted.values().map(|counted| counted.0).sum();
        let bytes: u64 = self.counted.values().map(|counted| counted.1).sum();
        let empty: Vec<Bson> = Vec::new();
        let mut summary = doc! {
            "kind": "summary", "finished": bson::DateTime::from_millis(2),
            "consistency": if oplog.is_some() { "point-in-time" } else { "per-collection" },
        };
        if let Some((start, consistent, end)) = oplog {
            summary
                .insert("oplog", doc! { "start": ts(start), "consistent": ts(consistent), "end": ts(end) });
        }
        summary.extend(doc! {
            "documents": documents.cast_signed(), "bytes": bytes.cast_signed(),
            "changes": empty.clone(), "failures": empty.clone(), "warnings": empty,
        });
        self.writer.finish(self.sequencer, &summary.to_vec().unwrap()).unwrap().0
    }
}

/// Seconds since 1970 as a time of the oplog.
pub fn ts(seconds: u32) -> bson::Timestamp {
    bson::Timestamp { time: seconds, increment: 1 }
}

/// The UUID of a stream's collection.
pub fn uuid(stream: u32) -> Bson {
    let bytes = vec![u8::try_from(stream).unwrap(); 16];
    bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes }.into()
}

/// An entry of the oplog.
pub fn entry(at: u32, op: &str, namespace: &str, stream: Option<u32>, object: Document) -> RawDocumentBuf {
    let mut entry = doc! { "ts": ts(at), "t": 1_i64, "v": 2_i64, "op": op, "ns": namespace, "o": object };
    if let Some(stream) = stream {
        entry.insert("ui", uuid(stream));
    }
    raw(&entry)
}

pub fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

/// Documents with these `_id`s.
pub fn numbered(ids: std::ops::Range<i32>, value: &str) -> Vec<RawDocumentBuf> {
    ids.map(|id| raw(&doc! { "_id": id, "v": value })).collect()
}

/// Writes a file that only its owner reads.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
