//! What of a damaged archive is carried over, and what is said of the rest.

use super::{is_of_oplog, renames};
use crate::catalog::{
    Consistency, DEPLOYMENT_STREAM, DeploymentEntry, Summary, decode_collection, decode_oplog, encode_oplog,
    is_oplog, now_ms,
};
use crate::oplog::{Origin, Span};
use crate::quote::counted;
use crate::select::Pattern;
use crate::{Error, Result, Stop};
use mongoark_container::{Missing, Salvage, SalvagedStream};
use mongoark_model::{CollectionKind, Counts, Namespace};
use mongoark_monitor::Monitor;
use std::collections::{HashMap, HashSet};

/// How many documents a namespace has lost.
pub type Loss = Missing;

/// A namespace of which documents are missing, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its name; nothing where it is lost with the rest.
    pub namespace: Option<Namespace>,
    /// How many documents.
    pub documents: Loss,
}

/// A collection that is carried over.
struct Carried {
    /// Its number in the new archive.
    stream: u32,
    namespace: Namespace,
    is_view: bool,
    body: Vec<u8>,
}

/// Something that the new archive lacks.
struct Failure {
    subject: String,
    message: String,
    documents: u64,
}

/// What is to be done.
pub(super) struct Plan {
    deployment: Option<Vec<u8>>,
    collections: Vec<Carried>,
    /// Number and catalog document of the oplog in the new archive.
    oplog: Option<(u32, Vec<u8>)>,
    /// Numbers in the new archive, by those in the damaged one.
    streams: HashMap<u32, u32>,
    has_whole_catalog: bool,
    consistency: Consistency,
    span: Option<Span>,
    /// What the damaged archive says of itself.
    old: Option<Summary>,
    started_ms: Option<i64>,
    archive_id: String,
    /// What will be carried over, the oplog included.
    pub(super) documents: Counts,
    pub(super) missing: Vec<Lost>,
    failures: Vec<Failure>,
}

impl Plan {
    pub(super) fn of(damaged: &Salvage, stop: &Stop) -> Result<Self> {
        let mut plan = Self::new(damaged);
        let found = plan.read_catalogs(damaged);
        plan.count(damaged, found.oplog.as_ref().map(|oplog| oplog.stream));
        plan.tell_of_the_whole(damaged, found.lost);
        plan.take_oplog(damaged, found.oplog, stop)?;
        if plan.collections.is_empty() && plan.oplog.is_none() && !plan.failures.is_empty() {
            return Err(Error::Refused(
                "nothing can be salvaged: no record that describes a collection is left".to_owned(),
            ));
        }
        plan.documents = plan.carried(damaged);
        Ok(plan)
    }

