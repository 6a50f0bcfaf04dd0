//! `mongoark convert`: a dump of mongodump into an archive, or an archive into a dump.

use super::context::{Context, check_output, is_pipe, not_printed, unlock};
use crate::chain::chain;
use crate::exit::Exit;
use crate::same_file::{Use, refuse_same};
use crate::secrets::{LockArgs, SecretArgs, TrustArgs};
use crate::terminal::{stdout, text};
use clap::{Args, ValueEnum};
use mongoark_engine::archive::{Output, default_codec};
use mongoark_engine::container::{Codec, Limits, WriteOptions};
use mongoark_engine::convert::{self, Converted, Dump, DumpTo, FromArchive, Input, ToArchive};
use mongoark_engine::reading::Archive;
use mongoark_engine::{Error, Result};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// The version of mongodump that a dump names as its maker's.
const MONGODUMP_VERSION: &str = "100.18.0";

/// Flags of `mongoark convert`.
#[derive(Args, Debug)]
pub struct ConvertArgs {
    /// What to make [default: archive of a dump; mongodump of an archive, mongodump-archive where OUTPUT is -]
    #[arg(long, value_enum, value_name = "FORM")]
    to: Option<Form>,
    /// Compress the dump, as mongodump --gzip does
    #[arg(long)]
    gzip: bool,
    /// Of the archive: zstd[:1..19], gzip[:1..9] or none [default: zstd:2]
    #[arg(long, value_name = "CODEC")]
    compression: Option<Codec>,
    /// Leave the oplog behind: each collection is then of another moment, and the exit code is 3
    #[arg(long)]
    without_oplog: bool,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// Replace the file if it exists; a folder is never replaced
    #[arg(long)]
    overwrite: bool,
    /// An archive of mongoark, or the folder or archive of a mongodump, compressed or not; or - for standard input
    input: PathBuf,
    /// What to make of it, or - for standard output
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// An archive of mongoark
    Archive,
    /// A folder, as mongodump --out makes it
    Mongodump,
    /// One file, as mongodump --archive makes it
    MongodumpArchive,
}

/// Runs `mongoark convert`.
pub async fn run(args: ConvertArgs, context: &Context) -> Exit {
    if is_pipe(&args.output) && io::stdout().is_terminal() {
        return context.usage("the output is not for a terminal: give a file, or pipe standard output");
    }
    // A slash at its end names a folder, which can be what is to be made.
    let is_there = args.output.symlink_metadata().is_ok();
    if let (true, Err(message)) = (is_there, check_output(&args.output, args.overwrite)) {
        return context.usage(&message);
    }
    if let Err(message) = args.refuse_same_file() {
        return context.usage(&message);
    }
    if let (true, Err(closed)) = (is_pipe(&args.output), stdout::check_stdout()) {
        return context.end("convert", Err(not_printed(closed)));
    }
    context.end("convert", converted(args, context).await.map(|converted| as_json(&converted)))
}

async fn converted(args: ConvertArgs, context: &Context) -> Result<Converted> {
    let input = if is_pipe(&args.input) {
        Input::of_stream(Box::new(io::stdin()))?
    } else {
        Input::of_file(&args.input)?
    };
    let converted = match input {
        Input::Dump(dump) => to_archive(dump, args, context).await?,
        Input::ArchiveFile(path) => {
            args.check_dump()?;
            let archive = Archive::open_file(&path, &unlock(&args.secrets()), &Limits::default())?;
            context.warn_of(&archive, &path);
            from_archive(archive, args, context).await?
        }
        Input::ArchiveStream(stream) => {
            args.check_dump()?;
            let archive = Archive::open_stream(stream, &unlock(&args.secrets()), &Limits::default())?;
            from_archive(archive, args, context).await?
        }
    };
    context.logger.summary(&summary(&converted, context));
    Ok(converted)
}

impl ConvertArgs {
    /// What opens the input, where it is an archive of mongoark.
    fn secrets(&self) -> SecretArgs {
        SecretArgs { given: self.lock.given.clone(), trust: self.trust }
    }

    fn refuse_same_file(&self) -> Result<(), String> {
        let mut uses = vec![Use::reads("the input", &self.input), Use::writes("the output", &self.output)];
        uses.extend(self.lock.given.files());
        refuse_same(&uses)
    }

