//! `mongoark cat`: the documents of one namespace, from raw bytes to text or BSON.

use super::context::{Context, not_printed, open};
use crate::exit::Exit;
use crate::secrets::SecretArgs;
use crate::terminal::{escaped, stdout};
use clap::{Args, ValueEnum};
use mongoark_engine::{Error, Result, look};
use mongoark_model::Namespace;
use serde_json::json;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Flags of `mongoark cat`.
#[derive(Args, Debug)]
pub struct CatArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// How documents are printed, one a line
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Write concatenated BSON, byte for byte
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    /// Stop after this many documents
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// The archive, or - for standard input
    file: PathBuf,
    /// The namespace: DB.COLLECTION
    namespace: Namespace,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Extended JSON that keeps every type
    #[default]
    Canonical,
    /// Extended JSON that is easier to read
    Relaxed,
}

/// Runs `mongoark cat`.
pub async fn run(args: CatArgs, context: &Context) -> Exit {
    match print(&args, context).await {
        // Whoever read has seen enough: `mongoark cat .. | head` is no failure.
        Err(Error::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Exit::Whole,
        outcome => context.end("cat", outcome.map(|printed| json!({ "documents": printed }))),
    }
}

async fn print(args: &CatArgs, context: &Context) -> Result<u64> {
    stdout::check_stdout().map_err(not_printed)?;
    let archive = open(&args.file, &args.secrets, false)?;
    context.warn_of(&archive, &args.file);
    let is_terminal = io::stdout().is_terminal();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    let mut printed = 0;
    let limit = args.limit.unwrap_or(u64::MAX);
    let take = |document: &[u8]| -> Result<bool> {
        if printed >= limit {
            return Ok(false);
        }
        line.clear();
        if args.raw {
            line.extend_from_slice(document);
        } else {
            write_text(document, args.format, &mut line)?;
            if is_terminal {
                // JSON as before, in escapes that steer nothing.
                line = escaped(&String::from_utf8_lossy(&line)).into_owned().into_bytes();
            }
            line.push(b'\n');
        }
        out.write_all(&line).map_err(not_printed)?;
        printed += 1;
        Ok(true)
    };
    look::documents(archive, &args.namespace, &context.stop, take).await?;
    out.flush().map_err(not_printed)?;
    Ok(printed)
}

fn write_text(document: &[u8], format: Format, line: &mut Vec<u8>) -> Result<()> {
    let written = match format {
        Format::Canonical => mongoark_bson_text::write_canonical(document, line),
        Format::Relaxed => mongoark_bson_text::write_relaxed(document, line),
    };
    written.map_err(|error| {
        Error::Catalog(format!("a document cannot be shown: {error}; --raw writes it as it is"))
    })
}
