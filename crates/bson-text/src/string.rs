//! JSON strings from bytes.

use std::fmt::Write;

/// Appends `text` in quotes. Every byte that is not UTF-8 becomes the escape of U+FFFD.
///
/// Escaped are quotes, backslashes, controls, and U+2028 and U+2029, as `mongodump` does.
pub(crate) fn push_quoted(text: &[u8], out: &mut String) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        push_escaped(chunk.valid(), out);
        for _ in chunk.invalid() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

fn push_escaped(text: &str, out: &mut String) {
    let (mut plain, mut from) = (0, 0);
    while let Some(at) = text.as_bytes().iter().skip(from).position(|byte| may_escape(*byte)) {
        let at = from + at;
        let c = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
        from = at + c.len_utf8();
        if needs_escape(c) {
            out.push_str(text.get(plain..at).unwrap_or_default());
            push_escape(c, out);
            plain = from;
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

/// Whether a character that begins with this byte may have to be escaped.
fn may_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\' | 0xe2)
}

fn needs_escape(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '"' | '\\' | '\u{2028}' | '\u{2029}')
}

fn push_escape(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        // Writing into a String cannot fail.
        other => _ = write!(out, "\\u{:04x}", u32::from(other)),
    }
}
