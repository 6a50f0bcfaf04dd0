//! `mongoark salvage`: what is left of a damaged archive, as a whole new one.

use super::context::{Context, check_output, is_pipe, unlock};
use crate::exit::Exit;
use crate::same_file::{Use, refuse_same};
use crate::secrets::SecretArgs;
use crate::terminal::text;
use clap::Args;
use mongoark_engine::Result;
use mongoark_engine::archive::Output;
use mongoark_engine::container::{FileReader, Limits};
use mongoark_engine::salvage::{self, Loss, Lost, Salvaged};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Namespaces that the last line names at most; the report names all.
const NAMED_MAX: usize = 3;

/// Flags of `mongoark salvage`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct SalvageArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
    /// The damaged archive, or the .partial that an unfinished dump has left; it is not changed
    damaged: PathBuf,
    /// The archive to write. The secrets that open the damaged one will open it too
    output: PathBuf,
}

const AFTER_HELP: &str = "Every record is checked: only what is authentic is carried over, and only whole documents. The \
                          new archive says in its summary what is missing, of which collection and, where that is known, \
                          how many documents. Exit code 3 when anything is missing, 0 when nothing is.\n\n\
                          A dump that was interrupted is better resumed, with 'mongoark dump --resume', as long as its \
                          server is there.";

/// Runs `mongoark salvage`.
pub async fn run(args: SalvageArgs, context: &Context) -> Exit {
    if let Err(message) = args.check() {
        return context.usage(&message);
    }
    context.end("salvage", salvaged(args, context).await)
}

impl SalvageArgs {
    fn check(&self) -> Result<(), String> {
        if is_pipe(&self.damaged) || is_pipe(&self.output) {
            return Err("salvage reads a file and writes a file: neither can be -".to_owned());
        }
        check_output(&self.output, self.overwrite)?;
        let mut uses =
            vec![Use::reads("the damaged archive", &self.damaged), Use::writes("the output", &self.output)];
        uses.extend(self.secrets.given.files());
        refuse_same(&uses)
    }
}

async fn salvaged(args: SalvageArgs, context: &Context) -> Result<Value> {
    // Asked before the display begins.
    let header = FileReader::header_of(&args.damaged, &Limits::default())?;
    let secrets = unlock(&args.secrets)(&header)?;
    let output = Output::File { path: args.output, overwrite: args.overwrite };
    let display = context.progress.show(context.monitor.clone());
    let salvaged = salvage::salvage(&args.damaged, secrets, output, &context.monitor, &context.stop).await;
    display.finish();
    let salvaged = salvaged?;
    context.logger.summary(&summary(&salvaged));
    Ok(as_json(&salvaged))
}

fn summary(salvaged: &Salvaged) -> String {
    let oplog = match salvaged.oplog_entries {
        0 => String::new(),
        entries => format!(" and {}", text::entries(entries)),
    };
    let to = salvaged.path.as_ref().map(|path| format!(" into {}", path.display())).unwrap_or_default();
    format!(
        "salvaged {} of {}{oplog}{to}{}",
        text::plural(salvaged.documents.documents, "document"),
        text::plural(salvaged.namespaces as u64, "namespace"),
        missing(&salvaged.missing),
    )
}

fn missing(lost: &[Lost]) -> String {
    let count = |one: &Lost| match one.documents {
        Loss::Exactly(count) | Loss::AtLeast(count) => count,
    };
    let mut largest: Vec<&Lost> = lost.iter().collect();
    largest.sort_by_key(|one| std::cmp::Reverse(count(one)));
    let mut parts: Vec<String> = largest.into_iter().take(NAMED_MAX).map(missing_of).collect();
    let more = lost.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        let are = if more == 1 { "is" } else { "are" };
        parts.push(format!("; {} more {are} named above", text::count(more as u64)));
    }
    parts.concat()
}

fn missing_of(lost: &Lost) -> String {
    let of = lost.namespace.as_ref().map_or_else(|| "a lost collection".to_owned(), ToString::to_string);
    let are = |count: u64| if count == 1 { "is" } else { "are" };
    match lost.documents {
        Loss::AtLeast(0) => format!("; documents of {of} may be missing"),
        Loss::Exactly(0) => format!("; {of} may hold documents twice"),
        Loss::Exactly(count) => {
            format!("; {} of {of} {} missing", text::plural(count, "document"), are(count))
        }
        Loss::AtLeast(count) => {
            format!("; at least {} of {of} {} missing", text::plural(count, "document"), are(count))
        }
    }
}

fn as_json(salvaged: &Salvaged) -> Value {
    let lost = |one: &Lost| {
        let (documents, is_exact) = match one.documents {
            Loss::Exactly(count) => (count, true),
            Loss::AtLeast(count) => (count, false),
        };
        json!({
            "namespace": one.namespace.as_ref().map(ToString::to_string),
            "documents": documents,
            "exact": is_exact,
        })
    };
    json!({
        "file": salvaged.path.as_ref().map(|path| path.display().to_string()),
        "namespaces": salvaged.namespaces,
        "documents": salvaged.documents.documents,
        "bytes": salvaged.documents.bytes,
        "oplogEntries": salvaged.oplog_entries,
        "writtenBytes": salvaged.written_bytes,
        "missing": salvaged.missing.iter().map(lost).collect::<Vec<_>>(),
    })
}
