//! A check of every level of a document.

use crate::elements::{blame, body, head};
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{ARRAY, CODE_WITH_SCOPE, DOCUMENT, scope_start, value_len};

/// The deepest nesting that [`validate`] will follow. Servers accept 180 to 250 levels of a user's
/// document; an oplog entry wraps a few more around it.
pub const DEPTH_MAX: usize = 512;

/// Checks lengths, terminators and types at every level of `doc`.
///
/// The document itself is level 1; more than `depth_max` levels (at most [`DEPTH_MAX`]) are an error.
/// Not checked, because servers store it: UTF-8, the keys of arrays, duplicate keys, the byte of a
/// boolean, the inner length of binary subtype 2. Iterative: a hostile depth cannot exhaust the stack.
pub fn validate(doc: &[u8], depth_max: usize) -> Result<()> {
    let body = body(doc)?;
    let mut levels = Levels { ends: [0; DEPTH_MAX], depth: 0, depth_max: depth_max.min(DEPTH_MAX) };
    levels.enter(0, body.len())?;
    let mut at = 4;
    loop {
        while at == levels.end() {
            let Some(end) = levels.leave() else { return Ok(()) };
            at = end;
        }
        let inside = body.get(..levels.end()).unwrap_or_default();
        let head = head(inside, at)?;
        let len = value_len(head.kind, inside, head.value).map_err(|error| blame(error, at))?;
        at = match nested_start(head.kind, inside, head.value, len) {
            Some(start) => {
                levels.enter(start, head.value + len - 1)?;
                start + 4
            }
            None => head.value + len,
        };
    }
}

/// Where the document inside a value begins; it ends with the value.
fn nested_start(kind: u8, inside: &[u8], value: usize, len: usize) -> Option<usize> {
    match kind {
        DOCUMENT | ARRAY => Some(value),
        CODE_WITH_SCOPE => Some(value + scope_start(inside.get(value..value + len)?)?),
        _ => None,
    }
}

/// The documents that are open around the current element, each by the offset of its terminator.
struct Levels {
    ends: [usize; DEPTH_MAX],
    depth: usize,
    depth_max: usize,
}

impl Levels {
    fn enter(&mut self, start: usize, end: usize) -> Result<()> {
        match self.ends.get_mut(self.depth).filter(|_| self.depth < self.depth_max) {
            Some(slot) => *slot = end,
            None => return Err(Error::new(start, ErrorKind::TooDeep(self.depth_max))),
        }
        self.depth += 1;
        Ok(())
    }

    fn end(&self) -> usize {
        self.depth.checked_sub(1).and_then(|top| self.ends.get(top)).copied().unwrap_or(0)
    }

    /// Closes the innermost document; answers where its parent goes on, if it has one.
    fn leave(&mut self) -> Option<usize> {
        let end = self.end();
        self.depth = self.depth.saturating_sub(1);
        (self.depth > 0).then_some(end + 1)
    }
}
