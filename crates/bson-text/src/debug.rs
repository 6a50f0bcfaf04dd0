//! The debug format of `bsondump`: each object and element with its type and size, nothing of its value.
//!
//! Read more loosely than [`mongoark_bson_bytes::Elements`] reads: only what is needed to find the next
//! element is looked at, because this format is there to look into damaged documents.

use std::io::Write;

use mongoark_bson_bytes::kind;

/// An element reaches beyond its object, or is of a type that BSON does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too few bytes to read next component")]
pub struct CutShort;

/// The lines of one document, an element at a time, so that deep nesting, whose indentation grows with its
/// square, never has to be held in memory.
#[derive(Debug)]
pub struct Debug<'a> {
    /// An object whose head is still to be printed, with its level.
    next: Option<&'a [u8]>,
    /// What is left of the objects around the next element. A stack of its own, so that hostile nesting
    /// cannot exhaust that of the thread.
    levels: Vec<&'a [u8]>,
}

impl<'a> Debug<'a> {
    /// Starts before the head of `doc`, which is as long as it states.
    pub fn new(doc: &'a [u8]) -> Self {
        Self { next: Some(doc), levels: Vec::new() }
    }

    /// Appends the head of an object or one element to `out`; `false` when all is printed.
    ///
    /// # Errors
    /// [`CutShort`] after the head of an object with a broken element; nothing comes after it.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, CutShort> {
        if let Some(object) = self.next.take() {
            self.head(object, out)?;
            return Ok(true);
        }
        while let Some(rest) = self.levels.last_mut() {
            if rest.is_empty() {
                self.levels.pop();
                continue;
            }
            let element = Loose::first(rest).ok_or(CutShort)?;
            *rest = rest.get(element.len..).unwrap_or_default();
            self.element(&element, out);
            return Ok(true);
        }
        Ok(false)
    }

    fn head(&mut self, object: &'a [u8], out: &mut Vec<u8>) -> Result<(), CutShort> {
        let tabs = 3 * self.levels.len();
        indented(tabs, format_args!("--- new object ---"), out);
        indented(tabs + 1, format_args!("size : {}", object.len()), out);
        self.levels.push(elements(object)?);
        Ok(())
    }

    fn element(&mut self, element: &Loose<'a>, out: &mut Vec<u8>) {
        let tabs = 3 * self.levels.len() - 1;
        push_tabs(tabs, out);
        out.extend_from_slice(element.key);
        out.push(b'\n');
        let kind = element.kind.cast_signed();
        indented(tabs + 1, format_args!("type: {kind:4} size: {}", element.len), out);
        if matches!(element.kind, kind::DOCUMENT | kind::ARRAY) {
            self.next = Some(element.value);
        }
    }
}

fn indented(tabs: usize, line: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    push_tabs(tabs, out);
    // Writing into a Vec cannot fail.
    _ = writeln!(out, "{line}");
}

fn push_tabs(tabs: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + tabs, b'\t');
}

/// The elements of `object`, if each of them is whole. An object without any bytes has none.
fn elements(object: &[u8]) -> Result<&[u8], CutShort> {
    if object.is_empty() {
        return Ok(object);
    }
    let body = object.get(4..).ok_or(CutShort)?;
    let mut at = 0;
    while body.len() > at + 1 {
        at += Loose::first(body.get(at..).unwrap_or_default()).ok_or(CutShort)?.len;
    }
    Ok(body.get(..at).unwrap_or_default())
}

/// An element whose length alone was looked at.
struct Loose<'a> {
    kind: u8,
    key: &'a [u8],
    value: &'a [u8],
    /// Bytes with type and key.
    len: usize,
}

impl<'a> Loose<'a> {
    /// The element at the start of `bytes`.
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let key_len = rest.iter().position(|byte| *byte == 0)?;
        let (key, rest) = (rest.get(..key_len)?, rest.get(key_len + 1..)?);
        let value = rest.get(..value_len(*kind, rest)?)?;
        Some(Self { kind: *kind, key, value, len: key_len + 2 + value.len() })
    }
}

fn value_len(kind: u8, bytes: &[u8]) -> Option<usize> {
    let stated = || usize::try_from(i32::from_le_bytes(*bytes.first_chunk()?)).ok();
    let len = match kind {
        kind::NULL | kind::UNDEFINED | kind::MIN_KEY | kind::MAX_KEY => 0,
        kind::BOOL => 1,
        kind::INT32 => 4,
        kind::DOUBLE | kind::INT64 | kind::DATE | kind::TIMESTAMP => 8,
        kind::OBJECT_ID => 12,
        kind::DECIMAL128 => 16,
        kind::STRING | kind::CODE | kind::SYMBOL => stated()?.checked_add(4)?,
        kind::BINARY => stated()?.checked_add(5)?,
        kind::DB_POINTER => stated()?.checked_add(16)?,
        kind::DOCUMENT | kind::ARRAY | kind::CODE_WITH_SCOPE => stated()?,
        kind::REGEX => {
            let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0);
            ends.nth(1)?.0 + 1
        }
        _ => return None,
    };
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongoark_bson_bytes::Builder;

    /// What is printed, and whether it came to the end.
    fn printed(doc: &[u8]) -> (String, bool) {
        let (mut out, mut debug) = (Vec::new(), Debug::new(doc));
        let whole = loop {
            match debug.step(&mut out) {
                Ok(true) => {}
                Ok(false) => break true,
                Err(CutShort) => break false,
            }
        };
        (String::from_utf8(out).unwrap(), whole)
    }

    #[test]
    fn nested_objects_stand_deeper() {
        let inner = Builder::new().null("").finish();
        let doc = Builder::new().document("a", &inner).raw(kind::MIN_KEY, "b", &[]).finish();
        let expected = "--- new object ---\n\tsize : 18\n\t\ta\n\t\t\ttype:    3 size: 10\n\
                        \t\t\t--- new object ---\n\t\t\t\tsize : 7\n\t\t\t\t\t\n\t\t\t\t\t\ttype:   10 size: 2\n\
                        \t\tb\n\t\t\ttype:   -1 size: 3\n";
        assert_eq!(printed(&doc), (expected.to_owned(), true));
    }

    #[test]
    fn an_object_with_a_broken_element_has_its_head_alone() {
        let mut doc = Builder::new().i32("a", 1).str("b", "text").finish();
        doc[14] = 99;
        assert_eq!(printed(&doc), (format!("--- new object ---\n\tsize : {}\n", doc.len()), false));
    }
}
