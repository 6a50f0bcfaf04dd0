//! Files and streams that are being written, each with the name that an error says.

use crate::{Error, Result};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

enum Out {
    File(File),
    Stream(Box<dyn Write + Send>),
}

struct Sink {
    out: Out,
    name: String,
}

/// All that is open for writing.
#[derive(Default)]
pub(super) struct Sinks {
    open: HashMap<usize, Sink>,
    written: u64,
}

impl Sinks {
    /// A sink that is there from the beginning.
    pub(super) fn of_stream(file: usize, stream: Box<dyn Write + Send>, name: &str) -> Self {
        let mut sinks = Self::default();
        sinks.open.insert(file, Sink { out: Out::Stream(stream), name: name.to_owned() });
        sinks
    }

    /// Creates a file in place of one of that name.
    pub(super) fn create(&mut self, file: usize, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        let out = create(path).map_err(|source| Error::Write { what: name.clone(), source })?;
        self.open.insert(file, Sink { out: Out::File(out), name });
        Ok(())
    }

    /// Bytes written to all of them.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn append(&mut self, file: usize, bytes: &[u8]) -> Result<()> {
        self.on(file, |out| match out {
            Out::File(file) => file.write_all(bytes),
            Out::Stream(stream) => stream.write_all(bytes),
        })?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Takes back all that a file holds.
    pub(super) fn empty(&mut self, file: usize) -> Result<()> {
        self.on(file, |out| match out {
            Out::File(file) => {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0)).map(|_| ())
            }
            Out::Stream(_) => Err(io::ErrorKind::NotSeekable.into()),
        })
    }

    pub(super) fn close(&mut self, file: usize) -> Result<()> {
        self.on(file, |out| match out {
            Out::File(file) => file.flush(),
            Out::Stream(stream) => stream.flush(),
        })?;
        self.open.remove(&file);
        Ok(())
    }

    pub(super) fn close_all(&mut self) -> Result<()> {
        let open: Vec<usize> = self.open.keys().copied().collect();
        open.into_iter().try_for_each(|file| self.close(file))
    }

    /// The error of bytes that could not be compressed.
    pub(super) fn not_packed(&self, file: usize, source: mongoark_dump_format::Error) -> Error {
        let what = self.open.get(&file).map(|sink| sink.name.clone()).unwrap_or_default();
        Error::Write { what, source: io::Error::other(source) }
    }

    fn on(&mut self, file: usize, act: impl FnOnce(&mut Out) -> io::Result<()>) -> Result<()> {
        let sink = self.open.get_mut(&file).ok_or(Error::PipelineClosed("a file"))?;
        act(&mut sink.out).map_err(|source| Error::Write { what: sink.name.clone(), source })
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path)
}
