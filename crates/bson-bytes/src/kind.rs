//! The type bytes of BSON, and how many bytes a value of each type takes.

use crate::documents::{DOCUMENT_BYTES_MIN, read_i32};
use crate::error::{Error, ErrorKind, Result};

/// IEEE 754 double, 8 bytes.
pub const DOUBLE: u8 = 0x01;
/// String.
pub const STRING: u8 = 0x02;
/// Embedded document.
pub const DOCUMENT: u8 = 0x03;
/// Array: a document whose keys count upwards, by convention alone.
pub const ARRAY: u8 = 0x04;
/// Binary data with a subtype.
pub const BINARY: u8 = 0x05;
/// Undefined (deprecated), no bytes.
pub const UNDEFINED: u8 = 0x06;
/// Object id, 12 bytes.
pub const OBJECT_ID: u8 = 0x07;
/// Boolean, 1 byte.
pub const BOOL: u8 = 0x08;
/// Milliseconds since 1970, 8 bytes.
pub const DATE: u8 = 0x09;
/// Null, no bytes.
pub const NULL: u8 = 0x0A;
/// Regular expression: pattern and options, each up to a zero byte.
pub const REGEX: u8 = 0x0B;
/// `DBPointer` (deprecated): string and object id.
pub const DB_POINTER: u8 = 0x0C;
/// JavaScript code.
pub const CODE: u8 = 0x0D;
/// Symbol (deprecated).
pub const SYMBOL: u8 = 0x0E;
/// JavaScript code with a document of variables (deprecated).
pub const CODE_WITH_SCOPE: u8 = 0x0F;
/// Signed 32-bit integer.
pub const INT32: u8 = 0x10;
/// Timestamp of the oplog: increment and seconds, each unsigned 32-bit.
pub const TIMESTAMP: u8 = 0x11;
/// Signed 64-bit integer.
pub const INT64: u8 = 0x12;
/// IEEE 754-2008 decimal, 16 bytes.
pub const DECIMAL128: u8 = 0x13;
/// Sorts before all others, no bytes.
pub const MIN_KEY: u8 = 0xFF;
/// Sorts after all others, no bytes.
pub const MAX_KEY: u8 = 0x7F;

/// Bytes of the value of type `kind` that begins at `at`; it must end within `doc`.
///
/// Nested documents are measured and their terminator looked at, not walked.
#[inline]
pub(crate) fn value_len(kind: u8, doc: &[u8], at: usize) -> Result<usize> {
    let len = match kind {
        NULL | UNDEFINED | MIN_KEY | MAX_KEY => return Ok(0),
        BOOL => 1,
        INT32 => 4,
        DOUBLE | INT64 | DATE | TIMESTAMP => 8,
        OBJECT_ID => 12,
        DECIMAL128 => 16,
        STRING | CODE | SYMBOL => return string_len(doc, at),
        DOCUMENT | ARRAY => return nested_len(doc, at),
        BINARY => return binary_len(doc, at),
        REGEX => return regex_len(doc, at),
        DB_POINTER => string_len(doc, at)? + 12,
        CODE_WITH_SCOPE => return code_with_scope_len(doc, at),
        other => return Err(Error::new(at, ErrorKind::UnknownKind(other))),
    };
    fits(doc, at, len)
}

#[inline]
fn fits(doc: &[u8], at: usize, needed: usize) -> Result<usize> {
    let available = doc.len().saturating_sub(at);
    if needed <= available {
        Ok(needed)
    } else {
        Err(Error::new(at, ErrorKind::Truncated { needed, available }))
    }
}

fn string_len(doc: &[u8], at: usize) -> Result<usize> {
    let stated = read_i32(doc, at)?;
    let bytes = match usize::try_from(stated) {
        Ok(bytes) if bytes >= 1 => bytes,
        _ => return Err(Error::new(at, ErrorKind::StringLength(stated))),
    };
    let len = fits(doc, at, bytes.saturating_add(4))?;
    let last = at + len - 1;
    if doc.get(last) == Some(&0) { Ok(len) } else { Err(Error::new(last, ErrorKind::StringTerminator)) }
}

fn nested_len(doc: &[u8], at: usize) -> Result<usize> {
    let stated = read_i32(doc, at)?;
    let len = match usize::try_from(stated) {
        Ok(len) if len >= DOCUMENT_BYTES_MIN => fits(doc, at, len)?,
        _ => {
            let max = doc.len().saturating_sub(at);
            return Err(Error::new(at, ErrorKind::DocumentLength { stated, min: DOCUMENT_BYTES_MIN, max }));
        }
    };
    let last = at + len - 1;
    if doc.get(last) == Some(&0) { Ok(len) } else { Err(Error::new(last, ErrorKind::DocumentTerminator)) }
}

fn binary_len(doc: &[u8], at: usize) -> Result<usize> {
    let stated = read_i32(doc, at)?;
    let bytes = usize::try_from(stated).map_err(|_| Error::new(at, ErrorKind::BinaryLength(stated)))?;
    fits(doc, at, bytes.saturating_add(5))
}

fn regex_len(doc: &[u8], at: usize) -> Result<usize> {
    let pattern = cstring_len(doc, at)?;
    let options = cstring_len(doc, at + pattern)?;
    Ok(pattern + options)
}

/// Bytes up to and with the zero byte.
#[inline]
pub(crate) fn cstring_len(doc: &[u8], at: usize) -> Result<usize> {
    let rest = doc.get(at..).unwrap_or_default();
    let zero = rest.iter().position(|byte| *byte == 0);
    zero.map(|zero| zero + 1).ok_or(Error::new(at, ErrorKind::Unterminated))
}

fn code_with_scope_len(doc: &[u8], at: usize) -> Result<usize> {
    let stated = read_i32(doc, at)?;
    let mismatch = |actual| Error::new(at, ErrorKind::CodeWithScopeLength { stated, actual });
    let len = fits(doc, at, usize::try_from(stated).map_err(|_| mismatch(0))?)?;
    let inside = doc.get(..at + len).unwrap_or_default();
    let code = string_len(inside, at + 4)?;
    let scope = nested_len(inside, at + 4 + code)?;
    if 4 + code + scope == len { Ok(len) } else { Err(mismatch(4 + code + scope)) }
}

/// Where the scope begins inside a checked code-with-scope value.
pub(crate) fn scope_start(value: &[u8]) -> Option<usize> {
    let code = usize::try_from(read_i32(value, 4).ok()?).ok()?;
    code.checked_add(8).filter(|start| *start <= value.len())
}
