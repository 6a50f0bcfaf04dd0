//! One level of a document, element by element.

use crate::documents::{DOCUMENT_BYTES_MIN, read_i32};
use crate::element::Element;
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{ARRAY, CODE_WITH_SCOPE, DOCUMENT, cstring_len, value_len};

/// Iterator over the elements of one document, in the order they are stored.
///
/// After an error it ends.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    /// The document without its final zero byte, so that no value can reach over it.
    body: &'a [u8],
    at: usize,
}

impl<'a> Elements<'a> {
    /// Starts at the first element of `doc`, which must state its own length and end with a zero byte.
    pub fn new(doc: &'a [u8]) -> Result<Self> {
        Ok(Self { body: body(doc)?, at: 4 })
    }

    /// Bytes of the document before the next element.
    pub fn offset(&self) -> usize {
        self.at
    }

    #[inline]
    fn step(&self) -> Result<(Element<'a>, usize)> {
        let head = head(self.body, self.at)?;
        let len = value_len(head.kind, self.body, head.value).map_err(|error| blame(error, self.at))?;
        let key = self.body.get(self.at + 1..head.value - 1).unwrap_or_default();
        let value = self.body.get(head.value..head.value + len).unwrap_or_default();
        Ok((Element { kind: head.kind, key, value, offset: self.at }, head.value + len))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        match self.step() {
            Ok((element, end)) => {
                self.at = end;
                Some(Ok(element))
            }
            Err(error) => {
                self.at = self.body.len();
                Some(Err(error))
            }
        }
    }
}

impl<'a> Element<'a> {
    /// The elements of an embedded document, an array, or the scope of code.
    pub fn children(&self) -> Option<Result<Elements<'a>>> {
        match self.kind {
            DOCUMENT | ARRAY => Some(Elements::new(self.value)),
            CODE_WITH_SCOPE => self.as_code_with_scope().map(|(_, scope)| Elements::new(scope)),
            _ => None,
        }
    }
}

/// The type of an element and where its value begins.
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) value: usize,
}

/// An unknown type is the fault of the type byte at `at`, not of the value after the key.
pub(crate) fn blame(error: Error, at: usize) -> Error {
    match error.kind {
        ErrorKind::UnknownKind(_) => Error::new(at, error.kind),
        _ => error,
    }
}

/// Type and key of the element at `at`, which lies before the end of `body`.
#[inline]
pub(crate) fn head(body: &[u8], at: usize) -> Result<Head> {
    match body.get(at) {
        Some(0) => Err(Error::new(at, ErrorKind::EarlyEnd)),
        Some(kind) => Ok(Head { kind: *kind, value: at + 1 + cstring_len(body, at + 1)? }),
        None => Err(Error::new(at, ErrorKind::Truncated { needed: 1, available: 0 })),
    }
}

/// `doc` without its terminator, if its length and its terminator are right.
#[inline]
pub(crate) fn body(doc: &[u8]) -> Result<&[u8]> {
    let stated = read_i32(doc, 0)?;
    let actual = doc.len();
    match usize::try_from(stated) {
        Ok(stated) if stated == actual && actual >= DOCUMENT_BYTES_MIN => {}
        Ok(stated) if stated >= DOCUMENT_BYTES_MIN => {
            return Err(Error::new(0, ErrorKind::LengthMismatch { stated, actual }));
        }
        _ => {
            let kind = ErrorKind::DocumentLength { stated, min: DOCUMENT_BYTES_MIN, max: actual };
            return Err(Error::new(0, kind));
        }
    }
    match doc.split_last() {
        Some((0, body)) => Ok(body),
        _ => Err(Error::new(actual - 1, ErrorKind::DocumentTerminator)),
    }
}
