//! Finding one element by its key.

use crate::element::Element;
use crate::elements::Elements;
use crate::error::Result;
use crate::kind;

/// The first element of `doc` with this key. Elements after it are not looked at.
pub fn get(doc: &[u8], key: impl AsRef<[u8]>) -> Result<Option<Element<'_>>> {
    let key = key.as_ref();
    for element in Elements::new(doc)? {
        let element = element?;
        if element.key == key {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// The element that the keys of `path` lead to, one level each, through documents and arrays.
///
/// Array items are found by their stored key. An empty path finds nothing. The element's offset
/// is that within the document that holds it; an error's offset is within `doc`.
pub fn get_path<'a, K: AsRef<[u8]>>(doc: &'a [u8], path: &[K]) -> Result<Option<Element<'a>>> {
    let Some((last, parents)) = path.split_last() else { return Ok(None) };
    let (mut level, mut base) = (doc, 0);
    for key in parents {
        match get(level, key).map_err(|error| error.shifted(base))? {
            Some(element) if matches!(element.kind, kind::DOCUMENT | kind::ARRAY) => {
                base += element.value_offset();
                level = element.value;
            }
            _ => return Ok(None),
        }
    }
    get(level, last).map_err(|error| error.shifted(base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    fn sample() -> Vec<u8> {
        let mut b = Builder::new();
        b.i32("a", 1).i32("a", 2).nested("cursor", |cursor| {
            cursor.i64("id", 7).nested_array("firstBatch", |batch| {
                batch.nested("0", |d| {
                    d.str("x", "y");
                });
            });
        });
        b.finish()
    }

    #[test]
    fn the_first_of_two_equal_keys_is_found() {
        let doc = sample();
        assert_eq!(get(&doc, "a").unwrap().unwrap().as_i64_lossless(), Some(1));
        assert!(get(&doc, "b").unwrap().is_none());
    }

    #[test]
    fn a_path_leads_through_documents_and_arrays() {
        let doc = sample();
        let found = get_path(&doc, &["cursor", "firstBatch", "0", "x"]).unwrap().unwrap();
        assert_eq!(found.as_str(), Some("y"));
        assert!(get_path(&doc, &["a", "id"]).unwrap().is_none());
        assert!(get_path(&doc, &["cursor", "nothing", "0"]).unwrap().is_none());
        assert!(get_path::<&str>(&doc, &[]).unwrap().is_none());
    }

    #[test]
    fn an_error_in_a_nested_document_is_named_from_the_outside() {
        let mut doc = sample();
        let at = doc.windows(4).position(|w| w == b"\x12id\0").unwrap();
        doc[at] = 0x55;
        assert_eq!(get_path(&doc, &["cursor", "id"]).unwrap_err().offset, at);
    }
}
