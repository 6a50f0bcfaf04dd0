//! `mongoark restore`: flags as typed, a restore as meant.

use super::context::{Context, open};
use super::dump::{SelectArgs, UriArgs};
use crate::exit::Exit;
use crate::secrets::SecretArgs;
use crate::terminal::text;
use clap::Args;
use mongoark_engine::Result;
use mongoark_engine::deployment::{Target, TargetOptions, WriteConcern};
use mongoark_engine::rename::Rename;
use mongoark_engine::restore::{self, Existing, RestoreOptions, RestoreReport};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Flags of `mongoark restore`.
#[derive(Args, Debug)]
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
    /// What each write must reach: majority, a number of members, or a name; always journaled
    /// [default: the connection string's, else majority]
    #[arg(long, value_name = "W")]
    write_concern: Option<WriteConcern>,
    #[command(flatten)]
    secrets: SecretArgs,
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
    let dry_run = args.dry_run;
    let display = context.progress.show(context.monitor.clone());
    let outcome = restore(args, archive, context).await;
    display.finish();
    if let Ok(report) = &outcome
        && !dry_run
    {
        context.logger.summary(&summary(report, context));
    }
    context.end("restore", outcome.map(|report| as_json(&report)))
}

async fn restore(
    args: RestoreArgs,
    archive: mongoark_engine::reading::Archive,
    context: &Context,
) -> Result<RestoreReport> {
    let target_options = TargetOptions { write_concern: args.write_concern };
    let target = Target::connect(&args.uri.connection_string(), &target_options).await?;
    let options = RestoreOptions {
        selection: args.select.selection(),
        renames: args.rename,
        existing: args.existing,
        dry_run: args.dry_run,
        jobs: args.jobs.map_or_else(restore::default_jobs, usize::from),
    };
    restore::restore(&target, archive, &options, &context.monitor, &context.stop).await
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
    format!(
        "{} restored, {} failed{there}; {} and {} in {} ({})",
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
        "namespaces": report.namespaces.iter().map(|ns| json!({
            "from": ns.from.to_string(), "to": ns.to.to_string(), "type": ns.kind.as_str(),
            "inserted": ns.inserted, "identical": ns.identical, "failed": ns.failed, "indexes": ns.indexes,
        })).collect::<Vec<_>>(),
        "consistency": report.summary.as_ref().map(|summary| summary.consistency.as_str()),
    })
}
