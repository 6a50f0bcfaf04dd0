//! The run as JSON, for `--report`. Times are seconds, sizes bytes.

use crate::exit::Exit;
use mongoark_engine::deployment::Patience;
use mongoark_monitor::Record;
use serde_json::{Value, json};

/// The report of a run.
pub fn run(command: &str, exit: Exit, result: &Value, error: Option<&str>, record: &Record) -> Value {
    json!({
        "command": command,
        "version": env!("CARGO_PKG_VERSION"),
        "exitCode": exit.code(),
        "error": error,
        "seconds": record.seconds,
        "archiveBytes": record.archive_bytes,
        "retries": Patience::retries(),
        "result": result,
        "stages": record.stages.iter().map(|s| json!({ "name": s.name, "seconds": s.seconds })).collect::<Vec<_>>(),
        "items": record.items.iter().map(|item| json!({
            "name": item.name, "documents": item.documents, "bytes": item.bytes, "seconds": item.seconds,
        })).collect::<Vec<_>>(),
        "warnings": record.warnings.iter().map(|w| json!({ "subject": w.subject, "message": w.message })).collect::<Vec<_>>(),
        "failures": record.failures.iter().map(|f| json!({
            "subject": f.subject, "message": f.message, "documents": f.documents,
        })).collect::<Vec<_>>(),
    })
}
