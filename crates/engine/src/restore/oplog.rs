//! What a restore does with the archive's oplog: how far it goes, where its entries wait, and the replay.

use super::plan::{Plan, Planned, is_merged_always};
use super::{Existing, RestoreOptions};
use crate::catalog::Summary;
use crate::oplog::{Origin, Scope, Span};
use crate::quote::counted;
use crate::reading::{Catalog, Feed, Piece, Retracted};
use crate::replay::{self, Disputes, IndexCatalog, Marks, Places, ReplayOptions, Replayed, Rules};
use crate::restore::write::locked;
use crate::slices::{ReplicaSet, SlicePlan};
use crate::spool::Spool;
use crate::{Error, Result, Stop};
use async_channel::Sender;
use mongoark_deployment::Target;
use mongoark_model::{CollectionKind, Namespace, Timestamp};
use mongoark_monitor::Monitor;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

/// Messages on their way to the replay.
const QUEUED: usize = 4;
/// Bytes of entries that are put aside, or handed over, together.
const PIECE_BYTES: usize = 1024 * 1024;

/// Up to when a restore goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// As far as the oplog goes.
    #[default]
    Latest,
    /// Everything before this second, and nothing of it.
    Second(u32),
    /// Everything up to this entry, and the entry too.
    Entry(Timestamp),
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Second(second) => write!(f, "{second}"),
            Self::Entry(entry) => write!(f, "{entry}"),
        }
    }
}

impl Until {
    /// The first time that is not replayed any more.
    pub fn limit(self) -> Option<Timestamp> {
        match self {
            Self::Latest => None,
            Self::Second(second) => Some(Timestamp::new(second, 0)),
            Self::Entry(entry) => Some(entry.next()),
        }
    }
}

/// What is to be replayed.
#[derive(Clone, Debug)]
pub(super) struct OplogPlan {
    stream: u32,
    /// Its entries, where a file tells.
    expected_bytes: u64,
    /// Nothing of an archive made from mongodump's dump, which says nothing of its oplog.
    scope: Option<Scope>,
    until: Until,
    slices: Option<SlicePlan>,
    /// The replica set that was dumped.
    set: ReplicaSet,
}

/// What a restore is to replay; nothing where the archive is of no one moment anyway.
pub(super) fn plan(
    catalog: &Catalog,
    summary: Option<&Summary>,
    options: &RestoreOptions,
    monitor: &Monitor,
) -> Result<Option<OplogPlan>> {
    let wants_time = options.until != Until::Latest || options.slices.is_some();
    let Some(oplog) = &catalog.oplog else {
        if wants_time {
            let message = "this archive holds no oplog, so it is of no moment that could be gone on from (--to, \
                           --oplog-dir): dump a replica set, and without --no-oplog";
            return Err(Error::Usage(message.to_owned()));
        }
        return Ok(None);
    };
    let scope = match &oplog.origin {
        Origin::Slice(_) => {
            let message = "this is a slice of a captured oplog and holds no documents: restore a dump, and name the \
                           slices' folder with --oplog-dir";
            return Err(Error::Usage(message.to_owned()));
        }
        Origin::Converted if wants_time => {
            let message = "this archive was made from a dump of mongodump, which does not say of which moment it is: \
                           it can be restored as it is only (no --to, no --oplog-dir)";
            return Err(Error::Usage(message.to_owned()));
        }
        Origin::Converted => None,
        Origin::Dump(scope) => Some(scope.clone()),
    };
    if options.no_oplog {
        if wants_time {
            return Err(Error::Usage("--no-oplog replays nothing: --to and --oplog-dir need it".to_owned()));
        }
        monitor.warn("oplog", "not replayed: each collection is of another moment");
        return Ok(None);
    }
    let set = catalog.deployment.as_ref().map(|deployment| ReplicaSet::of(&deployment.info));
    let set = set.unwrap_or_default();
    // Of a pipe all else is known only when its documents are written.
    if let Some(slices) = &options.slices {
        slices.check_set(&set)?;
    }
    let (stream, expected_bytes, slices) = (oplog.stream, oplog.bytes, options.slices.clone());
    let mut plan = OplogPlan { stream, expected_bytes, scope, until: options.until, slices, set };
    let Some(summary) = summary else { return Ok(Some(plan)) };
    if let Some(span) = summary.span {
        plan.choose(span, options)?;
    }
    // Nothing was written while the dump ran: it is of one moment as it is.
    let has_entries = oplog.documents > 0 || plan.slices.is_some();
    Ok(has_entries.then_some(plan))
}

