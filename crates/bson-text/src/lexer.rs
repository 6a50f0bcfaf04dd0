//! The tokens of JSON: spaces, strings, numbers and words.

use crate::error::{Error, Fault, Result};

/// A text and how far it has been read.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// A JSON number: an integer if it is written as one and fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Double(f64),
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The error for a fault at byte `at`.
    pub(crate) fn fault_at(&self, at: usize, fault: Fault) -> Error {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Error::Text { line, column, fault }
    }

    pub(crate) fn fault(&self, fault: Fault) -> Error {
        self.fault_at(self.at, fault)
    }

    /// The next byte after spaces, without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Takes `byte` if it comes next after spaces.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes `byte`, called `name` in the error if something else comes next.
    pub(crate) fn expect(&mut self, byte: u8, name: &'static str) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.fault(Fault::Missing(name))) }
    }

    /// Takes `word` if it comes next.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Appends the characters of a string, whose opening quote has been taken.
    pub(crate) fn string(&mut self, out: &mut Vec<u8>) -> Result<()> {
        loop {
            let rest = self.rest().as_bytes();
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                Some(_) => return Err(self.fault(Fault::ControlCharacter)),
                None => return Err(self.fault(Fault::Missing("the end of the string"))),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = self.at;
        self.at += 1;
        let byte = match self.byte() {
            Some(c @ (b'"' | b'\\' | b'/')) => c,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let c = self.unicode().ok_or_else(|| self.fault_at(start, Fault::Escape))?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.fault_at(start, Fault::Escape)),
        };
        self.at += 1;
        out.push(byte);
        Ok(())
    }

    /// The character of `uXXXX`, or of two of them that are a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_hex()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.take_word("\\") {
            return None;
        }
        let second = self.four_hex().filter(|low| (0xDC00..0xE000).contains(low))?;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    fn four_hex(&mut self) -> Option<u32> {
        let digits = self.rest().strip_prefix('u')?.get(..4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 5;
        u32::from_str_radix(digits, 16).ok()
    }

    pub(crate) fn number(&mut self) -> Result<Number> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let whole = self.digits();
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let mut valid = !whole.is_empty() && !leading_zero;
        let mut integer = true;
        if self.take_word(".") {
            integer = false;
            valid &= !self.digits().is_empty();
        }
        if self.take_word("e") || self.take_word("E") {
            integer = false;
            _ = self.take_word("+") || self.take_word("-");
            valid &= !self.digits().is_empty();
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if !valid {
            return Err(self.fault_at(start, Fault::Number));
        }
        convert(text, integer).ok_or_else(|| self.fault_at(start, Fault::NumberRange))
    }

    fn digits(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// The number that a valid spelling stands for, unless even a double cannot hold it.
fn convert(text: &str, integer: bool) -> Option<Number> {
    if let (true, Ok(value)) = (integer, text.parse()) {
        return Some(Number::Integer(value));
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Number::Double)
}
