//! Whole documents out of a `.bson` file, many at a time.

use crate::Result;
use crate::input::Input;
use std::io::Read;

/// Reads concatenated BSON documents. It has a buffer of its own; the reader needs none.
///
/// A document may take 16 MiB and 16 KiB, as an oplog entry may. Its length and its last byte are checked,
/// its elements are not.
#[derive(Debug)]
pub struct DocumentReader<R> {
    input: Input<R>,
}

impl<R: Read> DocumentReader<R> {
    /// A reader from the first byte of a file (already decompressed).
    pub fn new(reader: R) -> Self {
        Self { input: Input::new(reader, 0) }
    }

    /// Appends whole documents to `out` until it holds `bytes_max` bytes or the next document would
    /// go beyond; the first one is given whatever `out` holds already, so that 0 means the end and nothing else.
    /// Returns how many.
    ///
    /// # Errors
    /// A length below 5 or beyond the limit, or an end within a document; the error names the
    /// offset of the document in the (decompressed) file. `out` may then hold the documents before it and a
    /// part of it.
    pub fn read(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Result<u32> {
        self.input.documents(None, bytes_max, out)
    }

    /// Bytes read so far (decompressed): where the next document begins.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];
    const BOOL: [u8; 9] = [9, 0, 0, 0, 8, b'a', 0, 1, 0];

    #[test]
    fn documents_come_in_parts_of_the_size_asked_for() {
        let file = [&EMPTY[..], &BOOL, &EMPTY, &EMPTY].concat();
        let mut reader = DocumentReader::new(file.as_slice());
        let mut out = Vec::new();
        assert_eq!(reader.read(&mut out, 14).unwrap(), 2);
        assert_eq!((out.len(), reader.offset()), (14, 14));
        out.clear();
        assert_eq!(reader.read(&mut out, 9).unwrap(), 1);
        assert_eq!(reader.read(&mut out, 1).unwrap(), 1);
        assert_eq!(reader.read(&mut out, 100).unwrap(), 0);
        assert_eq!(out, [EMPTY, EMPTY].concat());
    }

    #[test]
    fn a_document_larger_than_the_part_comes_alone() {
        let file = [&BOOL[..], &BOOL].concat();
        let mut reader = DocumentReader::new(file.as_slice());
        let mut out = Vec::new();
        assert_eq!(reader.read(&mut out, 2).unwrap(), 1);
        assert_eq!(out, BOOL);
    }

    #[test]
    fn an_error_names_the_offset_of_the_document() {
        let read = |bytes: &[u8]| {
            let mut reader = DocumentReader::new(bytes);
            while reader.read(&mut Vec::new(), 1)? > 0 {}
            Ok(())
        };
        let broken: Result<()> = read(&[&EMPTY[..], &BOOL[..8]].concat());
        assert!(matches!(broken, Err(Error::Truncated { offset: 5, available: 8 })), "{broken:?}");
        let broken = read(&[&EMPTY[..], &[9, 0]].concat());
        assert!(matches!(broken, Err(Error::Truncated { offset: 5, available: 2 })), "{broken:?}");
        let broken = read(&[&EMPTY[..], &[4, 0, 0, 0, 0]].concat());
        assert!(matches!(broken, Err(Error::Length { offset: 5, stated: 4, .. })), "{broken:?}");
        let broken = read(&[&EMPTY[..], &[255, 255, 255, 255]].concat());
        assert!(matches!(broken, Err(Error::Length { offset: 5, stated: -1, .. })), "{broken:?}");
        let broken = read(&[&EMPTY[..], &[5, 0, 0, 0, 1]].concat());
        assert!(matches!(broken, Err(Error::Unterminated { offset: 5 })), "{broken:?}");
    }

    #[test]
    fn an_oplog_entry_may_be_longer_than_a_document() {
        let entry = |len: usize| {
            let mut bytes = i32::try_from(len).unwrap().to_le_bytes().to_vec();
            bytes.resize(len, 0);
            bytes
        };
        let longest = entry(16 * 1024 * 1024 + 16 * 1024);
        let mut out = Vec::new();
        assert_eq!(DocumentReader::new(longest.as_slice()).read(&mut out, 1).unwrap(), 1);
        assert_eq!(out.len(), longest.len());
        let too_long = entry(longest.len() + 1);
        let refused = DocumentReader::new(too_long.as_slice()).read(&mut Vec::new(), 1);
        assert!(matches!(refused, Err(Error::Length { offset: 0, .. })), "{refused:?}");
    }
}
