//! Measuring dumps: one dump whose archive nobody keeps ([`measure`]), the figures of a run
//! ([`Sample`]) and their medians, and a corpus to measure on ([`corpus`], [`load`]).
//!
//! Nothing here looks at a process: CPU and memory are a caller's to measure, from outside.

pub mod corpus;
mod load;
mod sample;

pub use load::{Loaded, drop_corpus, load};
pub use sample::{Sample, median};

use crate::archive::Output;
use crate::dump::{self, DumpOptions};
use crate::select::Selection;
use crate::{Result, Stop};
use mongoark_container::{Codec, KeyFile, Secret, WriteOptions};
use mongoark_deployment::Source;
use mongoark_monitor::Monitor;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// What one dump is measured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which namespaces.
    pub selection: Selection,
    /// How chunks are compressed.
    pub codec: Codec,
    /// Cursors open at once.
    pub jobs: usize,
    /// Whether the archive is encrypted, with a key that is thrown away.
    pub encrypted: bool,
    /// A file for the archive; without one its bytes are discarded.
    pub file: Option<PathBuf>,
    /// mongoark's version, for the archive.
    pub tool_version: String,
}

/// What a measured dump has read and made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The server's version and shape, and the address that was read.
    pub server: String,
    /// Collections, views and time series in the archive.
    pub namespaces: usize,
    /// Documents in it.
    pub documents: u64,
    /// Their raw BSON, bytes.
    pub bytes: u64,
    /// The archive's length, bytes.
    pub archive_bytes: u64,
    /// What could not be read, and so was not measured.
    pub failures: Vec<String>,
}

/// Dumps what is selected as `mongoark dump` does. A file is left for the caller to remove.
///
/// # Errors
/// What keeps the archive as a whole from being made.
pub async fn measure(
    source: &Source,
    settings: Settings,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Measured> {
    let secrets = if settings.encrypted { vec![Secret::KeyFile(KeyFile::generate()?)] } else { Vec::new() };
    let options = DumpOptions {
        selection: settings.selection,
        filter: None,
        write: WriteOptions { codec: settings.codec, secrets, ..WriteOptions::default() },
        output: match settings.file {
            Some(path) => Output::File { path, overwrite: false },
            None => Output::Stream(Box::new(io::sink())),
        },
        jobs: settings.jobs,
        // The archive is thrown away: that it is of no single moment harms nobody.
        no_oplog: true,
        tool_version: settings.tool_version,
        checkpoint_every: None,
        resume: None,
    };
    let report = dump::dump(source, options, monitor, stop).await?;
    let info = source.info();
    let failures = monitor.record().failures;
    Ok(Measured {
        server: format!(
            "MongoDB {}, {}, read from {}",
            info.server_version, info.topology, info.member.address
        ),
        namespaces: report.namespaces,
        documents: report.totals.documents,
        bytes: report.totals.bytes,
        archive_bytes: report.written.bytes,
        failures: failures
            .into_iter()
            .map(|failed| format!("{}: {}", failed.subject, failed.message))
            .collect(),
    })
}
