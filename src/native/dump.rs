//! `mongoark dump`: flags as typed, a dump as meant.

use super::context::{Context, check_output, is_pipe, not_printed};
use crate::chain::chain;
use crate::exit::Exit;
use crate::same_file::{Use, refuse_same};
use crate::secrets::LockArgs;
use crate::terminal::{stdout, text};
use clap::Args;
use mongoark_engine::archive::{Output, default_codec};
use mongoark_engine::container::{Codec, Secret, WriteOptions};
use mongoark_engine::deployment::{ConnectionString, LAG_MAX, Patience, ReadMode, Source, SourceOptions};
use mongoark_engine::dump::{self, DumpOptions, DumpReport, Resumable};
use mongoark_engine::select::{Pattern, Selection};
use mongoark_engine::{Error, Result};
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flags that say where the deployment is.
#[derive(Args, Clone, Debug)]
pub struct UriArgs {
    /// Connection string; give the password in it through the variable to keep it off the process list
    #[arg(long, env = "MONGOARK_URI", hide_env_values = true, value_name = "URI")]
    pub uri: String,
    /// While a server is away or a set elects its primary, try again for so many seconds; a dump with its oplog then goes on
    /// with another member
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    retry_for: u32,
}

impl UriArgs {
    /// As the deployment crate takes it. From here on work is tried again for as long as the flag says.
    pub fn connection_string(&self) -> ConnectionString {
        Patience::set_limit(Duration::from_secs(self.retry_for.into()));
        ConnectionString::new(self.uri.clone())
    }
}

/// Which secondaries lag too far.
#[derive(Args, Clone, Copy, Debug)]
pub struct LagArgs {
    /// Read a secondary that is further behind than this only where no other member can be read
    #[arg(long, default_value_t = LAG_MAX.as_secs(), value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_lag: u64,
}

impl LagArgs {
    /// How far a member may be behind.
    pub fn max(self) -> Duration {
        Duration::from_secs(self.max_lag)
    }
}

/// Flags that select namespaces.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectArgs {
    /// Only this database
    #[arg(long, short, value_name = "DB", help_heading = "Selection")]
    pub db: Option<String>,
    /// Only this collection of --db
    #[arg(long, short, value_name = "COLLECTION", requires = "db", help_heading = "Selection")]
    pub collection: Option<String>,
    /// Only namespaces that match: DB, DB.COLLECTION, with * for any characters; repeatable
    #[arg(long, value_name = "NS", help_heading = "Selection")]
    pub include: Vec<Pattern>,
    /// No namespace that matches; repeatable
    #[arg(long, value_name = "NS", help_heading = "Selection")]
    pub exclude: Vec<Pattern>,
}

impl SelectArgs {
    /// The selection that is meant.
    pub fn selection(&self) -> Selection {
        let mut include = self.include.clone();
        if let Some(db) = &self.db {
            include.push(Pattern::exact(db, self.collection.as_deref()));
        }
        Selection { include, exclude: self.exclude.clone() }
    }
}

/// Flags of `mongoark dump`.
#[derive(Args, Debug)]
pub struct DumpArgs {
    #[command(flatten)]
    uri: UriArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// Only documents that match this query (Extended JSON); for a selection of one collection
    #[arg(long, value_name = "JSON", help_heading = "Selection")]
    query: Option<String>,
    /// primary, primaryPreferred, secondary, secondaryPreferred or nearest [default: the connection string's, else secondaryPreferred]
    #[arg(long, value_name = "MODE", value_parser = read_mode)]
    read_preference: Option<ReadMode>,
    #[command(flatten)]
    lag: LagArgs,
    /// zstd[:1..19], gzip[:1..9] or none
    #[arg(long, default_value_t = default_codec(), value_name = "CODEC")]
    compression: Codec,
    #[command(flatten)]
    lock: LockArgs,
    /// Take no oplog: each collection is of another moment then; needed to dump through mongos
    #[arg(long)]
    no_oplog: bool,
    /// Cursors open at once [default: as many as cores, at least 4]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
    /// Go on with a dump to this file that was broken off; one is begun where there is none
    #[arg(long)]
    resume: bool,
    /// Write a checkpoint, from which --resume goes on, every so many seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    checkpoint_every: f64,
    /// The archive to write, or - for standard output
    file: PathBuf,
}

impl DumpArgs {
    fn refuse_same_file(&self) -> Result<(), String> {
        let mut uses = vec![Use::writes("the archive", &self.file)];
        uses.extend(self.lock.given.files());
        refuse_same(&uses)
    }
}

/// A read preference's mode, as flags take it.
pub fn read_mode(text: &str) -> Result<ReadMode, String> {
    match text {
        "primary" => Ok(ReadMode::Primary),
        "primaryPreferred" => Ok(ReadMode::PrimaryPreferred),
        "secondary" => Ok(ReadMode::Secondary),
        "secondaryPreferred" => Ok(ReadMode::SecondaryPreferred),
        "nearest" => Ok(ReadMode::Nearest),
        other => Err(format!(
            "'{other}' is none of primary, primaryPreferred, secondary, secondaryPreferred, nearest"
        )),
    }
}

/// A number of seconds, as flags take it.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err(format!("'{text}' is no number of seconds from 0.05 to 86400")),
    }
}

