//! A stream of documents and four-byte marks, read with one buffer and a place to name in errors.

use crate::{Error, Result};
use mongoark_bson_bytes::{DOCUMENT_BYTES_MAX, DOCUMENT_BYTES_MIN};
use std::io::{BufRead, BufReader, ErrorKind, Read};

/// Bytes asked of the stream at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// Room made for a document before its bytes have been seen.
const RESERVE_BYTES_MAX: usize = 64 * 1024;

/// Reads documents of a stream. Memory: one buffer, and what the caller's vector takes.
#[derive(Debug)]
pub(crate) struct Input<R> {
    reader: BufReader<R>,
    /// Of the next byte that was not handed out, from the start of the file.
    offset: u64,
    /// The next four bytes, if they have been read already.
    word: Option<[u8; 4]>,
}

impl<R: Read> Input<R> {
    /// `offset` is that of the reader's next byte in the file.
    pub(crate) fn new(reader: R, offset: u64) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), offset, word: None }
    }

    /// Where the next document begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next four bytes, which stay; `None` at the end of the input.
    pub(crate) fn peek(&mut self) -> Result<Option<[u8; 4]>> {
        if self.word.is_none() {
            let mut word = Vec::with_capacity(4);
            self.copy(4, &mut word).map_err(|error| self.failed(error))?;
            self.word = match word.as_slice() {
                [] => None,
                [a, b, c, d] => Some([*a, *b, *c, *d]),
                part => return Err(Error::Truncated { offset: self.offset, available: part.len() }),
            };
        }
        Ok(self.word)
    }

    /// Passes over the four bytes that were peeked.
    pub(crate) fn skip_word(&mut self) {
        if self.word.take().is_some() {
            self.offset += 4;
        }
    }

    /// Appends the document that comes, of at most `bytes_max` bytes. It must have been peeked.
    pub(crate) fn document(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Result<()> {
        let Some(word) = self.peek()? else {
            return Err(Error::Truncated { offset: self.offset, available: 0 });
        };
        let len = self.length(word, bytes_max)?;
        let start = out.len();
        out.reserve(len.min(RESERVE_BYTES_MAX));
        out.extend_from_slice(&word);
        self.copy(len - 4, out).map_err(|error| self.failed(error))?;
        let document = out.get(start..).unwrap_or_default();
        if document.len() < len {
            return Err(Error::Truncated { offset: self.offset, available: document.len() });
        }
        self.check_end(document)?;
        self.offset += len as u64;
        self.word = None;
        Ok(())
    }

    /// Appends whole documents until `out` holds `bytes_max` bytes or the next one would go beyond, but at
    /// least one; ends early at the end of the input or at `stop`. Returns how many.
    pub(crate) fn documents(
        &mut self,
        stop: Option<[u8; 4]>,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<u32> {
        let mut documents = 0;
        while documents < u32::MAX {
            let Some(word) = self.peek()?.filter(|word| Some(*word) != stop) else { break };
            let len = self.length(word, DOCUMENT_BYTES_MAX)?;
            if documents > 0 && out.len().saturating_add(len) > bytes_max {
                break;
            }
            self.document(DOCUMENT_BYTES_MAX, out)?;
            documents += 1;
            documents += self.buffered(stop, bytes_max, u32::MAX - documents, out)?;
        }
        Ok(documents)
    }

    /// Appends in one piece those documents that lie whole in the buffer: most of them, where they are small.
    fn buffered(
        &mut self,
        stop: Option<[u8; 4]>,
        bytes_max: usize,
        count_max: u32,
        out: &mut Vec<u8>,
    ) -> Result<u32> {
        let (mut at, mut documents) = (0, 0);
        let buffer = self.reader.buffer();
        while documents < count_max {
            let rest = buffer.get(at..).unwrap_or_default();
            let Some(word) = rest.first_chunk::<4>().copied().filter(|word| Some(*word) != stop) else {
                break;
            };
            let place = self.offset + at as u64;
            let len = stated_len(word, DOCUMENT_BYTES_MAX, place)?;
            let Some(document) = rest.get(..len) else { break };
            if out.len().saturating_add(at + len) > bytes_max {
                break;
            }
            if document.last() != Some(&0) {
                return Err(Error::Unterminated { offset: place });
            }
            at += len;
            documents += 1;
        }
        out.extend_from_slice(buffer.get(..at).unwrap_or_default());
        self.reader.consume(at);
        self.offset += at as u64;
        Ok(documents)
    }

    fn length(&self, word: [u8; 4], bytes_max: usize) -> Result<usize> {
        stated_len(word, bytes_max, self.offset)
    }

    fn check_end(&self, document: &[u8]) -> Result<()> {
        match document.last() {
            Some(0) => Ok(()),
            _ => Err(Error::Unterminated { offset: self.offset }),
        }
    }

    /// Appends the next `len` bytes, fewer at the end of the input.
    fn copy(&mut self, len: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut missing = len;
        while missing > 0 {
            let buffer = match self.reader.fill_buf() {
                Ok([]) => break,
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let piece = buffer.get(..missing).unwrap_or(buffer);
            out.extend_from_slice(piece);
            let taken = piece.len();
            self.reader.consume(taken);
            missing -= taken;
        }
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Read { offset: self.offset, source }
    }
}

/// The length that a document at `offset` states, if a document of at most `bytes_max` can be so long.
fn stated_len(word: [u8; 4], bytes_max: usize, offset: u64) -> Result<usize> {
    let stated = i32::from_le_bytes(word);
    match usize::try_from(stated) {
        Ok(len) if (DOCUMENT_BYTES_MIN..=bytes_max).contains(&len) => Ok(len),
        _ => Err(Error::Length { offset, stated, bytes_max }),
    }
}
