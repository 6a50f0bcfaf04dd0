//! Findings about a set: its members, its votes, the member that a dump would read.

use super::super::facts::Facts;
use super::super::finding::{Check, Finding};
use super::super::words::{plural, span};
use super::{LAG_PROBLEM, Limits, unknown};
use mongoark_deployment as deployment;
use mongoark_deployment::health::{Answer, Member, MemberState, SetConfig};
use std::collections::BTreeSet;
use std::time::Duration;

type Lag = Option<Duration>;

pub(super) fn members<'a>(
    members: &'a [Member],
    lags: &'a [Lag],
    limits: Limits,
) -> impl Iterator<Item = Finding> + 'a {
    members.iter().zip(lags).map(move |(member, lag)| match &member.answer {
        Ok(answer) => answering(member, answer, *lag, limits).of(&member.address),
        Err(error) => silent(member, error).of(&member.address),
    })
}

fn silent(member: &Member, error: &deployment::Error) -> Finding {
    match &member.seen {
        Some(seen) => Finding::warning(
            Check::Member,
            format!("does not answer this machine, though the set sees it as {seen}: {}", error.message()),
            "let this machine reach the member under the address that the set has for it",
        ),
        None => Finding::warning(
            Check::Member,
            format!("does not answer: {}", error.message()),
            "start the member, or let this machine reach it",
        ),
    }
}

fn answering(member: &Member, answer: &Answer, lag: Lag, limits: Limits) -> Finding {
    let check = Check::Member;
    let what = format!("{}{}", state(answer.state), details(member, answer, lag));
    let (warn, fail) = (Finding::warning, Finding::problem);
    match answer.state {
        MemberState::Primary | MemberState::Secondary | MemberState::Arbiter => {
            lagging(check, what, lag, limits)
        }
        MemberState::Startup | MemberState::Startup2 => {
            warn(check, what, "wait until its first copy of the data is complete")
        }
        MemberState::Recovering => {
            warn(check, what, "if it does not come back by itself, look into its log, and sync it anew")
        }
        MemberState::Rollback => {
            fail(check, what, "wait until it is a secondary again, and look at what it rolled back")
        }
        MemberState::Removed => warn(check, what, "stop the server, or add it to the set again"),
        MemberState::Unready => {
            warn(check, what, "look at rs.status(), or grant role 'clusterMonitor' to be told more")
        }
    }
}

/// Ok, unless the member is too far behind.
fn lagging(check: Check, what: String, lag: Lag, limits: Limits) -> Finding {
    let remedy = "find out what holds it up: its disk, its network, or more writes than it can follow";
    match lag.unwrap_or_default() {
        lag if lag > limits.lag * LAG_PROBLEM => Finding::problem(check, what, remedy),
        lag if lag > limits.lag => Finding::warning(check, what, remedy),
        _ => Finding::ok(check, what),
    }
}

fn state(state: MemberState) -> &'static str {
    match state {
        MemberState::Primary => "primary",
        MemberState::Secondary => "secondary",
        MemberState::Arbiter => "arbiter",
        MemberState::Startup => "starting (STARTUP)",
        MemberState::Startup2 => "copying its data (STARTUP2)",
        MemberState::Recovering => "recovering (RECOVERING)",
        MemberState::Rollback => "rolling back writes (ROLLBACK)",
        MemberState::Removed => "removed from the set (REMOVED)",
        MemberState::Unready => "neither primary nor secondary",
    }
}

/// `, 0 s behind; MongoDB 6.0.5, priority 1, votes`.
fn details(member: &Member, answer: &Answer, lag: Lag) -> String {
    let behind = lag.filter(|_| answer.state != MemberState::Primary);
    let behind = behind.map(|lag| format!(", {} s behind", lag.as_secs())).unwrap_or_default();
    let mut details: Vec<String> = Vec::new();
    details.extend(answer.version.as_ref().map(|version| format!("MongoDB {version}")));
    if let Some(config) = &member.config {
        details.push(format!("priority {}", config.priority));
        details.push(if config.votes { "votes" } else { "does not vote" }.to_owned());
        details.extend(config.hidden.then(|| "hidden".to_owned()));
        details.extend(
            (!config.delay.is_zero()).then(|| format!("delayed by {}", span(config.delay.as_secs_f64()))),
        );
    }
    if details.is_empty() { behind } else { format!("{behind}; {}", details.join(", ")) }
}

