//! What a checkpoint of a dump says: how the dump was begun, how far each cursor has come, and what is to be told in the
//! end. `docs/resume.md` has its fields.

use super::DumpOptions;
use super::read::Context;
use crate::archive::PartPlace;
use crate::catalog::Change;
use crate::oplog::Beginning;
use crate::select::{Pattern, Selection};
use crate::{Error, Result, Stop};
use bson::{Bson, Document, RawDocumentBuf, doc};
use mongoark_deployment::oplog::{self, Mark};
use mongoark_deployment::{Incarnation, Place, Source};
use mongoark_model::{Namespace, TopologyKind};
use mongoark_monitor::Monitor;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Cursors have this long to tell their places; who is slower is read again from its last one.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// How a dump was begun: what has to be the same when it goes on.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    /// The deployment, in words.
    pub(super) topology: String,
    /// The member that is read: places are good there alone.
    pub(super) member: String,
    /// When that member was synced, where that can be known.
    pub(super) initial_sync: Option<Vec<u8>>,
    /// The life of that member in which cursors have their places.
    pub(super) incarnation: Option<Incarnation>,
    pub(super) selection: Selection,
    pub(super) filter: Option<RawDocumentBuf>,
    /// Where the oplog begins that goes along.
    pub(super) beginning: Option<Beginning>,
}

/// What is told of a dump in its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// What changed while it ran, by stream.
    pub(super) changes: Vec<(u32, Change)>,
    /// Subject, message and documents of each failure.
    pub(super) failures: Vec<(String, String, u64)>,
    /// Subject and message of each warning.
    pub(super) warnings: Vec<(String, String)>,
}

/// A dump as far as it had come.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub(super) begun: Begun,
    /// Of streams that were under way and can be gone on with.
    pub(super) parts: BTreeMap<u32, Vec<PartPlace>>,
    /// Behind all that was read of streams that are ended; nothing without the oplog.
    pub(super) mark: Option<Mark>,
    pub(super) told: Told,
}

/// Writes checkpoints beside a dump.
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(super) fn start(context: &Arc<Context>, begun: Begun, every: Duration) -> Self {
        Self(tokio::spawn(keep(Arc::clone(context), begun, every)))
    }

    /// Returns when it has let go of the archive. It only ever waits for time to pass.
    pub(super) async fn stop(self) {
        self.0.abort();
        self.0.await.ok();
    }
}

/// Writes a checkpoint every so often, until the archive's writer has ended.
async fn keep(context: Arc<Context>, begun: Begun, every: Duration) {
    let (input, monitor) = (&context.run.sink, &context.run.monitor);
    loop {
        sleep(every.saturating_sub(ANSWERS_WITHIN.min(every / 2))).await;
        input.ask_for_places();
        sleep(ANSWERS_WITHIN.min(every / 2)).await;
        let encode = |parts: &BTreeMap<u32, Vec<PartPlace>>| {
            let read = context.read();
            let told = Told::now(read.changes.clone(), monitor);
            Checkpoint { begun: begun.clone(), parts: parts.clone(), mark: read.mark, told }.encode()
        };
        match input.checkpoint(encode) {
            Ok(()) => {}
            // The writer's own error is the run's.
            Err(Error::PipelineClosed(_)) => return,
            Err(error) => {
                monitor.warn("", format!("no more checkpoints are written: {error}"));
                return;
            }
        }
    }
}

impl Begun {
    /// A dump that begins now.
    pub(super) async fn now(
        source: &Source,
        options: &DumpOptions,
        beginning: Option<Beginning>,
    ) -> Result<Self> {
        let info = source.info();
        let initial_sync = match info.topology {
            TopologyKind::ReplicaSet(_) => match oplog::initial_sync(source).await {
                // Where it cannot be asked, a dump without the oplog does without.
                Err(error) if error.may_pass() => return Err(error.into()),
                found => found.ok().flatten(),
            },
            _ => None,
        };
        Ok(Self {
            topology: info.topology.to_string(),
            member: info.member.address.clone(),
            initial_sync,
            incarnation: source.incarnation().await?,
            selection: options.selection.clone(),
            filter: options.filter.clone(),
            beginning,
        })
    }
}

impl Begun {
    /// The same dump on another member, or in another life of the same one, that has all that was read: everything up to `mark`.
    pub(super) async fn elsewhere(
        &self,
        source: &Source,
        mark: &Mark,
        options: &DumpOptions,
        stop: &Stop,
    ) -> Result<Self> {
        let mut moved = Self::now(source, options, None).await?;
        if let Some(beginning) = &self.beginning {
            moved.beginning = Some(beginning.elsewhere(source, mark, stop).await?);
        }
        Ok(moved)
    }

    /// Whether both are in the same life of the same member.
    pub(super) fn is_where(&self, other: &Self) -> bool {
        self.member == other.member && self.incarnation == other.incarnation
    }
}

