//! Checking that one stream was read whole from a file, beside other streams that are read at the same time.

use crate::record::StreamTotals;
use crate::{Error, Part, Record, Tag};

/// Takes the chunks of one stream in order. The stream's hash was checked against the index when the file was
/// opened; here each chunk must be the next one that the index names, and at the end none may be missing.
#[derive(Debug)]
pub struct StreamVerifier {
    totals: StreamTotals,
    chunks: Vec<(u64, Tag)>,
    next: usize,
    documents: u64,
    bytes: u64,
}

impl StreamVerifier {
    pub(crate) fn new(totals: StreamTotals, chunks: Vec<(u64, Tag)>) -> Self {
        Self { totals, chunks, next: 0, documents: 0, bytes: 0 }
    }

    /// Takes the stream's next chunk.
    ///
    /// # Errors
    /// `Reordered` when it is not the next, `Misuse` when it is no chunk of this stream.
    pub fn accept(&mut self, record: &Record) -> Result<(), Error> {
        let Record::Chunk { meta, chunk } = record else {
            return Err(Error::misuse("a record that is no chunk was given to a stream's verifier"));
        };
        if chunk.stream != self.totals.stream {
            return Err(Error::misuse("a chunk was given to another stream's verifier"));
        }
        let expected = self.chunks.get(self.next).map_or(u64::MAX, |(seq, _)| *seq);
        if expected != meta.seq {
            return Err(Error::Reordered { expected, found: meta.seq, offset: meta.offset });
        }
        if self.chunks.get(self.next).is_some_and(|(_, tag)| *tag != meta.tag) {
            return Err(Error::NotAuthentic { part: Part::Chunk, offset: meta.offset });
        }
        self.next += 1;
        self.documents += u64::from(chunk.documents);
        self.bytes += chunk.bytes.len() as u64;
        Ok(())
    }

    /// Says whether the stream was read whole.
    ///
    /// # Errors
    /// `Inconsistent` when chunks are missing, or the totals do not hold.
    pub fn finish(self) -> Result<StreamTotals, Error> {
        let offset = 0;
        let wrong = |why| Error::Inconsistent { part: Part::StreamEnd, offset, why };
        if self.next != self.chunks.len() {
            return Err(wrong("chunks of a stream were not read"));
        }
        if (self.documents, self.bytes) != (self.totals.documents, self.totals.bytes) {
            return Err(wrong("the totals of a stream do not hold"));
        }
        Ok(self.totals)
    }
}
