//! The member that a dump would read: its storage, its feature compatibility version, its oplog and its
//! prepared transactions.

use crate::command;
use crate::error::{Error, Result};
use crate::oplog;
use crate::source::Source;
use crate::stats::whole;
use bson::{Bson, Document, Timestamp, doc};

/// How data are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The name of the storage engine.
    pub engine: String,
    /// Whether it keeps a journal.
    pub journaled: bool,
}

/// The feature compatibility version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatibility {
    /// What holds now.
    pub version: String,
    /// Where an upgrade or a downgrade that is under way leads to.
    pub target: Option<String>,
}

/// Transactions that are prepared and neither committed nor aborted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// How many.
    pub count: usize,
    /// When the oldest of them began.
    pub oldest: Option<Timestamp>,
}

/// What the oplog holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OplogWindow {
    /// Its oldest entry.
    pub oldest: Timestamp,
    /// Its newest entry.
    pub newest: Timestamp,
    /// Bytes of its entries and the most it may have; none where the user may not ask.
    pub size: Option<(u64, u64)>,
}

/// The storage engine and its journal. Role `backup` is enough.
pub async fn storage(source: &Source) -> Result<Storage> {
    let status = command::ask(&source.client, "admin", doc! { "serverStatus": 1 }).await?;
    let engine = status.get_document("storageEngine").and_then(|engine| engine.get_str("name"));
    let engine = engine.map_err(|error| Error::reply("ask for the storage engine", error.to_string()))?;
    let journaled = match command::ask(&source.client, "admin", doc! { "getCmdLineOpts": 1 }).await {
        Ok(options) => journal_option(&options),
        // The user may not ask: a journal that is written to has files.
        Err(_) => keeps_log(&status),
    };
    Ok(Storage { engine: engine.to_owned(), journaled: journaled && engine != "inMemory" })
}

/// Whether the server was started with a journal, which is what it does when nothing is said.
fn journal_option(options: &Document) -> bool {
    let storage = options.get_document("parsed").and_then(|parsed| parsed.get_document("storage"));
    let journal = storage.and_then(|storage| storage.get_document("journal"));
    journal.and_then(|journal| journal.get_bool("enabled")).unwrap_or(true)
}

/// Whether `WiredTiger` tells of a log.
fn keeps_log(status: &Document) -> bool {
    let log = status.get_document("wiredTiger").and_then(|engine| engine.get_document("log"));
    log.is_ok_and(|log| whole(log, "maximum log file size") > 0)
}

/// The feature compatibility version. Role `backup` is enough.
pub async fn compatibility(source: &Source) -> Result<Compatibility> {
    let command = doc! { "getParameter": 1, "featureCompatibilityVersion": 1 };
    let reply = command::ask(&source.client, "admin", command).await?;
    let fcv = reply.get_document("featureCompatibilityVersion");
    let read = fcv.and_then(|fcv| {
        let target = fcv.get_str("targetVersion").ok().map(ToOwned::to_owned);
        Ok(Compatibility { version: fcv.get_str("version")?.to_owned(), target })
    });
    read.map_err(|error| Error::reply("ask for the feature compatibility version", error.to_string()))
}

/// Transactions that are prepared. Role `backup` is enough.
pub async fn prepared(source: &Source) -> Result<Prepared> {
    let find = doc! {
        "find": "transactions",
        "filter": { "state": "prepared" },
        "projection": { "startOpTime": 1 },
        "batchSize": 1000,
        "singleBatch": true,
        "readConcern": { "level": "local" },
    };
    let reply = command::ask(&source.client, "config", find).await?;
    let cursor = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let found = cursor.map_err(|error| Error::reply("look for prepared transactions", error.to_string()))?;
    let begun =
        |entry: &Bson| entry.as_document()?.get_document("startOpTime").ok()?.get_timestamp("ts").ok();
    Ok(Prepared { count: found.len(), oldest: found.iter().filter_map(begun).min() })
}

/// What the oplog holds, and how full it is.
pub async fn oplog_window(source: &Source) -> Result<OplogWindow> {
    let (oldest, newest) = (oplog::oldest(source).await?, oplog::last(source).await?);
    let stats = command::ask(&source.client, "local", doc! { "collStats": "oplog.rs" }).await;
    let size = stats.ok().map(|stats| (whole(&stats, "size"), whole(&stats, "maxSize")));
    Ok(OplogWindow { oldest, newest, size: size.filter(|(_, most)| *most > 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_kept_unless_it_was_switched_off() {
        let options = |enabled: bool| doc! { "parsed": { "storage": { "journal": { "enabled": enabled } } } };
        assert!(journal_option(&doc! { "parsed": {} }));
        assert!(journal_option(&options(true)) && !journal_option(&options(false)));
        assert!(!keeps_log(&doc! { "wiredTiger": { "log": { "maximum log file size": 0 } } }));
        assert!(keeps_log(&doc! { "wiredTiger": { "log": { "maximum log file size": 104_857_600_i64 } } }));
    }
}