    fn new(damaged: &Salvage) -> Self {
        let old = damaged.end().and_then(|end| Summary::decode(&end.summary).ok());
        Self {
            deployment: None,
            collections: Vec::new(),
            oplog: None,
            streams: HashMap::new(),
            has_whole_catalog: false,
            consistency: Consistency::PerCollection,
            span: None,
            old,
            started_ms: None,
            archive_id: damaged.header().archive_id().to_string(),
            documents: Counts::default(),
            missing: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn fail(&mut self, subject: impl Into<String>, message: impl Into<String>, documents: u64) {
        self.failures.push(Failure { subject: subject.into(), message: message.into(), documents });
    }

    /// Numbers the collections anew, in their order. A description that cannot be read is as good as lost.
    fn read_catalogs(&mut self, damaged: &Salvage) -> Described {
        let mut described = Described::default();
        let (mut names, mut seen) = (HashSet::new(), HashSet::new());
        for catalog in damaged.catalogs() {
            if !seen.insert(catalog.stream) {
                described.lost += 1;
            } else if catalog.stream == DEPLOYMENT_STREAM {
                self.started_ms = DeploymentEntry::decode(&catalog.body).ok().map(|entry| entry.started_ms);
                self.deployment = self.started_ms.map(|_| catalog.body.clone());
            } else if is_oplog(&catalog.body) {
                match decode_oplog(&catalog.body) {
                    Ok(origin) if described.oplog.is_none() => {
                        described.oplog =
                            Some(OldOplog { stream: catalog.stream, origin, body: catalog.body.clone() });
                    }
                    _ => described.lost += 1,
                }
            } else {
                match decode_collection(&catalog.body) {
                    Ok(metadata) if names.insert(metadata.namespace.clone()) => {
                        let is_view = metadata.kind == CollectionKind::View;
                        self.carry(catalog.stream, metadata.namespace, is_view, catalog.body.clone());
                    }
                    _ => described.lost += 1,
                }
            }
        }
        described
    }

    fn carry(&mut self, old: u32, namespace: Namespace, is_view: bool, body: Vec<u8>) {
        // As many as there are records, whose numbers are 32 bits wide.
        let stream = u32::try_from(self.collections.len() + 1).unwrap_or(u32::MAX);
        self.streams.insert(old, stream);
        self.collections.push(Carried { stream, namespace, is_view, body });
    }

    fn collection(&self, old: u32) -> Option<&Carried> {
        let stream = self.streams.get(&old)?;
        self.collections.get(usize::try_from(stream.checked_sub(1)?).ok()?)
    }

    /// What each collection has lost.
    fn count(&mut self, damaged: &Salvage, oplog: Option<u32>) {
        for stream in damaged.streams() {
            match self.collection(stream.stream) {
                Some(collection) if collection.is_view => {}
                Some(collection) => {
                    let namespace = collection.namespace.clone();
                    let Some((message, documents)) = describe(stream) else { continue };
                    self.fail(namespace.to_string(), message, documents);
                    self.missing.push(Lost { namespace: Some(namespace), documents: stream.missing });
                }
                None if stream.stream == DEPLOYMENT_STREAM || Some(stream.stream) == oplog => {}
                // What has no chunk and no end is a view, or nothing at all.
                None if is_of_oplog(stream.kind) || is_empty(stream) => {}
                None => self.count_nameless(stream),
            }
        }
    }

    /// Documents whose collection nobody knows.
    fn count_nameless(&mut self, stream: &SalvagedStream) {
        let (missing, more) = match stream.missing {
            Missing::Exactly(missing) => (missing, ""),
            Missing::AtLeast(missing) => (missing, "at least "),
        };
        let documents = stream.documents.saturating_add(missing);
        let message = format!(
            "{more}{} cannot be carried over: the record with the name, options and indexes of their collection is lost",
            counted(documents, "document", "documents")
        );
        self.fail("a collection whose name is lost", message, documents);
        let lost = if more.is_empty() { Missing::Exactly(documents) } else { Missing::AtLeast(documents) };
        self.missing.push(Lost { namespace: None, documents: lost });
    }

    /// What is lost of no collection alone.
    fn tell_of_the_whole(&mut self, damaged: &Salvage, undescribed: usize) {
        if damaged.end().is_none() {
            let message = format!(
                "the archive ends early, at byte {}: what followed is not known",
                damaged.file_bytes()
            );
            self.fail("", message, 0);
        } else if self.old.is_none() {
            self.fail("", "what the archive says of itself at its end cannot be read", 0);
        }
        self.has_whole_catalog = damaged.has_whole_catalog() && undescribed == 0;
        if !damaged.has_whole_catalog() {
            let message = "records that describe collections are lost or may be: some collections or views may be \
                           missing altogether";
            self.fail("", message, 0);
        }
        if undescribed > 0 {
            let what = counted(undescribed as u64, "record", "records");
            self.fail("", format!("{what} that should describe a collection cannot be read"), 0);
        }
        if self.deployment.is_none() {
            self.fail("", "the record that describes the deployment is lost", 0);
        }
    }

    /// The oplog goes along if it is whole. A replay onto a collection of which documents are missing would make up
    /// fragments of them, so entries on such a collection are left to no replay.
    fn take_oplog(&mut self, damaged: &Salvage, found: Option<OldOplog>, stop: &Stop) -> Result<()> {
        let Some(mut oplog) = found else {
            let had = self.old.as_ref().is_some_and(|old| old.span.is_some());
            if had || damaged.streams().iter().any(|stream| is_of_oplog(stream.kind)) {
                self.leave_oplog("the record that describes it is lost");
            }
            return Ok(());
        };
        let whole = damaged.streams().iter().find(|stream| stream.stream == oplog.stream);
        let is_whole = whole.is_some_and(|stream| describe(stream).is_none());
        let span = self.old.as_ref().and_then(|old| old.span);
        let is_slice = matches!(oplog.origin, Origin::Slice(_));
        if is_slice && (!is_whole || span.is_none()) {
            return Err(Error::Refused(
                "this is a slice of a captured oplog, and not all of it is left: a part of a slice cannot be replayed. \
                 Use the slices before it, and a dump that was made after it"
                    .to_owned(),
            ));
        }
        if let Some(why) = self.why_without_oplog(&oplog.origin, is_whole, span) {
            self.leave_oplog(why);
            return Ok(());
        }
        let names = self.missing.iter().filter_map(|lost| lost.namespace.clone()).collect();
        if renames::has_any_of(damaged, oplog.stream, &names, stop)? {
            self.leave_oplog("it renames a collection of which documents are missing");
            return Ok(());
        }
        self.exclude_damaged(&names, &mut oplog);
        let stream = u32::try_from(self.collections.len() + 1).unwrap_or(u32::MAX);
        self.streams.insert(oplog.stream, stream);
        self.oplog = Some((stream, oplog.body));
        if let Some(old) = &self.old {
            (self.consistency, self.span) = (old.consistency, old.span);
        }
        Ok(())
    }

    fn why_without_oplog(&self, origin: &Origin, is_whole: bool, span: Option<Span>) -> Option<&'static str> {
        let is_converted = *origin == Origin::Converted;
        if !is_whole {
            Some("parts of it are missing, or may be")
        } else if !is_converted && span.is_none() {
            Some("the end of the archive, which names the times that it leads to, is lost")
        } else if !self.has_whole_catalog || self.missing.iter().any(|lost| lost.namespace.is_none()) {
            Some("it may write to collections whose description is lost")
        } else if is_converted && !self.missing.is_empty() {
            Some("it cannot be replayed onto collections of which documents are missing")
        } else {
            None
        }
    }

    fn leave_oplog(&mut self, why: &str) {
        let message = format!(
            "left out: {why}. Without it each collection is as it was when it was read; together they show no single point \
             in time"
        );
        self.fail("oplog", message, 0);
    }

    fn exclude_damaged(&mut self, names: &HashSet<Namespace>, oplog: &mut OldOplog) {
        let Origin::Dump(scope) = &mut oplog.origin else { return };
        if names.is_empty() {
            return;
        }
        let patterns = names.iter().map(|name| Pattern::exact(&name.db, Some(&name.collection)));
        scope.selection.exclude.extend(patterns);
        oplog.body = encode_oplog(&oplog.origin);
        let subjects: HashSet<String> = names.iter().map(ToString::to_string).collect();
        for failure in self.failures.iter_mut().filter(|failure| subjects.contains(&failure.subject)) {
            failure.message.push_str("; the oplog will not be replayed onto this collection");
        }
    }

    fn carried(&self, damaged: &Salvage) -> Counts {
        let mut sum = Counts::default();
        for chunk in damaged.chunks() {
            let entry = chunk.entry();
            if self.streams.contains_key(&entry.stream) {
                sum += Counts::new(u64::from(entry.documents), u64::from(entry.raw_len));
            }
        }
        sum
    }

    /// Tells the monitor of everything that is missing.
    pub(super) fn tell(&self, monitor: &Monitor) {
        for Failure { subject, message, documents } in &self.failures {
            monitor.fail(subject, message, *documents);
        }
    }

    /// The catalog documents of the new archive, in order.
    pub(super) fn catalogs(&self) -> impl Iterator<Item = (u32, Vec<u8>)> {
        let deployment = self.deployment.iter().map(|body| (DEPLOYMENT_STREAM, body.clone()));
        let collections = self.collections.iter().map(|carried| (carried.stream, carried.body.clone()));
        deployment.chain(collections).chain(self.oplog.clone())
    }

    /// A stream's number in the new archive; nothing where it is not carried over.
    pub(super) fn stream_of(&self, old: u32) -> Option<u32> {
        self.streams.get(&old).copied()
    }

    pub(super) fn is_oplog(&self, stream: u32) -> bool {
        self.oplog.as_ref().is_some_and(|(oplog, _)| *oplog == stream)
    }

    /// Every stream that can have documents.
    pub(super) fn streams_to_end(&self) -> impl Iterator<Item = u32> {
        let collections = self.collections.iter().filter(|carried| !carried.is_view);
        collections.map(|carried| carried.stream).chain(self.oplog.iter().map(|(stream, _)| *stream))
    }

    pub(super) fn namespaces(&self) -> usize {
        self.collections.len()
    }

    /// What the new archive says of itself.
    pub(super) fn summary(&self, documents: Counts, monitor: &Monitor) -> Summary {
        let text = |subject: &str, message: &str| {
            if subject.is_empty() { message.to_owned() } else { format!("{subject}: {message}") }
        };
        let record = monitor.record();
        let old = self.old.as_ref();
        let mut failures = old.map(|old| old.failures.clone()).unwrap_or_default();
        failures.extend(record.failures.iter().map(|failure| text(&failure.subject, &failure.message)));
        let mut warnings = old.map(|old| old.warnings.clone()).unwrap_or_default();
        warnings.push(format!("salvaged from the damaged archive {}", self.archive_id));
        warnings.extend(record.warnings.iter().map(|warning| text(&warning.subject, &warning.message)));
        Summary {
            finished_ms: old.map(|old| old.finished_ms).or(self.started_ms).unwrap_or_else(now_ms),
            consistency: self.consistency,
            span: self.span,
            totals: documents,
            changes: old.map(|old| old.changes.clone()).unwrap_or_default(),
            failures,
            warnings,
        }
    }
}

/// What the catalog documents say beside the collections.
#[derive(Default)]
struct Described {
    oplog: Option<OldOplog>,
    /// Documents that cannot be read, or describe what another one describes already.
    lost: usize,
}

struct OldOplog {
    stream: u32,
    origin: Origin,
    body: Vec<u8>,
}

fn is_empty(stream: &SalvagedStream) -> bool {
    stream.documents == 0 && matches!(stream.missing, Missing::Exactly(0) | Missing::AtLeast(0))
}

/// What is missing of a stream, and how many documents are known to be; nothing where nothing is.
fn describe(stream: &SalvagedStream) -> Option<(String, u64)> {
    let documents = |count| counted(count, "document", "documents");
    let are = |count| if count == 1 { "is" } else { "are" };
    let (mut message, count) = match stream.missing {
        Missing::Exactly(0) if stream.may_hold_retracted => (String::new(), 0),
        Missing::Exactly(0) => return None,
        Missing::Exactly(count) => (format!("{} {} missing", documents(count), are(count)), count),
        Missing::AtLeast(0) => {
            let found = documents(stream.documents);
            (format!("{found} found, and more may be missing: how many there were is no longer known"), 0)
        }
        Missing::AtLeast(count) => (
            format!("at least {} {} missing; how many more is not known", documents(count), are(count)),
            count,
        ),
    };
    if stream.may_hold_retracted {
        let separator = if message.is_empty() { "" } else { "; " };
        message.push_str(separator);
        message.push_str(
            "it may hold documents twice, also in an older version: if the dump took some back and read them again, the \
             record that says so is lost",
        );
    }
    Some((message, count))
}
