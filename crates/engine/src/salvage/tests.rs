//! What becomes of oplogs. Archives are written here record by record, without a server.

use super::{Salvaged, salvage};
use crate::archive::Output;
use crate::catalog::{Consistency, Summary, encode_collection, encode_oplog};
use crate::oplog::{EntryId, Origin, Scope, SliceStart, Span};
use crate::reading::{Archive, Feed};
use crate::{Error, Stop};
use bson::{RawDocumentBuf, Timestamp as BsonTimestamp, rawdoc};
use mongoark_container::{Chunk, ChunkKind, Codec, Limits, SealScratch, WriteOptions, create};
use mongoark_model::{CollectionKind, CollectionMetadata, Counts, Namespace, Timestamp};
use mongoark_monitor::{Monitor, Record};

const OPLOG: u32 = 3;

fn collection(name: &str) -> Vec<u8> {
    encode_collection(&CollectionMetadata {
        namespace: Namespace::new("d", name),
        kind: CollectionKind::Collection,
        options: rawdoc! {},
        uuid: Some([7; 16]),
        indexes: Vec::new(),
        bucket_indexes: Vec::new(),
    })
}

fn time(seconds: u32) -> Timestamp {
    Timestamp { seconds, increment: 1 }
}

fn command(body: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! { "op": "c", "ns": "d.$cmd", "ts": BsonTimestamp { time: 5, increment: 1 }, "o": body }
}

/// Collections 1 (`d.hurt`, two chunks) and 2 (`d.other`), and an oplog of this origin with these entries.
fn archive(origin: &Origin, entries: &[RawDocumentBuf]) -> Vec<u8> {
    let is_slice = matches!(origin, Origin::Slice(_));
    let options = WriteOptions { codec: Codec::None, ..WriteOptions::default() };
    let (mut sequencer, sealer, mut writer) = create(Vec::new(), &options).unwrap();
    let mut chunks = Vec::new();
    if !is_slice {
        for (stream, name) in [(1, "hurt"), (2, "other")] {
            writer.append_catalog(sequencer.control().unwrap(), stream, &collection(name)).unwrap();
        }
        let documents = ["MARKED", "kept"].map(|text| rawdoc! { "_id": 1, "text": text });
        chunks.extend(documents.map(|document| (1, vec![document])));
        chunks.push((2, vec![rawdoc! { "_id": 1 }]));
    }
    writer.append_catalog(sequencer.control().unwrap(), OPLOG, &encode_oplog(origin)).unwrap();
    chunks.push((OPLOG, entries.to_vec()));
    let mut next = [0; 4];
    for (stream, documents) in &chunks {
        let bytes = documents.iter().flat_map(|document| document.as_bytes().to_vec()).collect();
        let kind = if *stream == OPLOG { ChunkKind::Oplog } else { ChunkKind::Data };
        let place = &mut next[*stream as usize];
        let documents = u32::try_from(documents.len()).unwrap();
        let chunk = Chunk { kind, stream: *stream, stream_seq: *place, documents, bytes };
        *place += 1;
        let record = sealer.seal(sequencer.chunk().unwrap(), &chunk, &mut SealScratch::new()).unwrap();
        writer.append_chunk(record).unwrap();
    }
    for stream in (1..=OPLOG).filter(|stream| !is_slice || *stream == OPLOG) {
        writer.append_stream_end(sequencer.control().unwrap(), stream).unwrap();
    }
    let summary = Summary {
        finished_ms: 1,
        consistency: if is_slice { Consistency::Slice } else { Consistency::PointInTime },
        span: Some(Span {
            start: time(1),
            consistent: time(2),
            end: time(9),
            end_term: Some(1),
            end_wall_ms: None,
        }),
        totals: Counts::default(),
        changes: Vec::new(),
        failures: Vec::new(),
        warnings: Vec::new(),
    };
    writer.finish(sequencer, &summary.encode()).unwrap().0
}

/// What is salvaged, what was said of it, and what the new archive says: how consistent it is, and which oplog it has.
type Outcome = (Salvaged, Record, Consistency, Option<Origin>);

async fn salvaged(bytes: &[u8]) -> crate::Result<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let (damaged, path) = (dir.path().join("damaged"), dir.path().join("out"));
    std::fs::write(&damaged, bytes).unwrap();
    let monitor = Monitor::silent();
    let output = Output::File { path: path.clone(), overwrite: false };
    let done = salvage(&damaged, Vec::new(), output, &monitor, &Stop::default()).await;
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1 + usize::from(done.is_ok()), "{names:?}");
    let done = done?;
    let archive = Archive::open_file(&path, &|_| Ok(Vec::new()), &Limits::default())?;
    let mut feed = Feed::start(archive, &Stop::default());
    let catalog = feed.catalog().await?;
    let consistency = feed.summary_ahead().unwrap().consistency;
    Ok((done, monitor.record(), consistency, catalog.oplog.map(|oplog| oplog.origin)))
}

/// The archive without the chunk that holds this.
fn without(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    let place = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[place] ^= 1;
    bytes
}

fn dump() -> Origin {
    Origin::Dump(Scope { first: time(1), seen: time(2), ..Scope::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_excludes_what_is_damaged_and_nothing_else() {
    let bytes = archive(&dump(), &[command(rawdoc! { "renameCollection": "d.other", "to": "d.more" })]);
    let (_, record, consistency, oplog) = salvaged(&bytes).await.unwrap();
    assert_eq!((record.failures.len(), consistency), (1, Consistency::PointInTime), "{:?}", record.failures);
    assert_eq!(oplog, Some(dump()), "as it was");

    let (done, _, consistency, oplog) = salvaged(&without(bytes, "MARKED")).await.unwrap();
    assert_eq!((done.documents.documents, done.oplog_entries), (2, 1));
    assert_eq!(consistency, Consistency::PointInTime);
    let Some(Origin::Dump(scope)) = oplog else { panic!("{oplog:?}") };
    assert!(!scope.selection.takes(&Namespace::new("d", "hurt")));
    assert!(scope.selection.takes(&Namespace::new("d", "other")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_renames_what_is_damaged_is_left_out() {
    for (from, to) in [("d.hurt", "d.more"), ("d.other", "d.hurt")] {
        let bytes = archive(&dump(), &[command(rawdoc! { "renameCollection": from, "to": to })]);
        let (done, record, consistency, oplog) = salvaged(&without(bytes, "MARKED")).await.unwrap();
        assert_eq!((consistency, oplog, done.oplog_entries), (Consistency::PerCollection, None, 0));
        assert!(record.failures.iter().any(|failure| failure.message.contains("it renames a collection")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converted_oplog_goes_along_only_if_nothing_is_missing() {
    let bytes = archive(&Origin::Converted, &[command(rawdoc! { "drop": "other" })]);
    assert_eq!(salvaged(&bytes).await.unwrap().3, Some(Origin::Converted));
    assert_eq!(salvaged(&without(bytes, "MARKED")).await.unwrap().3, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_is_carried_over_whole_or_not_at_all() {
    let origin = Origin::Slice(SliceStart { after: EntryId::at(time(1)), ..SliceStart::default() });
    let bytes = archive(&origin, &[command(rawdoc! { "drop": "MARKED" })]);
    let (_, _, consistency, oplog) = salvaged(&bytes[..bytes.len() - 10]).await.unwrap();
    assert_eq!((consistency, oplog), (Consistency::Slice, Some(origin)));
    let damaged = without(bytes.clone(), "MARKED");
    for bytes in [&damaged[..], &bytes[..bytes.len() - 1300]] {
        assert!(matches!(salvaged(bytes).await, Err(Error::Refused(_))));
    }
}
