//! `mongoark restore`: flags as typed, a restore as meant.

use super::context::{Context, open};
use super::dump::{SelectArgs, UriArgs, seconds};
use super::oplog::slice_access;
use crate::exit::Exit;
use crate::secrets::SecretArgs;
use crate::terminal::text;
use clap::Args;
use mongoark_engine::Result;
use mongoark_engine::deployment::{Target, TargetOptions, WriteConcern};
use mongoark_engine::rename::Rename;
use mongoark_engine::restore::{self, Existing, LedgerOptions, RestoreOptions, RestoreReport, Ttl, Until};
use mongoark_engine::slices::SlicePlan;
use mongoark_model::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `mongoark restore`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct RestoreArgs {
    #[command(flatten)]
    uri: UriArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// Restore under another name: DB=DB, DB.COLL=DB.COLL or DB.PRE*=DB.PRE*; repeatable
    #[arg(long, value_name = "FROM=TO", help_heading = "Selection")]
    rename: Vec<Rename>,
    /// What to do about a collection that exists: fail (before anything is written), merge or drop
    #[arg(long, default_value = "fail", value_name = "WHAT")]
    existing: Existing,
    /// Up to when: latest, an RFC 3339 time (everything before it), or SECONDS:ORDINAL of an oplog entry (with it)
    #[arg(long, default_value = "latest", value_name = "TIME", value_parser = until, help_heading = "Point in time")]
    to: Until,
    /// Go on with the slices that 'mongoark oplog capture' wrote to this folder
    #[arg(long, value_name = "DIR", help_heading = "Point in time")]
    oplog_dir: Option<PathBuf>,
    /// Do not replay the archive's oplog: each collection is of another moment then
    #[arg(long, conflicts_with = "oplog_dir", help_heading = "Point in time")]
    no_oplog: bool,
    /// What each write must reach: majority, a number of members, or a name; always journaled
    /// [default: the connection string's, else majority]
    #[arg(long, value_name = "W")]
    write_concern: Option<WriteConcern>,
    #[command(flatten)]
    secrets: SecretArgs,
    /// Go on with a restore of this archive that was broken off; one is begun where there is none
    #[arg(long)]
    resume: bool,
    /// Write down on the target, where --resume goes on, every so many seconds
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = seconds)]
    checkpoint_every: f64,
    /// What becomes of TTLs: keep (what is older expires within a minute of the restore's end) or suspend (nothing expires until
    /// you arm it again; the commands are printed and in the report)
    #[arg(long, default_value = "keep", value_name = "WHAT")]
    ttl: Ttl,
    /// Do not read the whole file before anything is written: damage is then found when it is met
    #[arg(long)]
    no_verify: bool,
    /// Say what would be restored, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Inserts in flight, and collections indexed, at once [default: as many as cores, at least 4]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// The archive, or - for standard input
    file: PathBuf,
}

/// Runs `mongoark restore`.
pub async fn run(args: RestoreArgs, context: &Context) -> Exit {
    // The archive is opened first: a wrong passphrase is known before a server is asked.
    let archive = match open(&args.file, &args.secrets, false) {
        Ok(archive) => archive,
        Err(error) => return context.end("restore", Err(error)),
    };
    context.warn_of(&archive, &args.file);
    let slices = match slices(&args, archive.is_encrypted(), context).await {
        Ok(slices) => slices,
        Err(error) => return context.end("restore", Err(error)),
    };
    let dry_run = args.dry_run;
    let display = context.progress.show(context.monitor.clone());
    let outcome = Box::pin(restore(args, archive, slices, context)).await;
    display.finish();
    if let Ok(report) = &outcome
        && !dry_run
    {
        for suspended in &report.suspended {
            context.monitor.step(format!("suspended: {}", suspended.command));
        }
        context.logger.summary(&summary(report, context));
    }
    context.end("restore", outcome.map(|report| as_json(&report)))
}

async fn restore(
    args: RestoreArgs,
    archive: mongoark_engine::reading::Archive,
    slices: Option<SlicePlan>,
    context: &Context,
) -> Result<RestoreReport> {
    let target_options = TargetOptions { write_concern: args.write_concern };
    let target = Target::connect(&args.uri.connection_string(), &target_options).await?;
    let options = RestoreOptions {
        selection: args.select.selection(),
        renames: args.rename,
        existing: args.existing,
        no_oplog: args.no_oplog,
        until: args.to,
        slices,
        dry_run: args.dry_run,
        no_verify: args.no_verify,
        ttl: args.ttl,
        jobs: args.jobs.map_or_else(restore::default_jobs, usize::from),
        ledger: Some(LedgerOptions {
            resume: args.resume,
            every: Duration::from_secs_f64(args.checkpoint_every),
        }),
    };
    restore::restore(&target, archive, &options, &context.monitor, &context.stop).await
}