impl Told {
    /// What the monitor knows by now.
    fn now(changes: Vec<(u32, Change)>, monitor: &Monitor) -> Self {
        let record = monitor.record();
        let failures = record.failures.into_iter().map(|told| (told.subject, told.message, told.documents));
        let warnings = record.warnings.into_iter().map(|told| (told.subject, told.message));
        Self { changes, failures: failures.collect(), warnings: warnings.collect() }
    }

    /// Tells it again.
    pub(super) fn repeat(&self, monitor: &Monitor) {
        for (subject, message, documents) in &self.failures {
            monitor.fail(subject.clone(), message.clone(), *documents);
        }
        for (subject, message) in &self.warnings {
            monitor.warn(subject.clone(), message.clone());
        }
    }
}

impl Checkpoint {
    /// Its document.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let Begun { topology, member, initial_sync, incarnation, selection, filter, beginning } = &self.begun;
        let patterns = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut document = doc! {
            "v": 1,
            "topology": topology,
            "member": member,
            "include": patterns(&selection.include),
            "exclude": patterns(&selection.exclude),
        };
        if let Some(id) = initial_sync {
            document.insert("initialSync", binary(id));
        }
        if let Some(Incarnation { process, rollback_id }) = incarnation {
            let process = process.as_ref().map(|process| binary(process));
            document.insert("incarnation", doc! { "process": process, "rollbackId": *rollback_id });
        }
        if let Some(filter) = filter {
            document.insert("filter", binary(filter.as_bytes()));
        }
        if let Some(beginning) = beginning {
            document.insert("oplog", beginning.to_document());
        }
        if let Some(Mark { time, term, wall_ms }) = self.mark {
            document.insert("mark", doc! { "time": time, "term": term, "wall": wall_ms });
        }
        let streams = self.parts.iter().map(|(stream, parts)| {
            let parts: Vec<Bson> = parts.iter().map(|part| part_to_document(part).into()).collect();
            Bson::from(doc! { "stream": i64::from(*stream), "parts": parts })
        });
        document.insert("streams", streams.collect::<Vec<_>>());
        let Told { changes, failures, warnings } = &self.told;
        let changes = changes.iter().map(|(stream, change)| {
            let Namespace { db, collection } = &change.namespace;
            Bson::from(doc! { "stream": i64::from(*stream), "db": db, "collection": collection, "what": &change.what })
        });
        document.insert("changes", changes.collect::<Vec<_>>());
        let failures = failures.iter().map(|(subject, message, documents)| {
            Bson::from(doc! { "subject": subject, "message": message, "documents": documents.cast_signed() })
        });
        document.insert("failures", failures.collect::<Vec<_>>());
        let warnings = warnings
            .iter()
            .map(|(subject, message)| Bson::from(doc! { "subject": subject, "message": message }));
        document.insert("warnings", warnings.collect::<Vec<_>>());
        document.to_vec().map_err(unreadable)
    }

    /// Reads such a document.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let document = Document::from_reader(bytes).map_err(unreadable)?;
        from_document(&document).map_err(|Wrong(why)| unreadable(why))
    }
}

/// Why a document is no checkpoint.
struct Wrong(String);

type Parsed<T> = std::result::Result<T, Wrong>;

impl From<bson::error::Error> for Wrong {
    fn from(error: bson::error::Error) -> Self {
        Self(error.to_string())
    }
}

fn from_document(document: &Document) -> Parsed<Checkpoint> {
    let version = document.get_i32("v")?;
    if version != 1 {
        return Err(Wrong(format!("it is of version {version}, which another mongoark has written")));
    }
    let patterns = |key| -> Parsed<Vec<Pattern>> {
        let texts = document.get_array(key)?.iter().map(|pattern| pattern.as_str().unwrap_or_default());
        texts.map(|text| text.parse().map_err(Wrong)).collect()
    };
    let filter = match document.get_binary_generic("filter") {
        Ok(filter) => Some(RawDocumentBuf::from_bytes(filter.clone())?),
        Err(_) => None,
    };
    let begun = Begun {
        topology: document.get_str("topology")?.to_owned(),
        member: document.get_str("member")?.to_owned(),
        initial_sync: document.get_binary_generic("initialSync").ok().cloned(),
        incarnation: document.get_document("incarnation").ok().map(|incarnation| Incarnation {
            process: incarnation
                .get_binary_generic("process")
                .ok()
                .and_then(|id| id.as_slice().try_into().ok()),
            rollback_id: incarnation.get_i32("rollbackId").ok(),
        }),
        selection: Selection { include: patterns("include")?, exclude: patterns("exclude")? },
        filter,
        beginning: document.get_document("oplog").ok().map(Beginning::from_document).transpose()?,
    };
    let mut parts = BTreeMap::new();
    for stream in documents(document, "streams")? {
        let of_stream = documents(stream, "parts")?.map(part_from_document).collect::<Parsed<_>>()?;
        parts.insert(stream_of(stream)?, of_stream);
    }
    let text = |document: &Document, key| document.get_str(key).map(ToOwned::to_owned);
    let mut told = Told::default();
    for change in documents(document, "changes")? {
        let namespace = Namespace::new(change.get_str("db")?, change.get_str("collection")?);
        told.changes.push((stream_of(change)?, Change { namespace, what: text(change, "what")? }));
    }
    for failure in documents(document, "failures")? {
        let documents = failure.get_i64("documents")?.cast_unsigned();
        told.failures.push((text(failure, "subject")?, text(failure, "message")?, documents));
    }
    for warning in documents(document, "warnings")? {
        told.warnings.push((text(warning, "subject")?, text(warning, "message")?));
    }
    let mark = document.get_document("mark").ok().map(mark_from_document).transpose()?;
    Ok(Checkpoint { begun, parts, mark, told })
}

