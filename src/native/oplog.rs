//! `mongoark oplog`: capture a replica set's oplog into slices, and list what slices hold.

use super::context::{Context, NOT_ENCRYPTED, to_stdout, unlock};
use super::dump::{LagArgs, UriArgs};
use crate::chain::chain;
use crate::exit::Exit;
use crate::secrets::{LockArgs, SecretArgs, SecretError, TrustArgs};
use crate::terminal::text;
use clap::{Args, Subcommand};
use mongoark_engine::archive::default_codec;
use mongoark_engine::container::{Codec, FileReader, Header, Limits, Secret, WriteOptions};
use mongoark_engine::deployment::{Connection, ConnectionOptions, ReadMode, SourceOptions};
use mongoark_engine::slices::{self, CaptureOptions, CaptureReport, Folder, SliceAccess};
use mongoark_engine::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to do with an oplog.
#[derive(Debug, Subcommand)]
pub enum OplogCommand {
    /// Write slices of the oplog into a folder until interrupted; goes on where the folder's last slice ends
    Capture(CaptureArgs),
    /// Show from when to when the slices of a folder go on without a gap
    Ls(LsArgs),
}

/// Flags of `mongoark oplog capture`.
#[derive(Args, Debug)]
pub struct CaptureArgs {
    #[command(flatten)]
    uri: UriArgs,
    /// The folder that the slices go to; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Close a slice after so many seconds
    #[arg(long, default_value_t = 600, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    slice_seconds: u64,
    /// Close a slice after so many megabytes, compressed
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    slice_mb: u64,
    /// primary, primaryPreferred, secondary, secondaryPreferred or nearest [default: the connection string's, else secondaryPreferred]
    #[arg(long, value_name = "MODE", value_parser = super::dump::read_mode)]
    read_preference: Option<ReadMode>,
    #[command(flatten)]
    lag: LagArgs,
    /// zstd[:1..19], gzip[:1..9] or none
    #[arg(long, default_value_t = default_codec(), value_name = "CODEC")]
    compression: Codec,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Flags of `mongoark oplog ls`.
#[derive(Args, Debug)]
pub struct LsArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The folder of the slices
    dir: PathBuf,
}

/// Runs `mongoark oplog`.
pub async fn run(command: OplogCommand, context: &Context) -> Exit {
    match command {
        OplogCommand::Capture(args) => capture(args, context).await,
        OplogCommand::Ls(args) => context.end("oplog ls", list(&args, context).await),
    }
}

async fn capture(args: CaptureArgs, context: &Context) -> Exit {
    let secrets = match args.lock.secrets() {
        Ok(secrets) => secrets,
        Err(error) => return context.usage(&chain(&error)),
    };
    let display = context.progress.show(context.monitor.clone());
    let outcome = run_capture(args, secrets, context).await;
    display.finish();
    if let Ok(report) = &outcome {
        context.logger.summary(&summary(report));
    }
    context.end("oplog capture", outcome.map(|report| capture_as_json(&report)))
}