/// Whether the wanted time is one that the archive, and the slices behind it, can bring.
fn check_reach(span: Span, options: &RestoreOptions) -> Result<()> {
    let Some(limit) = options.until.limit() else { return Ok(()) };
    if limit <= span.consistent {
        return Err(Error::Usage(format!(
            "--to is before {}, the first moment at which this archive is of one piece; take an older archive, or a \
             later time",
            span.consistent
        )));
    }
    let end = options.slices.as_ref().map_or(span.end, |slices| slices.end().max(span.end));
    // A second is whole once something later is known.
    if limit > end.next() {
        return Err(Error::Usage(format!(
            "--to is behind {end}, where the oplog that is here ends; name captured slices with --oplog-dir, wait for \
             the next slice, or take an earlier time"
        )));
    }
    Ok(())
}

impl OplogPlan {
    /// Checks that the wanted time can be brought, and takes the slices that lead there.
    fn choose(&mut self, span: Span, options: &RestoreOptions) -> Result<()> {
        check_reach(span, options)?;
        match &mut self.slices {
            Some(slices) => slices.leading(&self.set, span.last(), options.until.limit()),
            None => Ok(()),
        }
    }

    /// Checks, before anything is written, that a replay does no harm, and that the target lets the user do it.
    pub(super) async fn check(
        &self,
        target: &Target,
        plan: &Plan,
        options: &RestoreOptions,
        monitor: &Monitor,
    ) -> Result<()> {
        self.prove(monitor).await?;
        if let Some(namespace) = in_common(plan.namespaces.iter(), options) {
            return Err(Error::Usage(format!(
                "{namespace} exists on the target, and replaying the archive's oplog would write over what is in it; \
                 nothing was written. Use --existing drop to replace it, or --no-oplog to add the documents alone"
            )));
        }
        check_rights(target, plan.namespaces.iter()).await
    }

    /// Reads the slices once, before anything is written.
    pub(super) async fn verify_slices(&self, stop: &Stop) -> Result<()> {
        match &self.slices {
            Some(slices) => slices.verify(stop).await,
            None => Ok(()),
        }
    }

    /// Whether the slices really go on behind the archive.
    async fn prove(&self, monitor: &Monitor) -> Result<()> {
        match &self.slices {
            Some(slices) => slices.prove(monitor).await,
            None => Ok(()),
        }
    }

    /// Its number in the archive.
    pub(super) fn stream(&self) -> u32 {
        self.stream
    }
}

/// A collection that documents are added to, and in which others may have what the oplog would write over.
fn in_common<'a>(
    mut planned: impl Iterator<Item = &'a Planned>,
    options: &RestoreOptions,
) -> Option<&'a Namespace> {
    let is_there = |planned: &&Planned| planned.there.is_some() && !is_merged_always(&planned.metadata);
    let found = if options.existing == Existing::Merge { planned.find(is_there) } else { None };
    found.map(|planned| &planned.metadata.namespace)
}

async fn check_rights(target: &Target, planned: impl Iterator<Item = &Planned>) -> Result<()> {
    let databases: BTreeSet<&str> = planned.map(|planned| planned.metadata.namespace.db.as_str()).collect();
    for db in databases {
        target.check_may_replay(db).await?;
    }
    Ok(())
}

/// Oplog entries that come by in a pipe before their time.
#[derive(Default)]
pub(super) struct Aside {
    stream: Option<u32>,
    spool: Option<Spool>,
    /// The chunks among them, by their record numbers, with the places of their first bytes and of those behind them.
    chunks: BTreeMap<u64, (u64, u64)>,
    bytes: u64,
    /// Places of chunks that the archive took back.
    gone: BTreeMap<u64, u64>,
}

