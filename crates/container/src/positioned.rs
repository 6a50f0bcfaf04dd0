//! Reading a file at any place, from many threads at once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::frame::{RECORD_HEADER_LEN, RecordHeader, check_record_crc};
use crate::{ArchiveId, Error, Limits, Part, open_file};

/// An open file, its path and its length.
#[derive(Debug)]
pub(crate) struct Positioned {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    path: PathBuf,
    len: u64,
}

impl Positioned {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = open_file(path)?;
        Self::from_file(file, path)
    }

    pub(crate) fn from_file(file: File, path: &Path) -> Result<Self, Error> {
        let len = file.metadata().map_err(Error::file("look at", path))?.len();
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Ok(Self { file, path: path.to_path_buf(), len })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Replaces the content of `out` by `len` bytes; refuses before memory is set aside when the file ends before.
    pub(crate) fn read(&self, offset: u64, len: usize, part: Part, out: &mut Vec<u8>) -> Result<(), Error> {
        let end = offset.checked_add(len as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(Error::Truncated { part, offset: self.len });
        }
        // Only what a recycled buffer does not have yet is set to zero.
        out.resize(len, 0);
        self.read_exact_at(out, offset).map_err(Error::file("read", &self.path))
    }

    #[cfg(unix)]
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, offset)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.file.lock().map_err(|_| io::Error::other("another reader panicked"))?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }

    /// The record header at an offset.
    pub(crate) fn record_header(
        &self,
        offset: u64,
        id: ArchiveId,
        limits: &Limits,
    ) -> Result<(RecordHeader, [u8; RECORD_HEADER_LEN]), Error> {
        let mut bytes = Vec::with_capacity(RECORD_HEADER_LEN);
        self.read(offset, RECORD_HEADER_LEN, Part::RecordHeader, &mut bytes)?;
        let mut header_bytes = [0; RECORD_HEADER_LEN];
        header_bytes.copy_from_slice(&bytes);
        Ok((RecordHeader::decode(&header_bytes, id, limits, offset)?, header_bytes))
    }

    /// The stored body behind a record header, its CRC checked.
    pub(crate) fn record_body(
        &self,
        offset: u64,
        header: &RecordHeader,
        header_bytes: &[u8; RECORD_HEADER_LEN],
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let body_offset = offset + RECORD_HEADER_LEN as u64;
        self.read(body_offset, header.body_len as usize + 4, Part::RecordBody, &mut buffer)?;
        check_record_crc(header_bytes, &mut buffer, offset)?;
        Ok(buffer)
    }
}
