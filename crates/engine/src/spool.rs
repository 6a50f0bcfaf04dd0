//! Bytes that wait until an archive has a place for them: some in memory, the rest in a temporary file that has no name.

use crate::{Error, Result};
use mongoark_dump_format::DocumentReader;
use std::io::{self, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// Bytes kept in memory.
const MEMORY_BYTES: usize = 8 * 1024 * 1024;

/// Whole documents in their order, being put aside.
pub(crate) struct Spool {
    /// Away while a thread works on it.
    file: Option<SpooledTempFile>,
}

impl Spool {
    pub(crate) fn new() -> Self {
        Self { file: Some(SpooledTempFile::new(MEMORY_BYTES)) }
    }

    /// Appends whole documents.
    pub(crate) async fn append(&mut self, documents: Vec<u8>) -> Result<()> {
        work(&mut self.file, move |file| file.write_all(&documents).map_err(not_written)).await
    }

    /// From now on documents are read, from the first on.
    pub(crate) async fn read_back(mut self) -> Result<SpoolReader> {
        work(&mut self.file, |file| file.seek(SeekFrom::Start(0)).map_err(not_written)).await?;
        Ok(SpoolReader { reader: self.file.map(DocumentReader::new) })
    }
}

/// The documents of a spool, coming back.
pub(crate) struct SpoolReader {
    reader: Option<DocumentReader<SpooledTempFile>>,
}

impl SpoolReader {
    /// The next whole documents, about `bytes_max` bytes; none at the end.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> Result<Vec<u8>> {
        work(&mut self.reader, move |reader| {
            let mut documents = Vec::new();
            let read = reader.read(&mut documents, bytes_max);
            let read = read.map_err(|source| Error::Dump { location: location(), source });
            read.map(|_| documents)
        })
        .await
    }
}

/// Files are slow at times: other tasks go on meanwhile.
async fn work<F: Send + 'static, T: Send + 'static>(
    place: &mut Option<F>,
    act: impl FnOnce(&mut F) -> Result<T> + Send + 'static,
) -> Result<T> {
    let mut file = place.take().ok_or(Error::PipelineClosed("the temporary file"))?;
    let worked = tokio::task::spawn_blocking(move || {
        let done = act(&mut file);
        (file, done)
    });
    let (file, done) = worked.await.map_err(|_| Error::PipelineClosed("the temporary file"))?;
    *place = Some(file);
    done
}

fn not_written(source: io::Error) -> Error {
    Error::Write { what: location(), source }
}

fn location() -> String {
    format!("the temporary file of the oplog in {}", std::env::temp_dir().display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn documents_come_back_in_order_and_whole() {
        let document = |byte: u8| {
            let pad =
                bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![byte; 3_000_000] };
            bson::rawdoc! { "pad": pad }.into_bytes()
        };
        let mut spool = Spool::new();
        for byte in 0..5 {
            spool.append(document(byte)).await.unwrap();
        }
        let mut reader = spool.read_back().await.unwrap();
        for expected in 0..5 {
            let read = reader.read(1_000_000).await.unwrap();
            assert!(read == document(expected));
        }
        assert!(reader.read(1_000_000).await.unwrap().is_empty());
    }
}