pub(super) fn majority(members: &[Member]) -> Finding {
    let check = Check::Majority;
    let voters: Vec<&Member> = members.iter().filter(|member| votes(member)).collect();
    let up = voters.iter().filter(|member| is_up(member)).count();
    let with_data: Vec<&&Member> = voters.iter().filter(|member| !is_arbiter(member)).collect();
    let with_data_up = with_data.iter().filter(|member| is_up(member)).count();
    let needed = voters.len() / 2 + 1;
    let writes_need = needed.min(with_data.len());
    let counted = format!("{up} of {} up", plural(voters.len(), "vote"));
    let start = "start the members that are down";
    let Some(primary) = members.iter().find(|member| is_primary(member)) else {
        let why = if up < needed { ", which is no majority" } else { "" };
        return Finding::problem(check, format!("there is no primary, so no writes; {counted}{why}"), start);
    };
    let what = format!("{counted}, the primary is {}", primary.address);
    if up < needed {
        Finding::problem(check, format!("{what}; that is no majority, and it will step down"), start)
    } else if with_data_up < writes_need {
        let what = format!(
            "{what}; only {with_data_up} of the {writes_need} members with data that w: \"majority\" waits for"
        );
        Finding::problem(
            check,
            what,
            format!("{start}: until then a restore waits for a majority without end"),
        )
    } else if up < voters.len() && up == needed {
        Finding::warning(check, format!("{what}; one more failure leaves no majority"), start)
    } else {
        Finding::ok(check, what)
    }
}

/// A member whose configuration is not known is taken to vote, as most do.
fn votes(member: &Member) -> bool {
    member.config.as_ref().is_none_or(|config| config.votes)
}

fn is_up(member: &Member) -> bool {
    match &member.answer {
        Ok(answer) => answer.state != MemberState::Removed,
        Err(_) => member.seen.is_some(),
    }
}

fn is_arbiter(member: &Member) -> bool {
    let is_seen = member.answer.as_ref().is_ok_and(|answer| answer.state == MemberState::Arbiter);
    is_seen || member.config.as_ref().is_some_and(|config| config.arbiter)
}

fn is_primary(member: &Member) -> bool {
    match &member.answer {
        Ok(answer) => answer.state == MemberState::Primary,
        Err(_) => member.seen.as_deref() == Some("PRIMARY"),
    }
}

/// Nothing where no member told its version.
pub(super) fn versions(members: &[Member]) -> Option<Finding> {
    let version = |member: &Member| member.answer.as_ref().ok()?.version.clone();
    let versions: BTreeSet<String> = members.iter().filter_map(version).collect();
    let all = versions.iter().cloned().collect::<Vec<_>>().join(", ");
    match versions.len() {
        0 => None,
        1 => Some(Finding::ok(Check::Versions, format!("every member that answers runs MongoDB {all}"))),
        _ => Some(Finding::warning(
            Check::Versions,
            format!("members run MongoDB {all}"),
            "bring all members to one version before relying on dumps of this set",
        )),
    }
}

pub(super) fn read_from(facts: &Facts, lags: &[Lag], limits: Limits) -> Finding {
    let check = Check::ReadFrom;
    match &facts.chosen {
        Ok(chosen) => {
            let member = &chosen.info.member;
            let place = facts.members.iter().position(|other| other.address == member.address);
            let lag = place.and_then(|place| lags.get(place).copied().flatten());
            lagging(check, format!("{}: {}", member.address, member.reason), lag, limits)
        }
        Err(error) => Finding::problem(
            check,
            error.message(),
            "start a member that fits, or change the read preference (--read-preference, or in the connection string)",
        ),
    }
}

pub(super) fn majority_journal(config: &deployment::Result<SetConfig>) -> Finding {
    let (check, name) = (Check::MajorityJournal, "writeConcernMajorityJournalDefault");
    match config {
        Ok(config) if config.majority_journal => Finding::ok(check, format!("{name} is true")),
        Ok(_) => Finding::warning(
            check,
            format!("{name} is false: a majority may acknowledge what a power failure takes back"),
            "set it to true with rs.reconfig()",
        ),
        Err(error) => {
            let what = format!("for {name}, priorities and hidden members");
            unknown(check, &what, error, "clusterMonitor")
        }
    }
}
