//! Users and roles: roles first, for a user may name one.

use super::finish::Written;
use super::plan::is_refusal;
use super::write::locked;
use crate::Result;
use mongoark_deployment::Target;
use mongoark_model::CollectionKind;
use mongoark_monitor::Monitor;

/// Merges the archive's roles and users into the target's own.
pub(super) async fn merge(target: &Target, written: &mut Written, monitor: &Monitor) -> Result<()> {
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
    Ok(())
}
