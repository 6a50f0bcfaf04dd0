//! What a restore writes down on the target about itself, so that another run can go on where it was broken off.
//!
//! Notes are in a collection of their own, `mongoark.restore.<archive id>`, which is there as long as the restore is not
//! whole. They are written behind what they tell of, with the same write concern, through the same oplog: whatever a
//! target loses, it never keeps a note on something that it has lost.

mod record;

use super::RestoreOptions;
use super::plan::{Plan, is_refusal};
use super::tally::{Counts, Reached, Tally};
use super::write::locked;
use crate::quote::counted;
use crate::replay::{Marks, ReplayPlace};
use crate::{Error, Result, Stop};
use bson::oid::ObjectId;
use mongoark_container::ArchiveId;
use mongoark_deployment::{ErrorKind, Lease, Notes, Target};
use mongoark_model::CollectionKind;
use mongoark_monitor::Monitor;
use record::{HEAD, RUN, decode_stream, differing, encode_stream, flags_of, unusable};
pub(super) use record::{Head, Phase};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Between two notes of a run that does not say.
const DEFAULT_EVERY: Duration = Duration::from_secs(1);
/// Times between two notes for which a run may write on without having been able to write one.
const LEASE_TICKS: u32 = 5;
const LEASE_MIN: Duration = Duration::from_secs(2);
const LEASE_MAX: Duration = Duration::from_secs(60);
/// What a request may take from the look at the lease to the server.
const LEASE_SLACK: Duration = Duration::from_millis(100);
/// Between two looks while another run's lease runs out.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a restore writes down how far it is.
#[derive(Clone, Copy, Debug)]
pub struct LedgerOptions {
    /// Go on with the restore that was broken off; one is begun where there is none.
    pub resume: bool,
    /// Between two notes.
    pub every: Duration,
}

/// What an earlier run has left, by which this one goes on.
#[derive(Clone)]
pub(super) struct Earlier {
    pub(super) head: Head,
    pub(super) tallies: HashMap<u32, Tally>,
    place: ReplayPlace,
}

/// The notes of this restore; nothing where the user may not write any.
pub(super) struct Ledger {
    open: Option<Open>,
    /// Set when another run has gone on with this restore, or nothing can be written down any more.
    lost: Stop,
}

struct Open {
    shared: Arc<Shared>,
    place: ReplayPlace,
    ending: Arc<Notify>,
    task: JoinHandle<Result<()>>,
    renewing: JoinHandle<()>,
}

struct Shared {
    notes: Notes,
    /// Those of this run alone: how far the replay is.
    of_run: Notes,
    /// Until when this run may write.
    lease: Lease,
    /// Once the run has ended.
    ended: Stop,
    tallies: Vec<(u32, Arc<StdMutex<Tally>>)>,
    state: Mutex<State>,
    lost: Stop,
}

/// Subject, message and documents of each.
type Failures = Vec<(String, String, u64)>;

struct State {
    head: Head,
    /// What was last written of each stream.
    written: HashMap<u32, Noted>,
}

/// What is written of a stream.
#[derive(PartialEq, Eq)]
struct Noted {
    counts: Counts,
    reached: Reached,
    uuid: Option<[u8; 16]>,
    refuses: bool,
}

/// Where the notes on the restore of this archive are.
pub(super) fn notes(target: &Target, archive: ArchiveId) -> Notes {
    Notes::new(target, &format!("restore.{archive}"))
}

/// What the commands of this restore say they belong to.
pub(super) fn tag(archive: ArchiveId) -> String {
    format!("mongoark restore {archive}")
}

