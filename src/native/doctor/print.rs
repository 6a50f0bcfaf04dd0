//! Findings as lines for a person, and with all figures as JSON.

use super::nullable;
use crate::exit::Exit;
use mongoark_engine::deployment::ConnectionString;
use mongoark_engine::deployment::health::Member;
use mongoark_engine::doctor::{Check, Facts, Figures, Finding, lags, worst};
use serde_json::{Value, json};
use std::time::Duration;

/// Columns that names of checks may take; a longer one pushes its own line aside.
const LABEL_WIDTH_MAX: usize = 32;
/// Columns of `warning` and of the space behind it.
const INDENT: usize = 9;

/// A line for each finding, and below it the remedy.
pub fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| label(finding).chars().count()).max().unwrap_or_default();
    let width = width.min(LABEL_WIDTH_MAX);
    let mut lines = Vec::new();
    for finding in findings {
        let (level, label) = (finding.level.as_str(), label(finding));
        lines.push(format!("{level:INDENT$}{label:width$}   {}", one_line(&finding.what)));
        let remedy = finding.remedy.as_ref();
        lines.extend(remedy.map(|remedy| format!("{:INDENT$}remedy: {}", "", one_line(remedy))));
    }
    lines.join("\n") + "\n"
}

fn label(finding: &Finding) -> String {
    match (&finding.subject, finding.check) {
        (Some(subject), Check::Member) => format!("{} {}", finding.check, one_line(subject)),
        _ => finding.check.to_string(),
    }
}

/// A server's words may have line breaks, which would tear the table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All findings, and the figures behind them. Times are seconds, sizes bytes.
pub fn json(uri: &ConnectionString, facts: Option<&Facts>, findings: &[Finding], exit: Exit) -> Value {
    json!({
        "level": worst(findings).as_str(),
        "exitCode": exit.code(),
        "uri": uri.to_string(),
        "deployment": facts.map_or(Value::Null, deployment),
        "members": facts.map(members).unwrap_or_default(),
        "figures": facts.map_or(Value::Null, figures),
        "findings": findings.iter().map(|finding| json!({
            "check": finding.check.id(),
            "subject": finding.subject,
            "level": finding.level.as_str(),
            "what": finding.what,
            "remedy": finding.remedy,
        })).collect::<Vec<_>>(),
    })
}

fn deployment(facts: &Facts) -> Value {
    let info = facts.chosen.as_ref().ok().map(|chosen| &chosen.info);
    json!({
        "topology": facts.topology.to_string(),
        "serverVersion": info.map(|info| &info.server_version),
        "featureCompatibilityVersion": info.and_then(|info| info.fcv.as_ref()),
        "member": info.map(|info| json!({ "address": info.member.address, "reason": info.member.reason })),
    })
}

fn members(facts: &Facts) -> Vec<Value> {
    let delays = |address: &str| {
        let configs = facts.members.iter().filter_map(|member| member.config.as_ref());
        let config = configs.into_iter().find(|config| config.address == address);
        config.map_or(Duration::ZERO, |config| config.delay)
    };
    let lags = lags(&facts.members, delays);
    facts.members.iter().zip(lags).map(|(member, lag)| member_json(member, lag)).collect()
}

fn member_json(member: &Member, lag: Option<Duration>) -> Value {
    let (answer, config) = (member.answer.as_ref().ok(), member.config.as_ref());
    json!({
        "address": member.address,
        "state": answer.map(|answer| answer.state.as_str()),
        "lagSeconds": nullable(lag.map(|lag| lag.as_secs_f64())),
        "version": answer.and_then(|answer| answer.version.as_ref()),
        "priority": nullable(config.map(|config| config.priority)),
        "votes": nullable(config.map(|config| config.votes)),
        "hidden": nullable(config.map(|config| config.hidden)),
    })
}

fn figures(facts: &Facts) -> Value {
    let figures = Figures::of(facts);
    let pace = facts.chosen.as_ref().ok().and_then(|chosen| chosen.pace.as_ref()?.as_ref().ok());
    json!({
        "dataBytes": nullable(figures.data_bytes),
        "dumpSeconds": nullable(figures.dump_seconds),
        "sampledBytes": nullable(pace.map(|pace| pace.bytes)),
        "sampledSeconds": nullable(pace.map(|pace| pace.seconds)),
        "oplogSeconds": nullable(figures.oplog_seconds),
        "oplogSecondsWhenFull": nullable(figures.oplog_seconds_full),
        "freeBytes": nullable(figures.free_bytes),
    })
}
