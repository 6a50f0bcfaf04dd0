//! Findings about the storage of the member that a dump would read, and what its oplog may hold in wait.

use super::super::facts::{Chosen, Figures};
use super::super::finding::{Check, Finding};
use super::super::words::{plural, span};
use super::unknown;
use mongoark_deployment as deployment;
use mongoark_deployment::health::{Compatibility, Prepared, Storage};

pub(super) fn all(chosen: &Chosen, figures: &Figures) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(storage) = &chosen.storage {
        findings.push(engine(storage));
        findings.extend(storage.as_ref().ok().map(journaling));
    }
    findings.extend(chosen.compatibility.as_ref().map(|fcv| compatibility(fcv, chosen.info.version)));
    let newest = chosen.oplog.as_ref().and_then(|oplog| oplog.as_ref().ok()).map(|oplog| oplog.newest.time);
    findings.extend(chosen.prepared.as_ref().map(|prepared| transactions(prepared, newest, figures)));
    findings
}

fn engine(storage: &deployment::Result<Storage>) -> Finding {
    let check = Check::StorageEngine;
    match storage {
        Ok(storage) => match storage.engine.as_str() {
            "wiredTiger" => Finding::ok(check, "wiredTiger"),
            "inMemory" => Finding::warning(
                check,
                "inMemory: what is written is gone when the server ends",
                "keep members with wiredTiger in the set, and dump one of them",
            ),
            other => Finding::problem(
                check,
                format!("{other}, with which mongoark was never tried"),
                "sync a member with wiredTiger, and dump that",
            ),
        },
        Err(error) => unknown(check, "for storage engine and journal (serverStatus)", error, "backup"),
    }
}

fn journaling(storage: &Storage) -> Finding {
    if storage.journaled {
        return Finding::ok(Check::Journaling, "on");
    }
    Finding::warning(
        Check::Journaling,
        "off: a crash takes back what was written since the last checkpoint",
        "start the server with its journal (without --nojournal, storage.journal.enabled: true)",
    )
}

fn compatibility(fcv: &deployment::Result<Compatibility>, [major, minor, _]: [i32; 3]) -> Finding {
    let (check, server) = (Check::Fcv, format!("{major}.{minor}"));
    match fcv {
        Ok(Compatibility { version, target: Some(target) }) => Finding::problem(
            check,
            format!(
                "on its way from {version} to {target}: what that writes into the oplog ends a dump with an oplog"
            ),
            format!("let it end before a dump is made: setFeatureCompatibilityVersion: \"{target}\""),
        ),
        Ok(fcv) if fcv.version == server => Finding::ok(check, format!("{server}, as the server")),
        Ok(fcv) => Finding::warning(
            check,
            format!("{}, and the server is {server}: an upgrade was not completed", fcv.version),
            format!("complete it: setFeatureCompatibilityVersion: \"{server}\""),
        ),
        Err(error) => unknown(check, "for the feature compatibility version", error, "backup"),
    }
}

/// The age is by the oplog's clock, which is the one that the transaction's beginning was written by.
fn transactions(prepared: &deployment::Result<Prepared>, newest: Option<u32>, figures: &Figures) -> Finding {
    let check = Check::Transactions;
    match prepared {
        Ok(Prepared { count: 0, .. }) => Finding::ok(check, "none is prepared"),
        Ok(Prepared { count, oldest }) => {
            let age =
                oldest.zip(newest).map(|(oldest, newest)| f64::from(newest.saturating_sub(oldest.time)));
            let since = age.map(|age| format!(", the oldest for {}", span(age))).unwrap_or_default();
            let rolled = age.zip(figures.window_seconds()).is_some_and(|(age, window)| age * 2.0 > window);
            let more = if rolled { "; its beginning will soon fall out of the oplog" } else { "" };
            let count = plural(*count, "transaction");
            Finding::warning(
                check,
                format!("{count} prepared and neither committed nor aborted{since}{more}"),
                "a dump with an oplog has to begin where they began: find the coordinator, or commit or abort them",
            )
        }
        Err(error) => unknown(check, "for prepared transactions (config.transactions)", error, "backup"),
    }
}
