//! Whether Extended JSON gives back the bytes that it was made from.

use crate::{Error, Result};
use mongoark_bson_bytes::{DEPTH_MAX, Elements, kind, validate};
use mongoark_bson_text::{parse, write_canonical};

/// The bits that every NaN is given for a comparison.
const NAN: u64 = 0x7ff8_0000_0000_0000;

/// Fails, in the name of `part`, if the document does not come back from its text.
pub(crate) fn check(doc: &[u8], part: String) -> Result<()> {
    if let Err(source) = validate(doc, DEPTH_MAX) {
        return Err(Error::Bson { part, source });
    }
    let mut text = Vec::new();
    let written = write_canonical(doc, &mut text);
    if written.is_ok() && comes_back(doc, &text) { Ok(()) } else { Err(Error::Lossy { part }) }
}

/// Whether parsing `text` gives `doc`, but for the bits of a quiet NaN.
pub(crate) fn comes_back(doc: &[u8], text: &[u8]) -> bool {
    let Some(mut parsed) = std::str::from_utf8(text).ok().and_then(|text| parse(text).ok()) else {
        return false;
    };
    if parsed == doc {
        return true;
    }
    let mut doc = doc.to_vec();
    parsed.len() == doc.len() && unify_nans(&mut doc) && unify_nans(&mut parsed) && doc == parsed
}

/// Gives every quiet NaN in `doc` the same bits; false if it is no BSON.
fn unify_nans(doc: &mut [u8]) -> bool {
    let Some(places) = nans(doc) else { return false };
    for place in places {
        if let Some(eight) = doc.get_mut(place..place + 8) {
            eight.copy_from_slice(&NAN.to_le_bytes());
        }
    }
    true
}

/// Where the quiet NaNs of a document are, at every level.
fn nans(doc: &[u8]) -> Option<Vec<usize>> {
    validate(doc, DEPTH_MAX).ok()?;
    let mut places = Vec::new();
    let mut open = vec![(0, Elements::new(doc).ok()?)];
    while let Some((base, elements)) = open.last_mut() {
        let base = *base;
        let Some(element) = elements.next() else {
            open.pop();
            continue;
        };
        let element = element.ok()?;
        let at = base + element.value_offset();
        match element.kind {
            kind::DOUBLE if is_quiet_nan(element.value) => places.push(at),
            kind::CODE_WITH_SCOPE => {
                let (_, scope) = element.as_code_with_scope()?;
                open.push((at + element.value.len() - scope.len(), Elements::new(scope).ok()?));
            }
            _ => {
                if let Some(children) = element.children() {
                    open.push((at, children.ok()?));
                }
            }
        }
    }
    Some(places)
}

fn is_quiet_nan(value: &[u8]) -> bool {
    value.first_chunk().is_some_and(|eight| u64::from_le_bytes(*eight) & NAN == NAN)
}
