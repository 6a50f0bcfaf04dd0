//! An archive's body as blocks: header, documents, terminator. No namespace and no checksum is looked at.

use super::header::text;
use super::writer::TERMINATOR;
use crate::error::HeaderFault;
use crate::input::Input;
use crate::{Error, Result};
use mongoark_bson_bytes::{Elements, kind};
use std::io::Read;

/// Bytes of the longest header; both names together have less than 400.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// What a block is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A block of this namespace's documents begins.
    Begin {
        /// The database.
        db: String,
        /// The collection.
        collection: String,
    },
    /// So many whole documents of the block were put into the caller's buffer.
    Documents(u32),
    /// The block has ended, or the end of a namespace.
    Terminator,
    /// The end of a namespace begins; only [`Piece::Terminator`] follows.
    NamespaceEnd {
        /// The database.
        db: String,
        /// The collection.
        collection: String,
        /// The checksum of its documents that the archive states, the bits of an int64.
        crc: u64,
    },
}

/// Where in a block the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    Documents,
    End,
    /// An error has come; what follows could be anything.
    Failed,
}

/// Reads blocks piece by piece.
#[derive(Debug)]
pub struct BlockReader<R> {
    input: Input<R>,
    place: Place,
    /// Where the last piece began.
    piece_offset: u64,
}

impl<R: Read> BlockReader<R> {
    /// A reader from the first byte after the prelude, which is at `offset` of the (decompressed) archive.
    pub fn new(reader: R, offset: u64) -> Self {
        Self { input: Input::new(reader, offset), place: Place::Between, piece_offset: offset }
    }

    /// Where the next piece begins.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Where the last piece began.
    pub fn piece_offset(&self) -> u64 {
        self.piece_offset
    }

