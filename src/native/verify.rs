//! `mongoark verify`: is an archive whole and true, without a server.

use super::context::{Context, NOT_ENCRYPTED, is_pipe, open};
use crate::exit::Exit;
use crate::secrets::SecretArgs;
use crate::terminal::text;
use clap::Args;
use mongoark_engine::{Error, Result, container, verify};
use serde_json::{Value, json};
use std::io::{self, BufReader};
use std::path::PathBuf;

/// Flags of `mongoark verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// Check only the checksums of the stored bytes, which needs no key and detects accidents, not attackers
    #[arg(long)]
    checksums_only: bool,
    /// The archive, or - for standard input
    file: PathBuf,
}

/// Runs `mongoark verify`.
pub async fn run(args: VerifyArgs, context: &Context) -> Exit {
    if args.checksums_only {
        return context.end("verify", scrub(&args, context));
    }
    let display = context.progress.show(context.monitor.clone());
    let outcome = whole(&args, context).await;
    display.finish();
    context.end("verify", outcome)
}

async fn whole(args: &VerifyArgs, context: &Context) -> Result<Value> {
    if !is_pipe(&args.file) {
        // The way a restore opens it: index, trailer and both headers.
        let archive = open(&args.file, &args.secrets, false)?;
        for damage in archive.warnings() {
            context.monitor.fail(args.file.display().to_string(), damage, 0);
        }
    }
    let archive = open(&args.file, &args.secrets, true)?;
    let is_encrypted = archive.is_encrypted();
    let report = verify::verify(archive, &context.monitor, &context.stop).await?;
    let seconds = context.monitor.record().seconds;
    context.logger.summary(&format!(
        "{} is whole: {}, {}, {} in {}",
        args.file.display(),
        text::plural(report.namespaces as u64, "namespace"),
        text::plural(report.read.documents, "document"),
        text::bytes(report.read.bytes),
        text::seconds(seconds),
    ));
    if !is_encrypted {
        context.monitor.warn(args.file.display().to_string(), NOT_ENCRYPTED);
    }
    for failure in &report.summary.failures {
        context.monitor.warn("", format!("the dump itself did not carry over: {failure}"));
    }
    Ok(json!({
        "whole": true,
        "encrypted": is_encrypted,
        "namespaces": report.namespaces,
        "documents": report.read.documents,
        "bytes": report.read.bytes,
        "oplogEntries": report.oplog.documents,
        "dumpFailures": report.summary.failures,
    }))
}

fn scrub(args: &VerifyArgs, context: &Context) -> Result<Value> {
    let report = if is_pipe(&args.file) {
        container::scrub(io::stdin().lock())?
    } else {
        let file = std::fs::File::open(&args.file)
            .map_err(|source| Error::Read { path: args.file.clone(), source })?;
        container::scrub(BufReader::with_capacity(1 << 20, file))?
    };
    context.logger.summary(&format!("{}: every checksum holds", args.file.display()));
    Ok(json!({ "checksums": true, "report": format!("{report:?}") }))
}
