//! Raw BSON to Extended JSON: the walk over documents and arrays.

use mongoark_bson_bytes::{Element, Elements, Error as BsonError, ErrorKind, kind};

use crate::DEPTH_MAX;
use crate::error::Result;
use crate::string::push_quoted;
use crate::value::push_scalar;

/// How Extended JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Every type is named; what is written can be read back as it was.
    Canonical,
    /// What `bsondump` prints: canonical, but the options of a regular expression stand in alphabetical order,
    /// a decimal whose coefficient is too large keeps its digits, where IEEE 754 makes it zero, and an empty
    /// binary of subtype 2 shows its inner length.
    Bsondump,
    /// Numbers, and dates from 1970 to 9999, as people read them; the type of a number is lost.
    Relaxed,
}

/// Appends `doc` to `out` as one object without spaces or a newline. Keys keep their order, and a key that is
/// there twice is written twice. After an error `out` is as it was.
pub fn write(doc: &[u8], format: Format, out: &mut Vec<u8>) -> Result<()> {
    let mut writer = Writer::new(format);
    writer.open("{", "}", true, doc, 0)?;
    writer.run()?;
    out.extend_from_slice(writer.out.as_bytes());
    Ok(())
}

/// [`write`] in canonical format.
pub fn write_canonical(doc: &[u8], out: &mut Vec<u8>) -> Result<()> {
    write(doc, Format::Canonical, out)
}

/// [`write`] in relaxed format.
pub fn write_relaxed(doc: &[u8], out: &mut Vec<u8>) -> Result<()> {
    write(doc, Format::Relaxed, out)
}

/// Appends the value of one element, without its key. After an error `out` is as it was.
pub fn write_value(element: &Element<'_>, format: Format, out: &mut Vec<u8>) -> Result<()> {
    let mut writer = Writer::new(format);
    writer.value(element, 0)?;
    writer.run()?;
    out.extend_from_slice(writer.out.as_bytes());
    Ok(())
}

struct Writer<'a> {
    format: Format,
    out: String,
    /// The documents and arrays around the current element. A stack of its own, so that
    /// hostile nesting cannot exhaust that of the thread.
    levels: Vec<Level<'a>>,
}

struct Level<'a> {
    elements: Elements<'a>,
    /// Bytes before this level's document in the outermost one.
    base: usize,
    close: &'static str,
    keyed: bool,
    first: bool,
}

impl<'a> Writer<'a> {
    fn new(format: Format) -> Self {
        Self { format, out: String::new(), levels: Vec::new() }
    }

    fn run(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            let Some(element) = level.elements.next() else {
                self.out.push_str(level.close);
                self.levels.pop();
                continue;
            };
            let base = level.base;
            let element = element.map_err(|error| error.shifted(base))?;
            if !std::mem::take(&mut level.first) {
                self.out.push(',');
            }
            if level.keyed {
                push_quoted(element.key, &mut self.out);
                self.out.push(':');
            }
            self.value(&element, base + element.value_offset())?;
        }
        Ok(())
    }

    /// Writes a scalar, or opens the level of a document.
    fn value(&mut self, element: &Element<'a>, at: usize) -> Result<()> {
        match element.kind {
            kind::DOCUMENT => self.open("{", "}", true, element.value, at),
            kind::ARRAY => self.open("[", "]", false, element.value, at),
            kind::CODE_WITH_SCOPE => {
                let (code, scope) = element.as_code_with_scope().unwrap_or_default();
                self.out.push_str("{\"$code\":");
                push_quoted(code, &mut self.out);
                self.open(",\"$scope\":{", "}}", true, scope, at + element.value.len() - scope.len())
            }
            _ => {
                push_scalar(element, self.format, &mut self.out);
                Ok(())
            }
        }
    }

    fn open(
        &mut self,
        open: &str,
        close: &'static str,
        keyed: bool,
        doc: &'a [u8],
        base: usize,
    ) -> Result<()> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(BsonError { offset: base, kind: ErrorKind::TooDeep(DEPTH_MAX) }.into());
        }
        let elements = Elements::new(doc).map_err(|error| error.shifted(base))?;
        self.out.push_str(open);
        self.levels.push(Level { elements, base, close, keyed, first: true });
        Ok(())
    }
}
