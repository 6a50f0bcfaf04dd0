//! Findings from facts: pure, and in the order in which a person wants to read them.

mod backup;
mod set;
mod storage;
#[cfg(test)]
mod tests;

use super::facts::{Facts, Figures, lags};
use super::finding::{Check, Finding};
use mongoark_deployment::{Error, ErrorKind};
use mongoark_model::TopologyKind;
use std::time::Duration;

/// What is still good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How far a member may be behind; twenty times that is a problem.
    pub lag: Duration,
}

/// A lag of this many times the limit is a problem.
const LAG_PROBLEM: u32 = 20;

/// All findings.
pub fn judge(facts: &Facts, limits: Limits) -> Vec<Finding> {
    let mut findings = vec![deployment(facts)];
    if let Some(config) = &facts.config {
        let delay = |address: &str| {
            let members = config.as_ref().ok().map(|config| &config.members);
            let member = members.and_then(|members| members.iter().find(|member| member.address == address));
            member.map_or(Duration::ZERO, |member| member.delay)
        };
        let lags = lags(&facts.members, delay);
        findings.extend(set::members(&facts.members, &lags, limits));
        findings.push(set::majority(&facts.members));
        findings.extend(set::versions(&facts.members));
        findings.push(set::read_from(facts, &lags, limits));
        findings.push(set::majority_journal(config));
    } else {
        findings.push(set::read_from(facts, &[], limits));
    }
    if let Ok(chosen) = &facts.chosen {
        let figures = Figures::of(facts);
        findings.extend(storage::all(chosen, &figures));
        findings.extend(backup::permissions(chosen));
        findings.push(backup::restore_rights(chosen));
        findings.push(backup::data(chosen));
        findings.extend(backup::dump_time(chosen, &figures));
        findings.extend(chosen.oplog.as_ref().map(|oplog| backup::oplog_window(oplog, &figures)));
    }
    findings
        .extend(facts.space.as_ref().map(|space| backup::free_space(space, Figures::of(facts).data_bytes)));
    findings
}

/// The one finding about a deployment that does not answer.
pub fn unreachable(error: &Error) -> Finding {
    let remedy = match error.kind() {
        ErrorKind::Authentication => "correct user, password, authSource or authMechanism",
        ErrorKind::Usage => "correct the connection string",
        _ => "start the server, or correct the connection string's address, set name and TLS options",
    };
    Finding::problem(Check::Reachable, error.to_string(), remedy)
}

fn deployment(facts: &Facts) -> Finding {
    let version =
        facts.chosen.as_ref().ok().map(|chosen| format!(", MongoDB {}", chosen.info.server_version));
    let what = format!("{}{}", facts.topology, version.unwrap_or_default());
    let check = Check::Deployment;
    match facts.topology {
        TopologyKind::ReplicaSet(_) => {
            let members = super::words::plural(facts.members.len(), "member");
            Finding::ok(check, format!("{what}, {members}"))
        }
        TopologyKind::Standalone => Finding::warning(
            check,
            format!("{what}: it has no oplog, so a dump is of no single moment"),
            "make it a replica set of one member, or stop writing while it is dumped",
        ),
        TopologyKind::Sharded | TopologyKind::Unknown => Finding::warning(
            check,
            format!("{what}, seen through mongos: it has no one oplog, so a dump is of no single moment"),
            "dump each shard's replica set, or give 'mongoark dump' --no-oplog",
        ),
    }
}

/// A check that could not be made: it is not ok, and a role is what is missing.
fn unknown(check: Check, what: &str, error: &Error, role: &str) -> Finding {
    match error.kind() {
        ErrorKind::Unauthorized => Finding::warning(
            check,
            format!("unknown: the user may not ask {what}"),
            format!("grant role '{role}'"),
        ),
        _ => Finding::warning(check, format!("unknown: {}", error.message()), "look into the server's log"),
    }
}
