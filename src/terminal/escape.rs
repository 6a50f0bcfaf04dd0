//! Text of an archive, a server or a file name on its way to a terminal or a text log: characters that would steer the
//! terminal, break the line or turn the direction of reading are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write;

/// The text in one line, every such character escaped; in a JSON document the escapes are JSON's own.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, |c| c.is_control() || turns_direction(c))
}

/// The text with its control characters escaped, but for line ends and tabs, which the Database Tools print.
pub fn without_controls(text: &str) -> Cow<'_, str> {
    escape(text, |c| c.is_control() && c != '\n' && c != '\t')
}

fn escape(text: &str, is_shown: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_shown) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !is_shown(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing into a string does not fail.
            c => _ = write!(out, "\\u{:04x}", u32::from(c)),
        }
    }
    Cow::Owned(out)
}

/// Marks, overrides and isolates of bidirectional text, and the separators of lines that are no control characters.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        for (text, shown) in [
            ("shop.orders äß 注文 \"\\", "shop.orders äß 注文 \"\\"),
            ("a\u{1b}]0;title\u{7}b", "a\\u001b]0;title\\u0007b"),
            ("one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"),
            ("\u{7f}\u{9b}31m", "\\u007f\\u009b31m"),
            ("cba\u{202e}abc\u{2066}", "cba\\u202eabc\\u2066"),
        ] {
            assert_eq!(escaped(text), shown);
            assert_eq!(escaped(shown), shown, "escaping twice changes nothing");
        }
        assert_eq!(without_controls("a\tb\nc\u{1b}d\u{202e}"), "a\tb\nc\\u001bd\u{202e}");
    }

    #[test]
    fn escapes_in_json_are_json() {
        let name = "a\u{1b}\u{9b}\u{202e}\u{7f}\n";
        let json = serde_json::json!({ "name": name }).to_string();
        let shown: serde_json::Value = serde_json::from_str(&escaped(&json)).unwrap();
        assert_eq!(shown["name"], name);
    }
}
