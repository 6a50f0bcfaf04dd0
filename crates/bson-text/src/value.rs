//! Values that hold no document, as Extended JSON.

use std::fmt::{Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mongoark_bson_bytes::{Element, kind};

use crate::string::push_quoted;
use crate::write::Format;
use crate::{date, decimal, double};

/// Appends the value of `element`, which is neither a document, an array nor code with scope.
pub(crate) fn push_scalar(element: &Element<'_>, format: Format, out: &mut String) {
    let relaxed = format == Format::Relaxed;
    match element.kind {
        kind::DOUBLE => push_double(element.as_f64().unwrap_or_default(), relaxed, out),
        kind::INT32 => push_integer("numberInt", element, relaxed, out),
        kind::INT64 => push_integer("numberLong", element, relaxed, out),
        kind::DATE => push_date(element.as_date().unwrap_or_default(), relaxed, out),
        kind::BOOL => push(out, element.as_bool().unwrap_or_default()),
        kind::UNDEFINED => out.push_str(r#"{"$undefined":true}"#),
        kind::MIN_KEY => out.push_str(r#"{"$minKey":1}"#),
        kind::MAX_KEY => out.push_str(r#"{"$maxKey":1}"#),
        kind::STRING => push_quoted(text(element), out),
        kind::CODE => push_wrapped_text("code", text(element), out),
        kind::SYMBOL => push_wrapped_text("symbol", text(element), out),
        kind::BINARY => push_binary(element, format, out),
        kind::OBJECT_ID => push_object_id(element.value, out),
        kind::REGEX => push_regex(element.value, format, out),
        kind::DB_POINTER => push_db_pointer(element.value, out),
        kind::TIMESTAMP => push_timestamp(element, out),
        kind::DECIMAL128 => push_decimal(element.value, format, out),
        // Null; unknown types the walk has refused already.
        _ => out.push_str("null"),
    }
}

/// Writing into a String cannot fail.
fn push(out: &mut String, value: impl Display) {
    _ = write!(out, "{value}");
}

fn text<'a>(element: &Element<'a>) -> &'a [u8] {
    element.as_text().unwrap_or_default()
}

fn push_double(value: f64, relaxed: bool, out: &mut String) {
    let text = double::to_text(value);
    if relaxed && value.is_finite() {
        out.push_str(&text);
    } else {
        push(out, format_args!(r#"{{"$numberDouble":"{text}"}}"#));
    }
}

fn push_integer(name: &str, element: &Element<'_>, relaxed: bool, out: &mut String) {
    let value = element.as_i64_lossless().unwrap_or_default();
    if relaxed {
        push(out, value);
    } else {
        push(out, format_args!(r#"{{"${name}":"{value}"}}"#));
    }
}

fn push_date(milliseconds: i64, relaxed: bool, out: &mut String) {
    match date::to_text(milliseconds).filter(|_| relaxed) {
        Some(text) => push(out, format_args!(r#"{{"$date":"{text}"}}"#)),
        None => push(out, format_args!(r#"{{"$date":{{"$numberLong":"{milliseconds}"}}}}"#)),
    }
}

fn push_wrapped_text(name: &str, text: &[u8], out: &mut String) {
    push(out, format_args!(r#"{{"${name}":"#));
    push_quoted(text, out);
    out.push('}');
}

fn push_binary(element: &Element<'_>, format: Format, out: &mut String) {
    let (subtype, stored) = element.as_binary().unwrap_or_default();
    // The peer takes four bytes for contents, though they say that there are none.
    let has_length = subtype == 2 && (format != Format::Bsondump || stored.len() > 4);
    let bytes = if has_length { without_inner_length(stored) } else { stored };
    out.push_str(r#"{"$binary":{"base64":""#);
    STANDARD.encode_string(bytes, out);
    push(out, format_args!(r#"","subType":"{subtype:02x}"}}}}"#));
}

/// The old binary subtype repeats the length; where that is not so, all its bytes are shown.
fn without_inner_length(stored: &[u8]) -> &[u8] {
    match stored.split_first_chunk::<4>() {
        Some((len, bytes)) if usize::try_from(i32::from_le_bytes(*len)) == Ok(bytes.len()) => bytes,
        _ => stored,
    }
}

fn push_object_id(id: &[u8], out: &mut String) {
    out.push_str(r#"{"$oid":""#);
    for byte in id {
        push(out, format_args!("{byte:02x}"));
    }
    out.push_str("\"}");
}

fn push_regex(value: &[u8], format: Format, out: &mut String) {
    let mut parts = value.split(|byte| *byte == 0);
    out.push_str(r#"{"$regularExpression":{"pattern":"#);
    push_quoted(parts.next().unwrap_or_default(), out);
    out.push_str(r#","options":"#);
    let options = parts.next().unwrap_or_default();
    if format == Format::Bsondump {
        push_quoted(sorted(options).as_bytes(), out);
    } else {
        push_quoted(options, out);
    }
    out.push_str("}}");
}

/// The characters of `options` in order; each byte that is not UTF-8 is a U+FFFD.
fn sorted(options: &[u8]) -> String {
    let mut characters = Vec::with_capacity(options.len());
    for chunk in options.utf8_chunks() {
        characters.extend(chunk.valid().chars());
        characters.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    characters.sort_unstable();
    characters.into_iter().collect()
}

fn push_db_pointer(value: &[u8], out: &mut String) {
    let (namespace, id) = value.split_last_chunk::<12>().unwrap_or((&[], &[0; 12]));
    let namespace = namespace.get(4..namespace.len().saturating_sub(1)).unwrap_or_default();
    out.push_str(r#"{"$dbPointer":{"$ref":"#);
    push_quoted(namespace, out);
    out.push_str(r#","$id":"#);
    push_object_id(id, out);
    out.push_str("}}");
}

fn push_timestamp(element: &Element<'_>, out: &mut String) {
    let (seconds, increment) = element.as_timestamp().unwrap_or_default();
    push(out, format_args!(r#"{{"$timestamp":{{"t":{seconds},"i":{increment}}}}}"#));
}

fn push_decimal(value: &[u8], format: Format, out: &mut String) {
    let spell = if format == Format::Bsondump { decimal::to_raw_text } else { decimal::to_text };
    let text = value.first_chunk().map(|bytes| spell(*bytes)).unwrap_or_default();
    push(out, format_args!(r#"{{"$numberDecimal":"{text}"}}"#));
}
