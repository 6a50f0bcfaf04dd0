//! `mongoark ls`: what an archive holds, as a table or as JSON.

use super::context::{Context, NOT_ENCRYPTED, open, to_stdout};
use crate::exit::Exit;
use crate::secrets::SecretArgs;
use crate::terminal::{escaped, text};
use clap::Args;
use jiff::Timestamp;
use mongoark_engine::Result;
use mongoark_engine::catalog::Change;
use mongoark_engine::look::{self, Listing};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Columns that names may take.
const NAME_WIDTH_MAX: usize = 60;

/// Flags of `mongoark ls`.
#[derive(Args, Debug)]
pub struct LsArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The archive, or - for standard input
    file: PathBuf,
}

/// Runs `mongoark ls`.
pub async fn run(args: &LsArgs, context: &Context) -> Exit {
    context.end("ls", list(args, context).await)
}

async fn list(args: &LsArgs, context: &Context) -> Result<Value> {
    let archive = open(&args.file, &args.secrets, false)?;
    context.warn_of(&archive, &args.file);
    let is_encrypted = archive.is_encrypted();
    let listing = look::list(archive, &context.stop).await?;
    let json = as_json(&listing, is_encrypted);
    if args.json {
        to_stdout(format!("{json:#}").lines())?;
    } else {
        to_stdout(table(&listing, is_encrypted))?;
    }
    Ok(json)
}

fn table(listing: &Listing, is_encrypted: bool) -> Vec<String> {
    let mut rows =
        vec![["NAMESPACE", "TYPE", "DOCUMENTS", "BYTES", "STORED", "INDEXES"].map(ToOwned::to_owned)];
    for entry in &listing.catalog.collections {
        rows.push([
            escaped(&entry.metadata.namespace.to_string()).into_owned(),
            kind(entry).to_owned(),
            text::count(entry.documents),
            text::bytes(entry.bytes),
            text::bytes(entry.stored_bytes),
            entry.metadata.indexes.len().to_string(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let mut widths: [usize; 6] = std::array::from_fn(width);
    // A longer name pushes its own row aside, not the whole table.
    widths[0] = widths[0].min(NAME_WIDTH_MAX);
    let mut lines = head(listing, is_encrypted);
    lines.extend(rows.iter().map(|row| {
        let [name, kind, documents, bytes, stored, indexes] = row;
        let [w0, w1, w2, w3, w4, w5] = widths;
        format!("{name:w0$}  {kind:w1$}  {documents:>w2$}  {bytes:>w3$}  {stored:>w4$}  {indexes:>w5$}")
    }));
    lines
}

fn kind(entry: &look::CatalogEntry) -> &'static str {
    if entry.metadata.is_capped() {
        "capped"
    } else if entry.metadata.is_clustered() {
        "clustered"
    } else {
        entry.metadata.kind.as_str()
    }
}

fn head(listing: &Listing, is_encrypted: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !is_encrypted {
        lines.push(NOT_ENCRYPTED.to_owned());
    }
    if let Some(deployment) = &listing.catalog.deployment {
        let info = &deployment.info;
        let fcv = info.fcv.as_ref().map(|fcv| format!(", FCV {fcv}")).unwrap_or_default();
        let (topology, version, member) = (&info.topology, &info.server_version, &info.member.address);
        lines.push(format!("{topology}, MongoDB {version}{fcv}, read from {member}"));
        lines.push(format!("begun {}", time(deployment.started_ms)));
    }
    if let Some(oplog) = &listing.catalog.oplog {
        let entries = text::count(oplog.documents);
        lines.push(format!("with the oplog of its time: {entries} entries, {}", text::bytes(oplog.bytes)));
    }
    if let Some(summary) = &listing.summary {
        let (ended, consistency) = (time(summary.finished_ms), summary.consistency.as_str());
        lines.push(format!("ended {ended}, consistency: {consistency}"));
        if let Some(span) = &summary.span {
            let (first, last) = (text::moment(span.consistent), text::moment(span.end));
            lines.push(format!("restores to any moment from {first} to {last}"));
        }
        lines.extend(summary.failures.iter().map(|failure| format!("not in this archive: {failure}")));
        let changed = |change: &Change| format!("changed meanwhile: {}: {}", change.namespace, change.what);
        lines.extend(summary.changes.iter().map(changed));
    }
    lines.push(String::new());
    lines
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%FT%TZ").to_string())
}

fn as_json(listing: &Listing, is_encrypted: bool) -> Value {
    let deployment = listing.catalog.deployment.as_ref().map(|deployment| {
        json!({
            "topology": deployment.info.topology.to_string(),
            "serverVersion": deployment.info.server_version,
            "featureCompatibilityVersion": deployment.info.fcv,
            "member": deployment.info.member.address,
            "started": time(deployment.started_ms),
            "tool": deployment.tool_version,
            "dumpTool": deployment.dump_tool,
        })
    });
    let summary = listing.summary.as_ref().map(|summary| {
        json!({
            "finished": time(summary.finished_ms),
            "consistency": summary.consistency.as_str(),
            "oplog": summary.span.map(|span| json!({
                "start": span.start.to_string(),
                "consistent": span.consistent.to_string(),
                "end": span.end.to_string(),
            })),
            "documents": summary.totals.documents,
            "bytes": summary.totals.bytes,
            "failures": summary.failures,
            "warnings": summary.warnings,
            "changes": summary.changes.iter().map(|change| json!({
                "namespace": change.namespace.to_string(), "what": change.what,
            })).collect::<Vec<_>>(),
        })
    });
    let namespaces = listing.catalog.collections.iter().map(|entry| {
        json!({
            "db": entry.metadata.namespace.db,
            "collection": entry.metadata.namespace.collection,
            "type": entry.metadata.kind.as_str(),
            "capped": entry.metadata.is_capped(),
            "documents": entry.documents,
            "bytes": entry.bytes,
            "storedBytes": entry.stored_bytes,
            "uuid": entry.metadata.uuid.map(|uuid| format!("{:032x}", u128::from_be_bytes(uuid))),
            "indexes": entry.metadata.indexes.iter().map(|index| index.get_str("name").unwrap_or_default()).collect::<Vec<_>>(),
        })
    });
    let oplog = listing
        .catalog
        .oplog
        .as_ref()
        .map(|oplog| json!({ "entries": oplog.documents, "bytes": oplog.bytes }));
    let namespaces: Vec<Value> = namespaces.collect();
    json!({ "encrypted": is_encrypted, "deployment": deployment, "summary": summary, "oplog": oplog, "namespaces": namespaces })
}