fn mark_from_document(document: &Document) -> Parsed<Mark> {
    let (time, term) = (document.get_timestamp("time")?, document.get_i64("term")?);
    Ok(Mark { time, term, wall_ms: document.get_i64("wall")? })
}

fn documents<'a>(document: &'a Document, key: &str) -> Parsed<impl Iterator<Item = &'a Document>> {
    Ok(document.get_array(key)?.iter().filter_map(Bson::as_document))
}

fn stream_of(document: &Document) -> Parsed<u32> {
    u32::try_from(document.get_i64("stream")?).map_err(|error| Wrong(error.to_string()))
}

fn part_to_document(part: &PartPlace) -> Document {
    let beyond: Vec<Bson> = part.beyond.iter().map(|seq| seq.cast_signed().into()).collect();
    let mut document = doc! { "done": part.is_done, "beyond": beyond };
    if let Some(place) = &part.place {
        if let Some(after) = &place.after {
            document.insert("after", binary(after.as_bytes()));
        }
        if let Some((end, newest)) = place.end {
            document.insert("end", end);
            document.insert("newest", newest);
        }
    }
    document
}

fn part_from_document(document: &Document) -> Parsed<PartPlace> {
    let is_done = document.get_bool("done")?;
    let after = match document.get_binary_generic("after") {
        Ok(after) => Some(RawDocumentBuf::from_bytes(after.clone())?),
        Err(_) => None,
    };
    let end = document.get_i64("end").ok().zip(document.get_i64("newest").ok());
    let place = (!is_done).then_some(Place { after, end });
    let seqs = document.get_array("beyond")?.iter().filter_map(Bson::as_i64).map(i64::cast_unsigned);
    Ok(PartPlace::known(place, is_done, seqs.collect()))
}

fn binary(bytes: &[u8]) -> bson::Binary {
    bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: bytes.to_vec() }
}

fn unreadable(error: impl Display) -> Error {
    Error::Catalog(format!("the checkpoint cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn a_checkpoint_comes_back_as_it_was() {
        let place = Place { after: Some(rawdoc! { "$recordId": 7_i64 }), end: Some((100, 200)) };
        let done = PartPlace::known(None, true, Vec::new());
        let reading = PartPlace::known(Some(place), false, vec![5, 9]);
        let begun = PartPlace::at(Some(Place { after: None, end: None }));
        let change = Change { namespace: Namespace::new("d", "c"), what: "dropped".to_owned() };
        let selection =
            Selection { include: vec!["d.a*".parse().unwrap()], exclude: vec!["d.ab".parse().unwrap()] };
        let checkpoint = Checkpoint {
            begun: Begun {
                topology: "replica set rs0".to_owned(),
                member: "host:1".to_owned(),
                initial_sync: Some(vec![1, 2]),
                incarnation: Some(Incarnation { process: Some([3; 12]), rollback_id: None }),
                selection: selection.clone(),
                filter: Some(rawdoc! { "a": 1 }),
                beginning: None,
            },
            parts: [(3, vec![done, reading]), (4, vec![begun])].into(),
            mark: Some(Mark { time: bson::Timestamp { time: 7, increment: 8 }, term: 9, wall_ms: -10 }),
            told: Told {
                changes: vec![(3, change)],
                failures: vec![("d.x".to_owned(), "unreadable".to_owned(), 2)],
                warnings: vec![(String::new(), "a warning".to_owned())],
            },
        };
        let found = Checkpoint::decode(&checkpoint.encode().unwrap()).unwrap();
        assert_eq!((&found.parts, &found.told), (&checkpoint.parts, &checkpoint.told));
        assert_eq!(found.mark, checkpoint.mark);
        assert_eq!((found.begun.selection, found.begun.filter), (selection, checkpoint.begun.filter));
        assert_eq!(found.begun.initial_sync, Some(vec![1, 2]));
        assert_eq!(found.begun.incarnation, checkpoint.begun.incarnation);
        assert!(Checkpoint::decode(b"nothing").unwrap_err().to_string().contains("cannot be used"));
    }
}
