//! An oplog that comes before its time, from an archive with its parts in an unusual order: kept in a temporary file.

use crate::dump_input::Documents;
use crate::{Error, Result};
use mongoark_dump_format::DocumentReader;
use std::fs::File;
use std::io::{Seek, Write};

/// Bytes of entries that are handed on together.
const BATCH_BYTES: usize = 1024 * 1024;
const WHERE: &str = "a temporary file for the oplog";

/// Documents in a file without a name.
pub(super) struct Spill {
    file: File,
}

fn failed(source: std::io::Error) -> Error {
    Error::Write { what: WHERE.to_owned(), source }
}

impl Spill {
    /// Takes all documents.
    pub(super) async fn fill(mut documents: Documents) -> Result<Self> {
        let mut file = tempfile::tempfile().map_err(failed)?;
        while let Some(batch) = documents.next().await? {
            file.write_all(&batch.bytes).map_err(failed)?;
        }
        file.rewind().map_err(failed)?;
        Ok(Self { file })
    }

    /// Hands all documents over, in pieces, until nobody takes them.
    pub(super) fn send(self, to: &async_channel::Sender<Result<Vec<u8>>>) {
        let mut documents = DocumentReader::new(self.file);
        loop {
            let mut bytes = Vec::new();
            let read = documents.read(&mut bytes, BATCH_BYTES);
            let read = read.map_err(|source| Error::Dump { location: WHERE.to_owned(), source });
            let message = match read {
                Ok(0) => return,
                Ok(_) => Ok(bytes),
                Err(error) => Err(error),
            };
            if to.send_blocking(message).is_err() {
                return;
            }
        }
    }
}