/// Runs `mongoark dump`.
pub async fn run(args: DumpArgs, context: &Context) -> Exit {
    if is_pipe(&args.file) && io::stdout().is_terminal() {
        return context.usage("an archive is not for a terminal: give a file, or pipe standard output");
    }
    if let (true, Err(closed)) = (is_pipe(&args.file), stdout::check_stdout()) {
        return context.end("dump", Err(not_printed(closed)));
    }
    if let Err(message) = check_output(&args.file, args.overwrite).and_then(|()| args.refuse_same_file()) {
        return context.usage(&message);
    }
    if is_pipe(&args.file) && args.resume {
        return context.usage("a dump to a pipe cannot be gone on with: --resume takes a file");
    }
    // Asked before the display begins, and before any time is spent.
    let secrets = match args.lock.secrets() {
        Ok(secrets) => secrets,
        Err(error) => return context.usage(&chain(&error)),
    };
    let display = context.progress.show(context.monitor.clone());
    let (since, every) = (Instant::now(), args.checkpoint_every);
    let mut partial = args.file.clone().into_os_string();
    partial.push(".partial");
    let outcome = dump(args, secrets, context).await;
    display.finish();
    if outcome.is_err() && since.elapsed().as_secs_f64() > every && Path::new(&partial).exists() {
        context.monitor.step("what was read is kept: the same command with --resume goes on with it");
    }
    if let Ok(report) = &outcome {
        context.logger.summary(&summary(report, context));
    }
    context.end("dump", outcome.map(|report| as_json(&report)))
}

async fn dump(args: DumpArgs, secrets: Vec<Secret>, context: &Context) -> Result<DumpReport> {
    let filter = args.query.as_deref().map(query).transpose()?;
    let found = if args.resume { resumable(&args, &secrets, context).await? } else { None };
    let member = found.as_ref().map(|found| found.member().to_owned());
    let source_options = SourceOptions {
        read_mode: args.read_preference,
        member,
        lag_max: Some(args.lag.max()),
        ..SourceOptions::default()
    };
    let source = Source::connect(&args.uri.connection_string(), &source_options).await?;
    let info = source.info();
    context.monitor.step(format!(
        "reading {} {} from {} ({})",
        info.topology, info.server_version, info.member.address, info.member.reason
    ));
    if let Some(warning) = info.member.warning() {
        context.monitor.warn("", warning);
    }
    for unknown in &source.unknowns {
        context.monitor.detail(unknown.clone());
    }
    let is_file = !is_pipe(&args.file);
    let output = if is_pipe(&args.file) {
        Output::Stream(Box::new(BufWriter::new(io::stdout())))
    } else {
        Output::File { path: args.file, overwrite: args.overwrite }
    };
    let options = DumpOptions {
        selection: args.select.selection(),
        filter,
        write: WriteOptions { codec: args.compression, secrets, ..WriteOptions::default() },
        output,
        jobs: args.jobs.map_or_else(dump::default_jobs, usize::from),
        no_oplog: args.no_oplog,
        checkpoint_every: is_file.then(|| Duration::from_secs_f64(args.checkpoint_every)),
        resume: found.map(Box::new),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    dump::dump(&source, options, &context.monitor, &context.stop).await
}

/// What there is of a dump to this file. Reading it may take as long as reading an archive does.
async fn resumable(args: &DumpArgs, secrets: &[Secret], context: &Context) -> Result<Option<Resumable>> {
    let (path, overwrite, secrets) = (args.file.clone(), args.overwrite, secrets.to_vec());
    let found = tokio::task::spawn_blocking(move || Resumable::find(&path, overwrite, &secrets)).await;
    let found = found.map_err(|_| Error::PipelineClosed("the reading of the archive"))??;
    context.monitor.step(match &found {
        Some(found) => {
            let (kept, bytes) = found.kept();
            let documents = text::plural(kept.documents, "document");
            format!("going on behind {documents}, {} of the archive", text::bytes(bytes))
        }
        None => format!("there is no dump to {} to go on with: beginning anew", args.file.display()),
    });
    Ok(found)
}

fn query(text: &str) -> Result<bson::RawDocumentBuf> {
    let invalid = |why: String| Error::Usage(format!("--query is no Extended JSON document: {why}"));
    let bytes = mongoark_bson_text::parse(text).map_err(|error| invalid(error.to_string()))?;
    bson::RawDocumentBuf::from_bytes(bytes).map_err(|error| invalid(error.to_string()))
}

fn summary(report: &DumpReport, context: &Context) -> String {
    let seconds = context.monitor.record().seconds;
    let to = report
        .written
        .path
        .as_ref()
        .map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let moment = match &report.oplog {
        Some(oplog) => format!("; all of it as of {}", text::moment(oplog.span.end)),
        None => String::new(),
    };
    format!(
        "{} in {} dumped to {to}: {} became {} in {} ({}){moment}",
        text::plural(report.totals.documents, "document"),
        text::plural(report.namespaces as u64, "namespace"),
        text::bytes(report.totals.bytes),
        text::bytes(report.written.bytes),
        text::seconds(seconds),
        text::rate(report.totals.bytes, seconds),
    )
}

fn as_json(report: &DumpReport) -> Value {
    json!({
        "archiveId": report.written.archive_id.to_string(),
        "file": report.written.path.as_ref().map(|path| path.display().to_string()),
        "archiveBytes": report.written.bytes,
        "namespaces": report.namespaces,
        "documents": report.totals.documents,
        "bytes": report.totals.bytes,
        "keptDocuments": report.kept.documents,
        "consistency": report.consistency.as_str(),
        "oplog": report.oplog.map(|oplog| json!({
            "start": oplog.span.start.to_string(),
            "consistent": oplog.span.consistent.to_string(),
            "end": oplog.span.end.to_string(),
            "entries": oplog.entries.documents,
            "bytes": oplog.entries.bytes,
        })),
        "moves": report.moves,
        "member": {
            "address": report.member.address,
            "reason": report.member.reason,
            "lagSeconds": report.member.lag_seconds,
        },
        "changes": report.changes.iter().map(|change| json!({
            "namespace": change.namespace.to_string(), "what": change.what,
        })).collect::<Vec<_>>(),
    })
}
