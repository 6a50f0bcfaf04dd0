//! What a failing disk leaves behind: the n-th operation fails, for every n.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fs::{Disk, Fs};
use crate::partial_file::{Existing, PartialFile};
use crate::rotate::rotate_on;
use crate::{
    Chunk, ChunkKind, ErrorKind, FileReader, KdfParams, KeyFile, Limits, SealScratch, Secret, WriteOptions,
    WriteSecrets, create,
};

/// Fails the operation that comes after so many others; writes half of what it should before it fails.
struct Failing {
    left: Arc<AtomicUsize>,
}

impl Failing {
    fn step(&self) -> io::Result<()> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the disk failed")),
        }
    }
}

impl Fs for Failing {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        let failed = self.step();
        if failed.is_err() {
            Disk.write(file, &bytes[..bytes.len() / 2])?;
        }
        failed?;
        Disk.write(file, bytes)
    }

    fn sync_data(&mut self, file: &File) -> io::Result<()> {
        self.step()?;
        Disk.sync_data(file)
    }

    fn sync_all(&mut self, file: &File) -> io::Result<()> {
        self.step()?;
        Disk.sync_all(file)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        Disk.rename(from, to)
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        Disk.rename_new(from, to)
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.step()?;
        Disk.sync_dir(dir)
    }
}

fn secret(byte: u8) -> Secret {
    Secret::KeyFile(KeyFile::from_bytes([byte; 32]))
}

fn write_archive(sink: impl Write) -> Result<(), crate::Error> {
    let options = WriteOptions { secrets: vec![secret(1)], ..WriteOptions::default() };
    write_and_return(sink, &options).map(drop)
}

fn write_and_return<W: Write>(sink: W, options: &WriteOptions) -> Result<W, crate::Error> {
    let (mut sequencer, sealer, mut writer) = create(sink, options)?;
    let chunk = Chunk { kind: ChunkKind::Data, stream: 1, stream_seq: 0, documents: 1, bytes: vec![1; 100] };
    writer.append_chunk(sealer.seal(sequencer.chunk()?, &chunk, &mut SealScratch::new())?)?;
    writer.append_stream_end(sequencer.control()?, 1)?;
    Ok(writer.finish(sequencer, b"")?.0)
}

fn dump(path: &Path, fs: Failing) -> Result<(), crate::Error> {
    let file = PartialFile::create_on(Box::new(fs), path, Existing::Refuse)?;
    let options = WriteOptions { secrets: vec![secret(1)], ..WriteOptions::default() };
    write_and_return(file, &options)?.commit()
}

#[test]
fn a_failed_dump_never_bears_the_final_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    for left in 0.. {
        let result = dump(&path, Failing { left: Arc::new(AtomicUsize::new(left)) });
        let whole = FileReader::open(&path, &[secret(1)], &Limits::default());
        let Err(error) = result else {
            assert!(left > 8, "writes, fsync, rename and fsync of the directory");
            whole.unwrap();
            return;
        };
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        // Only the very last step, the directory's fsync, can fail behind the rename.
        if path.exists() {
            whole.unwrap();
            std::fs::remove_file(&path).unwrap();
        } else {
            assert!(dir.path().join("archive.partial").exists());
        }
    }
}

#[test]
fn a_write_error_names_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Failing { left: Arc::new(AtomicUsize::new(0)) };
    let file = PartialFile::create_on(Box::new(fs), &dir.path().join("archive"), Existing::Refuse).unwrap();
    let error = write_archive(file).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("archive.partial"), "{source}");
}

#[test]
fn a_failed_rotation_leaves_an_archive_that_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    let new = WriteSecrets { secrets: vec![secret(2)], kdf: KdfParams::default() };
    let mut rotations = 0;
    for left in 0..5 {
        let mut bytes = Vec::new();
        write_archive(&mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let mut fs = Failing { left: Arc::new(AtomicUsize::new(left)) };
        let done = rotate_on(&mut fs, &path, &[secret(1)], &new, &Limits::default()).is_ok();
        rotations += usize::from(done);
        let reader = FileReader::open(&path, &[secret(1), secret(2)], &Limits::default()).unwrap();
        // Behind both writes only the last fsync can fail: all bytes are there, if not yet durable.
        assert_eq!(reader.warnings().is_empty(), left >= 3, "{left}");
    }
    assert_eq!(rotations, 1, "two writes and two fsyncs");
}

/// Lets another program make a file of the final name just before the rename, behind every look at that name.
struct Appearing(std::path::PathBuf);

impl Fs for Appearing {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        Disk.write(file, bytes)
    }

    fn sync_data(&mut self, file: &File) -> io::Result<()> {
        Disk.sync_data(file)
    }

    fn sync_all(&mut self, file: &File) -> io::Result<()> {
        Disk.sync_all(file)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::write(&self.0, b"appeared")?;
        Disk.rename(from, to)
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::write(&self.0, b"appeared")?;
        Disk.rename_new(from, to)
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }
}

#[test]
fn a_file_that_appears_at_the_last_moment_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    let commit = |existing| {
        let fs = Box::new(Appearing(path.clone()));
        let mut file = PartialFile::create_on(fs, &path, existing).unwrap();
        file.write_all(b"whole").unwrap();
        file.commit()
    };
    let error = commit(Existing::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"appeared");
    assert!(dir.path().join("archive.partial").exists(), "what was written is still there");
    commit(Existing::Overwrite).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"whole");
}
