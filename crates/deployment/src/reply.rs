//! A reply to a write whose words are not UTF-8: a duplicate key stands in it as it is, and the
//! driver cannot decode it. What tells of the outcome is read from its bytes.

use bson::{Bson, Document, doc};
use mongoark_bson_bytes::{self as bytes, Elements};

/// `n`, `writeErrors` and `writeConcernError` of a raw reply; bytes that are not UTF-8 are replaced.
pub(crate) fn outcome(reply: &[u8]) -> Option<Document> {
    let mut outcome = Document::new();
    for element in Elements::new(reply).ok()? {
        let element = element.ok()?;
        match element.key {
            b"n" => {
                outcome.insert("n", element.as_i64_lossless()?);
            }
            b"writeErrors" => {
                let errors = Elements::new(element.as_array()?).ok()?;
                let errors: Option<Vec<Bson>> =
                    errors.map(|error| Some(error_of(error.ok()?.as_document()?)?.into())).collect();
                outcome.insert("writeErrors", errors?);
            }
            b"writeConcernError" => {
                outcome.insert("writeConcernError", error_of(element.as_document()?)?);
            }
            _ => {}
        }
    }
    Some(outcome)
}

fn error_of(error: &[u8]) -> Option<Document> {
    let whole = |key| {
        let element = bytes::get(error, key).ok().flatten()?;
        i32::try_from(element.as_i64_lossless()?).ok()
    };
    let message = bytes::get(error, "errmsg").ok().flatten().and_then(|element| element.as_text());
    Some(doc! {
        "index": whole("index").unwrap_or_default(),
        "code": whole("code")?,
        "errmsg": String::from_utf8_lossy(message.unwrap_or_default()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongoark_bson_bytes::Builder;

    #[test]
    fn errors_are_read_whatever_their_words() {
        let mut error = Builder::new();
        error.i32("index", 3).i32("code", 11000).str("errmsg", b"dup key: \xff").str(b"key\xff", "x");
        let mut reply = Builder::new();
        reply.i32("n", 1).array_of_documents("writeErrors", [error.finish()]).f64("ok", 1.0);
        let expected = doc! {
            "n": 1_i64,
            "writeErrors": [{ "index": 3, "code": 11000, "errmsg": "dup key: \u{fffd}" }],
        };
        assert_eq!(outcome(&reply.finish()), Some(expected));
        assert_eq!(outcome(&[1, 2, 3]), None);
    }
}
