//! Texts in the forms of the language that the MongoDB Database Tools are written in: quoted words in messages, and
//! quoted or numeric values of flags, errors of the system.

use std::fmt::{self, Write as _};
use std::io;

/// The words of the system for an error: small letters, without its number.
pub struct Errno<'a>(pub &'a io::Error);

impl fmt::Display for Errno<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let words = text.split_once(" (os error").map_or(&*text, |(words, _)| words);
        f.write_str(&words.to_lowercase())
    }
}

/// A word as the tools show it in a message: in backticks, or in double quotes where it cannot stand in backticks.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c == '\t' || !(c.is_control() || c == '`' || c == '\u{feff}');
    if word.chars().all(plain) {
        return format!("`{word}`");
    }
    let mut text = String::from('"');
    for c in word.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // Writing into a String cannot fail.
            c if c.is_control() => _ = write!(text, "\\x{:02x}", u32::from(c)),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// What a value means: itself, or the contents of a string literal if it begins with a double quote. `None` where
/// the literal is not one.
pub fn unquoted(value: &str) -> Option<String> {
    let Some(inside) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let inside = inside.strip_suffix('"')?;
    let (mut bytes, mut chars) = (Vec::with_capacity(inside.len()), inside.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' | '\n' => return None,
            '\\' => escape(&mut chars, &mut bytes)?,
            c => push(c, &mut bytes),
        }
    }
    String::from_utf8(bytes).ok()
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn escape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let byte = match chars.next()? {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => u8::try_from(digits(chars, 0, 2, 16)?).ok()?,
        'u' => {
            push(char::from_u32(digits(chars, 0, 4, 16)?)?, bytes);
            return Some(());
        }
        'U' => {
            push(char::from_u32(digits(chars, 0, 8, 16)?)?, bytes);
            return Some(());
        }
        first => u8::try_from(digits(chars, first.to_digit(8)?, 2, 8)?).ok()?,
    };
    bytes.push(byte);
    Some(())
}

/// `count` more digits behind `value`.
fn digits(chars: &mut std::str::Chars<'_>, value: u32, count: u32, base: u32) -> Option<u32> {
    (0..count).try_fold(value, |value, _| value.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?))
}

/// A whole number as a flag takes it: decimal, or by its prefix hexadecimal, octal or binary; `Err` is why it is none.
pub fn integer(text: &str) -> Result<i64, &'static str> {
    const SYNTAX: &str = "invalid syntax";
    const RANGE: &str = "value out of range";
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
        [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (base, digits) = base_of(digits);
    if digits.is_empty() || !underscores_separate(digits, base) {
        return Err(SYNTAX);
    }
    let digits: String = digits.chars().filter(|&c| c != '_').collect();
    if !digits.chars().all(|c| c.is_digit(base)) {
        return Err(SYNTAX);
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), base).map_err(|_| RANGE)
}

fn base_of(digits: &str) -> (u32, &str) {
    for (prefix, base) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return (base, rest.strip_prefix('_').unwrap_or(rest));
        }
    }
    if digits.len() > 1 && digits.starts_with('0') { (8, digits) } else { (10, digits) }
}

/// Underscores may stand between two digits alone.
fn underscores_separate(digits: &str, base: u32) -> bool {
    !digits.contains('_')
        || digits.split('_').all(|group| !group.is_empty() && group.chars().all(|c| c.is_digit(base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_so_that_they_can_be_read() {
        for (word, shown) in [("a b", "`a b`"), ("", "``"), ("a`b", "\"a`b\""), ("a\n\"", "\"a\\n\\\"\"")] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn string_literals_are_read() {
        for (value, meant) in [
            ("plain \\n", Some("plain \\n")),
            ("\"\"", Some("")),
            (r#""a\"\\\n\x41\101\u00e9\U0001F600""#, Some("a\"\\\nAAé😀")),
            ("\"", None),
            ("\"open", None),
            (r#""a"b""#, None),
            (r#""\q""#, None),
            (r#""\xff""#, None),
            (r#""\u12""#, None),
            (r#""\ud800""#, None),
        ] {
            assert_eq!(unquoted(value).as_deref(), meant, "{value}");
        }
    }

    #[test]
    fn numbers_may_have_a_prefix() {
        for (text, number) in [
            ("12", Ok(12)),
            ("-3", Ok(-3)),
            ("+7", Ok(7)),
            ("0x1F", Ok(31)),
            ("010", Ok(8)),
            ("0b_11", Ok(3)),
            ("1_000", Ok(1000)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err("value out of range")),
            ("", Err("invalid syntax")),
            ("-", Err("invalid syntax")),
            ("1_", Err("invalid syntax")),
            ("08", Err("invalid syntax")),
            ("1.5", Err("invalid syntax")),
            ("four", Err("invalid syntax")),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
    }
}
