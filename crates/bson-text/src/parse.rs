//! Extended JSON to raw BSON: objects and arrays, from the outside inwards.

use mongoark_bson_bytes::{IndexKey, kind};

use crate::error::{Fault, Result};
use crate::lexer::{Lexer, Number};
use crate::wrapper;

/// A document of [`crate::DEPTH_MAX`] levels may need two objects a level (`$code` and its `$scope`),
/// and a few more for a value such as a date.
const OBJECTS_DEPTH_MAX: usize = 2 * crate::DEPTH_MAX + 4;

/// The raw document that an object in Extended JSON (canonical, relaxed or plain) stands for.
///
/// Keys keep their order and are kept twice if they stand there twice. Integers become 32-bit if they fit,
/// else 64-bit, else doubles. An inner object whose first key names a type (`$oid`, `$date`, ...) is a value
/// of this type and must be written as the type wants it; other `$` keys are keys as any others, so
/// that queries can be parsed. Of the older spellings `{"$binary": "..", "$type": ".."}` and
/// `{"$uuid": ".."}` are understood.
pub fn parse(json: &str) -> Result<Vec<u8>> {
    let mut parser =
        Parser { input: Lexer::new(json), out: Vec::with_capacity(json.len()), open: Vec::new() };
    parser.input.expect(b'{', "the { of the document")?;
    parser.enter(0, false)?;
    while let Some(level) = parser.open.pop() {
        parser.member(level)?;
    }
    match parser.input.peek() {
        None => Ok(parser.out),
        Some(_) => Err(parser.input.fault(Fault::AfterTheEnd)),
    }
}

struct Parser<'a> {
    input: Lexer<'a>,
    out: Vec<u8>,
    open: Vec<Level>,
}

/// An object or array whose end has not been met.
struct Level {
    /// Where its type byte stands in the output; the outermost has none.
    kind_at: Option<usize>,
    /// Where its document begins in the output.
    start: usize,
    /// Just after its bracket in the input.
    text_at: usize,
    is_array: bool,
    members: usize,
    /// The first key names a type.
    names_type: bool,
}

impl Parser<'_> {
    /// Reads the end of `level`, or its next member and puts it back on the stack.
    fn member(&mut self, mut level: Level) -> Result<()> {
        if self.input.take(if level.is_array { b']' } else { b'}' }) {
            return self.leave(&level);
        }
        if level.members > 0 {
            self.input.expect(b',', if level.is_array { "a comma or ]" } else { "a comma or }" })?;
        }
        let kind_at = self.out.len();
        self.out.push(kind::NULL);
        if level.is_array {
            self.out.extend_from_slice(IndexKey::new(level.members).as_ref());
        } else {
            self.key(&mut level)?;
        }
        self.out.push(0);
        level.members += 1;
        self.open.push(level);
        self.value(kind_at)
    }

    fn key(&mut self, level: &mut Level) -> Result<()> {
        self.input.expect(b'"', "a key in quotes")?;
        let (start, text_at) = (self.out.len(), self.input.offset());
        self.input.string(&mut self.out)?;
        let key = self.out.get(start..).unwrap_or_default();
        if key.contains(&0) {
            return Err(self.input.fault_at(text_at, Fault::ZeroInKey));
        }
        if level.members == 0 && level.kind_at.is_some() {
            level.names_type = wrapper::names_type(key);
        }
        self.input.expect(b':', "a colon")
    }

    /// Reads a value and sets the type byte at `kind_at`; for an object or array, opens its level.
    fn value(&mut self, kind_at: usize) -> Result<()> {
        let kind = match self.input.peek() {
            Some(b'{') => return self.nested(kind_at, b'{'),
            Some(b'[') => return self.nested(kind_at, b'['),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        self.set_kind(kind_at, kind);
        Ok(())
    }

    fn nested(&mut self, kind_at: usize, bracket: u8) -> Result<()> {
        self.input.take(bracket);
        self.set_kind(kind_at, if bracket == b'[' { kind::ARRAY } else { kind::DOCUMENT });
        self.enter(kind_at, bracket == b'[')
    }

    fn enter(&mut self, kind_at: usize, is_array: bool) -> Result<()> {
        if self.open.len() >= OBJECTS_DEPTH_MAX {
            return Err(self.input.fault(Fault::TooDeep(OBJECTS_DEPTH_MAX)));
        }
        let (start, text_at) = (self.out.len(), self.input.offset());
        let kind_at = (start > 0).then_some(kind_at);
        self.out.extend_from_slice(&[0; 4]);
        self.open.push(Level { kind_at, start, text_at, is_array, members: 0, names_type: false });
        Ok(())
    }

    /// Ends the document of `level`; an object that names a type becomes a value of that type.
    fn leave(&mut self, level: &Level) -> Result<()> {
        self.out.push(0);
        self.set_len(level.start, self.out.len() - level.start)?;
        let Some(kind_at) = level.kind_at.filter(|_| level.names_type) else { return Ok(()) };
        let object = self.out.get(level.start..).unwrap_or_default();
        let converted = wrapper::convert(object);
        if let Some((kind, value)) =
            converted.map_err(|fault| self.input.fault_at(level.text_at - 1, fault))?
        {
            self.out.truncate(level.start);
            self.out.extend_from_slice(&value);
            self.set_kind(kind_at, kind);
        }
        Ok(())
    }

    fn string(&mut self) -> Result<u8> {
        self.input.take(b'"');
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        self.input.string(&mut self.out)?;
        self.out.push(0);
        self.set_len(start, self.out.len() - start - 4)?;
        Ok(kind::STRING)
    }

    fn number(&mut self) -> Result<u8> {
        Ok(match self.input.number()? {
            Number::Integer(value) => match i32::try_from(value) {
                Ok(value) => self.push(kind::INT32, &value.to_le_bytes()),
                Err(_) => self.push(kind::INT64, &value.to_le_bytes()),
            },
            Number::Double(value) => self.push(kind::DOUBLE, &value.to_le_bytes()),
        })
    }

    fn word(&mut self) -> Result<u8> {
        if self.input.take_word("null") {
            Ok(kind::NULL)
        } else if self.input.take_word("true") {
            Ok(self.push(kind::BOOL, &[1]))
        } else if self.input.take_word("false") {
            Ok(self.push(kind::BOOL, &[0]))
        } else {
            Err(self.input.fault(Fault::Missing("a value")))
        }
    }

    fn push(&mut self, kind: u8, value: &[u8]) -> u8 {
        self.out.extend_from_slice(value);
        kind
    }

    fn set_kind(&mut self, at: usize, kind: u8) {
        if let Some(byte) = self.out.get_mut(at) {
            *byte = kind;
        }
    }

    fn set_len(&mut self, at: usize, len: usize) -> Result<()> {
        let len = i32::try_from(len).map_err(|_| self.input.fault(Fault::TooLong))?;
        if let Some(field) = self.out.get_mut(at..at + 4) {
            field.copy_from_slice(&len.to_le_bytes());
        }
        Ok(())
    }
}