/// The slices that the flags name; the secret that opens the archive opens them too. Behind an encrypted archive
/// slices are encrypted: its replay may do anything, and must be by whoever holds the secret.
async fn slices(
    args: &RestoreArgs,
    is_archive_encrypted: bool,
    context: &Context,
) -> Result<Option<SlicePlan>> {
    let Some(dir) = &args.oplog_dir else { return Ok(None) };
    let access = slice_access(dir, &args.secrets, is_archive_encrypted)?;
    let plan = SlicePlan::read(dir, access, &context.stop).await?;
    for (path, why) in plan.unusable() {
        let subject = path.display().to_string();
        // A time that is named is reached or refused; the latest one is only what the other slices hold.
        if args.to == Until::Latest {
            context.monitor.fail(subject, format!("a slice that is not replayed: {why}"), 0);
        } else {
            context.monitor.warn(subject, format!("a slice that cannot be used: {why}"));
        }
    }
    Ok(Some(plan))
}

/// A time as `--to` takes it.
fn until(text: &str) -> Result<Until, String> {
    if text == "latest" {
        return Ok(Until::Latest);
    }
    if let Some((seconds, ordinal)) = text.split_once(':')
        && let (Ok(seconds), Ok(ordinal)) = (seconds.parse(), ordinal.parse())
    {
        return Ok(Until::Entry(Timestamp::new(seconds, ordinal)));
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        format!("'{text}' is none of latest, an RFC 3339 time (2026-11-28T10:00:00Z), or SECONDS:ORDINAL")
    })?;
    if time.subsec_nanosecond() != 0 {
        return Err("an oplog tells times by the second: give one without a fraction".to_owned());
    }
    u32::try_from(time.as_second())
        .map(Until::Second)
        .map_err(|_| format!("{text} is before 1970 or after 2106"))
}

fn summary(report: &RestoreReport, context: &Context) -> String {
    let seconds = context.monitor.record().seconds;
    let sum = |of: fn(&restore::RestoredNamespace) -> u64| report.namespaces.iter().map(of).sum::<u64>();
    let identical = sum(|ns| ns.identical);
    let there = if identical > 0 {
        format!(", {} were there already", text::count(identical))
    } else {
        String::new()
    };
    let superseded = match sum(|ns| ns.superseded) {
        0 => String::new(),
        some => format!(", {} came twice and were settled by the oplog", text::count(some)),
    };
    let oplog = match &report.replayed {
        Some(replayed) => {
            let up_to =
                replayed.last.map(|last| format!(" up to {}", text::moment(last))).unwrap_or_default();
            format!(", {} replayed{up_to}", text::entries(replayed.applied))
        }
        None => String::new(),
    };
    format!(
        "{} restored, {} failed{there}{superseded}{oplog}; {} and {} in {} ({})",
        text::plural(sum(|ns| ns.inserted), "document"),
        text::count(sum(|ns| ns.failed)),
        text::plural(report.namespaces.len() as u64, "namespace"),
        format_args!("{} indexes", text::count(sum(|ns| ns.indexes))),
        text::seconds(seconds),
        text::rate(report.read.bytes, seconds),
    )
}

fn as_json(report: &RestoreReport) -> Value {
    json!({
        "documents": report.read.documents,
        "bytes": report.read.bytes,
        "oplog": report.replayed.as_ref().map(|replayed| json!({
            "applied": replayed.applied,
            "skipped": replayed.skipped,
            "unfinished": replayed.unfinished,
            "last": replayed.last.map(|last| last.to_string()),
        })),
        "namespaces": report.namespaces.iter().map(|ns| json!({
            "from": ns.from.to_string(), "to": ns.to.to_string(), "type": ns.kind.as_str(),
            "inserted": ns.inserted, "identical": ns.identical, "superseded": ns.superseded, "failed": ns.failed,
            "indexes": ns.indexes,
        })).collect::<Vec<_>>(),
        "suspended": report.suspended.iter().map(|suspended| json!({
            "namespace": suspended.namespace.to_string(), "index": suspended.index, "command": suspended.command,
        })).collect::<Vec<_>>(),
        "consistency": report.summary.as_ref().map(|summary| summary.consistency.as_str()),
    })
}
