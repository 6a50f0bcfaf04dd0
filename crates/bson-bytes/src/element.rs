//! One element: its type, key and value bytes, and the few values a caller may ask to read.

use crate::documents::read_i32;
use crate::kind;

/// An element of a document, borrowed from its bytes.
///
/// Each `as_` method answers `None` when the element is of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The type byte, one of [`crate::kind`].
    pub kind: u8,
    /// The key without its zero byte; not necessarily UTF-8, possibly empty.
    pub key: &'a [u8],
    /// The bytes after the key, length prefixes and terminators included.
    pub value: &'a [u8],
    /// Bytes of the document before the type byte.
    pub offset: usize,
}

impl<'a> Element<'a> {
    /// The key, if it is UTF-8.
    pub fn key_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.key).ok()
    }

    /// Bytes of the document before the value.
    pub fn value_offset(&self) -> usize {
        self.offset + self.key.len() + 2
    }

    /// The whole element as stored: type, key and value.
    pub fn len(&self) -> usize {
        self.key.len() + 2 + self.value.len()
    }

    /// Never: an element has at least its type and the end of its key.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The bytes of an embedded document.
    pub fn as_document(&self) -> Option<&'a [u8]> {
        (self.kind == kind::DOCUMENT).then_some(self.value)
    }

    /// The bytes of an array: a document whose values are the items.
    pub fn as_array(&self) -> Option<&'a [u8]> {
        (self.kind == kind::ARRAY).then_some(self.value)
    }

    /// The bytes of a string, code or symbol without length and terminator; not necessarily UTF-8.
    pub fn as_text(&self) -> Option<&'a [u8]> {
        match self.kind {
            kind::STRING | kind::CODE | kind::SYMBOL => text_of(self.value),
            _ => None,
        }
    }

    /// A string that is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        let text = self.as_text().filter(|_| self.kind == kind::STRING)?;
        std::str::from_utf8(text).ok()
    }

    /// A 32-bit or 64-bit integer, or a double that is exactly an integer of 64 bits.
    pub fn as_i64_lossless(&self) -> Option<i64> {
        match self.kind {
            kind::INT32 => read_i32(self.value, 0).ok().map(i64::from),
            kind::INT64 => self.eight().map(i64::from_le_bytes),
            kind::DOUBLE => self.eight().map(f64::from_le_bytes).and_then(exact_i64),
            _ => None,
        }
    }

    /// A double.
    pub fn as_f64(&self) -> Option<f64> {
        self.eight_of(kind::DOUBLE).map(f64::from_le_bytes)
    }

    /// A boolean; any byte but zero is true, as in the server.
    pub fn as_bool(&self) -> Option<bool> {
        if self.kind == kind::BOOL { self.value.first().map(|byte| *byte != 0) } else { None }
    }

    /// Seconds and increment of a timestamp.
    pub fn as_timestamp(&self) -> Option<(u32, u32)> {
        let [i0, i1, i2, i3, t0, t1, t2, t3] = self.eight_of(kind::TIMESTAMP)?;
        Some((u32::from_le_bytes([t0, t1, t2, t3]), u32::from_le_bytes([i0, i1, i2, i3])))
    }

    /// Milliseconds since 1970.
    pub fn as_date(&self) -> Option<i64> {
        self.eight_of(kind::DATE).map(i64::from_le_bytes)
    }

    /// Subtype and bytes of a binary value. Those of subtype 2 begin with a second length.
    pub fn as_binary(&self) -> Option<(u8, &'a [u8])> {
        if self.kind != kind::BINARY {
            return None;
        }
        self.value.get(4..).and_then(|rest| rest.split_first()).map(|(subtype, bytes)| (*subtype, bytes))
    }

    /// An object id.
    pub fn as_object_id(&self) -> Option<[u8; 12]> {
        if self.kind == kind::OBJECT_ID { self.value.first_chunk().copied() } else { None }
    }

    /// Code and scope document of code with scope.
    pub fn as_code_with_scope(&self) -> Option<(&'a [u8], &'a [u8])> {
        if self.kind != kind::CODE_WITH_SCOPE {
            return None;
        }
        let start = kind::scope_start(self.value)?;
        Some((text_of(self.value.get(4..start)?)?, self.value.get(start..)?))
    }

    fn eight_of(&self, kind: u8) -> Option<[u8; 8]> {
        self.eight().filter(|_| self.kind == kind)
    }

    fn eight(&self) -> Option<[u8; 8]> {
        self.value.first_chunk().copied()
    }
}

fn text_of(value: &[u8]) -> Option<&[u8]> {
    value.get(4..)?.split_last().map(|(_, text)| text)
}

/// The integer that a double is, when it is one and fits.
fn exact_i64(double: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let exact = double.fract() == 0.0 && (-LIMIT..LIMIT).contains(&double);
    #[expect(clippy::cast_possible_truncation, reason = "integral and within range")]
    exact.then_some(double as i64)
}
