//! An archive of mongoark into a dump of mongodump: a folder or an archive, which the tools restore.

mod copy;
mod plan;

use super::Converted;
use super::partial::{PartialFolder, SharedFile};
use crate::dump_output::{DumpOutput, Form, Settings};
use crate::error::cause_of;
use crate::pool::cores;
use crate::reading::{Archive, Feed};
use crate::{Error, Result, Stop};
use mongoark_monitor::Monitor;
use std::io::Write;
use std::path::PathBuf;

/// Bytes of documents on their way at once.
const MEMORY_BYTES: usize = 48 * 1024 * 1024;
/// What an archive states as the number of collections read at once, as mongodump does by default.
const PARALLEL_COLLECTIONS: i32 = 4;
/// The version of a server that nothing is known of.
const UNKNOWN_VERSION: &str = "0.0.0";

/// Where a dump goes.
pub enum DumpTo {
    /// A folder, which must not exist.
    Folder(PathBuf),
    /// An archive in a file.
    Archive {
        /// Its name.
        path: PathBuf,
        /// Whether a file of that name may be replaced.
        overwrite: bool,
    },
    /// An archive into a pipe.
    Stream(Box<dyn Write + Send>),
}

impl std::fmt::Debug for DumpTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "Folder({})", path.display()),
            Self::Archive { path, .. } => write!(f, "Archive({})", path.display()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// How a dump is made of an archive.
#[derive(Debug)]
pub struct FromArchive {
    /// Where it goes.
    pub to: DumpTo,
    /// Compress every file, or the archive.
    pub gzip: bool,
    /// Leave the archive's oplog behind; a failure that is counted.
    pub without_oplog: bool,
    /// The version that the dump names as its tool's, unless the archive was made from a dump itself.
    pub tool_version: String,
}

/// What has its name only at the end.
enum Partial {
    Folder(PartialFolder, PathBuf),
    File(SharedFile, PathBuf),
    Stream,
}

impl Partial {
    fn create(to: DumpTo) -> Result<(Form, Self)> {
        Ok(match to {
            DumpTo::Folder(path) => {
                let folder = PartialFolder::create(&path)?;
                (Form::Directory(folder.partial().to_owned()), Self::Folder(folder, path))
            }
            DumpTo::Archive { path, overwrite } => {
                let file = SharedFile::create(&path, overwrite)?;
                (Form::ArchiveStream(Box::new(file.clone())), Self::File(file, path))
            }
            DumpTo::Stream(stream) => (Form::ArchiveStream(stream), Self::Stream),
        })
    }

    fn commit(self) -> Result<Option<PathBuf>> {
        match self {
            Self::Folder(folder, path) => folder.commit().map(|()| Some(path)),
            Self::File(file, path) => file.commit().map(|()| Some(path)),
            Self::Stream => Ok(None),
        }
    }

    /// What a conversion that failed leaves: nothing. Nobody can go on with it.
    fn give_up(self, error: Error) -> Error {
        let error = self.name(error);
        if let Self::File(file, _) = self {
            file.discard();
        }
        error
    }

    /// The writer knows a file as a stream only.
    fn name(&self, error: Error) -> Error {
        match (self, error) {
            (Self::File(_, path), Error::Write { source, .. }) => {
                Error::Write { what: path.display().to_string(), source }
            }
            (_, error) => error,
        }
    }
}

/// Makes a dump of an archive. What is not carried over goes to the monitor.
///
/// # Errors
/// A damaged archive, or a dump that cannot be written; nothing has the dump's name then.
pub async fn from_archive(
    archive: Archive,
    options: FromArchive,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Converted> {
    let mut feed = Feed::start(archive, stop);
    let catalog = feed.catalog().await?;
    let mut plan = plan::of(catalog, options.without_oplog, monitor)?;
    monitor.step(format!("{} namespaces to convert", plan.namespaces));
    feed.take_only(plan.taken());

    let (form, partial) = Partial::create(options.to)?;
    let settings = Settings {
        gzip: options.gzip,
        server_version: plan.server_version.clone(),
        tool_version: plan.dump_tool.take().unwrap_or(options.tool_version),
        parallel_collections: PARALLEL_COLLECTIONS,
        db: None,
        threads: cores(),
        memory_bytes: MEMORY_BYTES,
    };
    let output = DumpOutput::begin(form, settings, std::mem::take(&mut plan.entries), monitor)?;
    let copied = copy::all(&mut feed, &plan, &output, monitor).await;
    let written = if copied.is_ok() { output.finish().await } else { output.close().await };
    drop(output);
    let (copied, written_bytes) = match cause_of(copied, written) {
        Ok(done) => done,
        Err(error) => return Err(partial.give_up(error)),
    };
    let path = tokio::task::spawn_blocking(|| partial.commit())
        .await
        .map_err(|_| Error::PipelineClosed("the dump's writer"))??;
    let (read, oplog_entries) = (copied.documents, copied.oplog_entries);
    Ok(Converted { namespaces: plan.namespaces, read, oplog_entries, written_bytes, path })
}