    /// What makes no sense where the input is a dump.
    fn check_archive(&self) -> Result<()> {
        let input = self.input.display();
        if matches!(self.to, Some(Form::Mongodump | Form::MongodumpArchive)) {
            return usage(format!(
                "{input} is a dump of mongodump already; --to archive is what can be made of it"
            ));
        }
        if self.gzip {
            return usage(format!("--gzip is for dumps, and {input} becomes an archive; see --compression"));
        }
        Ok(())
    }

    /// What makes no sense where the input is an archive of mongoark.
    fn check_dump(&self) -> Result<()> {
        let input = self.input.display();
        if self.to == Some(Form::Archive) {
            return usage(format!("{input} is an archive of mongoark already"));
        }
        if self.to == Some(Form::Mongodump) && is_pipe(&self.output) {
            return usage("a folder cannot go to standard output; see --to mongodump-archive".to_owned());
        }
        if self.compression.is_some() || self.lock.no_encryption {
            let message = "--compression and --no-encryption are for archives of mongoark";
            return usage(format!("{message}, and {input} becomes a dump; see --gzip"));
        }
        Ok(())
    }
}

fn usage<T>(message: String) -> Result<T> {
    Err(Error::Usage(message))
}

async fn to_archive(dump: Dump, args: ConvertArgs, context: &Context) -> Result<Converted> {
    args.check_archive()?;
    // Asked before the display begins.
    let secrets = args.lock.secrets().map_err(|error| Error::Usage(chain(&error)))?;
    check_output(&args.output, args.overwrite).map_err(Error::Usage)?;
    let output = if is_pipe(&args.output) {
        Output::Stream(standard_output())
    } else {
        Output::File { path: args.output, overwrite: args.overwrite }
    };
    let codec = args.compression.unwrap_or_else(default_codec);
    let options = ToArchive {
        write: WriteOptions { codec, secrets, ..WriteOptions::default() },
        output,
        without_oplog: args.without_oplog,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let display = context.progress.show(context.monitor.clone());
    let converted = convert::to_archive(dump, options, &context.monitor, &context.stop).await;
    display.finish();
    converted
}

async fn from_archive(archive: Archive, args: ConvertArgs, context: &Context) -> Result<Converted> {
    if args.to == Some(Form::MongodumpArchive) {
        check_output(&args.output, args.overwrite).map_err(Error::Usage)?;
    }
    let to = match args.to {
        _ if is_pipe(&args.output) => DumpTo::Stream(standard_output()),
        Some(Form::MongodumpArchive) => DumpTo::Archive { path: args.output, overwrite: args.overwrite },
        _ => DumpTo::Folder(args.output),
    };
    let tool_version = MONGODUMP_VERSION.to_owned();
    let options = FromArchive { to, gzip: args.gzip, without_oplog: args.without_oplog, tool_version };
    let display = context.progress.show(context.monitor.clone());
    let converted = convert::from_archive(archive, options, &context.monitor, &context.stop).await;
    display.finish();
    converted
}

fn standard_output() -> Box<dyn Write + Send> {
    Box::new(io::BufWriter::new(io::stdout()))
}

fn summary(converted: &Converted, context: &Context) -> String {
    let seconds = context.monitor.record().seconds;
    let path = converted.path.as_ref();
    let to = path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let oplog = match converted.oplog_entries {
        0 => String::new(),
        entries => format!(" and {} oplog entries", text::count(entries)),
    };
    format!(
        "{} in {}{oplog} converted to {to}: {} became {} in {} ({})",
        text::plural(converted.read.documents, "document"),
        text::plural(converted.namespaces as u64, "namespace"),
        text::bytes(converted.read.bytes),
        text::bytes(converted.written_bytes),
        text::seconds(seconds),
        text::rate(converted.read.bytes, seconds),
    )
}

fn as_json(converted: &Converted) -> Value {
    json!({
        "file": converted.path.as_ref().map(|path| path.display().to_string()),
        "namespaces": converted.namespaces,
        "documents": converted.read.documents,
        "bytes": converted.read.bytes,
        "oplogEntries": converted.oplog_entries,
        "writtenBytes": converted.written_bytes,
    })
}