    /// The next piece; `None` at the end of the input, if that is between two blocks. Documents go into `buffer`,
    /// which is cleared first: at most `bytes_max` bytes of whole documents, or one larger document.
    ///
    /// # Errors
    /// Anything that is no block, with its offset. After an error there is nothing but errors.
    pub fn next(&mut self, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<Option<Piece>> {
        buffer.clear();
        self.piece_offset = self.input.offset();
        let piece = match self.place {
            Place::Between => self.header(),
            Place::Documents => self.documents(buffer, bytes_max).map(Some),
            Place::End => self.end().map(Some),
            Place::Failed => Err(Error::Stopped { offset: self.piece_offset }),
        };
        if piece.is_err() {
            self.fail();
        }
        piece
    }

    /// From now on there is nothing but errors.
    pub(super) fn fail(&mut self) {
        self.place = Place::Failed;
    }

    fn header(&mut self) -> Result<Option<Piece>> {
        let offset = self.input.offset();
        match self.input.peek()? {
            None => return Ok(None),
            Some(TERMINATOR) => return Err(Error::Structure { offset, expected: "the header of a block" }),
            Some(_) => {}
        }
        let mut document = Vec::new();
        self.input.document(HEADER_BYTES_MAX, &mut document)?;
        let piece = decode(&document).map_err(|fault| Error::Header { offset, fault })?;
        self.place = if matches!(piece, Piece::NamespaceEnd { .. }) { Place::End } else { Place::Documents };
        Ok(Some(piece))
    }

    fn documents(&mut self, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<Piece> {
        let offset = self.input.offset();
        match self.input.documents(Some(TERMINATOR), bytes_max, buffer)? {
            0 => self.terminator(offset),
            documents => Ok(Piece::Documents(documents)),
        }
    }

    fn end(&mut self) -> Result<Piece> {
        let offset = self.input.offset();
        match self.input.peek()? {
            Some(TERMINATOR) | None => self.terminator(offset),
            Some(_) => {
                Err(Error::Structure { offset, expected: "ff ff ff ff, for here a namespace has ended" })
            }
        }
    }

    fn terminator(&mut self, offset: u64) -> Result<Piece> {
        if self.input.peek()?.is_none() {
            return Err(Error::Structure {
                offset,
                expected: "ff ff ff ff, but the file ends within a block",
            });
        }
        self.input.skip_word();
        self.place = Place::Between;
        Ok(Piece::Terminator)
    }
}

/// Reads a header. Missing fields are empty, false or 0, and unknown ones are refused, as the peer has it.
fn decode(doc: &[u8]) -> Result<Piece, HeaderFault> {
    let (mut db, mut collection) = (String::new(), String::new());
    let (mut ends, mut crc) = (false, 0);
    for element in Elements::new(doc)? {
        let element = element?;
        let fault = |field, expected| HeaderFault::Type { field, expected };
        match element.key {
            b"db" if element.kind == kind::STRING => db = text("db", &element)?,
            b"collection" if element.kind == kind::STRING => collection = text("collection", &element)?,
            b"db" => return Err(fault("db", "a string")),
            b"collection" => return Err(fault("collection", "a string")),
            b"EOF" => ends = element.as_bool().ok_or(fault("EOF", "a boolean"))?,
            b"CRC" => crc = int64(element.kind, element.value).ok_or(fault("CRC", "an int64"))?,
            other => return Err(HeaderFault::UnknownField(String::from_utf8_lossy(other).into_owned())),
        }
    }
    match (collection.is_empty(), ends) {
        (true, _) => Err(HeaderFault::NoCollection),
        (_, false) => Ok(Piece::Begin { db, collection }),
        (_, true) => Ok(Piece::NamespaceEnd { db, collection, crc }),
    }
}

fn int64(kind: u8, value: &[u8]) -> Option<u64> {
    if kind == kind::INT64 { value.first_chunk().map(|eight| u64::from_le_bytes(*eight)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{block_header, namespace_end};
    use mongoark_bson_bytes::Builder;

    const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

    fn pieces(bytes: &[u8]) -> Result<Vec<Piece>> {
        let (mut reader, mut buffer) = (BlockReader::new(bytes, 100), Vec::new());
        let mut pieces = Vec::new();
        while let Some(piece) = reader.next(&mut buffer, 10)? {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    fn begin() -> Piece {
        Piece::Begin { db: "d".to_owned(), collection: "c".to_owned() }
    }

    #[test]
    fn a_block_comes_in_pieces() {
        let body = [&block_header("d", "c")[..], &EMPTY, &EMPTY, &EMPTY, &TERMINATOR].concat();
        let expected = [begin(), Piece::Documents(2), Piece::Documents(1), Piece::Terminator];
        assert_eq!(pieces(&body).unwrap(), expected);
        let end = Piece::NamespaceEnd { db: "d".to_owned(), collection: "c".to_owned(), crc: u64::MAX };
        assert_eq!(pieces(&namespace_end("d", "c", u64::MAX)).unwrap(), [end, Piece::Terminator]);
    }

    #[test]
    fn an_empty_block_is_a_block() {
        let body = [&block_header("d", "c")[..], &TERMINATOR].concat();
        assert_eq!(pieces(&body).unwrap(), [begin(), Piece::Terminator]);
    }

    #[test]
    fn what_is_no_block_is_refused_where_it_stands() {
        let error = pieces(&TERMINATOR).unwrap_err();
        assert!(matches!(error, Error::Structure { offset: 100, .. }), "{error}");
        let mut end = namespace_end("d", "c", 1);
        let len = end.len() as u64;
        end.truncate(end.len() - 4);
        end.extend_from_slice(&EMPTY);
        let error = pieces(&end).unwrap_err();
        assert!(matches!(error, Error::Structure { offset, .. } if offset == 100 + len - 4), "{error}");
    }

    #[test]
    fn after_an_error_there_are_only_errors() {
        let bytes = [&TERMINATOR[..], &namespace_end("d", "c", 1)].concat();
        let mut reader = BlockReader::new(bytes.as_slice(), 0);
        assert!(reader.next(&mut Vec::new(), 1).is_err());
        assert!(matches!(reader.next(&mut Vec::new(), 1), Err(Error::Stopped { .. })));
    }

    #[test]
    fn headers_are_read_strictly() {
        let fault = |doc: &[u8]| match pieces(doc) {
            Err(Error::Header { offset: 100, fault }) => fault,
            other => panic!("{other:?}"),
        };
        let mut doc = Builder::new();
        let unknown = doc.str("db", "d").str("collection", "c").bool("EOF", false).i32("x", 1).finish();
        assert_eq!(fault(&unknown), HeaderFault::UnknownField("x".to_owned()));
        let crc = doc.str("db", "d").str("collection", "c").bool("EOF", true).i32("CRC", 1).finish();
        assert_eq!(fault(&crc), HeaderFault::Type { field: "CRC", expected: "an int64" });
        assert_eq!(fault(&doc.str("db", "d").finish()), HeaderFault::NoCollection);
        assert_eq!(fault(&doc.null("db").finish()), HeaderFault::Type { field: "db", expected: "a string" });
        let long = doc.str("db", "d").str("collection", "c".repeat(HEADER_BYTES_MAX)).finish();
        assert!(matches!(pieces(&long), Err(Error::Length { .. })));
    }
}
