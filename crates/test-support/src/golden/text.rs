//! BSON values as the Extended JSON text of an `expected.json`.
//!
//! It is canonical Extended JSON, but not that of [`mongoark_bson_text`]: all of ASCII, doubles in the shortest form
//! with exponents of two digits, and a byte that is no UTF-8 as the lone surrogate `\udc80` to `\udcff`. Of a key that is
//! there twice, the last value counts, in the place of the first.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongoark_bson_bytes::{Element, Elements, Result, kind};

use crate::compare::fields::value_text;

/// A value.
pub(super) fn of(element: &Element<'_>) -> Result<String> {
    let value = element.value;
    Ok(match element.kind {
        kind::DOUBLE => format!("{{\"$numberDouble\":\"{}\"}}", double(element.as_f64().unwrap_or_default())),
        kind::STRING => string(value),
        kind::DOCUMENT => document(value)?,
        kind::ARRAY => format!("[{}]", items(value)?.join(",")),
        kind::BINARY => {
            let (subtype, bytes) = element.as_binary().unwrap_or_default();
            format!(
                "{{\"$binary\":{{\"base64\":\"{}\",\"subType\":\"{subtype:02x}\"}}}}",
                STANDARD.encode(bytes)
            )
        }
        kind::REGEX => {
            let mut parts = value.split(|byte| *byte == 0).map(quoted);
            let mut next = || parts.next().unwrap_or_default();
            format!("{{\"$regularExpression\":{{\"pattern\":{},\"options\":{}}}}}", next(), next())
        }
        kind::DB_POINTER => {
            let (name, id) = value.split_at(value.len() - 12);
            let id = id.iter().fold(String::new(), |id, byte| id + &format!("{byte:02x}"));
            format!("{{\"$dbPointer\":{{\"$ref\":{},\"$id\":{{\"$oid\":\"{id}\"}}}}}}", string(name))
        }
        kind::CODE => format!("{{\"$code\":{}}}", string(value)),
        kind::SYMBOL => format!("{{\"$symbol\":{}}}", string(value)),
        kind::CODE_WITH_SCOPE => {
            let (code, scope) = element.as_code_with_scope().unwrap_or((&[], &[]));
            format!("{{\"$code\":{},\"$scope\":{}}}", quoted(code), document(scope)?)
        }
        // All that is left is ASCII, and the same in both.
        kind => value_text(kind, value),
    })
}

/// The items of an array.
pub(super) fn items(array: &[u8]) -> Result<Vec<String>> {
    Elements::new(array)?.map(|item| of(&item?)).collect()
}

fn document(bytes: &[u8]) -> Result<String> {
    let mut fields: Vec<(&[u8], String)> = Vec::new();
    for element in Elements::new(bytes)? {
        let element = element?;
        let text = of(&element)?;
        match fields.iter_mut().find(|(key, _)| *key == element.key) {
            Some(field) => field.1 = text,
            None => fields.push((element.key, text)),
        }
    }
    let fields: Vec<String> = fields.iter().map(|(key, text)| format!("{}:{text}", quoted(key))).collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

/// A string with its length before and its zero after it.
fn string(value: &[u8]) -> String {
    quoted(value.get(4..value.len() - 1).unwrap_or_default())
}

/// The shortest text that reads back as this number.
fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{number:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let exponent: i32 = exponent.parse().expect("an exponent after e");
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
    }
}

/// Text in quotes, all of it ASCII.
pub(super) fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(c, &mut out));
        for byte in chunk.invalid() {
            write!(out, "\\udc{byte:02x}").expect("writing to a string");
        }
    }
    out + "\""
}

fn push_escaped(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        ' '..='~' => out.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to a string");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongoark_bson_bytes::Builder;

    #[test]
    fn doubles_have_the_shortest_form() {
        let texts =
            [1.0, -0.0, 0.1, 1e15, 1e16, 1e21, 1e-4, 1.5e-5, 5e-324, f64::NAN, f64::NEG_INFINITY].map(double);
        let expected = [
            "1.0",
            "-0.0",
            "0.1",
            "1000000000000000.0",
            "1e+16",
            "1e+21",
            "0.0001",
            "1.5e-05",
            "5e-324",
            "NaN",
            "-Infinity",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn text_is_ascii_and_loses_no_byte() {
        assert_eq!(quoted("a\"\\\n\u{1}\u{7f}é😀".as_bytes()), r#""a\"\\\n\u0001\u007f\u00e9\ud83d\ude00""#);
        assert_eq!(quoted(b"a\xff\xe2\x82b"), r#""a\udcff\udce2\udc82b""#);
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let twice = Builder::new().i32("a", 1).bool("b", true).i32("a", 2).finish();
        assert_eq!(document(&twice).unwrap(), r#"{"a":{"$numberInt":"2"},"b":true}"#);
    }

    #[test]
    fn every_type_has_its_text() {
        let scope = Builder::new().i64("x", 1).finish();
        let mut all = Builder::new();
        all.regex("r", "a/b", "im").binary("b", 2, b"\x02\0\0\0ab").raw(kind::MIN_KEY, "m", &[]);
        all.text(kind::SYMBOL, "y", "s").text(kind::CODE, "c", "f()").code_with_scope("w", "f()", &scope);
        all.db_pointer("p", "a.b", [0xab; 12]).timestamp("t", 1, 2).date("d", -5).null("n");
        let text = document(&all.finish()).unwrap();
        let expected = concat!(
            r#"{"r":{"$regularExpression":{"pattern":"a/b","options":"im"}},"#,
            r#""b":{"$binary":{"base64":"AgAAAGFi","subType":"02"}},"m":{"$minKey":1},"#,
            r#""y":{"$symbol":"s"},"c":{"$code":"f()"},"#,
            r#""w":{"$code":"f()","$scope":{"x":{"$numberLong":"1"}}},"#,
            r#""p":{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"abababababababababababab"}}},"#,
            r#""t":{"$timestamp":{"t":1,"i":2}},"d":{"$date":{"$numberLong":"-5"}},"n":null}"#,
        );
        assert_eq!(text, expected);
    }
}