/// What an earlier run has left, if this one is to go on with it. From then on that run, if it lives, writes nothing more.
pub(super) async fn take_over(
    notes: &Notes,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Option<Earlier>> {
    let Some(how) = options.ledger.filter(|ledger| ledger.resume) else { return Ok(None) };
    let found = match notes.exist().await {
        Ok(true) => read(notes).await?,
        Ok(false) => None,
        // Then this user has written none either.
        Err(error) if error.kind() == ErrorKind::Unauthorized => None,
        Err(error) => return Err(error.into()),
    };
    let Some(found) = found else {
        monitor.step("no restore of this archive was broken off on this target; beginning");
        return Ok(None);
    };
    if let Some(why) = &found.head.unusable {
        return Err(Error::Refused(format!(
            "the interrupted restore cannot be resumed: {why}. Restore anew from a file, without --resume, with --existing drop"
        )));
    }
    let differing = differing(&flags_of(options), &found.head.flags);
    if !differing.is_empty() {
        return Err(Error::Usage(format!(
            "the restore that was broken off was begun with another {}; give the same flags, or restore anew without \
             --resume",
            differing.join(", ")
        )));
    }
    if options.dry_run {
        return Ok(Some(found));
    }
    let head = Head { run: ObjectId::new(), every: milliseconds(how.every), ..found.head.clone() };
    // Whether it was exchanged is seen below: where the answer was lost, a second attempt finds this run's own note.
    notes.exchange(&found.head.encode()?, &head.encode()?, RUN).await?;
    // What an earlier run still sends of the oplog comes to nothing from now on; for other writes its lease has to run out.
    notes.take_over(&found.head.run.to_hex(), &head.run.to_hex()).await?;
    wait_for_earlier_run(notes, found.head.every, monitor, stop).await?;
    let Some(earlier) = read(notes).await?.filter(|earlier| earlier.head == head) else {
        return Err(Error::TakenOver);
    };
    earlier.tell(monitor);
    Ok(Some(earlier))
}

/// Waits until an earlier run, should it live yet, writes nothing any more, and until the server has ended what that run had sent.
async fn wait_for_earlier_run(notes: &Notes, every: i64, monitor: &Monitor, stop: &Stop) -> Result<()> {
    let length = lease_length(Duration::from_millis(u64::try_from(every).unwrap_or_default()));
    let seconds = length.as_secs().max(1);
    monitor.step(format!(
        "waiting {}, should the interrupted run still be alive, and for what it left under way on the server",
        counted(seconds, "second", "seconds")
    ));
    let until = Instant::now() + length + LEASE_SLACK;
    while Instant::now() < until {
        stop.check()?;
        sleep(LOOK_EVERY).await;
    }
    notes.wait_for_earlier_commands(|| stop.is_requested()).await?;
    stop.check()
}

/// For how long a run may write once it was found to be the one that does.
fn lease_length(every: Duration) -> Duration {
    every.saturating_mul(LEASE_TICKS).clamp(LEASE_MIN, LEASE_MAX)
}

async fn exist(notes: &Notes) -> Result<bool> {
    notes.exist().await.map_err(|error| not_readable(notes, error))
}

fn not_readable(notes: &Notes, error: mongoark_deployment::Error) -> Error {
    match error.kind() {
        ErrorKind::Unauthorized => Error::Refused(format!(
            "the progress of an interrupted restore is written down in {}, which the user may not read: give it the role \
             readWrite on that database",
            notes.namespace()
        )),
        _ => error.into(),
    }
}

async fn read(notes: &Notes) -> Result<Option<Earlier>> {
    let mut found = notes.read().await.map_err(|error| not_readable(notes, error))?;
    let head = found.iter().find(|note| note.get_str("_id").is_ok_and(|id| id == HEAD));
    let Some(head) = head.map(|head| Head::decode(head.as_bytes())).transpose()? else { return Ok(None) };
    let of_run = notes.of_run(&head.run.to_hex()).read().await;
    found.extend(of_run.map_err(|error| not_readable(notes, error))?);
    let reported = head.phase >= Phase::Finishing;
    let mut earlier = Earlier { head, tallies: HashMap::new(), place: ReplayPlace::default() };
    for note in &found {
        if let Some((stream, tally)) = decode_stream(note.as_bytes(), reported)? {
            earlier.tallies.insert(stream, tally);
        } else if let Some(place) = ReplayPlace::decode(note.as_bytes()).map_err(unusable)? {
            earlier.place = place;
        }
    }
    Ok(Some(earlier))
}

impl Earlier {
    /// Whether this stood on the target before anything was written.
    pub(super) fn was_there(&self, stream: u32) -> bool {
        self.head.there.contains(&stream)
    }

    /// Whether any operation of the oplog may be done.
    pub(super) fn has_replayed(&self) -> bool {
        self.place.done > 0 || self.place.ahead > 0
    }

    /// Whether collections are made and documents written from now on, or were before.
    pub(super) fn has_begun(&self) -> bool {
        self.head.phase > Phase::Preparing
    }

    fn tell(&self, monitor: &Monitor) {
        let documents: u64 = self.tallies.values().map(Tally::seen).sum();
        let at = match self.head.phase {
            Phase::Preparing => "before its first document".to_owned(),
            Phase::Documents => format!("behind {}", counted(documents, "document", "documents")),
            Phase::Finishing => "behind its documents".to_owned(),
            Phase::Replaying => {
                format!(
                    "behind {}",
                    counted(self.place.done, "operation of the oplog", "operations of the oplog")
                )
            }
        };
        monitor.step(format!("going on with the restore that was broken off, {at}"));
    }

    /// Tells what failed before, but for what is restored from its start.
    pub(super) fn tell_failures(&self, plan: &Plan, monitor: &Monitor) {
        let restarted = plan.namespaces.iter().filter(|planned| planned.is_restarted);
        let restarted: HashSet<String> =
            restarted.map(|planned| planned.metadata.namespace.to_string()).collect();
        for (subject, message, documents) in &self.head.failures {
            if !restarted.contains(subject) {
                monitor.fail(subject.clone(), message.clone(), *documents);
            }
        }
    }
}

impl Ledger {
    /// Begins to write down how far the restore is: of one that goes on, behind what is there.
    pub(super) async fn open(
        notes: Notes,
        earlier: Option<(&Earlier, Phase)>,
        plan: &Plan,
        own_accounts: &HashSet<(CollectionKind, String)>,
        options: &RestoreOptions,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Result<Self> {
        let lost = Stop::default();
        let Some(how) = options.ledger else { return Ok(Self { open: None, lost }) };
        let head = match earlier {
            Some((earlier, _)) => Head { own_accounts: own_accounts.clone(), ..earlier.head.clone() },
            None => Head {
                flags: flags_of(options),
                run: ObjectId::new(),
                every: milliseconds(how.every),
                there: plan.there(options.existing),
                own_accounts: own_accounts.clone(),
                ..Head::default()
            },
        };
        if earlier.is_none() && !begin(&notes, &head, monitor, stop).await? {
            return Ok(Self { open: None, lost });
        }
        let place = earlier.map(|(earlier, _)| earlier.place.clone()).unwrap_or_default();
        let of_run = notes.of_run(&head.run.to_hex());
        let stops = stop.clone();
        let lease = Lease::new(lease_length(how.every), move || stops.is_requested());
        let kept = plan.namespaces.iter().filter(|planned| !planned.is_restarted);
        let written = kept.map(|planned| (planned.stream, snapshot(&planned.tally)));
        let state = State { head, written: written.collect() };
        let tallies = plan.namespaces.iter().map(|planned| (planned.stream, Arc::clone(&planned.tally)));
        let (tallies, lost_too) = (tallies.collect(), lost.clone());
        let shared = Arc::new(Shared {
            notes,
            of_run,
            tallies,
            state: Mutex::new(state),
            lease,
            ended: Stop::default(),
            lost: lost_too,
        });
        let ending = Arc::new(Notify::new());
        // Asked first: a run that was taken over meanwhile leaves nothing of its own behind.
        shared.renew().await?;
        shared.of_run.put(&[place.encode()]).await?;
        if let Some((_, phase)) = earlier {
            shared.go_back_to(phase).await?;
        }
        let renewing = tokio::spawn(renew(Arc::clone(&shared), lease_length(how.every) / LEASE_TICKS));
        let task = tokio::spawn(keep(Arc::clone(&shared), how.every, Arc::clone(&ending)));
        Ok(Self { open: Some(Open { shared, place, ending, task, renewing }), lost })
    }

    /// An error once nothing may be written any more; the cause comes at the end.
    pub(super) fn check(&self) -> Result<()> {
        if self.lost.is_requested() { Err(Error::PipelineClosed("the restore's notes")) } else { Ok(()) }
    }

    /// Writes down now what is known of each stream.
    pub(super) async fn write(&self) -> Result<()> {
        match &self.open {
            Some(open) => open.shared.write(None).await,
            None => Ok(()),
        }
    }

    /// Writes down that nobody can go on with this restore.
    pub(super) async fn spoil(&self, why: &str) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        open.shared.change_head(|head| head.unusable = Some(why.to_owned())).await
    }

    /// Writes down whether users and roles may lie in temporary collections.
    pub(super) async fn has_temporary_accounts(&self, there_are: bool) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        open.shared.change_head(|head| head.has_temporary_accounts = there_are).await
    }

    /// Writes down that this phase begins now, with all that was done and told before.
    pub(super) async fn enter(&self, phase: Phase, monitor: &Monitor) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let failures = monitor.record().failures;
        let failures = failures.into_iter().map(|told| (told.subject, told.message, told.documents));
        let failures: Failures = if phase > Phase::Documents { failures.collect() } else { Vec::new() };
        open.shared.write(Some((phase, failures))).await
    }

    /// The target, to which this run writes only as long as it is known to be the one that does.
    pub(super) fn leased(&self, target: &Target) -> Target {
        self.open.as_ref().map_or_else(|| target.clone(), |open| target.leased(&open.shared.lease))
    }

    /// Requested once nothing may be written any more.
    pub(super) fn lost(&self) -> Stop {
        self.lost.clone()
    }

    /// Where and how a replay writes down how far it is.
    pub(super) fn marks(&self) -> Option<Marks> {
        let open = self.open.as_ref()?;
        Some(Marks { notes: open.shared.of_run.clone(), from: open.place.clone(), lost: self.lost.clone() })
    }

    /// Ends: of a restore that came to its end nothing is left on the target. Where it failed and another run `may_go_on`, that is
    /// told.
    pub(super) async fn close(self, has_ended: bool, may_go_on: bool, monitor: &Monitor) -> Result<()> {
        let Some(open) = self.open else { return Ok(()) };
        open.ending.notify_one();
        open.shared.ended.request();
        let kept = open.task.await.unwrap_or(Err(Error::PipelineClosed("the restore's notes")));
        // A task that has ended with its run tells nothing.
        let _ = open.renewing.await;
        kept?;
        if has_ended {
            return open.shared.clear(monitor).await;
        }
        if may_go_on {
            monitor.step("what was written stays: the same command with --resume goes on with it");
        }
        Ok(())
    }
}