impl Aside {
    /// Nothing yet; from a pipe the entries of the planned oplog are put aside.
    pub(super) fn new(plan: Option<&OplogPlan>) -> Self {
        let stream = plan.map(OplogPlan::stream);
        Self { stream, spool: None, chunks: BTreeMap::new(), bytes: 0, gone: BTreeMap::new() }
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether the oplog is replayed later.
    pub(super) fn is_replayed(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether this stream is put aside.
    pub(super) fn takes(&self, stream: u32) -> bool {
        self.stream == Some(stream)
    }

    /// Puts the entries of a chunk aside.
    pub(super) async fn put(&mut self, seq: u64, entries: Vec<u8>) -> Result<()> {
        let begin = self.bytes;
        self.bytes += entries.len() as u64;
        self.chunks.insert(seq, (begin, self.bytes));
        self.spool.get_or_insert_with(Spool::new).append(entries).await
    }

    /// What the archive takes back does not count.
    pub(super) fn take_back(&mut self, back: Retracted) {
        let (first, last) = back.seqs;
        while let Some(seq) = self.chunks.range(first..=last).next().map(|(seq, _)| *seq) {
            self.gone.extend(self.chunks.remove(&seq));
        }
        if self.chunks.is_empty() {
            *self = Self { spool: None, bytes: 0, gone: BTreeMap::new(), ..std::mem::take(self) };
        }
    }

    /// The entries that count, of those that were read back from this place on.
    fn counting(&self, place: &mut u64, entries: Vec<u8>) -> Result<Vec<u8>> {
        if self.gone.is_empty() {
            *place += entries.len() as u64;
            return Ok(entries);
        }
        let mut counting = Vec::with_capacity(entries.len());
        for entry in mongoark_bson_bytes::split_documents(&entries) {
            let entry = entry.map_err(|error| Error::Catalog(error.to_string()))?;
            if self.gone.range(..=*place).next_back().is_none_or(|(_, end)| *end <= *place) {
                counting.extend_from_slice(entry);
            }
            *place += entry.len() as u64;
        }
        Ok(counting)
    }
}

/// The names of users and roles that the target has before anything is written, as far as the restore takes any: the
/// oplog may make some that the dump did not find.
pub(super) async fn own_accounts(
    target: &Target,
    options: &RestoreOptions,
) -> Result<HashSet<(CollectionKind, String)>> {
    let mut own = HashSet::new();
    for (kind, name) in [(CollectionKind::Users, "system.users"), (CollectionKind::Roles, "system.roles")] {
        if options.selection.takes(&Namespace::new("admin", name)) {
            own.extend(target.account_names(kind).await?.into_iter().map(|name| (kind, name)));
        }
    }
    Ok(own)
}

/// Replays onto collections that are written and have no indexes yet.
pub(super) struct Replaying<'a> {
    pub(super) target: &'a Target,
    pub(super) plan: OplogPlan,
    pub(super) options: &'a RestoreOptions,
    pub(super) own_accounts: HashSet<(CollectionKind, String)>,
    pub(super) marks: Option<Marks>,
    pub(super) monitor: &'a Monitor,
    pub(super) stop: &'a Stop,
}

impl Replaying<'_> {
    /// Replays the archive's entries and those of the slices behind it.
    pub(super) async fn run(
        mut self,
        again: Option<Feed>,
        aside: Aside,
        written: &super::finish::Written,
        indexes: &mut IndexCatalog,
    ) -> Result<Option<Replayed>> {
        // Of a pipe all this is known only now.
        if again.is_none() {
            if aside.is_empty() && self.plan.slices.is_none() {
                return Ok(None);
            }
            let planned = || written.namespaces.iter().map(|(planned, _)| planned);
            if let Some(namespace) = in_common(planned(), self.options) {
                let message = format!(
                    "was not replayed: it would write over what others have in {namespace}; each collection is of \
                     another moment"
                );
                self.monitor.fail("oplog", message, 0);
                return Ok(None);
            }
            check_rights(self.target, planned()).await?;
        }
        let span = written.summary.as_ref().and_then(|summary| summary.span);
        if let Some(span) = span.filter(|_| again.is_none()) {
            self.plan.choose(span, self.options)?;
            self.plan.prove(self.monitor).await?;
        }
        let slices = self.plan.slices.clone();
        let expected_bytes = self.plan.expected_bytes + slices.as_ref().map_or(0, SlicePlan::bytes);
        let options = ReplayOptions {
            limit: self.plan.until.limit(),
            preserve_uuids: false,
            overlap_until: span.map(|span| span.consistent),
            committed_until: self.plan.scope.as_ref().map(|scope| scope.seen),
            skip_repeated: true,
            places: self.places(written),
            disputes: disputes(written, self.options.existing),
            marks: self.marks.take(),
            expected_bytes,
        };
        let (sender, entries) = async_channel::bounded(QUEUED);
        let sending = tokio::spawn(send_all(again, aside, self.plan.stream, slices, sender));
        let replayed = replay::replay(self.target, entries, &options, indexes, self.monitor, self.stop).await;
        // The sender ends at its next message, once nobody reads any more.
        let _ = sending.await;
        let replayed = replayed?;
        self.tell(&replayed);
        Ok(Some(replayed))
    }

