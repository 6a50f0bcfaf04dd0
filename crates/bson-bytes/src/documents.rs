//! Whole documents: the length each states, and cutting a stream of them.

use crate::error::{Error, ErrorKind, Result};

/// Bytes of the longest document: 16 MiB and the room that an oplog entry has beyond it.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024 + 16 * 1024;

/// Bytes of the empty document.
pub const DOCUMENT_BYTES_MIN: usize = 5;

/// The four bytes at `at` as a little-endian signed integer.
#[inline]
pub(crate) fn read_i32(bytes: &[u8], at: usize) -> Result<i32> {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    four.map(|four| i32::from_le_bytes(*four)).ok_or_else(|| {
        let available = bytes.len().saturating_sub(at);
        Error::new(at, ErrorKind::Truncated { needed: 4, available })
    })
}

/// The length in bytes that a document with this header states, within
/// [`DOCUMENT_BYTES_MIN`]`..=`[`DOCUMENT_BYTES_MAX`]. For readers that hold only the header.
#[inline]
pub fn stated_len(header: [u8; 4]) -> Result<usize> {
    let stated = i32::from_le_bytes(header);
    match usize::try_from(stated) {
        Ok(len) if (DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&len) => Ok(len),
        _ => {
            let kind = ErrorKind::DocumentLength { stated, min: DOCUMENT_BYTES_MIN, max: DOCUMENT_BYTES_MAX };
            Err(Error::new(0, kind))
        }
    }
}

/// The length in bytes of the document at the start of `bytes`; all of it is there.
#[inline]
pub fn document_len(bytes: &[u8]) -> Result<usize> {
    let len = stated_len(read_i32(bytes, 0)?.to_le_bytes())?;
    if len > bytes.len() {
        return Err(Error::new(0, ErrorKind::Truncated { needed: len, available: bytes.len() }));
    }
    Ok(len)
}

/// The concatenated documents in `bytes`, in order. After an error it ends.
///
/// Each is as long as it states and ends with a zero byte; its elements are not looked at.
pub fn split_documents(bytes: &[u8]) -> Documents<'_> {
    Documents { bytes, offset: 0 }
}

/// Iterator over concatenated documents, see [`split_documents`].
#[derive(Debug, Clone)]
pub struct Documents<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Documents<'_> {
    /// Bytes before the next document.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Iterator for Documents<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let start = self.offset;
        match cut(rest) {
            Ok(document) => {
                self.offset += document.len();
                Some(Ok(document))
            }
            Err(error) => {
                self.offset = self.bytes.len();
                Some(Err(error.shifted(start)))
            }
        }
    }
}

fn cut(rest: &[u8]) -> Result<&[u8]> {
    let document = rest.get(..document_len(rest)?).unwrap_or_default();
    match document.last() {
        Some(0) => Ok(document),
        _ => Err(Error::new(document.len().saturating_sub(1), ErrorKind::DocumentTerminator)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

    #[test]
    fn lengths_outside_the_limits_are_refused() {
        for stated in [i32::MIN, -1, 0, 4, i32::try_from(DOCUMENT_BYTES_MAX).unwrap() + 1, i32::MAX] {
            let error = stated_len(stated.to_le_bytes()).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::DocumentLength { stated: s, .. } if s == stated));
        }
        assert_eq!(stated_len([5, 0, 0, 0]), Ok(5));
        let longest = i32::try_from(DOCUMENT_BYTES_MAX).unwrap();
        assert_eq!(stated_len(longest.to_le_bytes()), Ok(DOCUMENT_BYTES_MAX));
    }

    #[test]
    fn a_length_beyond_the_slice_is_refused() {
        let error = document_len(&[6, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Truncated { needed: 6, available: 5 });
        assert_eq!(document_len(&[5, 0]).unwrap_err().kind, ErrorKind::Truncated { needed: 4, available: 2 });
    }

    #[test]
    fn a_stream_is_cut_into_documents() {
        let stream = [EMPTY, EMPTY, EMPTY].concat();
        let documents: Vec<_> = split_documents(&stream).map(Result::unwrap).collect();
        assert_eq!(documents, [EMPTY, EMPTY, EMPTY]);
        assert_eq!(split_documents(&[]).count(), 0);
    }

    #[test]
    fn a_broken_stream_names_the_offset_and_ends() {
        let stream = [&EMPTY[..], &EMPTY, &[9, 0, 0, 0, 0]].concat();
        let mut documents = split_documents(&stream);
        assert!(documents.next().unwrap().is_ok());
        assert!(documents.next().unwrap().is_ok());
        assert_eq!(documents.next().unwrap().unwrap_err().offset, 10);
        assert!(documents.next().is_none());
    }

    #[test]
    fn a_document_without_its_terminator_is_refused() {
        let error = split_documents(&[5, 0, 0, 0, 1]).next().unwrap().unwrap_err();
        assert_eq!(error, Error::new(4, ErrorKind::DocumentTerminator));
    }
}