/// Begins anew; whether the user may write notes.
async fn begin(notes: &Notes, head: &Head, monitor: &Monitor, stop: &Stop) -> Result<bool> {
    let encoded = head.encode()?;
    let begun = async {
        if !notes.exist().await? {
            return notes.put(&[encoded]).await.map(|()| Ok(()));
        }
        let every = read(notes).await.ok().flatten().map_or(milliseconds(DEFAULT_EVERY), |it| it.head.every);
        notes.clear().await?;
        if let Err(error) = wait_for_earlier_run(notes, every, monitor, stop).await {
            return Ok(Err(error));
        }
        // Whoever was about to write a note may have done so.
        notes.clear().await?;
        notes.put(&[encoded]).await.map(|()| Ok(()))
    };
    let begun = match begun.await {
        Ok(begun) => begun.map(Ok)?,
        Err(error) => Err(error),
    };
    match begun {
        Ok(()) => Ok(true),
        // Not every user may write there, and not every server has databases of users.
        Err(error) if is_refusal(&error) => {
            let why = match error.kind() {
                ErrorKind::Unauthorized => {
                    format!("role readWrite on the database {} allows it", notes.namespace().db)
                }
                _ => error.to_string(),
            };
            let message = format!(
                "cannot be written, so --resume will not be able to go on with this restore if it is interrupted ({why})"
            );
            monitor.warn(notes.namespace().to_string(), message);
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a restore of this archive was interrupted while users or roles lay in temporary collections; not known where the user
/// may not read the notes.
pub(super) async fn left_temporary_accounts(notes: &Notes) -> bool {
    let left = async {
        Ok::<_, Error>(
            exist(notes).await? && read(notes).await?.is_some_and(|it| it.head.has_temporary_accounts),
        )
    };
    left.await.unwrap_or(false)
}

/// Renews the lease every so often. The notes cannot do so: they wait for a majority, which may be slow.
async fn renew(shared: Arc<Shared>, every: Duration) {
    // It is the number of the run that tells, which stays the same.
    let Ok(head) = shared.state.lock().await.head.encode() else { return };
    while !shared.ended.is_requested() && !shared.lost.is_requested() {
        if shared.renew_as(&head).await.is_err() {
            return;
        }
        let until = Instant::now() + every;
        while Instant::now() < until && !shared.ended.is_requested() {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Writes down every so often what has changed, and finds out whether another run has taken over.
async fn keep(shared: Arc<Shared>, every: Duration, ending: Arc<Notify>) -> Result<()> {
    while timeout(every, ending.notified()).await.is_err() {
        if let Err(error) = shared.write(None).await {
            shared.lose();
            return Err(error);
        }
    }
    Ok(())
}

impl Shared {
    /// Writes nothing once another run has taken over. Streams come before the phase, which may say that they are done.
    async fn write(&self, phase: Option<(Phase, Failures)>) -> Result<()> {
        let mut state = self.state.lock().await;
        let before = state.head.encode()?;
        self.exchange(&before, &before).await?;
        let mut changed = Vec::new();
        for (stream, tally) in &self.tallies {
            let now = snapshot(tally);
            if state.written.get(stream) != Some(&now) {
                changed.push(now.encode(*stream)?);
                state.written.insert(*stream, now);
            }
        }
        self.notes.put(&changed).await?;
        let Some(phase) = phase else { return Ok(()) };
        (state.head.phase, state.head.failures) = phase;
        self.exchange(&before, &state.head.encode()?).await
    }

    /// Begins with an earlier phase than an earlier run had come to: the phase first, since notes on streams that begin anew
    /// mean that all of them is written once it is a later one.
    async fn go_back_to(&self, phase: Phase) -> Result<()> {
        self.change_head(|head| head.phase = phase).await?;
        self.write(None).await
    }

    async fn change_head(&self, change: impl FnOnce(&mut Head)) -> Result<()> {
        let mut state = self.state.lock().await;
        let before = state.head.encode()?;
        change(&mut state.head);
        self.exchange(&before, &state.head.encode()?).await
    }

    async fn exchange(&self, before: &[u8], head: &[u8]) -> Result<()> {
        if !self.lost.is_requested() && self.notes.exchange(before, head, RUN).await? {
            return Ok(());
        }
        self.lose();
        Err(Error::TakenOver)
    }

    /// Writes on for a while, if this run is still the one that does.
    async fn renew(&self) -> Result<()> {
        let head = self.state.lock().await.head.encode()?;
        self.renew_as(&head).await
    }

    async fn renew_as(&self, head: &[u8]) -> Result<()> {
        let asked = Instant::now();
        if self.notes.stands(head, RUN).await? {
            self.lease.renew(asked);
            return Ok(());
        }
        self.lose();
        Err(Error::TakenOver)
    }

    /// Takes the notes away; where the user may not, that is a failure of its own: what was restored is whole.
    async fn clear(&self, monitor: &Monitor) -> Result<()> {
        match self.notes.clear().await {
            Err(error) if is_refusal(&error) => {
                let message =
                    format!("is left on the target: the restore has ended, drop it ({})", error.message());
                monitor.fail(self.notes.namespace().to_string(), message, 0);
                Ok(())
            }
            cleared => Ok(cleared?),
        }
    }

    /// Nothing more is written.
    fn lose(&self) {
        self.lost.request();
        self.lease.lose();
    }
}

fn snapshot(tally: &StdMutex<Tally>) -> Noted {
    let tally = locked(tally);
    let (reached, uuid) = (tally.reached, tally.uuid);
    Noted { counts: tally.counts.clone(), reached, uuid, refuses: tally.refuses() }
}

impl Noted {
    fn encode(&self, stream: u32) -> Result<Vec<u8>> {
        let mut tally = Tally::kept(self.counts.clone(), self.reached, self.refuses, false);
        tally.uuid = self.uuid;
        encode_stream(stream, &tally)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Says so where what stands in the way may be what an earlier run has made.
pub(super) async fn hint(notes: &Notes, error: Error) -> Error {
    let Error::Exists { namespace, others } = error else { return error };
    let earlier = if notes.exist().await.unwrap_or(false) { read(notes).await.ok().flatten() } else { None };
    match earlier {
        Some(earlier) if earlier.head.unusable.is_none() => Error::BrokenOff { namespace, others },
        _ => Error::Exists { namespace, others },
    }
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(note: &[u8]) {
    if let Ok(head) = Head::decode(note) {
        let again = head.encode().expect("what was read can be written");
        assert_eq!(Head::decode(&again).expect("and read"), head);
    }
    if let Ok(Some((stream, tally))) = decode_stream(note, false) {
        let again = encode_stream(stream, &tally).expect("what was read can be written");
        let (_, again) = decode_stream(&again, false).expect("and read").expect("as what it is");
        assert_eq!((again.counts, again.reached), (tally.counts, tally.reached));
    }
}