async fn run_capture(args: CaptureArgs, secrets: Vec<Secret>, context: &Context) -> Result<CaptureReport> {
    let uri = args.uri.connection_string();
    let connection = Connection::new(&ConnectionOptions::native(&uri)).await?;
    let mut access = SliceAccess::with(secrets.clone());
    access.allow_unencrypted |= args.trust.allow_unencrypted;
    let options = CaptureOptions {
        dir: args.out,
        access,
        write: WriteOptions { codec: args.compression, secrets, ..WriteOptions::default() },
        slice_age_max: Duration::from_secs(args.slice_seconds),
        slice_bytes_max: args.slice_mb * 1_000_000,
        source: SourceOptions {
            read_mode: args.read_preference,
            lag_max: Some(args.lag.max()),
            ..SourceOptions::default()
        },
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    slices::capture(&connection, &options, &context.monitor, &context.stop).await
}

fn summary(report: &CaptureReport) -> String {
    let slices = text::plural(report.slices, "slice");
    let range = match (report.after, report.end) {
        (Some(after), Some(end)) => format!(", after {} up to {}", text::moment(after), text::moment(end)),
        _ => String::new(),
    };
    let gaps = match report.gaps.len() as u64 {
        0 => String::new(),
        gaps => format!(", with {}", text::plural(gaps, "gap")),
    };
    let (entries, bytes) = (text::entries(report.entries.documents), text::bytes(report.file_bytes));
    format!("{entries} in {slices} ({bytes}){range}{gaps}")
}

fn capture_as_json(report: &CaptureReport) -> Value {
    json!({
        "slices": report.slices,
        "entries": report.entries.documents,
        "bytes": report.entries.bytes,
        "fileBytes": report.file_bytes,
        "after": report.after.map(|after| after.to_string()),
        "end": report.end.map(|end| end.to_string()),
        "gaps": report.gaps.iter().map(|gap| json!({
            "since": gap.since.to_string(), "until": gap.until.to_string(), "why": gap.why,
        })).collect::<Vec<_>>(),
    })
}

/// What opens the slices of a folder: the secrets that open the first encrypted one. Slices that are not encrypted are believed
/// where no secret is given and nothing else says that they should be encrypted.
pub fn slice_access(dir: &Path, secrets: &SecretArgs, is_archive_encrypted: bool) -> Result<SliceAccess> {
    let limits = Limits::default();
    let files = Folder::files(dir)?.into_iter();
    // A damaged one is told when all are read.
    let mut headers = files.filter_map(|path| FileReader::header_of(&path, &limits).ok());
    let found = match headers.find(Header::is_encrypted) {
        Some(header) => unlock(secrets)(&header)?,
        None => secrets.given().map_err(|error: SecretError| Error::Secret(Box::new(error)))?,
    };
    let allow_unencrypted = secrets.trust.allow_unencrypted || (found.is_empty() && !is_archive_encrypted);
    Ok(SliceAccess { secrets: found, allow_unencrypted })
}

async fn list(args: &LsArgs, context: &Context) -> Result<Value> {
    let access = slice_access(&args.dir, &args.secrets, false)?;
    let folder = Folder::read(&args.dir, &access, &context.stop).await?;
    for (path, error) in &folder.damaged {
        context.monitor.fail(path.display().to_string(), error.to_string(), 0);
    }
    let json = folder_as_json(&folder);
    if args.json {
        to_stdout(format!("{json:#}").lines())?;
    } else {
        to_stdout(table(&folder))?;
    }
    Ok(json)
}

fn table(folder: &Folder) -> Vec<String> {
    let mut lines = Vec::new();
    let ranges = slices::ranges(&folder.reaches());
    for (place, range) in ranges.iter().enumerate() {
        if let Some(before) = place.checked_sub(1).map(|before| ranges[before]) {
            let gap = folder.slices.iter().filter_map(slices::SliceInfo::gap);
            let why = gap.into_iter().find(|gap| gap.until == range.after);
            let why = why.map(|gap| format!(": {}", gap.why)).unwrap_or_default();
            let (from, to) = (text::moment(before.end), text::moment(range.after));
            lines.push(format!("gap    {from}  to  {to}{why}"));
        }
        let (from, to) = (text::moment(range.after), text::moment(range.end));
        lines.push(format!("range  {from}  to  {to}  {}", text::plural(range.slices as u64, "slice")));
    }
    if lines.is_empty() {
        lines.push("no slices".to_owned());
    }
    lines.push(String::new());
    for slice in &folder.slices {
        let name = slice.path.file_name().unwrap_or_default().to_string_lossy();
        let (entries, bytes) = (text::entries(slice.entries.documents), text::bytes(slice.file_bytes));
        let doubt = if slice.is_encrypted { String::new() } else { format!("  {NOT_ENCRYPTED}") };
        lines.push(format!("{name}  up to {}  {entries}, {bytes}{doubt}", text::moment(slice.end)));
    }
    lines
}

fn folder_as_json(folder: &Folder) -> Value {
    json!({
        "ranges": slices::ranges(&folder.reaches()).iter().map(|range| json!({
            "after": range.after.to_string(), "end": range.end.to_string(), "slices": range.slices,
        })).collect::<Vec<_>>(),
        "slices": folder.slices.iter().map(|slice| json!({
            "file": slice.path.display().to_string(),
            "after": slice.after.to_string(),
            "end": slice.end.to_string(),
            "entries": slice.entries.documents,
            "bytes": slice.entries.bytes,
            "fileBytes": slice.file_bytes,
            "set": slice.set.name,
            "setId": slice.set.id.map(|id| bson::oid::ObjectId::from_bytes(id).to_hex()),
            "encrypted": slice.is_encrypted,
            "gap": slice.gap().map(|gap| json!({
                "since": gap.since.to_string(), "until": gap.until.to_string(), "why": gap.why,
            })),
        })).collect::<Vec<_>>(),
        "damaged": folder.damaged.iter().map(|(path, error)| json!({
            "file": path.display().to_string(), "why": error.to_string(),
        })).collect::<Vec<_>>(),
    })
}
