//! Users and roles: roles first, for a user may name one.

use super::RestoreOptions;
use super::finish::Written;
use super::ledger::Ledger;
use super::plan::{Plan, is_refusal};
use super::write::locked;
use crate::{Error, Result};
use mongoark_deployment::{Target, temporary_accounts};
use mongoark_model::CollectionKind;
use mongoark_monitor::Monitor;

/// Before anything is written: the collections through which the server merges accounts must be free. One that an interrupted
/// restore of this archive left (`is_ours`) is removed, since it holds credentials; any other is somebody's.
pub(super) async fn make_room(
    target: &Target,
    plan: &Plan,
    is_ours: bool,
    options: &RestoreOptions,
    monitor: &Monitor,
) -> Result<()> {
    let kinds: Vec<CollectionKind> = plan
        .namespaces
        .iter()
        .map(|planned| planned.metadata.kind)
        .filter(|kind| kind.is_accounts())
        .collect();
    for kind in kinds {
        let temporary = temporary_accounts(kind);
        if let Some(planned) = plan.namespaces.iter().find(|planned| planned.metadata.namespace == temporary)
        {
            return Err(Error::Usage(format!(
                "{} would be restored as {temporary}, through which the server takes {kind}: give it another name with --rename, or \
                 leave it out with --exclude {}",
                planned.from, planned.from
            )));
        }
        if !target.exists(&temporary).await? {
            continue;
        }
        if is_ours && !options.dry_run {
            target.drop(&temporary).await?;
            monitor.warn(
                temporary.to_string(),
                format!("an interrupted restore of this archive left {kind} in it; it was removed"),
            );
        } else if !is_ours {
            return Err(Error::Refused(format!(
                "{temporary} exists on the target, and the server takes {kind} through a collection of that name. If it is yours, \
                 rename it; if a restore that was killed left it behind, it holds credentials: drop it. Or restore without \
                 {kind}: --exclude admin.system.{}",
                if kind == CollectionKind::Users { "users" } else { "roles" }
            )));
        }
    }
    Ok(())
}

/// Merges the archive's roles and users into the target's own. While they lie in a temporary collection, that is written down.
pub(super) async fn merge(
    target: &Target,
    written: &mut Written,
    ledger: &Ledger,
    monitor: &Monitor,
) -> Result<()> {
    let holds_accounts = |documents: &Vec<Vec<u8>>| !documents.is_empty();
    if !written.namespaces.iter().any(|(_, documents)| holds_accounts(documents)) {
        return Ok(());
    }
    ledger.has_temporary_accounts(true).await?;
    for kind in [CollectionKind::Roles, CollectionKind::Users] {
        let of_kind = written.namespaces.iter().filter(|(planned, _)| planned.metadata.kind == kind);
        for (planned, documents) in of_kind {
            let merged = match target.merge_accounts(kind, documents).await {
                Ok(merged) => merged,
                Err(error) if is_refusal(&error) => {
                    monitor.fail(planned.from.to_string(), error.to_string(), documents.len() as u64);
                    locked(&planned.tally).counts.rejected = documents.len() as u64;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut tally = locked(&planned.tally);
            tally.counts.inserted = merged.added;
            tally.counts.identical = merged.identical;
            tally.counts.rejected = merged.conflicts.len() as u64;
            for name in merged.conflicts {
                let message = format!("{name} exists on the target with other contents, which were kept");
                monitor.fail(planned.from.to_string(), message, 1);
            }
        }
    }
    ledger.has_temporary_accounts(false).await
}
