//! Names in the log lines of the MongoDB Database Tools: in backticks, and where that cannot be, in double
//! quotes with escapes.

use mongoark_model::Namespace;
use std::fmt::Write;

/// A name as the tools quote it.
pub fn quoted(name: &str) -> String {
    if can_stand_in_backticks(name) { format!("`{name}`") } else { in_double_quotes(name) }
}

/// A namespace as the tools quote it.
pub fn quoted_namespace(namespace: &Namespace) -> String {
    quoted(&format!("{}.{}", namespace.db, namespace.collection))
}

/// Neither a backtick nor a control character (a tab may be), nor the mark that begins some files.
fn can_stand_in_backticks(name: &str) -> bool {
    name.chars().all(|c| c == '\t' || !(c.is_ascii_control() || c == '`' || c == '\u{feff}'))
}

fn in_double_quotes(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    out.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            // Writing into a string does not fail.
            c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if c.is_control() || c == '\u{feff}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `1 document`, `2 documents`: a count with its noun.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_the_tools_do() {
        for (name, expected) in [
            ("db.c", "`db.c`"),
            ("é \t$", "`é \t$`"),
            ("", "``"),
            ("archive `a`", "\"archive `a`\""),
            ("line\nbreak \"x\" \\", "\"line\\nbreak \\\"x\\\" \\\\\""),
            ("\u{1}\u{7f}\u{85}`", "\"\\x01\\x7f\u{85}`\""),
        ] {
            let expected = expected.replace('\u{85}', "\\u0085");
            assert_eq!(quoted(name), expected);
        }
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(0, "entry", "entries"), "0 entries");
    }
}
