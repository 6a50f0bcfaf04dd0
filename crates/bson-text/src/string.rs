//! JSON strings from bytes.

use std::fmt::Write;

/// Appends `text` in quotes. Bytes that are not UTF-8 become U+FFFD, one for each broken sequence.
///
/// Escaped are quotes, backslashes, controls, and U+2028 and U+2029, as `mongodump` does.
pub(crate) fn push_quoted(text: &[u8], out: &mut String) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        push_escaped(chunk.valid(), out);
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    out.push('"');
}

fn push_escaped(text: &str, out: &mut String) {
    let mut plain = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| needs_escape(*c)) {
        out.push_str(text.get(plain..at).unwrap_or_default());
        push_escape(c, out);
        plain = at + c.len_utf8();
    }
    out.push_str(text.get(plain..).unwrap_or_default());
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
