//! What an interrupted restore wrote down, against what is on the target now: what it made may have been dropped, made
//! anew or emptied since, and notes on it mean nothing then.

use super::Existing;
use super::ledger::{Earlier, Ledger, Phase};
use super::plan::{Plan, Planned, is_same_definition};
use super::tally::Tally;
use super::write::locked;
use crate::quote::counted;
use crate::{Error, Result};
use mongoark_deployment::Target;
use mongoark_model::{CollectionKind, CollectionMetadata};
use mongoark_monitor::Monitor;
use std::sync::{Arc, Mutex};

/// Gives the namespaces what is known of them, and says in which phase the restore goes on: not behind the documents where
/// some are to be read again. Once the oplog is under way collections come and go by what it says; then
/// [`Places`](crate::replay::Places) tells which ones must be there.
pub(super) async fn reconcile(
    target: &Target,
    plan: &mut Plan,
    earlier: &Earlier,
    existing: Existing,
    monitor: &Monitor,
) -> Result<Phase> {
    let mut phase = earlier.head.phase;
    for planned in &mut plan.namespaces {
        let was_there = earlier.was_there(planned.stream);
        if let Some(tally) = earlier.tallies.get(&planned.stream) {
            planned.tally = Arc::new(Mutex::new(tally.clone()));
        }
        if planned.metadata.kind == CollectionKind::View && !earlier.has_replayed() && !was_there {
            phase = phase.min(look_at_view(planned, phase, existing, monitor)?);
        }
        let is_looked_at = holds_documents(planned) && !earlier.has_replayed();
        let why = if is_looked_at { lost(target, planned, was_there, phase, existing).await? } else { None };
        if !was_there && !planned.is_foreign {
            planned.is_made = planned.there.take().is_some();
        }
        let Some(why) = why else { continue };
        monitor.warn(planned.metadata.namespace.to_string(), format!("{why}; it is restored from its start"));
        // One that is still there is still the one that was made.
        let uuid = locked(&planned.tally).uuid.filter(|_| planned.is_made);
        planned.tally = Arc::new(Mutex::new(Tally::of_collection(uuid)));
        planned.is_restarted = true;
        phase = phase.min(Phase::Documents);
    }
    Ok(phase)
}

fn holds_documents(planned: &Planned) -> bool {
    planned.metadata.kind != CollectionKind::View && !planned.metadata.kind.is_accounts()
}

/// A view that an earlier run has made, or that somebody else has made since; in which phase the restore goes on.
fn look_at_view(planned: &mut Planned, phase: Phase, existing: Existing, monitor: &Monitor) -> Result<Phase> {
    match &planned.there {
        // Views are made behind the documents.
        None => Ok(phase.min(Phase::Finishing)),
        Some(there) if is_same_definition(&planned.metadata, there) => Ok(phase),
        Some(_) if existing == Existing::Merge => {
            planned.is_foreign = true;
            let name = planned.metadata.namespace.to_string();
            monitor.fail(name, "exists on the target with another definition, which was kept", 0);
            Ok(phase)
        }
        Some(_) => Err(foreign(planned, "is another view or collection, made by somebody else")),
    }
}

/// What has become of the documents that were written; nothing where all is as it was.
async fn lost(
    target: &Target,
    planned: &mut Planned,
    was_there: bool,
    phase: Phase,
    existing: Existing,
) -> Result<Option<String>> {
    if locked(&planned.tally).refuses() {
        return Ok(Some(
            "could not be written to by the interrupted restore, or lacked documents".to_owned(),
        ));
    }
    let noted = locked(&planned.tally).uuid;
    let (is_there, now) = (planned.there.is_some(), planned.there.as_ref().and_then(|there| there.uuid));
    match noted {
        Some(_) if !is_there => Ok(Some("was dropped since the restore was interrupted".to_owned())),
        Some(_) if now != noted && existing == Existing::Merge => {
            planned.is_foreign = true;
            Ok(Some(
                "was dropped and made anew by somebody else since the restore was interrupted".to_owned(),
            ))
        }
        Some(_) if now != noted => Err(foreign(planned, "was dropped and made anew by somebody else")),
        // What has a TTL by now may have expired.
        Some(_) if phase == Phase::Replaying && has_ttl(&planned.metadata) => Ok(None),
        Some(_) => emptied(target, planned).await,
        // Nothing was written yet. An empty one may be of the interrupted restore's own making.
        None if is_there && !was_there => {
            let is_other =
                planned.there.as_ref().is_some_and(|there| !is_same_definition(&planned.metadata, there));
            let holds_some =
                is_other || target.count(&planned.metadata.data_namespace()).await?.unwrap_or(0) > 0;
            match existing {
                _ if !holds_some => Ok(None),
                Existing::Merge => {
                    planned.is_foreign = true;
                    Ok(None)
                }
                _ => Err(foreign(planned, "was made and written to by somebody else")),
            }
        }
        None => Ok(None),
    }
}

fn foreign(planned: &Planned, what: &str) -> Error {
    let namespace = &planned.metadata.namespace;
    Error::Refused(format!(
        "{namespace} {what} since the restore was interrupted; nothing more was written. Rename or drop that collection and give \
         the same command again, or restore anew without --resume, with --existing drop, which replaces it"
    ))
}

/// Whether documents that were written are gone.
async fn emptied(target: &Target, planned: &Planned) -> Result<Option<String>> {
    let written = locked(&planned.tally).on_the_target();
    Ok(missing(target, planned, written).await?.map(|missing| {
        format!(
            "has lost {} of those that were written since the restore was interrupted",
            counted(missing, "document", "documents")
        )
    }))
}

/// How many documents are fewer than were written. A capped collection makes room by itself.
async fn missing(target: &Target, planned: &Planned, written: u64) -> Result<Option<u64>> {
    let namespace = planned.metadata.data_namespace();
    if planned.metadata.is_capped() || written == 0 || target.has_raw_data() {
        return Ok(None);
    }
    match target.count(&namespace).await? {
        Some(count) if count < written => {}
        _ => return Ok(None),
    }
    let missing = written.saturating_sub(target.count_each(&namespace).await?);
    Ok((missing > 0).then_some(missing))
}

/// Behind the documents of a restore that went on: what somebody removed between the runs may have been hidden by documents that were
/// written and not written down.
pub(super) async fn check_whole<'a>(
    target: &Target,
    ledger: &Ledger,
    namespaces: impl Iterator<Item = &'a Planned>,
) -> Result<()> {
    // Of one that was read from its start, every document was inserted or found.
    for planned in namespaces.filter(|planned| holds_documents(planned) && !planned.is_restarted) {
        let written = locked(&planned.tally).booked();
        if let Some(missing) = missing(target, planned, written).await? {
            locked(&planned.tally).refuse_all();
            ledger.write().await?;
            return Err(Error::Refused(format!(
                "{}: the archive brought {} more than are there: somebody removed them while the restore was interrupted, or the \
                 archive has them twice. Give the same command with --resume, which reads that collection once more from its start \
                 and leaves none out",
                planned.metadata.namespace,
                counted(missing, "document", "documents")
            )));
        }
    }
    Ok(())
}

fn has_ttl(metadata: &CollectionMetadata) -> bool {
    metadata.indexes.iter().any(|index| !matches!(index.get("expireAfterSeconds"), Ok(None)))
        || !matches!(metadata.options.get("expireAfterSeconds"), Ok(None))
}