    /// Where everything is that was restored.
    fn places(&self, written: &super::finish::Written) -> Places {
        let mut selections = vec![self.options.selection.clone()];
        selections.extend(self.plan.scope.as_ref().map(|scope| scope.selection.clone()));
        let mut places = Places::new(Rules {
            selections,
            renames: self.options.renames.clone(),
            owned_only: true,
            with_config: self.options.selection.asks_for_config(),
            replaces: self.options.existing == Existing::Drop,
            protected: self.own_accounts.clone(),
        });
        for (planned, _) in &written.namespaces {
            if planned.metadata.kind.is_accounts() {
                continue;
            }
            let source = planned.source();
            let tally = locked(&planned.tally);
            if tally.refuses() {
                places.give_up(&source);
            } else {
                let is_shared = planned.stays(self.options.existing);
                places.insert_as(&source, &planned.metadata, tally.uuid, is_shared);
            }
        }
        places
    }

    fn tell(&self, replayed: &Replayed) {
        let entries = counted(replayed.applied, "oplog entry", "oplog entries");
        let to = replayed.last.map(|last| format!(", up to {last}")).unwrap_or_default();
        self.monitor.step(format!("{entries} replayed{to}"));
        for name in &replayed.kept {
            let message =
                format!("{name} was changed at the source during the dump; the target's own was kept");
            self.monitor.fail("admin", message, 1);
        }
    }
}

/// Documents that could not be inserted, and that the oplog may settle.
fn disputes(written: &super::finish::Written, existing: Existing) -> Disputes {
    let mut disputes = Disputes::default();
    for (planned, _) in &written.namespaces {
        let ids = locked(&planned.tally).disputed();
        disputes.insert(planned.metadata.data_namespace(), planned.stream, ids, planned.stays(existing));
    }
    disputes
}

/// Hands all entries over in their order, until nobody takes them.
async fn send_all(
    again: Option<Feed>,
    aside: Aside,
    stream: u32,
    slices: Option<SlicePlan>,
    to: Sender<Result<Vec<u8>>>,
) {
    let sent = async {
        match again {
            Some(feed) => send_feed(feed, stream, &to).await?,
            None => send_aside(aside, &to).await?,
        }
        if let Some(slices) = slices {
            slices.send(&to).await?;
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = sent.await {
        // Who does not read any more has an error of its own.
        let _ = to.send(Err(error)).await;
    }
}

/// Hands over what a file has.
pub(crate) async fn send_feed(mut feed: Feed, stream: u32, to: &Sender<Result<Vec<u8>>>) -> Result<()> {
    feed.take_only(HashSet::from([stream]));
    loop {
        match feed.next().await? {
            Piece::Chunk(chunk, _share, _) if chunk.stream == stream => send(chunk.bytes, to).await?,
            Piece::Chunk(..) | Piece::StreamEnd(_) | Piece::Retract(_) => {}
            Piece::End(_) => return Ok(()),
        }
    }
}

async fn send_aside(mut aside: Aside, to: &Sender<Result<Vec<u8>>>) -> Result<()> {
    let Some(spool) = aside.spool.take() else { return Ok(()) };
    let mut entries = spool.read_back().await?;
    let mut place = 0;
    loop {
        let piece = entries.read(PIECE_BYTES).await?;
        if piece.is_empty() {
            return Ok(());
        }
        send(aside.counting(&mut place, piece)?, to).await?;
    }
}

async fn send(entries: Vec<u8>, to: &Sender<Result<Vec<u8>>>) -> Result<()> {
    to.send(Ok(entries)).await.map_err(|_| Error::PipelineClosed("the replay"))
}

/// The indexes to build, before the oplog changes them.
pub(super) fn index_catalog(written: &super::finish::Written, existing: Existing) -> IndexCatalog {
    let mut catalog = IndexCatalog::deferring_expiry();
    for (planned, _) in &written.namespaces {
        let metadata = &planned.metadata;
        if metadata.kind.is_accounts() || locked(&planned.tally).refuses() {
            continue;
        }
        let collated = matches!(metadata.options.get("collation"), Ok(Some(_)));
        let specs = metadata.indexes.clone();
        let indexes =
            crate::replay::CollectionIndexes { specs, collated, expires: planned.expires(existing) };
        catalog.insert(metadata.namespace.clone(), indexes);
        if !metadata.bucket_indexes.is_empty() {
            let specs = metadata.bucket_indexes.clone();
            catalog.insert(
                metadata.data_namespace(),
                crate::replay::CollectionIndexes { specs, collated, expires: None },
            );
        }
    }
    catalog
}
